/** Size of an entry before any was seen, which is about the least one. */
const FIRST_ENTRY_BYTES = 16
/** Entries that are larger count as this: shorter ones may follow. */
const MAX_ENTRY_BYTES = 256
/** Growth from which on chunks are small beforehand; less is learned from the chunks that were filtered. */
const MIN_GROWTH = 8
const MIN_BYTES = 64
/** Part of the buffer of the filtered chunk that is to be filled. */
const FILL_RATIO = 0.8

/**
 * The size at which chunks are sealed whose filters add a known number of bytes to each record. What was learned from the last chunk does
 * not suffice where this is much: the records of the next one may be a tenth as long, or meet a condition that those did not.
 */
export class AddedBytes {
  readonly #filteredBytes: number
  #entryBytes = FIRST_ENTRY_BYTES

  /** `filteredBytes` is the intended size of a chunk after the filters. */
  constructor(filteredBytes: number) {
    this.#filteredBytes = filteredBytes
  }

  /** Learns the size of the entries from a chunk that was not filtered. */
  record(size: number, count: number): void {
    if (count > 0) this.#entryBytes = Math.min(MAX_ENTRY_BYTES, size / count)
  }

  /** Returns the size for filters that add `bytes` to each record. */
  chunkBytes(bytes: number): number {
    const growth = 1 + bytes / this.#entryBytes
    return growth < MIN_GROWTH
      ? Number.POSITIVE_INFINITY
      : Math.max(MIN_BYTES, (this.#filteredBytes * FILL_RATIO) / growth)
  }
}
