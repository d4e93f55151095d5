import { targetView } from '../text/data-views.ts'

/** Number of pairs up to which each key of a map is compared with those before it; one with more has a hash table. */
const MAX_FEW_PAIRS = 16
/** Number of pairs up to which a map has a hash table; a larger one is sorted at its end. */
const MAX_TABLE_PAIRS = 65_536
/** Comparisons for each pair after which a map is sorted at its end: somebody chose keys that have one hash. */
const MAX_COMPARISONS = 8
/** Number of pairs for which memory is kept from one text to the next. */
const MAX_KEPT_PAIRS = 100_000
/** Numbers of a map with a table that are put aside while a map in it is written. */
const FRAME = 4

/**
 * Finds keys that a map of a JSON text has twice, and removes all pairs but the last of each. Keys are compared as they are written:
 * an integer and the text of its digits are one key. Maps may be nested:
 *
 * ```
 *   open(2)  add "a"  open(1)  add "b"  close  add "a"  close
 * ```
 *
 * Nothing is allocated and nothing cleared for a map: a slot of the hash tables belongs to the map whose number it has.
 */
export class WrittenKeys {
  /** Offset of the text of each key of the open maps; of a pair that is to be removed its complement. */
  #starts = new Int32Array(128)
  /** Length and some characters of each key of a map with few pairs. */
  #marks = new Int32Array(128)
  #count = 0
  /** Number of pairs of the open maps that are to be removed. */
  #repeated = 0
  /** Hash tables of the open maps, one after the other: the number of a map, and the index of its pair. */
  #owners = new Int32Array(256)
  #pairs = new Int32Array(256)
  /** Numbers of the maps with a table that are around the innermost one, FRAME for each. */
  #frames = new Int32Array(FRAME * 8)
  #depth = 0
  #maps = 0
  /** Of the innermost map with a table: its number, the offset and size of the table, the comparisons left. */
  #map = 0
  #table = 0
  #size = 0
  #budget = 0

