import type { Clock, Logger, TimerHandle } from '../core/services.ts'
import type { EventLoopSnapshot } from '../core/snapshot.ts'

/** Longest time between pulses. A wake-up costs up to 0.5 ms of CPU, and an idle agent uses 10 ms a minute. */
const PULSE_MS = 60_000
/** Time to the first pulse. */
const FIRST_PULSE_MS = 1000
/** Time between pulses while there is so much work that they do not matter. */
const BUSY_PULSE_MS = 500
const BUSY_RECORDS_PER_SECOND = 5000
/** A turn of the event loop that takes longer is counted and reported. */
const SLOW_TURN_MS = 1000
/** Shortest time between two warnings. */
const WARN_INTERVAL_MS = 60_000
/** Length of one of the two windows over which the worst lag is kept. */
const WINDOW_MS = 60_000

interface Pulse {
  /** Called with each pulse, which is a turn of the event loop and so a sign of its life. */
  beat: () => void
  /** Longest time between pulses. */
  maxMs?: number | undefined
  /** Number of records so far: with many of them the pulse is faster. */
  records: () => number
}

/**
 * Measures how long a turn of the event loop takes. Every timer of the agent is a probe: it is late by the time that the
 * loop was busy with something else after it was due, and its own work is timed. That needs no wake-ups of its own while
 * there is some work, when there are timers for flushes and positions; a pulse is the probe of an agent that is idle or very
 * busy. The lag is a lower bound, and a turn in which no timer was due is not seen.
 */
export class EventLoopWatch {
  /** The clock whose timers are the probes. */
  readonly clock: Clock
  readonly #log: Logger
  readonly #now: () => number
  #pulse: Pulse | undefined
  #pulseTimer: TimerHandle | undefined
  #pulseMs = FIRST_PULSE_MS
  #pulsedMs = 0
  #records = 0
  #slowTurns = 0
  /** Time up to which the loop was busy with the latest slow turn: timers that were due in it tell nothing new. */
  #slowUntilMs = Number.NEGATIVE_INFINITY
  #worstMs = 0
  #worstBeforeMs = 0
  #windowMs: number
  #warnedMs = Number.NEGATIVE_INFINITY
  #unreported = { turns: 0, worstMs: 0 }
  readonly #consequence: string

  /** `losesDatagrams`: an input receives what its senders do not send again. `now` is a monotonic time in milliseconds. */
  constructor(
    clock: Clock,
    log: Logger,
    losesDatagrams: boolean,
    now: () => number = () => performance.now(),
  ) {
    this.#log = log
    this.#consequence = losesDatagrams
      ? 'datagrams that came in the meantime may be lost, see lost_datagrams; nothing else is'
      : 'nothing is lost'
    this.#now = now
    this.#windowMs = now()
    this.clock = {
      nowMs: () => clock.nowMs(),
      after: (ms, fn) => {
        const dueMs = now() + ms
        return clock.after(ms, () => {
          this.#probe(dueMs)
          const startMs = now()
          fn()
          this.#probe(startMs)
          this.#beatEarly()
        })
      },
      cancel: (handle) => clock.cancel(handle),
    }
  }

  start(pulse: Pulse): void {
    this.#pulse = pulse
    this.#await(FIRST_PULSE_MS, pulse)
  }

  stop(): void {
    this.clock.cancel(this.#pulseTimer)
    this.#pulse = undefined
  }

  snapshot(): EventLoopSnapshot {
    this.#turnWindow(this.#now())
    return { worstLagMs: Math.max(this.#worstMs, this.#worstBeforeMs), slowTurns: this.#slowTurns }
  }

  #await(ms: number, pulse: Pulse): void {
    this.#pulsedMs = this.#now()
    this.#records = pulse.records()
    this.#pulseMs = Math.min(ms, pulse.maxMs ?? ms)
    this.#pulseTimer = this.clock.after(this.#pulseMs, () => this.#beat(pulse))
  }

  #beat(pulse: Pulse): void {
    const perSecond = ((pulse.records() - this.#records) * 1000) / (this.#now() - this.#pulsedMs)
    this.#await(perSecond < BUSY_RECORDS_PER_SECOND ? PULSE_MS : BUSY_PULSE_MS, pulse)
    pulse.beat()
  }

  /** Beats with a timer that has woken the loop anyway, from half the time on: an idle agent is then not woken for it. */
  #beatEarly(): void {
    if (this.#pulse === undefined || this.#now() - this.#pulsedMs < this.#pulseMs / 2) return
    this.clock.cancel(this.#pulseTimer)
    this.#beat(this.#pulse)
  }

  /** Notes that the loop has been in one turn since `dueMs`, at least. */
  #probe(dueMs: number): void {
    const nowMs = this.#now()
    const lagMs = nowMs - dueMs
    this.#turnWindow(nowMs)
    if (lagMs > this.#worstMs) this.#worstMs = lagMs
    if (lagMs < SLOW_TURN_MS) return
    const isKnown = dueMs < this.#slowUntilMs
    this.#slowUntilMs = nowMs
    if (isKnown) return
    this.#slowTurns++
    this.#warn(lagMs, nowMs)
  }

  #turnWindow(nowMs: number): void {
    const age = nowMs - this.#windowMs
    if (age < WINDOW_MS) return
    this.#worstBeforeMs = age < 2 * WINDOW_MS ? this.#worstMs : 0
    this.#worstMs = 0
    this.#windowMs = nowMs
  }

  #warn(lagMs: number, nowMs: number): void {
    const { turns, worstMs } = this.#unreported
    if (nowMs - this.#warnedMs < WARN_INTERVAL_MS) {
      this.#unreported = { turns: turns + 1, worstMs: Math.max(worstMs, lagMs) }
      return
    }
    this.#warnedMs = nowMs
    this.#unreported = { turns: 0, worstMs: 0 }
    const before =
      turns === 0 ? '' : `; ${turns} more since the last such line, the longest ${seconds(worstMs)}`
    this.#log.warn(
      `the agent was blocked for at least ${seconds(lagMs)}: all inputs and outputs waited, ${this.#consequence}${before}`,
      { hint: 'look for a slow disk, too little CPU, a stopped machine or a costly expression' },
    )
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
