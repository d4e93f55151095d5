/** Delay that the chunks on their way to an output may add to its own: what the window is sized for. */
const TARGET_MS = 250
const INITIAL_BYTES = 2_000_000
/**
 * Time and number of chunks for which every delay has to be too long before the window shrinks: a busy machine makes some
 * of them long.
 */
const INTERVAL_MS = 100
const MIN_SAMPLES = 6
/** Least window: with about as much on its way, a delay is that of the output itself. */
const MIN_WINDOW_BYTES = 262_144
/** Age at which the delay of the output itself is measured again. */
const MAX_BASE_AGE_MS = 15_000
/** Weight of a new, longer delay of the output itself. */
const BASE_WEIGHT = 0.2

/** The passage of one chunk through the window. */
export interface Passage {
  /** Size of the chunk; 0 when it is not counted (any more). */
  bytes: number
  /** Bytes on their way when it entered, its own included. */
  onWay: number
  enteredMs: number
}

/**
 * The bytes on their way to one output, and how many there should be: as many as it acknowledges in the time that it takes
 * itself and TARGET_MS. More would not make it faster; every later chunk would only wait behind them.
 *
 * ```
 *   delay of a chunk = delay of the output itself (network, its disk) + time in which it takes what is on its way before it
 *                      ^ measured while little is on its way             ^ at most TARGET_MS
 * ```
 * The window shrinks when a delay is longer, to what the measured rate allows, and grows by what is acknowledged while it
 * is at least half full. An output that is slow only because its answers are late has the window that its delay needs.
 */
export class OutputWindow {
  /** Bytes on their way: queued or in flight. */
  bytes = 0
  #limitBytes = INITIAL_BYTES
  #baseMs = Number.POSITIVE_INFINITY
  #baseAtMs = 0
  /** State before the base is measured again, until it is. */
  #refreshed: { limitBytes: number; baseMs: number } | undefined
  /** Delays of chunks that entered before this time say nothing about the present window. */
  #sinceMs = Number.NEGATIVE_INFINITY
  #intervalMs = Number.NEGATIVE_INFINITY
  #samples = 0
  /** Shortest extra delay of the interval. */
  #leastExtraMs = Number.POSITIVE_INFINITY

  get limitBytes(): number {
    return this.#limitBytes
  }

  /** Bytes that may be added; negative when there are too many. */
  get room(): number {
    return this.#limitBytes - this.bytes
  }

  enter(bytes: number, nowMs: number): Passage {
    this.bytes += bytes
    return { bytes, onWay: this.bytes, enteredMs: nowMs }
  }

  /** Removes a chunk without an acknowledgement. */
  leave(passage: Passage): void {
    this.bytes -= passage.bytes
    passage.bytes = 0
  }

  /** Ignores the delays of all chunks that have entered so far: the output was unreachable. */
  restart(nowMs: number): void {
    this.#sinceMs = nowMs
  }

  /** Removes a chunk that was acknowledged at the first attempt, and adapts the window to its delay. */
  acknowledge(passage: Passage, nowMs: number): void {
    const { bytes, onWay, enteredMs } = passage
    const wasFilled = this.bytes * 2 >= this.#limitBytes
    this.leave(passage)
    const delayMs = nowMs - enteredMs
    // The wall clock may have been set back.
    if (bytes === 0 || delayMs < 0 || enteredMs < this.#sinceMs) return
    this.#measureBase(delayMs, onWay, nowMs)
    const extraMs = delayMs - this.#baseMs
    this.#leastExtraMs = Math.min(this.#leastExtraMs, extraMs)
    if (wasFilled && extraMs < TARGET_MS) this.#limitBytes += bytes * (1 - extraMs / TARGET_MS)
    this.#samples++
    const ageMs = nowMs - this.#intervalMs
    if (ageMs >= 0 && (ageMs < INTERVAL_MS || this.#samples < MIN_SAMPLES)) return
    if (this.#leastExtraMs > TARGET_MS) this.#resize((onWay * (this.#baseMs + TARGET_MS)) / delayMs, nowMs)
    this.#intervalMs = nowMs
    this.#samples = 0
    this.#leastExtraMs = Number.POSITIVE_INFINITY
    if (delayMs > TARGET_MS) this.#refreshBase(nowMs)
  }

  /** Measures the delay of the output itself again, as it may have changed: with little on its way for a moment. */
  #refreshBase(nowMs: number): void {
    const ageMs = nowMs - this.#baseAtMs
    if (ageMs < MAX_BASE_AGE_MS) return
    this.#refreshed = { limitBytes: this.#limitBytes, baseMs: this.#baseMs }
    this.#baseAtMs = nowMs
    this.#resize(0, nowMs)
  }

  #measureBase(delayMs: number, onWay: number, nowMs: number): void {
    if (delayMs > this.#baseMs && onWay > MIN_WINDOW_BYTES * 1.5) return
    const before = this.#refreshed
    this.#baseAtMs = nowMs
    if (before === undefined) {
      if (delayMs < this.#baseMs) this.#baseMs = delayMs
      else this.#baseMs += (delayMs - this.#baseMs) * BASE_WEIGHT
      return
    }
    this.#refreshed = undefined
    this.#baseMs = delayMs
    const wanted = (before.limitBytes * (delayMs + TARGET_MS)) / (before.baseMs + TARGET_MS)
    this.#limitBytes = Math.max(this.#limitBytes, Math.min(wanted, before.limitBytes))
  }

  /** Shrinks the window; chunks that entered before do not shrink it once more. */
  #resize(bytes: number, nowMs: number): void {
    this.#limitBytes = Math.max(MIN_WINDOW_BYTES, Math.min(this.#limitBytes, bytes))
    this.#sinceMs = nowMs
  }
}
