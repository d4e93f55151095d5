import type { BufferSource } from '../core/buffer-source.ts'
import type { Chunk } from '../core/chunk.ts'
import { messageOf } from '../core/error.ts'
import type { Ack, Deferral, Filter, OpenedLog, Outcome } from '../core/plugin.ts'
import type { Logger } from '../core/services.ts'
import type { OutputQueue } from './queue.ts'
import { Receipt } from './receipt.ts'
import { Router, type TagMatch } from './router.ts'

export interface FilterStage extends TagMatch {
  filter: Filter
  stats: { records: number; bytes: number; addRecords: number; dropRecords: number; dropBytes: number }
}

export interface OutputStage extends TagMatch {
  queue: OutputQueue
}

/** Passes on the buffers of the input whose chunk is being filtered, so that what a filter adds counts there. */
export class BorrowedBuffers implements BufferSource {
  current: BufferSource | undefined

  take(bytes: number): Buffer | undefined {
    return this.#lender.take(bytes)
  }

  force(bytes: number): Buffer {
    return this.#lender.force(bytes)
  }

  takeLongLived(bytes: number): Buffer {
    return this.#lender.takeLongLived(bytes)
  }

  give(buf: Buffer): void {
    this.#lender.give(buf)
  }

  get #lender(): BufferSource {
    if (this.current === undefined) throw new Error('buffers are lent only while a chunk is being filtered')
    return this.current
  }
}

/** Properties of an input that determine, besides the tag, how its chunks are processed. */
export interface ChunkOrigin {
  /** Buffers of the input, for what filters add. */
  buffers: BufferSource
  /** False when no output gets the chunk. */
  routable: boolean
}

/** Maximum number of unmatched tags that are logged. */
const MAX_LOGGED_TAGS = 1000

/**
 * The path of a chunk: filters in order of declaration, then one queue per matching output. Everything here runs within
 * `accept`; chunks wait in the queues only, and the receipt reports the outcome.
 */
export class Pipeline {
  readonly #filters: Router<FilterStage>
  readonly #outputs: Router<OutputStage>
  readonly #borrowed: BorrowedBuffers
  readonly #log: Logger
  readonly #unroutedTags = new Set<string>()
  unroutedRecords = 0

  constructor(filters: FilterStage[], outputs: OutputStage[], borrowed: BorrowedBuffers, log: Logger) {
    this.#filters = new Router(filters)
    this.#outputs = new Router(outputs)
    this.#borrowed = borrowed
    this.#log = log
  }

  /** Filters and routes a chunk; `ack` is called once, with its outcome. */
  accept(chunk: Chunk, origin: ChunkOrigin, ack: Ack): void {
    this.#send(chunk, this.#filters.find(chunk.tag), origin, ack)
  }

  /** Returns the outputs that get the chunks of a tag. */
  outputsOf(tag: string): readonly OutputStage[] {
    return this.#outputs.find(tag)
  }

