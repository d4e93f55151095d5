import { randomBytes } from 'node:crypto'

/** What a pattern is compared with: the whole text, or its start. */
export const WHOLE = 1
export const START = 2
type PatternKind = typeof WHOLE | typeof START

/** Upper bounds of what is added to a set: number, bytes together, and length of the longest. */
export interface PatternBounds {
  patterns: number
  bytes: number
  longest: number
}

/**
 * A set of texts, looked up by a hash of the bytes. One pass over a text finds the patterns that it begins with, since the hash of
 * each of its starts is a step of the hash of the whole.
 */
export class PatternSet {
  readonly #fold: Uint8Array
  /** Hash of the empty text. Unknown outside, so that nobody can make texts whose starts all share a hash with a pattern. */
  readonly #seed = randomBytes(4).readInt32BE(0)
  /** Bytes of all patterns one after the other. */
  #text: Buffer
  #starts: Int32Array
  #hashes: Int32Array
  #kinds: Uint8Array
  /** Kinds of the patterns of each length. */
  #kindsOfLength: Uint8Array
  /** Index of a pattern, plus 1, by its hash; linear probing. */
  #slots: Int32Array
  #shift: number
  #count = 0
  #hasStarts = false

  /** `fold`: the byte that stands for each byte, in patterns and texts. */
  constructor(fold: Uint8Array, { patterns, bytes, longest }: PatternBounds) {
    this.#fold = fold
    this.#text = Buffer.allocUnsafeSlow(bytes)
    this.#starts = new Int32Array(patterns + 1)
    this.#hashes = new Int32Array(patterns)
    this.#kinds = new Uint8Array(patterns)
    this.#kindsOfLength = new Uint8Array(longest + 1)
    const bits = Math.max(4, 33 - Math.clz32(patterns))
    this.#slots = new Int32Array(1 << bits)
    this.#shift = 32 - bits
  }

  /** Number of different patterns. */
  get size(): number {
    return this.#count
  }

  add(buf: Buffer, start: number, end: number, kind: PatternKind): void {
    const length = end - start
    let hash = this.#seed
    for (let i = start; i < end; i++) hash = step(hash, this.#fold[buf[i] as number] as number)
    if (kind === START) this.#hasStarts = true
    this.#kindsOfLength[length] = (this.#kindsOfLength[length] as number) | kind
    const found = this.#find(hash, buf, start, length)
    if (found >= 0) {
      this.#kinds[found] = (this.#kinds[found] as number) | kind
      return
    }
    const index = this.#count++
    const at = this.#starts[index] as number
    for (let i = 0; i < length; i++) this.#text[at + i] = this.#fold[buf[start + i] as number] as number
    this.#starts[index + 1] = at + length
    this.#hashes[index] = hash
    this.#kinds[index] = kind
    const mask = this.#slots.length - 1
    let slot = this.#slotOf(hash)
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = index + 1
  }

  /** True when buf[start, end) is a pattern, or begins with one of the kind START. */
  matches(buf: Buffer, start: number, end: number): boolean {
    const kinds = this.#kindsOfLength
    const fold = this.#fold
    const length = end - start
    const limit = Math.min(length, kinds.length - 1)
    // Nothing has to be hashed when no pattern is as long as the text.
    if (!this.#hasStarts && (limit < length || kinds[length] === 0)) return false
    let hash = this.#seed
    for (let i = 1; i <= limit; i++) {
      hash = step(hash, fold[buf[start + i - 1] as number] as number)
      const wanted = (kinds[i] as number) & (i === length ? WHOLE | START : START)
      if (wanted === 0) continue
      const found = this.#find(hash, buf, start, i)
      if (found >= 0 && ((this.#kinds[found] as number) & wanted) !== 0) return true
    }
    return false
  }

  #find(hash: number, buf: Buffer, start: number, length: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = this.#slotOf(hash); slots[slot] !== 0; slot = (slot + 1) & mask) {
      const index = (slots[slot] as number) - 1
      if (this.#hashes[index] === hash && this.#isEqual(index, buf, start, length)) return index
    }
    return -1
  }

  #isEqual(index: number, buf: Buffer, start: number, length: number): boolean {
    const at = this.#starts[index] as number
    if ((this.#starts[index + 1] as number) - at !== length) return false
    for (let i = 0; i < length; i++)
      if (this.#text[at + i] !== this.#fold[buf[start + i] as number]) return false
    return true
  }

  #slotOf(hash: number): number {
    return Math.imul(hash, 0x9e3779b1) >>> this.#shift
  }
}

/** A step of FNV-1a. */
function step(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193)
}
