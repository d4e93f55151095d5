import { RecordAccessor } from '../records/accessor.ts'

/** Longest tag that a client may choose. */
export const MAX_TAG_CHARS = 1024
const NOT_OF_TAG = /[^A-Za-z0-9_.]/g

/** Returns a text of a client as a tag: what could be a separator becomes `_`, byte by byte. */
export function tagOf(latin1: string): string {
  return latin1.replace(NOT_OF_TAG, '_')
}

/** Tags that records bring with them, under Tag_Key. */
export class RecordTags {
  readonly #accessor: RecordAccessor
  /** The last text, and the tag that it became: most records have that of the one before. */
  #text = ''
  #tag = ''

  constructor(key: string) {
    this.#accessor = RecordAccessor.parse(key, 'tag_key')
  }

  /** Returns the tag of the record whose map is at `map` in buf, of which nothing at `end` or after it is read; else `tag`. */
  of(buf: Buffer, map: number, end: number, tag: string): string {
    const at = this.#accessor.find(buf, map, end)
    if (at < 0) return tag
    const head = buf[at] as number
    const [start, length] =
      head >= 0xa0 && head < 0xc0
        ? [at + 1, head & 31]
        : head === 0xd9
          ? [at + 2, buf[at + 1] as number]
          : head === 0xda
            ? [at + 3, buf.readUInt16BE(at + 1)]
            : [0, 0]
    if (length === 0 || length > MAX_TAG_CHARS) return tag
    const text = buf.toString('latin1', start, start + length)
    if (text !== this.#text) {
      this.#text = text
      this.#tag = tagOf(text)
    }
    return this.#tag
  }
}
