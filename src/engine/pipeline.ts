import type { BufferSource } from '../core/buffer-source.ts'
import type { Chunk } from '../core/chunk.ts'
import { messageOf } from '../core/error.ts'
import type { Ack, Deferral, Filter, Outcome } from '../core/plugin.ts'
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

/** Lends the buffers of the input whose chunk is being filtered, so that what a filter adds counts there. */
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

/** What the way of a chunk depends on besides its tag. */
export interface ChunkOrigin {
  /** The input's, for what filters add. */
  buffers: BufferSource
  /** False: no output gets it. */
  routable: boolean
}

/**
 * The way of a chunk: filters in order of declaration, then one queue per matching output. Everything here runs in the
 * call of `accept`; what waits, waits in the queues, and the receipt brings the outcome back.
 */
export class Pipeline {
  readonly #filters: Router<FilterStage>
  readonly #outputs: Router<OutputStage>
  readonly #borrowed: BorrowedBuffers
  readonly #log: Logger
  readonly #unrouted = new Set<string>()
  unroutedRecords = 0

  constructor(filters: FilterStage[], outputs: OutputStage[], borrowed: BorrowedBuffers, log: Logger) {
    this.#filters = new Router(filters)
    this.#outputs = new Router(outputs)
    this.#borrowed = borrowed
    this.#log = log
  }

  accept(chunk: Chunk, origin: ChunkOrigin, ack: Ack): void {
    this.#send(chunk, this.#filters.find(chunk.tag), origin, ack)
  }

  /** Records that a filter kept back go on behind it. */
  emit(after: FilterStage, chunk: Chunk, buffers: BufferSource, ack: Ack): void {
    const filters = this.#filters.find(chunk.tag)
    const rest = filters.slice(filters.indexOf(after) + 1)
    this.#send(chunk, rest, { buffers, routable: true }, ack)
  }

  #send(chunk: Chunk, filters: readonly FilterStage[], origin: ChunkOrigin, ack: Ack): void {
    const legs = new FanOut(origin.buffers, ack)
    if (filters.length > 0 && !this.#filter(chunk, filters, legs)) {
      legs.receipt(chunk, 1).settle('aborted')
      return
    }
    const outputs = this.#outputs.find(chunk.tag)
    if (chunk.count === 0 || outputs.length === 0 || !origin.routable) {
      if (chunk.count > 0 && origin.routable) this.#noteUnrouted(chunk)
      legs.receipt(chunk, 1).settle('filtered')
      return
    }
    const receipt = legs.receipt(chunk, outputs.length)
    for (const { queue } of outputs) queue.push(chunk, receipt)
  }

  /** The first of the tag's filters that is not ready says when to ask again. */
  ready(tag: string, path: string): Promise<void> | undefined {
    for (const { filter } of this.#filters.find(tag)) {
      const wait = filter.ready?.(tag, path)
      if (wait !== undefined) return wait
    }
    return undefined
  }

  /** False: a filter threw, which is a defect; the chunk may be half changed and is read again by the next run. */
  #filter(chunk: Chunk, filters: readonly FilterStage[], legs: FanOut): boolean {
    this.#borrowed.current = legs.buffers
    try {
      for (const stage of filters) {
        if (chunk.count === 0) break
        apply(stage, chunk, legs)
      }
      return true
    } catch (error) {
      this.#log.error(`a filter failed on ${chunk.count} records: ${messageOf(error)}`, {
        code: 'E_INTERNAL',
        tag: chunk.tag,
        hint: 'the records stay unacknowledged: they are read again after a restart',
      })
      return false
    } finally {
      this.#borrowed.current = undefined
    }
  }

  /** As in fluent-bit, what no output matches is discarded; here it is counted and said once per tag. */
  #noteUnrouted(chunk: Chunk): void {
    this.unroutedRecords += chunk.count
    if (this.#unrouted.has(chunk.tag) || this.#unrouted.size >= 1000) return
    this.#unrouted.add(chunk.tag)
    this.#log.warn(`no output matches tag "${chunk.tag}": its records are discarded`, { tag: chunk.tag })
  }
}

function apply({ filter, stats }: FilterStage, chunk: Chunk, legs: FanOut): void {
  const { count, size } = chunk
  filter.apply(chunk, legs)
  stats.records += count
  stats.bytes += size
  stats.dropRecords += Math.max(0, count - chunk.count)
  stats.addRecords += Math.max(0, chunk.count - count)
  if (chunk.count < count) stats.dropBytes += Math.max(0, size - chunk.size)
}

/** What a chunk waits for besides its outputs, and who is told of its outcome besides its input. */
class FanOut implements Deferral {
  readonly buffers: BufferSource
  readonly #ack: Ack
  #kept = 0
  #attached: Ack[] | undefined
  #receipt: Receipt | undefined

  constructor(buffers: BufferSource, ack: Ack) {
    this.buffers = buffers
    this.#ack = ack
  }

  defer(): Ack {
    this.#kept++
    let called = false
    return (outcome) => {
      if (called) return
      called = true
      this.#receipt?.settle(outcome)
    }
  }

  onSettled(ack: Ack): void {
    this.#attached = [...(this.#attached ?? []), ack]
  }

  /** To be asked for once, behind the filters. */
  receipt(chunk: Chunk, routes: number): Receipt {
    const attached = this.#attached
    const tell = (outcome: Outcome) => {
      this.#ack(outcome)
      for (const ack of attached ?? []) ack(outcome)
    }
    this.#receipt = new Receipt(chunk, routes + this.#kept, attached === undefined ? this.#ack : tell)
    return this.#receipt
  }
}
