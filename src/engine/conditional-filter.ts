import type { BufferSource } from '../core/buffer-source.ts'
import { type Chunk, TAIL_ROOM } from '../core/chunk.ts'
import type { Deferral, Filter, OpenedLog } from '../core/plugin.ts'
import type { RecordTest } from '../lib/records/condition.ts'
import { endOfEntry } from './entry-end.ts'

/**
 * A filter for the records that meet a condition; the others pass unchanged, in their order.
 *
 * A filter may drop, add and defer records, so its result says nothing about the places of single records. Each run of
 * consecutive records that meet the condition is therefore filtered as a chunk of its own, and the results are joined:
 *
 * ```
 *   records    a a b b b a        filter(a a), b b b as they are, filter(a)
 * ```
 * A chunk of which all records meet it, or none, costs nothing beyond the tests. Where they alternate, each run costs a buffer
 * and two copies of its bytes, and each chunk one more buffer of its size.
 */
export class ConditionalFilter implements Filter {
  readonly ready?: (tag: string, path: string, opened?: OpenedLog) => Promise<void> | undefined
  readonly addedBytes: number | undefined
  readonly #filter: Filter
  readonly #condition: RecordTest

  constructor(filter: Filter, condition: RecordTest) {
    this.#filter = filter
    this.#condition = condition
    this.addedBytes = filter.addedBytes
    if (filter.ready !== undefined) this.ready = (tag, path, opened) => filter.ready?.(tag, path, opened)
  }

  async start(): Promise<void> {
    await this.#filter.start?.()
  }

  check(): Promise<void> | void {
    return this.#filter.check?.()
  }

  close(): Promise<void> | void {
    return this.#filter.close?.()
  }

  apply(chunk: Chunk, deferral: Deferral): void {
    const isMet = Buffer.alloc(chunk.count)
    let met = 0
    for (let at = chunk.start, i = 0; i < chunk.count; i++) {
      const end = endOfEntry(chunk, at, i)
      if (this.#condition.test(chunk.buf, at, end)) {
        isMet[i] = 1
        met++
      }
      at = end
    }
    if (met === chunk.count) this.#filter.apply(chunk, deferral)
    else if (met > 0) this.#applyToRuns(chunk, isMet, deferral)
  }

  #applyToRuns(chunk: Chunk, isMet: Buffer, deferral: Deferral): void {
    const joined = new Joined(chunk, deferral.buffers)
    try {
      let from = chunk.start
      for (let at = chunk.start, i = 0, first = 0; i < chunk.count; i++) {
        const end = endOfEntry(chunk, at, i)
        if (i === chunk.count - 1 || isMet[i] !== isMet[i + 1]) {
          const count = i + 1 - first
          if (isMet[i] === 0) joined.add(chunk.buf, from, end, count)
          else this.#applyToRun(chunk, from, end, count, joined, deferral)
          from = end
          first = i + 1
        }
        at = end
      }
      joined.moveTo(chunk)
    } finally {
      joined.release()
    }
  }

  #applyToRun(
    chunk: Chunk,
    from: number,
    end: number,
    count: number,
    joined: Joined,
    deferral: Deferral,
  ): void {
    // Filters derive the ids of deferred records from that of their chunk.
    const run = chunk.emptyCopy(`${chunk.id}+${from - chunk.start}`, end - from)
    try {
      run.append(chunk, from, end, count)
      this.#filter.apply(run, deferral)
      joined.add(run.buf, run.start, run.end, run.count)
      chunk.hasMetadata ||= run.hasMetadata
      chunk.givenUp += run.givenUp
    } finally {
      run.release()
    }
  }
}

const EMPTY = Buffer.alloc(0)

/** The entries of which a filtered chunk will consist, in a buffer that grows. */
class Joined {
  readonly #buffers: BufferSource
  readonly #start: number
  #buf: Buffer
  #end: number
  #count = 0

  constructor({ start, size }: Chunk, buffers: BufferSource) {
    this.#buffers = buffers
    this.#start = this.#end = start
    this.#buf = buffers.force(start + size + TAIL_ROOM)
  }

  add(from: Buffer, start: number, end: number, count: number): void {
    const need = this.#end + end - start + TAIL_ROOM
    if (need > this.#buf.length) this.#grow(Math.max(need, this.#buf.length * 2))
    this.#end += from.copy(this.#buf, this.#end, start, end)
    this.#count += count
  }

  #grow(bytes: number): void {
    const buf = this.#buffers.force(bytes)
    this.#buf.copy(buf, 0, 0, this.#end)
    this.#buffers.give(this.#buf)
    this.#buf = buf
  }

  moveTo(chunk: Chunk): void {
    chunk.replace(this.#buf, this.#start, this.#end, this.#count)
    this.#buf = EMPTY
  }

  /** Gives the buffer back if it was not moved. */
  release(): void {
    this.#buffers.give(this.#buf)
    this.#buf = EMPTY
  }
}
