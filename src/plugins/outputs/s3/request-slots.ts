import type { Clock } from '../../../core/services.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { retryWaitMs } from './retry-wait.ts'

/** Number of requests at a time. */
const MAX_REQUESTS = 8

/**
 * Lets a limited number of requests run at a time; the others wait in order.
 *
 * A failure that concerns all of them is a state: one request at a time is then the probe, after a wait that grows with each failure. A
 * success doubles the number up to the maximum. Requests that began before a failure say nothing about what came after it.
 */
export class RequestSlots {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #concerns: (error: unknown) => boolean
  #running = 0
  #allowed = MAX_REQUESTS
  /** Failures since the last success. */
  #failures = 0
  /** Resolves when the next probe may be sent. */
  #wait: Promise<void> = Promise.resolve()
  /** Number of failures so far; a request that began with another one is from before the latest. */
  #epoch = 0
  readonly #waiting: (() => void)[] = []

  /** `concerns` tells whether an error concerns all requests. */
  constructor(clock: Clock, signal: AbortSignal, concerns: (error: unknown) => boolean) {
    this.#clock = clock
    this.#signal = signal
    this.#concerns = concerns
  }

  async run<T>(request: () => Promise<T>): Promise<T> {
    while (this.#running >= this.#allowed) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
    try {
      await this.#waitForProbe()
      return await this.#send(request)
    } finally {
      this.#running--
      for (let free = this.#allowed - this.#running; free > 0; free--) this.#waiting.shift()?.()
    }
  }

  /** Notes a failure of a request that had no slot here, unless there is one already. */
  noteFailure(error: unknown): void {
    if (this.#failures === 0) this.#failed(error)
  }

  async #waitForProbe(): Promise<void> {
    for (let epoch = -1; epoch !== this.#epoch && !this.#signal.aborted; ) {
      epoch = this.#epoch
      await this.#wait
    }
    if (this.#signal.aborted) throw stopped()
  }

  async #send<T>(request: () => Promise<T>): Promise<T> {
    const epoch = this.#epoch
    try {
      const result = await request()
      if (epoch === this.#epoch) this.#succeeded()
      return result
    } catch (error) {
      if (epoch === this.#epoch && !this.#signal.aborted) {
        if (this.#concerns(error)) this.#failed(error)
        else this.#succeeded()
      }
      throw error
    }
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#wait = Promise.resolve()
    this.#failures = 0
    this.#allowed = Math.min(MAX_REQUESTS, this.#allowed * 2)
  }

  #failed(error: unknown): void {
    const waitMs = retryWaitMs(error, this.#failures)
    this.#failures++
    this.#epoch++
    this.#allowed = 1
    this.#wait = sleep(waitMs, this.#clock, this.#signal)
  }
}
