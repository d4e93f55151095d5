import type { Chunk } from '../../../src/core/chunk.ts'
import type { ShipperError } from '../../../src/core/error.ts'
import type { Output, OutputContext } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { OutputQueue } from '../../../src/engine/queue.ts'
import type { RouteReceipt } from '../../../src/engine/receipt.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../engine/chunk-of.ts'
import { listLog } from '../engine/chunks.ts'
import { givingUp } from '../engine/giving-up.ts'
import { ManualClock } from '../engine/manual-clock.ts'
import { outputContext } from '../engine/output-context.ts'

/** An output behind the queue of the engine, with a clock that the bench moves while nothing happens. */
export class OutputBench {
  readonly clock = new ManualClock()
  readonly buffers = new LooseBuffers()
  readonly logged = listLog()
  readonly counters = new CounterMap()
  readonly output: Output
  readonly queue: OutputQueue
  /** Outcomes by the id of the chunk. */
  readonly outcomes = new Map<string, string[]>()
  readonly chunks = new Map<string, Chunk>()
  /** Records that were rejected, and why. */
  readonly rejected: { record: Record<string, unknown>; reason: string }[] = []
  readonly stop = new AbortController()
  /** Called when a chunk settles. */
  onSettled: ((id: string, outcome: string) => void) | undefined
  readonly ctx: OutputContext
  #chunks = 0

  constructor(create: (ctx: OutputContext) => Output, options: { inFlight?: number; limit?: number } = {}) {
    this.ctx = outputContext({
      clock: this.clock,
      log: this.logged.log,
      counters: this.counters,
      buffers: this.buffers,
      signal: this.stop.signal,
      reject: (chunk, start, end, reason) => this.#reject(chunk, start, end, reason),
      accepted: (chunk) => this.queue.accepted(chunk),
      waitingChunks: (tag, count, isWanted) => this.queue.waitingChunks(tag, count, isWanted),
    })
    this.output = create(this.ctx)
    this.queue = new OutputQueue({
      name: 'out.0',
      output: this.output,
      inFlight: options.inFlight ?? 32,
      retry: { baseMs: 1000, capMs: 5000, limit: options.limit ?? Number.POSITIVE_INFINITY },
      ...givingUp('off', { clock: this.clock, log: this.logged.log }),
      clock: this.clock,
      log: this.logged.log,
    })
  }

  /** Sends a chunk of records on its way; returns its id. */
  push(records: object[], tag = 'app', timeOf?: (index: number) => number): string {
    const id = `chunk-${++this.#chunks}`
    const chunk = chunkOf(records, tag, this.buffers, id, timeOf)
    const outcomes: string[] = []
    this.outcomes.set(id, outcomes)
    this.chunks.set(id, chunk)
    const receipt: RouteReceipt = {
      isOnlyRoute: true,
      settle: (outcome) => {
        outcomes.push(outcome)
        this.onSettled?.(id, outcome)
        chunk.release()
      },
    }
    this.queue.push(chunk, receipt)
    return id
  }

  /** Lets everything happen that does not wait for a time. */
  async turns(count = 60): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Moves the clock until the queue is empty; returns false when it is not after so many seconds. */
  async drained(seconds = 600): Promise<boolean> {
    for (let i = 0; i < seconds && !this.queue.empty; i++) {
      await this.turns(20)
      if (!this.queue.empty) this.clock.advance(1000)
    }
    await this.turns()
    return this.queue.empty
  }

  #reject(chunk: Chunk, start: number, end: number, reason: ShipperError): void {
    this.queue.reject(chunk, start, end, reason)
    const one = chunk.emptyCopy('one', end - start)
    one.append(chunk, start, end, 1)
    const [record = {}] = recordsOf(one)
    this.rejected.push({ record, reason: reason.message })
    one.release()
  }
}
