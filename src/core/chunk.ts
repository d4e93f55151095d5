import type { BufferSource } from './buffer-source.ts'
import { Places } from './places.ts'

/** The bytes of a file that the records of a chunk were made from: `[offset, end)`. */
export interface Origin {
  file: string
  offset: number
  end: number
}

/**
 * Sealed records of one tag: concatenated `[EventTime, map]` entries, ready to be sent as PackedForward. A filter may have made
 * them `[[EventTime, metadata], map]`: see `hasMetadata`.
 *
 * ```
 *   buf  |  head room  | entry | entry | ... | entry |  tail room  |
 *                      ^ start                       ^ end
 * ```
 * The head and tail room let one output write its frame around the entries and send all of it in one write. The output
 * for which `claimFrameSpace()` returned true may use them until the chunk settles.
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
  /** Number of entries that filters have left out and given up: they settle with the chunk. */
  givenUp = 0
  /** Bytes of these entries, as they came to the filters. */
  givenUpBytes = 0
  /** Opaque text derived from the origin (agent, file identity, offset range) or the content: equal for equal ones. */
  readonly id: string
  /** Bytes of input that the entries were made from: counted by the input's metrics and by Exit_On_Eof's progress. */
  readonly inputBytes: number
  /** Files that the records were read from; empty for other inputs, and for records that a filter has emitted. */
  readonly origins: readonly Origin[]
  /** True when entries may be `[[EventTime, metadata], map]`, which not every peer reads. */
  hasMetadata: boolean
  /** Bytes of the buffers of records that filters have sent on as chunks of their own; they count as what the chunk has grown to. */
  reroutedBytes = 0
  /** Number of records that were sent on so only, and are no longer in the chunk. */
  reroutedRecords = 0
  /** Names of the filters that have given the records another tag, in order; see `FilterContext.reroute`. */
  readonly rewrites: readonly string[]
  /** Names of the branches on which copies of the chunk's chunk were made: their filters may have made other records of the same. */
  readonly branch: string
  /** Where the records were read; undefined when no output wants ids, or the input has no positions. See `recordIds`. */
  places: Places | undefined
  #source: BufferSource
  #frameSpaceClaimed = false

  constructor(init: ChunkInit, source: BufferSource) {
    this.tag = init.tag
    this.input = init.input
    this.buf = init.buf
    this.start = init.start
    this.end = init.end
    this.count = init.count
    this.id = init.id
    this.inputBytes = init.inputBytes
    this.origins = init.origins ?? NO_ORIGINS
    this.hasMetadata = init.hasMetadata ?? false
    this.rewrites = init.rewrites ?? NO_REWRITES
    this.branch = init.branch ?? ''
    this.places = init.places
    this.#source = source
  }

  get size(): number {
    return this.end - this.start
  }

  /** Returns a view of the entries, valid until the chunk settles. */
  entries(): Buffer {
    return this.buf.subarray(this.start, this.end)
  }

  /** Returns true for the first caller only: every other output of a fan-out has to build its frame elsewhere. */
  claimFrameSpace(): boolean {
    if (this.#frameSpaceClaimed) return false
    this.#frameSpaceClaimed = true
    return true
  }

  /** Replaces the entries by those in `buf`, a buffer from the same source, and gives the old buffer back. */
  replace(buf: Buffer, start: number, end: number, count: number): void {
    const old = this.buf
    this.buf = buf
    this.start = start
    this.end = end
    this.count = count
    if (old !== buf) this.#source.give(old)
  }

  /**
   * Moves the entries to a smaller buffer if half of it or more is free. For a chunk that waits long, between two attempts;
   * not when an output has built its frame in the buffer.
   */
  compact(): void {
    const bytes = this.end + TAIL_ROOM
    if (this.#frameSpaceClaimed || bytes > MAX_COMPACTED_BYTES || bytes * 2 > this.buf.length) return
    const buf = this.#source.force(bytes)
    this.buf.copy(buf, this.start, this.start, this.end)
    this.replace(buf, this.start, this.end, this.count)
  }

  /**
   * Returns a chunk without entries that has space for `bytes` of them, in a buffer from the same source. It counts no bytes
   * of input: they are counted once.
   */
  emptyCopy(id: string, bytes: number, branch = this.branch): Chunk {
    const { tag, input, origins, hasMetadata, rewrites } = this
    const start = headRoom(tag)
    const buf = this.#source.force(start + bytes + TAIL_ROOM)
    return new Chunk(
      {
        tag,
        input,
        buf,
        start,
        end: start,
        count: 0,
        id,
        inputBytes: 0,
        origins,
        hasMetadata,
        rewrites,
        branch,
      },
      this.#source,
    )
  }

  /**
   * Adds the entries in `[start, end)` of another chunk; there has to be space for them. With their places, if `row` is that of the
   * first of them.
   */
  append(from: Chunk, start: number, end: number, count: number, row?: number): void {
    this.end += from.buf.copy(this.buf, this.end, start, end)
    this.count += count
    if (from.places === undefined || row === undefined) return
    this.places ??= new Places(count)
    this.places.append(from.places, row, row + count)
  }

  /** Returns a chunk with the same entries in a buffer of its own. */
  copy(id: string, branch = this.branch): Chunk {
    const copy = this.emptyCopy(id, this.size, branch)
    copy.append(this, this.start, this.end, this.count, 0)
    return copy
  }

  /** Returns a chunk that takes over the buffer with the entries. This one is left with their size and number. */
  move(id: string, branch = this.branch): Chunk {
    const { tag, input, buf, start, end, count, origins, hasMetadata, rewrites, places } = this
    this.buf = EMPTY
    this.places = undefined
    return new Chunk(
      {
        tag,
        input,
        buf,
        start,
        end,
        count,
        id,
        inputBytes: 0,
        origins,
        hasMetadata,
        rewrites,
        branch,
        places,
      },
      this.#source,
    )
  }

  /** Takes further buffers from `source`, for which the present one counts now. */
  changeSource(source: BufferSource): void {
    this.#source = source
  }

  /** Gives the buffer back before the chunk settles, when no route needs the entries. Size and number are left. */
  giveBuffer(): void {
    this.#source.give(this.buf)
    this.buf = EMPTY
    this.places = undefined
  }

  /**
   * Gives the buffer back; called once, by the engine, when the last route has settled. The count stays: the chunk's own outcome
   * may still wait for what a filter has deferred from it.
   */
  release(): void {
    this.#source.give(this.buf)
    this.buf = EMPTY
    this.start = this.end = 0
  }
}

const EMPTY = Buffer.alloc(0)
/** Larger chunks are not worth a copy: they are too few. */
const MAX_COMPACTED_BYTES = 65_536
const NO_ORIGINS: readonly Origin[] = []
const NO_REWRITES: readonly string[] = []

export interface ChunkInit {
  tag: string
  input: string
  buf: Buffer
  start: number
  end: number
  count: number
  id: string
  inputBytes: number
  origins?: readonly Origin[]
  hasMetadata?: boolean
  rewrites?: readonly string[]
  branch?: string
  places?: Places | undefined
}

/** Bytes after the entries that a frame may use; an option map with chunk, size and compressed needs 80. */
export const TAIL_ROOM = 128

/** Returns the number of bytes kept free before the entries: array head, tag, bin32 head. */
export function headRoom(tag: string): number {
  return 16 + Buffer.byteLength(tag)
}