  /**
   * True when something cannot be delivered now while there is an output that can be reached. Without one, nobody has to be
   * protected from what fails.
   */
  get hasFailing(): boolean {
    let isAnyFailing = false
    for (const { queue } of this.#outputs.stages) isAnyFailing ||= queue.hasFailing
    return isAnyFailing && this.hasReachable
  }

  /** True when some output can be reached. */
  get hasReachable(): boolean {
    for (const { queue } of this.#outputs.stages) if (queue.isReachable) return true
    return false
  }

  /** True when chunks of this tag cannot be delivered to one of its outputs now. */
  isFailing(tag: string): boolean {
    for (const { queue } of this.#outputs.find(tag)) if (queue.isFailing(tag)) return true
    return false
  }

  /** True when some filter waits for data about files, see `ready`. */
  get mayWait(): boolean {
    return this.#filters.stages.some(({ filter }) => filter.ready !== undefined)
  }

  /** Processes records deferred by a filter: with the filters after it, then the outputs. */
  emit(after: FilterStage, chunk: Chunk, buffers: BufferSource, ack: Ack): void {
    const filters = this.#filters.find(chunk.tag)
    const rest = filters.slice(filters.indexOf(after) + 1)
    this.#send(chunk, rest, { buffers, routable: true }, ack)
  }

  #send(chunk: Chunk, filters: readonly FilterStage[], origin: ChunkOrigin, ack: Ack): void {
    const fanOut = new FanOut(origin.buffers, ack)
    if (filters.length > 0 && !this.#filter(chunk, filters, fanOut)) {
      fanOut.receipt(chunk, 1).settle('aborted')
      return
    }
    const outputs = this.#outputs.find(chunk.tag)
    if (chunk.count === 0 || outputs.length === 0 || !origin.routable) {
      if (chunk.count > 0 && origin.routable) this.#countUnrouted(chunk)
      fanOut.receipt(chunk, 1).settle('filtered')
      return
    }
    const receipt = fanOut.receipt(chunk, outputs.length)
    for (const { queue } of outputs) queue.push(chunk, receipt)
  }

  /** Asks the tag's filters in order; returns the wait of the first one that is not ready. */
  ready(tag: string, path: string, opened?: OpenedLog): Promise<void> | undefined {
    for (const { filter } of this.#filters.find(tag)) {
      const wait = filter.ready?.(tag, path, opened)
      if (wait !== undefined) return wait
    }
    return undefined
  }

  /** Returns false when a filter threw, which is a defect: the chunk may be partly changed and is read again by the next run. */
  #filter(chunk: Chunk, filters: readonly FilterStage[], fanOut: FanOut): boolean {
    this.#borrowed.current = fanOut.buffers
    try {
      for (const stage of filters) {
        if (chunk.count === 0) break
        apply(stage, chunk, fanOut)
      }
      return true
    } catch (error) {
      this.#log.error(`a filter failed on ${chunk.count} records: ${messageOf(error)}`, {
        code: 'E_INTERNAL',
        tag: chunk.tag,
        hint: 'the records stay unacknowledged; inputs with a DB read them again after a restart',
      })
      return false
    } finally {
      this.#borrowed.current = undefined
    }
  }

  /** Counts records that no output matches, and logs each tag once. They are discarded, as in fluent-bit. */
  #countUnrouted(chunk: Chunk): void {
    this.unroutedRecords += chunk.count
    if (this.#unroutedTags.has(chunk.tag) || this.#unroutedTags.size >= MAX_LOGGED_TAGS) return
    this.#unroutedTags.add(chunk.tag)
    this.#log.warn(`no output matches tag "${chunk.tag}": its records are discarded`, { tag: chunk.tag })
  }
}

function apply({ filter, stats }: FilterStage, chunk: Chunk, fanOut: FanOut): void {
  const { count, size } = chunk
  filter.apply(chunk, fanOut)
  stats.records += count
  stats.bytes += size
  stats.dropRecords += Math.max(0, count - chunk.count)
  stats.addRecords += Math.max(0, chunk.count - count)
  if (chunk.count < count) stats.dropBytes += Math.max(0, size - chunk.size)
}

/**
 * The acks of one chunk: those that it waits for in addition to its outputs' (`defer`), and those that are called in
 * addition to its input's (`onSettled`).
 */
class FanOut implements Deferral {
  readonly buffers: BufferSource
  readonly #ack: Ack
  #deferred = 0
  #listeners: Ack[] | undefined
  #receipt: Receipt | undefined

  constructor(buffers: BufferSource, ack: Ack) {
    this.buffers = buffers
    this.#ack = ack
  }

  defer(): Ack {
    this.#deferred++
    let called = false
    return (outcome) => {
      if (called) return
      called = true
      this.#receipt?.settle(outcome)
    }
  }

  onSettled(ack: Ack): void {
    this.#listeners = [...(this.#listeners ?? []), ack]
  }

  /** Creates the chunk's receipt; called once, after the filters. */
  receipt(chunk: Chunk, routes: number): Receipt {
    const listeners = this.#listeners
    const ackAll = (outcome: Outcome) => {
      this.#ack(outcome)
      for (const ack of listeners ?? []) ack(outcome)
    }
    this.#receipt = new Receipt(chunk, routes + this.#deferred, listeners === undefined ? this.#ack : ackAll)
    return this.#receipt
  }
}
