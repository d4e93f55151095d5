import type { BufferSource } from '../../../core/buffers.ts'
import { writeStrHead } from '../../../core/msgpack.ts'
import type { Appender } from '../../../core/plugin.ts'
import type { Machine } from '../../../lib/multiline/machine.ts'
import type { TailFile } from './file.ts'

const FIRST_BYTES = 4096

export interface GroupInit {
  /** The file that its first line is in, and where: nothing is committed beyond it while the group is open. */
  origin: TailFile
  from: number
  /** The entry of its first line, and in it the value of the text with its head. */
  entry: Buffer
  valueAt: number
  valueEnd: number
  /** Where the text itself begins in it. */
  textAt: number
  flushMs: number
}

/**
 * Lines that become one record, collected: the entry of the first line, with the texts of all of them in the place of
 * its own.
 *
 * ```
 *   before | str head | text of line 1 \n text of line 2 ... | after
 * ```
 */
export class Group {
  readonly origin: TailFile
  readonly from: number
  readonly flushMs: number
  /** The last part was not the end of its line: the next one is put behind it as it is. */
  midLine = false
  /** Which machine it is in, and its state there; undefined: parts of a container only. */
  machine: Machine | undefined
  state = 0
  /** When it last grew. */
  grownMs = 0
  size = 0
  #text: Buffer
  readonly #before: Buffer
  readonly #after: Buffer
  readonly #buffers: BufferSource

  constructor(init: GroupInit, buffers: BufferSource) {
    const { entry, valueAt, valueEnd, textAt } = init
    this.origin = init.origin
    this.from = init.from
    this.flushMs = init.flushMs
    this.#buffers = buffers
    this.#before = Buffer.from(entry.subarray(0, valueAt))
    this.#after = Buffer.from(entry.subarray(valueEnd))
    this.#text = buffers.hold(Math.max(FIRST_BYTES, valueEnd - textAt))
    this.size = entry.copy(this.#text, 0, textAt, valueEnd)
    init.origin.open.add(this)
  }

  /** Most bytes that its record takes. */
  get bound(): number {
    return this.#before.length + 5 + this.size + this.#after.length
  }

  get held(): number {
    return this.#text.length
  }

  /** Puts src[start, end) behind the text, with a line feed between lines unless there is one. */
  append(src: Buffer, start: number, end: number): void {
    const breaks = !this.midLine && this.size > 0 && this.#text[this.size - 1] !== 10
    const needed = this.size + (end - start) + 1
    if (needed > this.#text.length) this.#grow(needed)
    if (breaks) this.#text[this.size++] = 10
    this.size += src.copy(this.#text, this.size, start, end)
  }

  /** Writes the record, for which there must be room, and lets go of the file. */
  emit(file: TailFile, out: Appender): void {
    let at = out.end
    at += this.#before.copy(out.buf, at)
    at = writeStrHead(out.buf, at, this.size)
    at += this.#text.copy(out.buf, at, 0, this.size)
    out.end = at + this.#after.copy(out.buf, at)
    out.added(1, 0)
    this.drop()
    if (file.needsJoin()) out.join(file)
    if (this.origin !== file && this.origin.needsJoin()) out.join(this.origin)
  }

  /** Without a record: the next run reads its lines again. */
  drop(): void {
    this.origin.open.delete(this)
    this.#buffers.give(this.#text)
  }

  #grow(needed: number): void {
    const next = this.#buffers.hold(Math.max(needed, this.#text.length * 2))
    this.#text.copy(next, 0, 0, this.size)
    this.#buffers.give(this.#text)
    this.#text = next
  }
}
