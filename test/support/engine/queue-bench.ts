import type { Chunk } from '../../../src/core/chunk.ts'
import { type ErrorOptions, ShipperError } from '../../../src/core/error.ts'
import type { Output } from '../../../src/core/plugin.ts'
import type { Logger } from '../../../src/core/services.ts'
import type { Account } from '../../../src/engine/budget.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { DEAD_LETTER_COUNTERS, type DeadLetterPlace } from '../../../src/engine/dead-letters/dead-letters.ts'
import { OutputQueue } from '../../../src/engine/queue.ts'
import { listLog, makeChunk, receiptOf, turn, unlimitedAccount } from './chunks.ts'
import { givingUp } from './giving-up.ts'
import { ManualClock } from './manual-clock.ts'

export interface Call {
  chunk: Chunk
  tag: string
  id: string
  resolve(): void
  reject(error: unknown): void
}

/** A queue with an output that answers when the test tells it to. */
export class QueueBench {
  readonly clock = new ManualClock()
  readonly account: Account = unlimitedAccount()
  readonly logged = listLog()
  readonly counters = new CounterMap(DEAD_LETTER_COUNTERS)
  /** Unanswered flushes, in the order of the calls. */
  readonly calls: Call[] = []
  /** Ids in the order of sending, including repetitions. */
  readonly sent: string[] = []
  readonly outcomes = new Map<string, string[]>()
  readonly queue: OutputQueue

  constructor(
    options: {
      inFlight?: number
      limit?: number
      capMs?: number
      output?: Output
      place?: DeadLetterPlace
      deadLetterAfterMs?: number
      onDropped?: (input: string, records: number) => void
      /** Makes the log from the clock of the bench; default: `logged`. */
      log?: (clock: ManualClock) => Logger
    } = {},
  ) {
    const output: Output = options.output ?? { flush: (chunk) => this.#flush(chunk), close: async () => {} }
    const { place = 'off', deadLetterAfterMs = 300_000 } = options
    const log = options.log?.(this.clock) ?? this.logged.log
    this.queue = new OutputQueue({
      name: 'out.0',
      output,
      inFlight: options.inFlight ?? 4,
      retry: {
        baseMs: 5000,
        capMs: options.capMs ?? 60_000,
        limit: options.limit ?? Number.POSITIVE_INFINITY,
      },
      ...givingUp(place, { clock: this.clock, log, counters: this.counters }),
      deadLetterAfterMs,
      clock: this.clock,
      log,
      ...(options.onDropped && { onDropped: options.onDropped }),
    })
  }

  push(id: string, tag = 't', count = 1, input = 'in.0'): void {
    const chunk = makeChunk(id, { tag, count, input, account: this.account })
    const { receipt, outcomes } = receiptOf(chunk)
    this.outcomes.set(id, outcomes)
    this.queue.push(chunk, receipt)
  }

  pushAll(ids: string, tag = 't'): void {
    for (const id of ids) this.push(id, tag)
  }

  get inFlight(): string {
    return this.calls.map((c) => c.id).join('')
  }

  async ok(id: string): Promise<void> {
    this.#take(id).resolve()
    await turn()
  }

  async fail(id: string, error: unknown): Promise<void> {
    this.#take(id).reject(error)
    await turn()
  }

  outcomeOf(id: string): string {
    return this.outcomes.get(id)?.join('+') ?? 'never pushed'
  }

  #take(id: string): Call {
    const at = this.calls.findIndex((c) => c.id === id)
    if (at < 0) throw new Error(`${id} is not in flight: ${this.inFlight}`)
    return this.calls.splice(at, 1)[0] as Call
  }

  #flush(chunk: Chunk): Promise<void> {
    this.sent.push(chunk.id)
    return new Promise((resolve, reject) => {
      this.calls.push({ chunk, tag: chunk.tag, id: chunk.id, resolve, reject })
    })
  }
}

export const unreachable = (cause?: unknown): ShipperError =>
  flushError({ retryable: true, scope: 'peer', cause })
export const rejected = (): ShipperError => flushError({ retryable: true, scope: 'chunk' })
export const permanent = (): ShipperError => flushError({ retryable: false })

function flushError(options: ErrorOptions): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'it did not work', options)
}
