import type { Appender } from '../../../../core/plugin.ts'
import type { TailFile } from '../file/tail-file.ts'

/**
 * Holds back the positions of files while records of several streams overlap, from the point where no record was open to the
 * next such point:
 *
 * ```
 *   stdout   |----------|        |------|
 *   stderr         |----------------|
 *            ^ hold                      ^ clean again
 * ```
 * Between the two there is no position at which a next run could resume: it would read only the end of some record. So all
 * files with lines of these records are held back until then, together.
 */
export class PositionHold {
  #open = 0
  readonly #files = new Set<TailFile>()

  /** Records that a record was opened at `from` of the file. */
  begin(file: TailFile, from: number): void {
    this.#open++
    this.addFile(file, from)
  }

  /** Adds a file that may have lines of the open records from `from` on. */
  addFile(file: TailFile, from: number): void {
    this.#files.add(file)
    file.acks.limitCommits(from)
  }

  /** Puts a copy in the place of its original, of which no lines are in the open records any more. */
  replaceFile(original: TailFile, copy: TailFile, from: number): void {
    this.#files.delete(original)
    original.acks.liftCommitLimit()
    this.addFile(copy, from)
  }

  /** Records that an open record was written to `out`. True when none is open any more. */
  end(out: Appender): boolean {
    const clean = --this.#open === 0
    if (clean) this.release()
    // Also while positions are held back: this chunk has to settle before they move.
    for (const file of this.#files) if (file.needsJoin()) out.addContributor(file)
    return clean
  }

  release(): void {
    for (const file of this.#files) file.acks.liftCommitLimit()
  }
}
