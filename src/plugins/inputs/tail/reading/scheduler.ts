import type { Clock, TimerHandle } from '../../../../core/services.ts'
import type { TailFile } from '../file/tail-file.ts'
import { SLICE_MS } from './slices.ts'

/** Wait of parked files that nothing releases: what used the room may be of another input. */
const MAX_PARKED_MS = 200
/** Number of parked files that are looked at with every acknowledgement; with more, they are released every RELEASE_MS. */
const MAX_RELEASED_AT_ONCE = 16
const RELEASE_MS = 20

/**
 * Queue of the files to read, in turns, and the waits in between.
 *
 * ```
 *   add --> ready: f1 f2 f3 --take--> a turn --more--> add
 *              ^
 *   waiting: f4 after f0 (rotated, not drained) --release(f0)
 * ```
 */
export class Scheduler {
  readonly #ready = new Set<TailFile>()
  /** File that comes before all others, because its turn was cut short. */
  #next: TailFile | undefined
  /** Files that wait until the outputs take more, in order. */
  #parked = new Set<TailFile>()
  /** Files that are in the queue only because they were parked. */
  readonly #rechecked = new Set<TailFile>()
  #parkedTimer: TimerHandle | undefined
  #isReleasing = false
  readonly #waiting = new Map<TailFile, TailFile[]>()
  readonly #clock: Clock
  readonly #coalesceMs: number
  #wake: (() => void) | undefined
  #onAdded: ((file: TailFile) => void) | undefined
  #signal: AbortSignal | undefined
  #lastWakeMs = 0
  /** Time at which the event loop had its last turn that is known of: another event of the same turn may end a wait. */
  #sliceStartMs = performance.now()
  #soon: TimerHandle | undefined
  readonly #timers = new Set<TimerHandle>()

  constructor(clock: Clock, coalesceMs: number) {
    this.#clock = clock
    this.#coalesceMs = coalesceMs
  }

  add(file: TailFile): void {
    this.#rechecked.delete(file)
    this.#ready.add(file)
    this.#wake?.()
    this.#onAdded?.(file)
  }

  /**
   * Calls `look` with the files that were added, at most once per `ms`, until the returned function is
   * called. Used while no file is taken from the queue.
   */
  lookAtAdded(ms: number, look: (files: Set<TailFile>) => void): () => void {
    let timer: TimerHandle | undefined
    let touched = new Set<TailFile>()
    this.#onAdded = (file) => {
      touched.add(file)
      timer ??= this.#clock.after(ms, () => {
        timer = undefined
        const files = touched
        touched = new Set()
        look(files)
      })
    }
    return () => {
      this.#onAdded = undefined
      this.#clock.cancel(timer)
    }
  }

  addFirst(file: TailFile): void {
    this.#ready.delete(file)
    this.#next = file
  }

  /** Returns true when the file, just taken, was in the queue only because it was parked: it may be unchanged. */
  takeRecheck(file: TailFile): boolean {
    return this.#rechecked.delete(file)
  }

  /** Makes `file` wait until the outputs may take more of it: `releaseParked` is called, or a while has passed. */
  park(file: TailFile): void {
    this.#parked.add(file)
    this.#parkedTimer ??= this.#clock.after(MAX_PARKED_MS, () => this.#unpark())
  }

  /**
   * Returns the parked files to the queue, in their order: at once if they are few, or else soon. Those that still have to
   * wait are parked again.
   */
  releaseParked(): void {
    if (this.#parked.size === 0 || this.#isReleasing) return
    this.#isReleasing = true
    if (this.#parked.size <= MAX_RELEASED_AT_ONCE) setImmediate(() => this.#unpark())
    else {
      this.#clock.cancel(this.#parkedTimer)
      this.#parkedTimer = this.#clock.after(RELEASE_MS, () => this.#unpark())
    }
  }

  #unpark(): void {
    this.#isReleasing = false
    this.#clock.cancel(this.#parkedTimer)
    this.#parkedTimer = undefined
    for (const file of this.#parked) {
      if (!file.handle.isOpen || this.#ready.has(file)) continue
      this.#ready.add(file)
      this.#rechecked.add(file)
    }
    this.#parked = new Set()
    if (this.#ready.size > 0) this.#wake?.()
  }

  /** Makes `file` wait until `before` is released. */
  waitFor(file: TailFile, before: TailFile): void {
    const waiting = this.#waiting.get(before)
    if (waiting === undefined) this.#waiting.set(before, [file])
    else if (!waiting.includes(file)) waiting.push(file)
  }

  release(before: TailFile): void {
    const waiting = this.#waiting.get(before)
    if (waiting === undefined) return
    this.#waiting.delete(before)
    for (const file of waiting) this.add(file)
  }

  /** Number of files in the queue. */
  get size(): number {
    return this.#ready.size
  }

  take(): TailFile | undefined {
    const next = this.#next
    this.#next = undefined
    if (next !== undefined) return next
    for (const file of this.#ready) {
      this.#ready.delete(file)
      return file
    }
    return undefined
  }

  /**
   * Resolves when a file is ready, or on abort; at the earliest `coalesceMs` after the last time, so that a
   * writer that flushes each line does not cause a read for each.
   */
  async wake(signal: AbortSignal): Promise<void> {
    if (this.#ready.size === 0 && this.#next === undefined && !signal.aborted) {
      await this.#sleep(signal)
      if (!signal.aborted) await this.pace()
    }
    const waitMs = this.#lastWakeMs + this.#coalesceMs - this.#clock.nowMs()
    if (waitMs > 0 && waitMs <= this.#coalesceMs && !signal.aborted) await this.#pause(waitMs)
    this.#lastWakeMs = this.#clock.nowMs()
  }

  /** Ends a wait without a file: there is something else to decide on. */
  interrupt(): void {
    this.#wake?.()
  }

  /** Resolves after pending socket and timer events have run. */
  async yield(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#sliceStartMs = performance.now()
  }

  /** Does the same if turns have taken SLICE_MS since the last time. */
  async pace(): Promise<void> {
    if (performance.now() - this.#sliceStartMs >= SLICE_MS) await this.yield()
  }

  /** Runs `fn` once after `ms`; further calls until then are ignored. */
  soon(ms: number, fn: () => void): void {
    this.#soon ??= this.#clock.after(ms, () => {
      this.#soon = undefined
      fn()
    })
  }

  /** Runs `fn` after `ms`, unless the scheduler is stopped before. */
  once(ms: number, fn: () => void): void {
    const handle = this.#clock.after(ms, () => {
      this.#timers.delete(handle)
      fn()
    })
    this.#timers.add(handle)
  }

  /** Runs `fn` every `ms` until the signal or `stop`. */
  every(ms: number, fn: () => void, signal: AbortSignal): void {
    const handle = this.#clock.after(ms, () => {
      this.#timers.delete(handle)
      if (signal.aborted) return
      fn()
      this.every(ms, fn, signal)
    })
    this.#timers.add(handle)
  }

  stop(): void {
    this.#clock.cancel(this.#soon)
    if (this.#parkedTimer !== undefined) this.#clock.cancel(this.#parkedTimer)
    this.#parked.clear()
    for (const timer of this.#timers) this.#clock.cancel(timer)
    this.#timers.clear()
  }

  #sleep(signal: AbortSignal): Promise<void> {
    // One listener for all sleeps: a listener per sleep would be garbage at every wake.
    if (this.#signal !== signal) {
      this.#signal = signal
      signal.addEventListener('abort', () => this.#wake?.(), { once: true })
    }
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        resolve()
      }
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve)
    })
  }
}
