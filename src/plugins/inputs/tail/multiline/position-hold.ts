import type { Appender } from '../../../../core/plugin.ts'
import type { TailFile } from '../file/tail-file.ts'

/**
 * Groups of several streams that overlap, from the point where nothing was open to the next such point:
 *
 * ```
 *   stdout   |----------|        |------|
 *   stderr         |----------------|
 *            ^ hold                      ^ clean again
 * ```
 * Between the two there is no position from which a next run could go on: a group of which it read only the end would be
 * torn. So all files that the groups are in are held back until then, together.
 */
export class PositionHold {
  #open = 0
  readonly #files = new Set<TailFile>()

  /** A group begins, at `from` of the file. */
  begin(file: TailFile, from: number): void {
    this.#open++
    this.hold(file, from)
  }

  /** Parts of open groups may follow from here on. */
  hold(file: TailFile, from: number): void {
    this.#files.add(file)
    file.acks.limitCommits(from)
  }

  /** The record of a group is in `out` now. True: nothing is open any more. */
  end(out: Appender): boolean {
    const clean = --this.#open === 0
    if (clean) this.release()
    // Also while they are held: what is in this chunk has to settle before they move.
    for (const file of this.#files) if (file.needsJoin()) out.addContributor(file)
    return clean
  }

  release(): void {
    for (const file of this.#files) file.acks.liftCommitLimit()
  }
}
