import { EXTENTS } from '../../core/places.ts'
import { placeSpan } from '../records/entry-place.ts'

/**
 * Extent (core/places.ts) of a record that grows line by line: a hash of the places of the lines after the first one, in their order. A
 * step of it is reversible, so that two sequences have the same one with a probability of 2^-24.
 */
export class Extent {
  #low = 0
  #high = 0
  #isEmpty = true
  #source = ''
  #sourceHash = 0

  /** 0 while the record has one line. */
  get value(): number {
    if (this.#isEmpty) return 0
    const value = finished(this.#low ^ finished(this.#high)) % EXTENTS
    return value === 0 ? 1 : value
  }

  /** Adds a line of a file. */
  addLine(source: string, offset: number, extent = 0): void {
    if (source !== this.#source) {
      this.#source = source
      this.#sourceHash = hashOf(source)
    }
    this.#add(this.#sourceHash)
    this.addNumber(offset)
    if (extent > 0) this.addNumber(extent)
  }

  /** Adds the entry buf[at, end) of another record: its place, or all of it if it has none. */
  addEntry(buf: Buffer, at: number, end: number): void {
    const place = placeSpan(buf, at, end)
    const { start, end: to } = place ?? { start: at, end }
    for (let i = start; i < to; i += 4) this.#add(to - i >= 4 ? buf.readInt32LE(i) : buf.readIntLE(i, to - i))
    this.#add(to - start)
  }

  addNumber(value: number): void {
    this.#add(value | 0)
    this.#add(Math.floor(value / 2 ** 32))
  }

  /** Mixes 32 bits in as MurmurHash3 does with two lanes. */
  #add(value: number): void {
    this.#isEmpty = false
    let low = this.#low ^ Math.imul(rotated(Math.imul(value, 0x239b961b), 15), 0xab0e9789)
    low = (Math.imul(rotated(low, 19) + this.#high, 5) + 0x561ccd1b) | 0
    const high = this.#high ^ Math.imul(rotated(Math.imul(value, 0x38b34ae5), 17), 0xa1e38b93)
    this.#high = (Math.imul(rotated(high, 13) + low, 5) + 0x32ac3b17) | 0
    this.#low = low
  }
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** Spreads each bit over all; returns an unsigned number. */
function finished(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function hashOf(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h
}
