import { RECORD_ID_BYTES } from '../../../core/record-ids.ts'
import { type IdRange, type KnownIds, offsetIn, SOURCE_BYTES } from './id-set.ts'

/** An object of the last run that exists. Only where its records begin and end is in memory; which they are is in its row. */
interface StoredObject {
  readonly rowId: number
  readonly ranges: ReadonlyMap<string, IdRange>
  /** Sources of which no record behind those of the object has been seen. */
  readonly pending: Set<string>
}

/** Maximum number of records of the sets in memory, 8 or 16 bytes each; one set may have more. */
const MAX_LOADED_RECORDS = 2_000_000
/** Chunks in a row of which no record was known, after which the sets in memory are given back. */
const MAX_MISSES = 64

/**
 * The records of objects that exist. Few sets of ids are in memory at a time: records that are read again come in the order of their
 * offsets, so that one serves many chunks, and it goes when they have passed it.
 */
export class StoredIds {
  readonly #load: (rowId: number) => KnownIds | undefined
  readonly #objects = new Map<number, StoredObject>()
  readonly #bySource = new Map<string, StoredObject[]>()
  /** Sets in memory by their rows, the one that was used last at the end. */
  readonly #loaded = new Map<number, KnownIds>()
  #misses = 0

  /** `load` returns the set of a row; undefined when it cannot be read, which costs duplicates. */
  constructor(load: (rowId: number) => KnownIds | undefined) {
    this.#load = load
  }

  get size(): number {
    return this.#objects.size
  }

  /** Number of records of the sets in memory. */
  get loaded(): number {
    return this.#loaded.values().reduce((sum, { count }) => sum + count, 0)
  }

  add(rowId: number, ids: KnownIds): void {
    const { ranges } = ids
    const object = { rowId, ranges, pending: new Set(ranges.keys()) }
    this.#objects.set(rowId, object)
    for (const source of ranges.keys()) {
      const others = this.#bySource.get(source)
      if (others === undefined) this.#bySource.set(source, [object])
      else others.push(object)
    }
  }

  /** Returns the objects that may have records of the source of record `i`. */
  candidates(ids: Buffer, i: number): readonly StoredObject[] {
    const at = i * RECORD_ID_BYTES
    const source = ids.toString('latin1', at, at + SOURCE_BYTES)
    const objects = this.#bySource.get(source) ?? []
    if (objects.length === 0) return objects
    const offset = offsetIn(ids, i)
    for (const { ranges, pending } of objects)
      if (offset > (ranges.get(source) as IdRange).last) pending.delete(source)
    return objects
  }

  /** True when records behind all of the object were seen. Some of its own may still come: records are not in order when lines are joined. */
  isPassed(rowId: number): boolean {
    return this.#objects.get(rowId)?.pending.size === 0
  }

  /** True when the object has the record `i` of a chunk with these ids. */
  has(object: StoredObject, ids: Buffer, i: number): boolean {
    const at = i * RECORD_ID_BYTES
    const range = object.ranges.get(ids.toString('latin1', at, at + SOURCE_BYTES))
    const offset = offsetIn(ids, i)
    if (range === undefined || offset < range.first || offset > range.last) return false
    return this.#idsOf(object)?.has(ids, i) === true
  }

  #idsOf(object: StoredObject): KnownIds | undefined {
    const { rowId } = object
    const known = this.#loaded.get(rowId) ?? this.#load(rowId)
    if (known === undefined) {
      this.remove(rowId)
      return undefined
    }
    this.#loaded.delete(rowId)
    for (const [first] of this.#loaded) {
      if (this.loaded + known.count <= MAX_LOADED_RECORDS) break
      this.#loaded.delete(first)
    }
    this.#loaded.set(rowId, known)
    return known
  }

  /** Called after each chunk; `isKnown`: a record of it was. */
  lookedUp(isKnown: boolean): void {
    this.#misses = isKnown ? 0 : this.#misses + 1
    if (this.#misses >= MAX_MISSES) this.#loaded.clear()
  }

  /** Forgets an object. */
  remove(rowId: number): void {
    for (const source of this.#objects.get(rowId)?.ranges.keys() ?? []) {
      const others = this.#bySource.get(source)?.filter((object) => object.rowId !== rowId) ?? []
      if (others.length > 0) this.#bySource.set(source, others)
      else this.#bySource.delete(source)
    }
    this.#objects.delete(rowId)
    this.#loaded.delete(rowId)
  }
}
