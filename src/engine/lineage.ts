import { MAX_REROUTES } from '../core/plugin.ts'

/**
 * What filters have sent on under other tags of the records of one chunk of an input, and of what they have sent on of those in
 * turn. The limits of a filter hold for the way of one record only: n filters that match each other's tags and keep each record
 * make about n! copies of it. So what comes from one chunk is limited together.
 */
class Lineage {
  /** Bytes of the buffers of these records, and what filters have added to them. */
  bytes = 0
  #left: number

  /** `records` is the number of records in the chunk. */
  constructor(records: number) {
    this.#left = records * MAX_REROUTES
  }

  /** Counts one more record; returns false when there are too many. */
  mayReroute(): boolean {
    if (this.#left <= 0) return false
    this.#left--
    return true
  }
}

/**
 * The lineage of the chunk that is on its way. A chunk from an input has none before a filter asks; of rerouted records, which a filter may
 * hold and emit later, it is found by their list of rewrites, which every filter passes on as it is.
 */
export class Lineages {
  readonly #byRewrites = new WeakMap<readonly string[], Lineage>()
  #current: Lineage | undefined
  /** Number of records of the chunk on its way when it began. */
  #records = 0

  /** Begins with a chunk that comes from an input, a timer or a dead letter. */
  begin(rewrites: readonly string[], records: number): void {
    this.#records = records
    this.#current = rewrites.length === 0 ? undefined : this.#byRewrites.get(rewrites)
  }

  /** Changes to the lineage of a chunk that is filtered within another; returns the one before, for `leave`. */
  enter(rewrites: readonly string[]): Lineage | undefined {
    const own = rewrites.length === 0 ? undefined : this.#byRewrites.get(rewrites)
    if (own === undefined || own === this.#current) return undefined
    const before = this.get()
    this.#current = own
    return before
  }

  leave(before: Lineage | undefined): void {
    if (before !== undefined) this.#current = before
  }

  /** The current lineage, if a filter has asked for it. */
  get known(): Lineage | undefined {
    return this.#current
  }

  /** Returns the current lineage. */
  get(): Lineage {
    this.#current ??= new Lineage(this.#records)
    return this.#current
  }

  /** Notes that records with these rewrites belong to the current lineage. */
  add(rewrites: readonly string[], bytes: number): void {
    const lineage = this.get()
    lineage.bytes += bytes
    this.#byRewrites.set(rewrites, lineage)
  }
}
