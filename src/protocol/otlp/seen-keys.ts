/** Number of pairs up to which a key is compared with each before it. */
const MAX_FEW_PAIRS = 32

/** Finds keys that a map has twice, while maps in it are read: `open`, `add` for each key, `close`. */
export class SeenKeys {
  readonly #sources: Buffer[] = []
  #starts = new Int32Array(64)
  #lengths = new Int32Array(64)
  /** Length and some characters of each key. */
  #marks = new Int32Array(64)
  #numbers = new Int32Array(64)
  #count = 0
  /** Keys of the open maps with many pairs. */
  readonly #tables: Map<string, number>[] = []

  reset(): void {
    this.#count = 0
    if (this.#tables.length > 0) this.#tables.length = 0
  }

  /** Begins a map; returns what `add` and `close` take. */
  open(pairs: number): number {
    if (pairs > MAX_FEW_PAIRS) return -this.#tables.push(new Map())
    return this.#count
  }

  close(map: number): void {
    if (map < 0) this.#tables.length = -map - 1
    else this.#count = map
  }

  /** Adds the key source[start, start + length), with a number; returns the number of the same key before it, or -1. */
  add(map: number, source: Buffer, start: number, length: number, number: number): number {
    if (map < 0) return this.#addToTable(map, source.toString('latin1', start, start + length), number)
    const mark = length === 0 ? 0 : markOf(source, start, length)
    const marks = this.#marks
    for (let i = map; i < this.#count; i++) {
      if (marks[i] !== mark || !this.#isKey(i, source, start, length)) continue
      const earlier = this.#numbers[i] as number
      this.#numbers[i] = number
      return earlier
    }
    this.#push(source, start, length, mark, number)
    return -1
  }

  #addToTable(map: number, text: string, number: number): number {
    const table = this.#tables[-map - 1] as Map<string, number>
    const earlier = table.get(text) ?? -1
    table.set(text, number)
    return earlier
  }

  #isKey(i: number, source: Buffer, start: number, length: number): boolean {
    if (this.#lengths[i] !== length) return false
    const other = this.#starts[i] as number
    return source.compare(this.#sources[i] as Buffer, other, other + length, start, start + length) === 0
  }

  #push(source: Buffer, start: number, length: number, mark: number, number: number): void {
    const count = this.#count++
    if (count === this.#starts.length) {
      this.#starts = larger(this.#starts)
      this.#lengths = larger(this.#lengths)
      this.#marks = larger(this.#marks)
      this.#numbers = larger(this.#numbers)
    }
    this.#sources[count] = source
    this.#starts[count] = start
    this.#lengths[count] = length
    this.#marks[count] = mark
    this.#numbers[count] = number
  }
}

function markOf(source: Buffer, start: number, length: number): number {
  const middle = source[start + (length >> 1)] as number
  const ends = ((source[start] as number) << 16) ^ (source[start + length - 1] as number)
  return (length << 24) ^ (middle << 8) ^ ends
}

function larger(numbers: Int32Array): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(numbers.length * 2)
  grown.set(numbers)
  return grown
}
