import type { BufferSource } from './buffer-source.ts'

/**
 * Sealed records of one tag: concatenated `[EventTime, map]` entries, ready to be sent as PackedForward.
 *
 * ```
 *   buf  |  head room  | entry | entry | ... | entry |  tail room  |
 *                      ^ start                       ^ end
 * ```
 * The rooms let one output write its frame around the entries and send all of it in one write; whoever gets
 * `claimFrameSpace()` may use them until the chunk settles.
 */
export class Chunk {
  readonly tag: string
  /** Instance name of the input, e.g. `tail.0`. */
  readonly input: string
  buf: Buffer
  start: number
  end: number
  /** Number of entries. */
  count: number
  /** Base64 of 16 bytes; the same origin (agent, file identity, offset range) or content always gives the same. */
  readonly id: string
  /** Bytes of input it came from: what the input's metrics and Exit_On_Eof's progress count. */
  readonly inputBytes: number
  #source: BufferSource
  #roomsTaken = false

  constructor(init: ChunkInit, source: BufferSource) {
    this.tag = init.tag
    this.input = init.input
    this.buf = init.buf
    this.start = init.start
    this.end = init.end
    this.count = init.count
    this.id = init.id
    this.inputBytes = init.inputBytes
    this.#source = source
  }

  get size(): number {
    return this.end - this.start
  }

  /** A view of the entries, valid until the chunk settles. */
  entries(): Buffer {
    return this.buf.subarray(this.start, this.end)
  }

  /** True for the first caller only; a further output of a fan-out builds its frame elsewhere. */
  claimFrameSpace(): boolean {
    if (this.#roomsTaken) return false
    this.#roomsTaken = true
    return true
  }

  /** A filter's new entries, in a buffer from the same source; the old buffer goes back. */
  replace(buf: Buffer, start: number, end: number, count: number): void {
    const old = this.buf
    this.buf = buf
    this.start = start
    this.end = end
    this.count = count
    if (old !== buf) this.#source.give(old)
  }

  /** Called once by the engine when the last route has settled. */
  release(): void {
    this.#source.give(this.buf)
    this.buf = EMPTY
    this.start = this.end = this.count = 0
  }
}

const EMPTY = Buffer.alloc(0)

export interface ChunkInit {
  tag: string
  input: string
  buf: Buffer
  start: number
  end: number
  count: number
  id: string
  inputBytes: number
}

/** Room behind the entries that a frame may use: an option map with chunk, size and compressed needs 80. */
export const TAIL_ROOM = 128

/** Room before the entries: array head, tag, bin32 head. */
export function headRoom(tag: string): number {
  return 16 + Buffer.byteLength(tag)
}
