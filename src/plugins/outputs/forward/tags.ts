import type { BufferSource } from '../../../core/buffer-source.ts'
import { Chunk, headRoom, TAIL_ROOM } from '../../../core/chunk.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { TagText, Template } from '../../../lib/records/template.ts'

/** Records of a chunk that have one tag. */
interface Group {
  tag: string
  bytes: number
  count: number
}

/** The option Tag: a text in which fields of the record and parts of its tag are replaced. */
export class TagOption {
  readonly #template: Template
  readonly #own = new TagText()
  readonly #text = new JsonText()
  readonly #entry = new Entry()

  constructor(text: string) {
    this.#template = Template.parse(text, { option: 'tag' })
  }

  /** Returns the tag of all records of the chunk; undefined when each has its own. */
  ofChunk(chunk: Chunk): string | undefined {
    if (!this.#template.isPerTag) return undefined
    this.#own.set(chunk.tag)
    this.#text.reset()
    this.#template.write(this.#text, this.#own, chunk.buf, chunk.start, chunk.start)
    return this.#tagOr(chunk)
  }

  /**
   * Returns chunks of the records with each tag, in the order of their first records, with their order kept. The same chunk gives
   * the same ids again. The caller releases them.
   */
  split(chunk: Chunk, buffers: BufferSource): Chunk[] {
    this.#own.set(chunk.tag)
    const groups: Group[] = []
    const groupOf = this.#assign(chunk, groups)
    const parts = groups.map(({ tag, bytes, count }, i) => {
      const start = headRoom(tag)
      const buf = buffers.force(start + bytes + TAIL_ROOM)
      const id = groups.length === 1 ? chunk.id : `${chunk.id}.${i}`
      const { input, inputBytes, hasMetadata } = chunk
      return new Chunk({ tag, input, buf, start, end: start, count, id, inputBytes, hasMetadata }, buffers)
    })
    const entry = this.#entry
    for (let at = chunk.start, i = 0; at < chunk.end; at = entry.end, i++) {
      entry.read(chunk, at)
      const part = parts[groupOf[i] as number] as Chunk
      part.end += chunk.buf.copy(part.buf, part.end, at, entry.end)
    }
    return parts
  }

  /** Adds the groups of the chunk to `groups`; returns the index of the group of each record. */
  #assign(chunk: Chunk, groups: Group[]): Int32Array {
    const groupOf = new Int32Array(chunk.count)
    const byTag = new Map<string, number>()
    const text = this.#text
    const entry = this.#entry
    let last: Buffer | undefined
    let group = 0
    for (let at = chunk.start, i = 0; at < chunk.end; at = entry.end, i++) {
      entry.read(chunk, at)
      text.reset()
      this.#template.write(text, this.#own, chunk.buf, entry.map, entry.end)
      // Most records have the tag of the one before, and need no text of their own.
      if (last === undefined || last.compare(text.buf, 0, text.at) !== 0) {
        last = Buffer.from(text.bytes())
        const tag = this.#tagOr(chunk)
        group = byTag.get(tag) ?? groups.push({ tag, bytes: 0, count: 0 }) - 1
        byTag.set(tag, group)
      }
      groupOf[i] = group
      const its = groups[group] as Group
      its.bytes += entry.end - at
      its.count++
    }
    return groupOf
  }

  /** Returns the text as tag; that of the chunk when a field is missing, or nothing is left of the tag. */
  #tagOr(chunk: Chunk): string {
    return this.#text.at === 0 ? chunk.tag : this.#text.bytes().toString()
  }
}
