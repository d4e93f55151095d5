const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Class of a byte outside of strings: 0 other, 1 blank, 2 opens, 3 closes, 4 quotation mark. */
const CLASS = new Uint8Array(256)
CLASS[0x20] = CLASS[0x09] = CLASS[0x0a] = CLASS[0x0d] = 1
CLASS[0x7b] = CLASS[0x5b] = 2
CLASS[0x7d] = CLASS[0x5d] = 3
CLASS[QUOTE] = 4

/** Bytes after which a value or a key may begin: { [ , : */
const BEFORE = new Uint8Array(256)
BEFORE[0x7b] = BEFORE[0x5b] = BEFORE[0x2c] = BEFORE[0x3a] = 1

/** `scan`: the value is incomplete, or it is no JSON. */
export const INCOMPLETE = -1
export const NO_JSON = -2

/**
 * Finds the end of a JSON object or list whose bytes come in pieces, without looking at a byte twice. It only counts brackets outside
 * of strings; that a value cannot begin in a place shows early that a bracket is missing.
 */
export class JsonExtent {
  #depth = 0
  #isInString = false
  /** Last byte that is no blank, outside of strings. */
  #previous = 0
  /** Number of bytes that were looked at. */
  #done = 0
  /** Offset of the byte that shows that it is no JSON. */
  failedAt = 0

  reset(): void {
    this.#depth = this.#previous = this.#done = 0
    this.#isInString = false
  }

  /** Returns the offset after the value that begins at `start`. */
  scan(src: Buffer, start: number, end: number): number {
    let p = start + this.#done
    for (;;) {
      if (this.#isInString) {
        p = endOfString(src, p, end)
        // A backslash may be the last byte so far.
        if (p < 0) return this.#pause(-p - 1 - start)
        this.#isInString = false
        this.#previous = QUOTE
      }
      while (p < end && CLASS[src[p] as number] === 1) p++
      if (p >= end) return this.#pause(p - start)
      const c = src[p] as number
      const kind = CLASS[c]
      p++
      if (kind === 3) {
        if (--this.#depth === 0) return p
      } else if (kind === 2 || kind === 4) {
        if (this.#depth > 0 && BEFORE[this.#previous] === 0) {
          // Another call ends here, too.
          this.#done = p - 1 - start
          this.failedAt = p - 1
          return NO_JSON
        }
        if (kind === 2) this.#depth++
        else this.#isInString = true
      }
      this.#previous = c
    }
  }

  #pause(done: number): number {
    this.#done = done
    return INCOMPLETE
  }
}

/** Returns the offset after the quotation mark that ends a string; -1 - p when it is not there, where p is the byte to continue with. */
function endOfString(src: Buffer, start: number, end: number): number {
  let p = start
  while (p < end) {
    const c = src[p]
    if (c === QUOTE) return p + 1
    if (c === BACKSLASH) {
      if (p + 1 >= end) return -1 - p
      p++
    }
    p++
  }
  return -1 - p
}
