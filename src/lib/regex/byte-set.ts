/** A set of byte values: those that one position of a regular expression can match. */
export class ByteSet {
  readonly #has = new Uint8Array(256)

  /** Creates a set from ranges, given as pairs of first and last characters as in `azAZ09`. */
  static of(ranges: string): ByteSet {
    const set = new ByteSet()
    for (let i = 0; i + 1 < ranges.length; i += 2)
      set.addRange(ranges.charCodeAt(i), ranges.charCodeAt(i + 1))
    return set
  }

  static byte(byte: number): ByteSet {
    return new ByteSet().addRange(byte, byte)
  }

  has(byte: number): boolean {
    return this.#has[byte] === 1
  }

  addRange(first: number, last: number): this {
    this.#has.fill(1, first, last + 1)
    return this
  }

  addAll(other: ByteSet): this {
    for (let i = 0; i < 256; i++) if (other.has(i)) this.#has[i] = 1
    return this
  }

  intersection(other: ByteSet): ByteSet {
    const set = new ByteSet()
    for (let i = 0; i < 256; i++) if (this.has(i) && other.has(i)) set.addRange(i, i)
    return set
  }

  complement(): ByteSet {
    const set = new ByteSet()
    for (let i = 0; i < 256; i++) set.#has[i] = 1 - (this.#has[i] as number)
    return set
  }

  /** Returns the set with the other case of each of its ASCII letters. */
  folded(): ByteSet {
    const set = new ByteSet().addAll(this)
    for (let lower = 0x61; lower <= 0x7a; lower++) {
      if (this.has(lower) || this.has(lower - 32)) set.addRange(lower, lower).addRange(lower - 32, lower - 32)
    }
    return set
  }

  get size(): number {
    return this.#has.reduce((n, bit) => n + bit, 0)
  }

  /** The only member, or -1 when there is not exactly one. */
  get only(): number {
    return this.size === 1 ? this.#has.indexOf(1) : -1
  }
}
