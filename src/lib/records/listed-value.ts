import type { RecordAccessor } from './accessor.ts'
import type { PairList } from './pair-list.ts'

/** Finds a value of a record that a list has read: that of one of its keys without a search, any other by its accessor. */
export class ListedValue {
  readonly #key: number
  readonly #accessor: RecordAccessor

  /** `keyIndex` returns the index of a key, which the list will have. */
  constructor(accessor: RecordAccessor, keyIndex: (key: string) => number) {
    const { place } = accessor
    this.#key = place === undefined || place.parent !== undefined ? -1 : keyIndex(place.key.toString())
    this.#accessor = accessor
  }

  /** Returns the offset of the value in the map at `map`, or -1. To be called before the list is changed. */
  find(list: PairList, buf: Buffer, map: number, end: number): number {
    if (this.#key < 0) return this.#accessor.find(buf, map, end)
    const node = list.last(this.#key)
    return node === 0 ? -1 : list.valueOf(node)
  }
}
