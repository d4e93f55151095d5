import type { Clock } from '../../../core/services.ts'
import { isMissing, stat } from '../../../lib/fs/file-system.ts'

/** Time without a record after which a file does not count any more. */
const IDLE_MS = 3_600_000
/** Time between two looks at which files were removed, and how many of them are looked at. */
const LOOK_MS = 60_000
const MAX_LOOKED_AT = 10_000

/**
 * Limits the number of different files that records choose. A file counts from its first record until it got none for
 * IDLE_MS, or is found to be removed: with a date or the name of a pod in its path there are new ones all the time. Files
 * are counted out only when the limit is reached, so that the list is no longer than the limit.
 */
export class FileLimit {
  readonly #max: number
  readonly #clock: Clock
  /**
   * Time of the last write to each file, the least recently written first; undefined while the first write has not
   * succeeded.
   */
  readonly #paths = new Map<string, number | undefined>()
  #lookedMs = Number.NEGATIVE_INFINITY

  /** `max` 0: there is no limit, and nothing is remembered. */
  constructor(max: number, clock: Clock) {
    this.#max = max
    this.#clock = clock
  }

  /** Returns true when the file may be written, and counts it. */
  admits(path: string): boolean {
    if (this.#max === 0 || this.#paths.has(path)) return true
    if (this.#paths.size >= this.#max) this.#forgetIdle()
    if (this.#paths.size >= this.#max) this.#forgetRemoved()
    if (this.#paths.size >= this.#max) return false
    this.#paths.set(path, undefined)
    return true
  }

  /** Records that the file was written. */
  keep(path: string): void {
    if (this.#paths.delete(path)) this.#paths.set(path, this.#clock.nowMs())
  }

  /** Records that the file was not written: it counts only if it was before. */
  release(path: string): void {
    if (this.#paths.has(path) && this.#paths.get(path) === undefined) this.#paths.delete(path)
  }

  #forgetIdle(): void {
    const nowMs = this.#clock.nowMs()
    for (const [path, writtenMs] of this.#paths) {
      if (writtenMs === undefined) continue
      // A clock that was set back must not keep files for longer.
      if (Math.abs(nowMs - writtenMs) < IDLE_MS) return
      this.#paths.delete(path)
    }
  }

  #forgetRemoved(): void {
    const nowMs = this.#clock.nowMs()
    if (Math.abs(nowMs - this.#lookedMs) < LOOK_MS) return
    this.#lookedMs = nowMs
    let left = MAX_LOOKED_AT
    for (const [path, writtenMs] of this.#paths) {
      if (left-- === 0) return
      if (writtenMs !== undefined && isMissing(stat(path))) this.#paths.delete(path)
    }
  }
}
