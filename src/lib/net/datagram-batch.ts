import { JsonText } from '../json/msgpack-to-json.ts'

/** A record that is no datagram: the offsets of its entry from the start of the chunk, and why, as a clause. */
export interface RefusedRecord {
  readonly entry: number
  readonly entryEnd: number
  readonly reason: string
}

/**
 * The datagrams of one chunk, one after the other in `text`. A record is one datagram, several in order, or none.
 *
 * ```
 *   text  | datagram 0 | datagram 1 | datagram 2 |
 *                      ^ ends[0]    ^ ends[1]    ^ ends[2]
 * ```
 */
export class DatagramBatch {
  readonly text = new JsonText()
  readonly #ends: number[] = []
  /** Of each datagram: the offset of the entry of its record from the start of the chunk, and of the one after it. */
  readonly #entries: number[] = []
  count = 0
  readonly refused: RefusedRecord[] = []

  /** Forgets all datagrams. */
  reset(): void {
    this.text.reset()
    this.count = 0
    this.refused.length = 0
  }

  /** Leaves out the record of the entry at these offsets. */
  refuse(entry: number, entryEnd: number, reason: string): void {
    this.refused.push({ entry, entryEnd, reason })
  }

  /** Ends the datagram that was written to `text`, of the entry at these offsets from the start of the chunk. */
  end(entry: number, entryEnd: number): void {
    const i = this.count++
    this.#ends[i] = this.text.at
    this.#entries[2 * i] = entry
    this.#entries[2 * i + 1] = entryEnd
  }

  start(i: number): number {
    return i === 0 ? 0 : (this.#ends[i - 1] as number)
  }

  endOf(i: number): number {
    return this.#ends[i] as number
  }

  entry(i: number): number {
    return this.#entries[2 * i] as number
  }

  entryEnd(i: number): number {
    return this.#entries[2 * i + 1] as number
  }

  /** Returns the first datagram of the record that the datagram belongs to. */
  firstOfRecord(i: number): number {
    let first = i
    while (first > 0 && this.entry(first - 1) === this.entry(i)) first--
    return first
  }

  /** Returns the first datagram of the next record. */
  afterRecord(i: number): number {
    let next = i + 1
    while (next < this.count && this.entry(next) === this.entry(i)) next++
    return next
  }
}
