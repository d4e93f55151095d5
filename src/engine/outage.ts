import type { ErrorCode, ShipperError } from '../core/error.ts'
import type { Clock, Logger, TimerHandle } from '../core/services.ts'
import type { OutputDown } from '../core/snapshot.ts'
import { durationText } from '../lib/text/duration.ts'

/** Ages of an outage at which it is logged again; after the last one, every hour. */
const STEPS_MS = [10_000, 60_000, 600_000, 3_600_000]
const LAST_STEP_MS = 3_600_000

/** Inputs whose records are kept on disk. */
export type Buffered = 'all' | 'some' | 'none'

/** What happens while an output is unreachable. */
const MEANWHILE: Record<Buffered, string> = {
  all: 'what it does not take is kept in the buffer on disk',
  some: 'what it does not take is kept in the buffer on disk; inputs without a buffer pause when the memory limit is reached',
  none: 'inputs pause when the memory limit is reached',
}

/** Errors that do not say that the peer cannot be reached: it has answered, or nothing was sent to it without credentials. */
const ANSWERS: ReadonlySet<ErrorCode> = new Set(['E_PEER_AUTH', 'E_HTTP_ANSWER', 'E_AWS_CREDENTIALS'])

function stepMs(step: number): number {
  return STEPS_MS[step] ?? LAST_STEP_MS * (step - STEPS_MS.length + 2)
}

/**
 * The outage of one output: since when, how often it was tried and why it fails. The log gets a line when the peer cannot
 * be reached, at growing ages of the outage, and one when it ends, which is the last one about it.
 *
 * ```
 *   failed         | failed ...      |        |           |          | delivered
 *   "unreachable"  | "for 10 s"      | 1 min  | 10 min    | each h   | "reachable again after 3 h, 4,211 attempts"
 * ```
 * Of a peer that answers and refuses everything, e.g. for its credentials, they say that it is not accepting records.
 * A peer that comes and goes would fill the log: outages that begin soon after a logged one are logged only when they
 * last, and the time in which that holds grows as long as they go on.
 */
export class Outage {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #hasLimit: boolean
  readonly #buffered: Buffered
  /** Called after each failed attempt, and when the outage has lasted for one of the steps. */
  readonly onChange: (() => void)[] = []
  #sinceMs = 0
  #attempts = 0
  #last: ShipperError | undefined
  /** True when the peer could not be reached: what concerns single chunks is logged by the queue. */
  #isPeer = false
  #isLogged = false
  #step = 0
  #timer: TimerHandle | undefined
  /** End of the last outage that was logged. */
  #endedMs = Number.NEGATIVE_INFINITY
  /** Index in STEPS_MS of the time after a logged outage in which others are only counted. */
  #quietStep = 0
  #unlogged = 0

  /** `hasLimit`: chunks are given up after Retry_Limit. `buffered`: which inputs are kept on disk meanwhile. */
  constructor(clock: Clock, log: Logger, hasLimit: boolean, buffered: Buffered = 'none') {
    this.#clock = clock
    this.#log = log
    this.#hasLimit = hasLimit
    this.#buffered = buffered
  }

  get down(): OutputDown | undefined {
    if (this.#last === undefined) return undefined
    return { sinceMs: this.#sinceMs, attempts: this.#attempts, reason: this.#last.message }
  }

  /**
   * Records a failed attempt that is to be repeated. It began at `startMs`: a peer that does not answer is away since
   * then, not since the timeout.
   */
  failed(error: ShipperError, startMs = this.#clock.nowMs()): void {
    if (this.#last === undefined) this.#sinceMs = startMs
    this.#last = error
    this.#attempts++
    if (error.scope === 'peer' && !this.#isPeer) {
      this.#isPeer = true
      this.#wake()
      if (this.#clock.nowMs() - this.#endedMs >= (STEPS_MS[this.#quietStep] ?? 0)) this.#logBegin(error)
    }
    for (const listener of this.onChange) listener()
  }

  /** Records a delivery, which ends the outage. */
  delivered(): void {
    if (this.#last === undefined) return
    const { down } = this
    const again = ANSWERS.has(this.#last.code) ? 'is accepting records again' : 'reachable again'
    const wasLogged = this.#isLogged
    const wasPeer = this.#isPeer
    this.stop()
    if (!wasPeer || down === undefined) return
    if (!wasLogged) {
      this.#unlogged++
      return
    }
    const nowMs = this.#clock.nowMs()
    this.#log.info(`output ${again} after ${this.#extent(down, nowMs)}`)
    this.#endedMs = nowMs
    this.#unlogged = 0
  }

  /** Forgets the outage and cancels its timer. */
  stop(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    this.#last = undefined
    this.#attempts = 0
    this.#isPeer = false
    this.#isLogged = false
    this.#step = 0
  }

  #logBegin({ message, code, hint }: ShipperError): void {
    const quietMs = STEPS_MS[this.#quietStep] ?? LAST_STEP_MS
    // The next one that soon is part of the same trouble.
    const isSoon = this.#clock.nowMs() - this.#endedMs < 2 * quietMs
    this.#quietStep = isSoon ? Math.min(this.#quietStep + 1, STEPS_MS.length - 1) : 0
    this.#isLogged = true
    const what = this.#hasLimit
      ? 'retrying up to Retry_Limit, after which records are given up'
      : `retrying; ${MEANWHILE[this.#buffered]}`
    this.#log.warn(`output ${stateOf(code)}, ${what}: ${message}`, { code, hint: this.#hintOr(hint) })
  }

  #logAge(): void {
    const { down } = this
    if (down === undefined || this.#last === undefined) return
    this.#isLogged = true
    const { code, hint } = this.#last
    this.#log.warn(`output ${stateOf(code)} for ${this.#extent(down, this.#clock.nowMs())}: ${down.reason}`, {
      code,
      hint: this.#hintOr(hint),
    })
  }

  /** Returns the hint, which may say that nothing is to be done: not where chunks are given up. */
  #hintOr(hint: string): string {
    return this.#hasLimit
      ? 'what reaches Retry_Limit is not sent when the peer is back; no_limits keeps it'
      : hint
  }

  #extent({ sinceMs, attempts }: OutputDown, nowMs: number): string {
    const times = attempts === 1 ? '1 attempt' : `${attempts} attempts`
    const others = this.#unlogged === 0 ? '' : `, and ${this.#unlogged} short outages before it`
    return `${durationText(nowMs - sinceMs)}, ${times}${others}`
  }

  #wake(): void {
    const ageMs = this.#clock.nowMs() - this.#sinceMs
    // Ages that passed before the first failure was known are not logged after it.
    while (stepMs(this.#step) <= ageMs) this.#step++
    const waitMs = Math.max(1, stepMs(this.#step) - ageMs)
    this.#timer = this.#clock.after(waitMs, () => {
      this.#wake()
      this.#logAge()
      for (const listener of this.onChange) listener()
    })
    ;(this.#timer as { unref?: () => void }).unref?.()
  }
}

function stateOf(code: ErrorCode): string {
  return ANSWERS.has(code) ? 'is not accepting records' : 'unreachable'
}
