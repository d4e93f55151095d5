/** Number of slots at the beginning, a power of two, and bytes for the texts. */
const MIN_SLOTS = 64
const MIN_BYTES = 1024
/** Slots and bytes that are kept for the next use. */
const MAX_KEPT_SLOTS = 4096
const MAX_KEPT_BYTES = 262_144
const FNV_PRIME = 0x01000193

/** Numbers different texts, as bytes, in the order of their first appearance; looking one up allocates nothing. */
export class TextTable {
  /** Number of the text plus one, 0 for a free slot. At most half of the slots are in use. */
  #slots = new Int32Array(MIN_SLOTS)
  #hashes = new Int32Array(MIN_SLOTS / 2)
  /** Ends of the texts in `#bytes`. */
  #ends = new Int32Array(MIN_SLOTS / 2)
  #bytes = Buffer.allocUnsafeSlow(MIN_BYTES)
  #size = 0
  /** Senders choose texts: they must not know which of them collide. */
  readonly #seed = (Math.random() * 0x1_0000_0000) | 0

  get size(): number {
    return this.#size
  }

  /** Returns the number of the text buf[start, end), or -1. */
  find(buf: Buffer, start: number, end: number): number {
    const hash = this.#hash(buf, start, end)
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const number = (this.#slots[slot] as number) - 1
      if (number < 0) return -1
      if (this.#hashes[number] !== hash) continue
      const from = this.#startOf(number)
      const to = this.#ends[number] as number
      if (to - from === end - start && this.#bytes.compare(buf, start, end, from, to) === 0) return number
    }
  }

  /** Adds a text that is not there, and returns its number. */
  add(buf: Buffer, start: number, end: number): number {
    const number = this.#size
    if (number * 2 >= this.#slots.length) this.#grow()
    const from = this.#startOf(number)
    this.#reserve(from + end - start)
    buf.copy(this.#bytes, from, start, end)
    this.#ends[number] = from + end - start
    const hash = this.#hash(buf, start, end)
    this.#hashes[number] = hash
    this.#place(number, hash)
    this.#size++
    return number
  }

  /** Calls `add` of another table with the text of a number, and returns its number there. */
  addTo(other: TextTable, number: number): number {
    return other.add(this.#bytes, this.#startOf(number), this.#ends[number] as number)
  }

  clear(): void {
    this.#size = 0
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(MIN_BYTES)
    if (this.#slots.length <= MAX_KEPT_SLOTS) this.#slots.fill(0)
    else {
      this.#slots = new Int32Array(MIN_SLOTS)
      this.#hashes = new Int32Array(MIN_SLOTS / 2)
      this.#ends = new Int32Array(MIN_SLOTS / 2)
    }
  }

  #startOf(number: number): number {
    return number === 0 ? 0 : (this.#ends[number - 1] as number)
  }

  #place(number: number, hash: number): void {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = number + 1
  }

  #grow(): void {
    const [hashes, ends] = [this.#hashes, this.#ends]
    this.#slots = new Int32Array(this.#slots.length * 2)
    this.#hashes = new Int32Array(this.#slots.length / 2)
    this.#hashes.set(hashes)
    this.#ends = new Int32Array(this.#slots.length / 2)
    this.#ends.set(ends)
    for (let number = 0; number < this.#size; number++) this.#place(number, hashes[number] as number)
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return
    const old = this.#bytes
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(old.length * 2, bytes))
    old.copy(this.#bytes)
  }

  #hash(buf: Buffer, start: number, end: number): number {
    let hash = this.#seed
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (buf[i] as number), FNV_PRIME)
    hash ^= hash >>> 15
    return Math.imul(hash, 0x2c1b3c6d) ^ (hash >>> 13)
  }
}
