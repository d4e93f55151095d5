import type { Clock } from '../core/services.ts'

/** A tag gets new patience when nothing of it was refused for this many times Dead_Letter_After. */
const RECOVERY = 10
/** Maximum number of tags that are remembered; beyond it the one refused first is forgotten. */
const MAX_TAGS = 10_000

interface Refusals {
  sinceMs: number
  lastMs: number
  /** True when the tag has a single destination, which a delivered chunk shows to be accepted again. */
  isSingle: boolean
}

/**
 * Measures for how long destinations that a tag or its records have chosen are refused. The time is that of
 * the tag and not of the destination: with a new bad destination in each record, a tag would otherwise wait
 * for each of them in turn.
 */
export class Patience {
  readonly #limitMs: number
  readonly #clock: Clock
  readonly #tags = new Map<string, Refusals>()

  constructor(limitMs: number, clock: Clock) {
    this.#limitMs = limitMs
    this.#clock = clock
  }

  /** Records that a destination of this tag was refused; `isSingle`: the only one of the tag. */
  refused(tag: string, isSingle: boolean): void {
    const nowMs = this.#clock.nowMs()
    const known = this.#tags.get(tag)
    const isOver = known !== undefined && this.#isOver(known, nowMs)
    if (known !== undefined && !isOver) {
      known.lastMs = nowMs
      return
    }
    const [oldest] = this.#tags.keys()
    if (known === undefined && oldest !== undefined && this.#tags.size >= MAX_TAGS) this.#tags.delete(oldest)
    this.#tags.set(tag, { sinceMs: nowMs, lastMs: nowMs, isSingle })
  }

  /** Records that a chunk of this tag was delivered. */
  delivered(tag: string): void {
    if (this.#tags.size > 0 && this.#tags.get(tag)?.isSingle) this.#tags.delete(tag)
  }

  /** Returns the milliseconds until `isOverdue` becomes true; Infinity when nothing of the tag is refused. */
  leftMs(tag: string): number {
    const known = this.#tags.get(tag)
    if (known === undefined) return Number.POSITIVE_INFINITY
    const nowMs = this.#clock.nowMs()
    if (this.#isOver(known, nowMs)) return Number.POSITIVE_INFINITY
    return Math.max(0, known.sinceMs + this.#limitMs - nowMs)
  }

  /** True when destinations of the tag have been refused for the limit. */
  isOverdue(tag: string): boolean {
    return this.leftMs(tag) === 0
  }

  /** True when the refusals are so old that the next one is the first of a new series, or the clock was set back. */
  #isOver({ sinceMs, lastMs }: Refusals, nowMs: number): boolean {
    return nowMs < sinceMs || nowMs - lastMs > Math.max(this.#limitMs, MIN_RECOVERY_MS) * RECOVERY
  }
}

/** Keeps a Dead_Letter_After of 0 from waiting for a new refusal each time. */
const MIN_RECOVERY_MS = 1000