  /** Begins a map of this number of pairs; returns the number that `add` and `close` take. */
  open(pairs: number): number {
    const base = this.#count
    if (base + pairs > this.#starts.length) this.#growStarts(base + pairs)
    if (pairs <= MAX_FEW_PAIRS) return base
    this.#openTable(pairs)
    return ~base
  }

  /** Adds the key of the next pair of the innermost map, whose text is buf[start, end) with its quotes. */
  add(map: number, buf: Buffer, start: number, end: number): void {
    if (map < 0) {
      this.#addToTable(buf, start, end)
      return
    }
    const marks = this.#marks
    const mark =
      ((end - start) << 24) ^
      ((buf[start + 1] as number) << 16) ^
      ((buf[(start + end) >> 1] as number) << 8) ^
      (buf[end - 2] as number)
    const count = this.#count
    for (let i = map; i < count; i++) if (marks[i] === mark) this.#compare(i, buf, start, end)
    marks[count] = mark
    this.#starts[count] = start
    this.#count = count + 1
  }

  /** Ends the innermost map, whose pairs end at `end`; returns their end after repeated ones are removed. */
  close(map: number, buf: Buffer, end: number): number {
    const base = map < 0 ? ~map : map
    if (map < 0 && this.#budget < 0) this.#findSorted(buf, base)
    const left = this.#repeated === 0 ? end : this.#remove(buf, base, end)
    this.#count = base
    if (map < 0) this.#closeTable()
    return left
  }

  /** Forgets maps that were not ended, because something failed in them, and the memory of a huge one. */
  reset(): void {
    this.#count = this.#repeated = this.#depth = this.#table = this.#size = 0
    if (this.#starts.length <= MAX_KEPT_PAIRS) return
    this.#starts = new Int32Array(128)
    this.#marks = new Int32Array(128)
    this.#owners = new Int32Array(256)
    this.#pairs = new Int32Array(256)
  }

  #compare(i: number, buf: Buffer, start: number, end: number): void {
    const other = this.#starts[i] as number
    if (other < 0 || !isSame(buf, other, start, end)) return
    this.#starts[i] = ~other
    this.#repeated++
  }

  #addToTable(buf: Buffer, start: number, end: number): void {
    const index = this.#count++
    this.#starts[index] = start
    if (this.#budget < 0) return
    const owners = this.#owners
    const pairs = this.#pairs
    const map = this.#map
    const table = this.#table
    const mask = this.#size - 1
    let slot = table + (hashOf(buf, start, end) & mask)
    while (owners[slot] === map) {
      const other = pairs[slot] as number
      if (isSame(buf, this.#starts[other] as number, start, end)) {
        this.#compare(other, buf, start, end)
        break
      }
      if (--this.#budget < 0) return
      slot = table + ((slot - table + 1) & mask)
    }
    owners[slot] = map
    pairs[slot] = index
  }

  /** Moves the pairs that stay; returns their end. Each pair ends where the next one begins, and the last one stays. */
  #remove(buf: Buffer, base: number, end: number): number {
    const starts = this.#starts
    let to = -1
    for (let i = base; i < this.#count; i++) {
      const start = starts[i] as number
      if (start < 0) {
        this.#repeated--
        if (to < 0) to = ~start
      } else if (to >= 0) {
        const next = i + 1 < this.#count ? (starts[i + 1] as number) : end
        const stop = next < 0 ? ~next : next
        buf.copyWithin(to, start, stop)
        to += stop - start
      }
    }
    return to < 0 ? end : to
  }

  /** Marks repeated keys in the order of their texts: the time does not depend on what the keys are. */
  #findSorted(buf: Buffer, base: number): void {
    const starts = this.#starts
    const order: number[] = []
    for (let i = base; i < this.#count; i++) if ((starts[i] as number) >= 0) order.push(i)
    const ends = new Int32Array(this.#count)
    for (const i of order) ends[i] = stringEnd(buf, starts[i] as number)
    order.sort((a, b) => buf.compare(buf, starts[b], ends[b], starts[a], ends[a]) || a - b)
    for (let i = 1; i < order.length; i++) {
      const at = order[i] as number
      this.#compare(order[i - 1] as number, buf, starts[at] as number, ends[at] as number)
    }
  }

  #openTable(pairs: number): void {
    const at = this.#depth++ * FRAME
    if (at + FRAME > this.#frames.length) this.#frames = larger(this.#frames, at + FRAME)
    const frames = this.#frames
    frames[at] = this.#map
    frames[at + 1] = this.#table
    frames[at + 2] = this.#size
    frames[at + 3] = this.#budget
    if (this.#maps === MAX_MAPS) {
      // What open maps have in their tables is forgotten: once in two thousand million maps a key may come twice.
      this.#owners.fill(0)
      this.#maps = 0
    }
    this.#map = ++this.#maps
    this.#table += this.#size
    this.#size = pairs > MAX_TABLE_PAIRS ? 0 : 1 << (32 - Math.clz32(2 * pairs - 1))
    this.#budget = this.#size === 0 ? -1 : (pairs + 8) * MAX_COMPARISONS
    const slots = this.#table + this.#size
    if (slots <= this.#owners.length) return
    this.#owners = larger(this.#owners, slots)
    this.#pairs = larger(this.#pairs, slots)
  }

  #closeTable(): void {
    const at = --this.#depth * FRAME
    const frames = this.#frames
    this.#map = frames[at] as number
    this.#table = frames[at + 1] as number
    this.#size = frames[at + 2] as number
    this.#budget = frames[at + 3] as number
  }

  #growStarts(pairs: number): void {
    this.#starts = larger(this.#starts, pairs)
    this.#marks = larger(this.#marks, pairs)
  }
}

const MAX_MAPS = 0x7fffffff

function larger(numbers: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length * 2)
  grown.set(numbers)
  return grown
}

/** Hashes the length of a text, and its first, middle and last characters. */
function hashOf(buf: Buffer, start: number, end: number): number {
  const length = end - start
  let hash = length
  if (length < 8) {
    for (let p = start + 1; p < end - 1; p++) hash = Math.imul(hash, 31) + (buf[p] as number)
    return Math.imul(hash, 0x9e3779b1) >>> 12
  }
  const view = targetView(buf)
  hash ^= Math.imul(view.getInt32(start + 1), 0x85ebca6b)
  hash ^= Math.imul(view.getInt32(end - 5), 0xc2b2ae35)
  hash ^= Math.imul(view.getInt32(start + (length >> 1) - 2), 0x27d4eb2f)
  return Math.imul(hash ^ (hash >>> 15), 0x9e3779b1) >>> 12
}

/**
 * Returns true when the text at `other` is buf[start, end). Both end with their first quote that no backslash precedes, so that their
 * lengths are equal when these bytes are.
 */
function isSame(buf: Buffer, other: number, start: number, end: number): boolean {
  for (let i = end - start - 1; i >= 0; i--) if (buf[other + i] !== buf[start + i]) return false
  return true
}

/** Returns the offset after the JSON string at `start`. */
export function stringEnd(buf: Buffer, start: number): number {
  let p = start + 1
  while (buf[p] !== 0x22) p += buf[p] === 0x5c ? 2 : 1
  return p + 1
}
