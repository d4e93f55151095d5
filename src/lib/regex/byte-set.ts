const WORDS = 8
/** Sets of one byte, which most of the sets of an expression are. */
const SINGLES: ByteSet[] = []

/** A set of byte values: those that one position of a regular expression can match. */
export class ByteSet {
  /** One bit per byte: a configuration may have a thousand sets, which are made by code that is not compiled yet. */
  readonly #bits = new Uint32Array(WORDS + 1)

  /** Creates a set from ranges, given as pairs of first and last characters as in `azAZ09`. */
  static of(ranges: string): ByteSet {
    const set = new ByteSet()
    for (let i = 0; i + 1 < ranges.length; i += 2)
      set.addRange(ranges.charCodeAt(i), ranges.charCodeAt(i + 1))
    return set
  }

  /** Returns a set that others share: it must not be changed. */
  static byte(byte: number): ByteSet {
    SINGLES[byte] ??= new ByteSet().addRange(byte, byte)
    return SINGLES[byte]
  }

  /** The set as 256 bits, that of byte 0 first, and a word of zeros; not to be changed. */
  get words(): Uint32Array {
    return this.#bits
  }

  has(byte: number): boolean {
    return (((this.#bits[byte >> 5] ?? 0) >>> (byte & 31)) & 1) === 1
  }

  addRange(first: number, last: number): this {
    const end = Math.min(last, 255)
    if (first > end) return this
    for (let word = first >> 5; word <= end >> 5; word++) {
      const [from, to] = [Math.max(first - word * 32, 0), Math.min(end - word * 32, 31)]
      this.#bits[word] = (this.#bits[word] as number) | ((0xffffffff >>> (31 - (to - from))) << from)
    }
    return this
  }

  addAll(other: ByteSet): this {
    for (let i = 0; i < WORDS; i++) this.#bits[i] = (this.#bits[i] as number) | (other.#bits[i] as number)
    return this
  }

  intersection(other: ByteSet): ByteSet {
    const set = new ByteSet()
    for (let i = 0; i < WORDS; i++) set.#bits[i] = (this.#bits[i] as number) & (other.#bits[i] as number)
    return set
  }

  complement(): ByteSet {
    const set = new ByteSet()
    for (let i = 0; i < WORDS; i++) set.#bits[i] = ~(this.#bits[i] as number)
    return set
  }

  /** Returns the set with the other case of each of its ASCII letters. */
  folded(): ByteSet {
    const set = new ByteSet().addAll(this)
    // The letters are bits 1 to 26 of words 2 and 3.
    const letters = ((this.#bits[2] as number) | (this.#bits[3] as number)) & 0x07fffffe
    set.#bits[2] = (set.#bits[2] as number) | letters
    set.#bits[3] = (set.#bits[3] as number) | letters
    return set
  }

  get size(): number {
    let size = 0
    for (const word of this.#bits) for (let rest = word; rest !== 0; rest &= rest - 1) size++
    return size
  }

  /** The only member, or -1 when there is not exactly one. */
  get only(): number {
    let only = -1
    for (let i = 0; i < WORDS; i++) {
      const word = this.#bits[i] as number
      if (word === 0) continue
      if (only >= 0 || (word & (word - 1)) !== 0) return -1
      only = i * 32 + 31 - Math.clz32(word)
    }
    return only
  }
}
