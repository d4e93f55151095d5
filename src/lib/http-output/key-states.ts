import type { Clock } from '../../core/services.ts'
import type { Failed } from './api.ts'
import { Pace } from './pace.ts'

/** Number of keys whose state is kept: records may name very many. */
const MAX_KEYS = 1000

/** Time after a search in which every request was refused, in which a refusal of the whole is not looked into again: it doubles. */
const FIRST_FRUITLESS_MS = 10_000
const MAX_FRUITLESS_MS = 30_000

/** Time for which a server that has accepted what it had refused is not believed at once. */
const UNSTEADY_MS = 600_000

/** The requests that a server has accepted. */
export interface Acceptances {
  count: number
  /** Time of the last of them. */
  ms: number
}

const NONE: Readonly<Acceptances> = { count: 0, ms: Number.NEGATIVE_INFINITY }

/** What is known about requests with one key. */
class KeyState {
  /** Number of requests in which records were accepted, by any server. */
  accepted = 0
  /** Time of the last of them. */
  acceptedMs = Number.NEGATIVE_INFINITY
  /** By the name of the server. */
  readonly #accepted = new Map<string, Acceptances>()
  pausedUntilMs = 0
  /** Number of requests in a row that may have been refused because of their size. */
  tooLarge = 0
  /** Number of its last failure among those of all keys; 0: it does not fail. */
  failedAt = 0
  /** Number of searches for a record that is accepted while nothing was lately. */
  unwellSearches = 0
  readonly pace = new Pace()
  /** Number of chunks of which something was refused since the last acceptance. */
  refusedChunks = 0
  #refused = new WeakSet<object>()
  #unsteadyUntilMs = 0
  fruitless: Failed | undefined
  #fruitlessMs = 0
  #fruitlessUntilMs = 0
  #acceptedThen = 0

  recordAccepted(nowMs: number, nodes: readonly string[]): void {
    this.acceptedMs = nowMs
    this.accepted++
    if (this.refusedChunks > 0) this.#refused = new WeakSet()
    this.refusedChunks = 0
    for (const node of nodes) {
      const acceptances = this.#accepted.get(node) ?? { ...NONE }
      this.#accepted.set(node, acceptances)
      acceptances.count++
      acceptances.ms = nowMs
    }
  }

  acceptedBy(node: string): Readonly<Acceptances> {
    return this.#accepted.get(node) ?? NONE
  }

  /** Notes that something of a chunk was refused. */
  recordRefused(chunk: object): void {
    if (this.#refused.has(chunk)) return
    this.#refused.add(chunk)
    this.refusedChunks++
  }

  /** Notes that what was refused was accepted unchanged: one of several servers behind a name may be at fault. */
  recordChange(nowMs: number): void {
    this.#unsteadyUntilMs = nowMs + UNSTEADY_MS
  }

  /** True when that has happened lately. */
  isUnsteady(nowMs: number): boolean {
    return nowMs < this.#unsteadyUntilMs
  }

  /** Remembers that every request is refused, for some time or until one is accepted. */
  searchedInVain(failure: Failed, nowMs: number): void {
    const isFirst = this.accepted !== this.#acceptedThen || this.#fruitlessMs === 0
    this.#fruitlessMs = isFirst ? FIRST_FRUITLESS_MS : Math.min(this.#fruitlessMs * 2, MAX_FRUITLESS_MS)
    this.fruitless = failure
    this.#fruitlessUntilMs = nowMs + this.#fruitlessMs
    this.#acceptedThen = this.accepted
  }

  isFruitless(nowMs: number): boolean {
    return (
      this.fruitless !== undefined && nowMs < this.#fruitlessUntilMs && this.accepted === this.#acceptedThen
    )
  }
}

/** What is known about requests by their keys; the least recently used are forgotten. */
export class KeyStates {
  readonly #clock: Clock
  readonly #states = new Map<string, KeyState>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  of(key: string): KeyState {
    const state = this.#states.get(key) ?? new KeyState()
    this.#states.delete(key)
    this.#states.set(key, state)
    if (this.#states.size > MAX_KEYS) {
      const [oldest] = this.#states.keys()
      this.#states.delete(oldest as string)
    }
    return state
  }

  pausedUntilMs(key: string): number {
    return this.#states.get(key)?.pausedUntilMs ?? 0
  }

  failedAt(key: string): number {
    return this.#states.get(key)?.failedAt ?? 0
  }

  /** Sends no request with this key before a time. */
  pause(key: string, untilMs: number): void {
    if (untilMs <= this.#clock.nowMs()) return
    const state = this.of(key)
    state.pausedUntilMs = Math.max(state.pausedUntilMs, untilMs)
  }
}
