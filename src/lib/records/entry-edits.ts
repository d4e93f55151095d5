import type { BufferSource } from '../../core/buffer-source.ts'
import type { Chunk } from '../../core/chunk.ts'
import { skip } from '../../core/msgpack/encode.ts'
import { EntryOutput } from './entry-output.ts'
import { bodyAt } from './entry-parts.ts'
import type { PairList } from './pair-list.ts'

/** A change of the records of a chunk, by the pairs that a list has read from each. */
export interface RecordEdit {
  readonly list: PairList
  /** Changes the list, which has read the map at `map`; returns false when nothing changed. */
  edit(buf: Buffer, map: number, end: number): boolean
  /**
   * Writes pairs after those of the list, which already counts them; `map` is the offset of the map in `out`. Undefined: there are
   * none.
   */
  append?(buf: Buffer, out: EntryOutput, map: number): void
}

/**
 * Applies a change to chunks. Entries that are no valid records stay as they are, and
 * so does the buffer of a chunk in which nothing changes.
 */
export class EntryEdits {
  readonly #out: EntryOutput
  readonly #edit: RecordEdit
  readonly #growth: number

  /** `growth`: number of bytes by which a record is expected to grow. */
  constructor(buffers: BufferSource, growth: number, edit: RecordEdit) {
    this.#out = new EntryOutput(buffers)
    this.#growth = growth
    this.#edit = edit
  }

  apply(chunk: Chunk): void {
    try {
      this.#rewrite(chunk)
    } catch (error) {
      this.#out.abandon()
      throw error
    }
  }

  #rewrite(chunk: Chunk): void {
    const { buf, end } = chunk
    const out = this.#out
    const edit = this.#edit
    const { list } = edit
    let isChanged = false
    let unwritten = chunk.start
    for (let at = chunk.start; at < end; ) {
      const map = bodyAt(buf, at, end)
      const next = list.read(buf, map, end)
      if (next >= 0 && edit.edit(buf, map, next)) {
        if (!isChanged) out.begin(chunk, chunk.count * this.#growth)
        isChanged = true
        const mapAt = out.at + map - unwritten
        unwritten = list.write(buf, unwritten, map, next, out)
        if (edit.append !== undefined) {
          out.copy(buf, unwritten, next)
          unwritten = next
          edit.append(buf, out, mapAt)
        }
      }
      at = next >= 0 ? next : skip(buf, at, end)
      if (at < 0) break
    }
    if (!isChanged) return
    out.copy(buf, unwritten, end)
    out.finish(chunk, chunk.count)
  }
}
