/**
 * Finds whether a text contains one of many patterns, in one pass over the text whatever their number: the automaton of Aho and
 * Corasick. Its states are in flat arrays in breadth-first order, so the children of a state stand side by side and take 10 bytes
 * each; a table of 256 entries for each state would take a hundred times as much.
 */
export class Automaton {
  readonly #fold: Uint8Array
  /** Index of the first child of each state; those of state i end where those of i + 1 begin. */
  readonly #first: Int32Array
  /** Byte that leads to each state. */
  readonly #label: Uint8Array
  /** State of the longest end of a state's text that is also the start of a pattern. */
  readonly #fail: Int32Array
  /** 1 when the text of a state ends with a pattern. */
  readonly #isEnd: Uint8Array
  /** Child of the root for each byte; 0: none. */
  readonly #roots = new Int32Array(256)

  /** `fold`: the byte that stands for each byte. The patterns are not empty. */
  constructor(fold: Uint8Array, patterns: readonly Buffer[]) {
    this.#fold = fold
    const folded = patterns.map((pattern) => pattern.map((byte) => fold[byte] as number) as Buffer)
    const sorted = folded.sort(Buffer.compare)
    const most = sorted.reduce((sum, { length }) => sum + length, 1)
    const first = new Int32Array(most + 1)
    const label = new Uint8Array(most)
    const fail = new Int32Array(most)
    const isEnd = new Uint8Array(most)
    // Patterns whose start is the text of a state: sorted[low, high).
    const low = new Int32Array(most)
    const high = new Int32Array(most)
    high[0] = sorted.length
    let count = 1
    this.#first = first
    this.#label = label
    this.#fail = fail
    this.#isEnd = isEnd
    let depth = 0
    let levelEnd = 1
    for (let state = 0; state < count; state++) {
      if (state === levelEnd) {
        depth++
        levelEnd = count
      }
      first[state] = count
      let at = low[state] as number
      const end = high[state] as number
      // What follows the end of a pattern is never looked at.
      while (isEnd[state] === 0 && at < end) {
        const byte = (sorted[at] as Buffer)[depth] as number
        const child = count++
        label[child] = byte
        low[child] = at
        while (at < end && (sorted[at] as Buffer)[depth] === byte) at++
        high[child] = at
        if (state === 0) this.#roots[byte] = child
        else fail[child] = this.#next(fail[state] as number, byte)
        // The patterns are sorted: one that ends here is the first of those with this start.
        const isPattern = (sorted[low[child] as number] as Buffer).length === depth + 1
        isEnd[child] = isPattern ? 1 : (isEnd[fail[child] as number] as number)
      }
      first[state + 1] = count
    }
    this.#first = first.slice(0, count + 1)
    this.#label = label.slice(0, count)
    this.#fail = fail.slice(0, count)
    this.#isEnd = isEnd.slice(0, count)
  }

  /** Number of states. */
  get size(): number {
    return this.#label.length
  }

  /** True when buf[start, end) contains a pattern. */
  isIn(buf: Buffer, start: number, end: number): boolean {
    const fold = this.#fold
    let state = 0
    for (let i = start; i < end; i++) {
      const byte = fold[buf[i] as number] as number
      state = state === 0 ? (this.#roots[byte] as number) : this.#next(state, byte)
      if (this.#isEnd[state] === 1) return true
    }
    return false
  }

  /** Returns the state after a byte. */
  #next(from: number, byte: number): number {
    for (let state = from; state !== 0; state = this.#fail[state] as number) {
      const child = this.#childOf(state, byte)
      if (child > 0) return child
    }
    return this.#roots[byte] as number
  }

  #childOf(state: number, byte: number): number {
    const label = this.#label
    let low = this.#first[state] as number
    let high = (this.#first[state + 1] as number) - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = label[middle] as number
      if (found === byte) return middle
      if (found < byte) low = middle + 1
      else high = middle - 1
    }
    return 0
  }
}
