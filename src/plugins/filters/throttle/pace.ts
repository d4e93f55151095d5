import type { OpenedLog } from '../../../core/plugin.ts'
import type { Clock, TimerHandle } from '../../../core/services.ts'

/** Bytes that a file may read in a turn at most. */
const MAX_TURN_BYTES = 65_536
/** Size of a line until the first ones are known, and weight of the last chunk in it. */
const FIRST_LINE_BYTES = 100
const WEIGHT = 0.2
/** Time for which records are collected before a file is woken: at high rates not each record wakes one. */
const MIN_WAIT_MS = 100
/** Records for which it is worth waking a file. */
const PORTION = 16
/** Longest time for which what was read too much is made up for. */
const MAX_DEBT_MS = 600_000
/** Most tags whose chunks are open. */
const MAX_OPEN = 256

interface Waiter {
  promise: Promise<void>
  resolve: () => void
}

/**
 * The records that may still pass, for files that wait. A file is told before a turn how much it may read; how many records
 * that was is known when its chunk is sealed. Until then the whole of it counts as used, and when nothing is left, the open
 * chunks are sealed to see what was.
 *
 * ```
 *   allowance |== free ==|== promised to open chunks ==|      0 at the bottom; below it, files wait
 * ```
 */
export class Pace {
  readonly #clock: Clock
  readonly #perMs: number
  readonly #capacity: number
  /** Negative when more was read than was allowed. */
  #allowance: number
  #nowMs: number
  #promised = 0
  readonly #open = new Map<string, () => void>()
  #lineBytes = FIRST_LINE_BYTES
  #hasLines = false
  /** Files that wait, by path, the first first. */
  readonly #waiters = new Map<string, Waiter>()
  /** Number of files that were woken and have not asked again. */
  #woken = 0
  #timer: TimerHandle | undefined

  /** `capacity` records may pass at once, `perMs` on average. */
  constructor(clock: Clock, perMs: number, capacity: number) {
    this.#clock = clock
    this.#perMs = perMs
    this.#capacity = Math.max(1, capacity)
    this.#allowance = this.#capacity
    this.#nowMs = clock.nowMs()
  }

  /** True when nothing has passed for so long that a new object would do the same. */
  get isIdle(): boolean {
    this.#refill()
    return this.#allowance >= this.#capacity && this.#waiters.size === 0
  }

  /** Returns a wait, or lets the file read and limits its turn. */
  ready(tag: string, path: string, opened: OpenedLog | undefined): Promise<void> | undefined {
    const waiting = this.#waiters.get(path)
    if (waiting !== undefined) return waiting.promise
    this.#refill()
    const isNext = this.#woken > 0 || this.#waiters.size === 0
    const turn = Math.max(1, MAX_TURN_BYTES / this.#lineBytes)
    if (this.#allowance - this.#promised < Math.min(turn, this.#capacity / 2) || this.#open.size >= MAX_OPEN)
      this.#sealOpen()
    const free = this.#allowance - this.#promised
    if (!isNext || free < 1) return this.#wait(path)
    // Those that were woken together share what is free.
    const allowed = Math.min(turn, Math.max(1, free / Math.max(1, this.#woken)))
    if (this.#woken > 0) this.#woken--
    this.#promised += allowed
    if (opened !== undefined) {
      this.#open.set(tag, opened.seal)
      opened.limitTurn(Math.max(1, Math.floor(allowed * this.#lineBytes)))
    }
    return undefined
  }

  /** Counts the records of a chunk; `inputBytes` are the bytes of input that they were made from, if that is known. */
  count(records: number, inputBytes: number): void {
    this.#refill()
    this.#promised = Math.max(0, this.#promised - records)
    this.#allowance = Math.max(this.#allowance - records, -this.#perMs * MAX_DEBT_MS - this.#capacity)
    if (inputBytes <= 0 || records <= 0) return
    const bytes = inputBytes / records
    this.#lineBytes = this.#hasLines ? this.#lineBytes + (bytes - this.#lineBytes) * WEIGHT : bytes
    this.#hasLines = true
  }

  close(): void {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    for (const { resolve } of this.#waiters.values()) resolve()
    this.#waiters.clear()
  }

  /** Seals what was read, which calls `count`, so that what is promised is known to be used or not. */
  #sealOpen(): void {
    const open = [...this.#open.values()]
    this.#open.clear()
    for (const seal of open) seal()
    this.#promised = 0
  }

  #refill(): void {
    const nowMs = this.#clock.nowMs()
    const passed = Math.max(0, nowMs - this.#nowMs)
    this.#nowMs = nowMs
    this.#allowance = Math.min(this.#capacity, this.#allowance + passed * this.#perMs)
  }

  #wait(path: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiters.set(path, { promise, resolve })
    this.#startTimer()
    return promise
  }

  #startTimer(): void {
    const wanted = Math.min(this.#capacity, Math.max(1, this.#perMs * MIN_WAIT_MS))
    const missing = (wanted - this.#allowance) / this.#perMs
    this.#timer ??= this.#clock.after(Math.max(MIN_WAIT_MS, Math.ceil(missing)), () => this.#wake())
  }

  /** Wakes as many files as there are portions of records for, at least one. */
  #wake(): void {
    this.#timer = undefined
    this.#refill()
    let left = Math.max(1, Math.floor(this.#allowance / PORTION))
    this.#woken = 0
    for (const [path, { resolve }] of this.#waiters) {
      if (left-- <= 0) break
      this.#waiters.delete(path)
      this.#woken++
      resolve()
    }
    if (this.#waiters.size > 0) this.#startTimer()
  }
}
