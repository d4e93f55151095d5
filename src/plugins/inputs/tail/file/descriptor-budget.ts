import { openFileLimit } from '../../../../lib/fs/open-file-limit.ts'

/** A descriptor that may be closed while its file is followed, and opened again when it is needed. */
export interface Releasable {
  /** Order of release, 0 first; undefined while closing it could lose data. */
  readonly releaseRank: number | undefined
  /** Number of the last use of any descriptor that used this one. */
  readonly lastUsed: number
  /** Closes it. Returns false when that could lose data after all. */
  release(): boolean
}

/** At most this many descriptors, and at most half of the limit, are left to connections, outputs and the database. */
const MAX_RESERVE = 4096
/** Files are followed even with this few descriptors. Two files are compared by their descriptors, so 2 would do. */
const MIN_BUDGET = 16
/** The descriptors used last stay open, since several are used together. */
const RECENT = 8
/** Part of the budget that is released at once, so that each release is found at little cost. */
const RELEASED_AT_ONCE = 1 / 8

/**
 * Descriptors of the files that all tail inputs of the process follow. They leave a reserve below the limit of
 * open files: without it the agent can neither connect nor accept a connection, and the runtime reports that
 * as an error of the peer. Beyond the budget, descriptors of files that are read to their end are closed
 * first, and those with unread bytes in turns.
 */
export class DescriptorBudget {
  /** Limit of open files of the process; Infinity if it is not known. */
  readonly processLimit: number
  #max: number
  #uses = 0
  readonly #open = new Set<Releasable>()

  constructor(processLimit: number) {
    this.processLimit = processLimit
    this.#max = Math.max(MIN_BUDGET, processLimit - Math.min(MAX_RESERVE, Math.ceil(processLimit / 2)))
  }

  /** Maximum number of descriptors of followed files. */
  get max(): number {
    return this.#max
  }

  get size(): number {
    return this.#open.size
  }

  /** Makes room for one more descriptor. Returns false if none can be closed. */
  makeRoom(): boolean {
    return this.#open.size < this.#max || this.#release(Math.ceil(this.#max * RELEASED_AT_ONCE)) > 0
  }

  /**
   * Lowers the budget, because the limit of the process or of the system was reached although the budget was
   * not. Returns false if no descriptor can be closed.
   */
  lower(): boolean {
    return this.limitTo(Math.min(this.#max, this.#open.size) - RECENT) > 0
  }

  /** Sets the budget, and closes descriptors beyond it. Returns how many. */
  limitTo(max: number): number {
    this.#max = Math.max(MIN_BUDGET, max)
    return this.#release(Math.max(0, this.#open.size - this.#max))
  }

  add(descriptor: Releasable): void {
    this.#open.add(descriptor)
  }

  remove(descriptor: Releasable): void {
    this.#open.delete(descriptor)
  }

  /** Returns the number of a use, which is greater than that of all uses before. */
  nextUse(): number {
    return ++this.#uses
  }

  /** Closes up to `count` descriptors, and returns how many. */
  #release(count: number): number {
    const before = this.#uses - RECENT
    const ranked: { descriptor: Releasable; rank: number }[] = []
    for (const descriptor of this.#open) {
      const rank = descriptor.lastUsed > before ? undefined : descriptor.releaseRank
      if (rank !== undefined) ranked.push({ descriptor, rank })
    }
    ranked.sort((a, b) => a.rank - b.rank || a.descriptor.lastUsed - b.descriptor.lastUsed)
    let released = 0
    for (const { descriptor } of ranked) {
      if (released >= count) break
      if (!descriptor.release()) continue
      this.#open.delete(descriptor)
      released++
    }
    return released
  }
}

/** The budget of the process. */
export const descriptorBudget = new DescriptorBudget(openFileLimit())
