import { Malformed } from '../../core/malformed.ts'

/** Limit for nested containers: code that prints or converts records recurses into them. */
export const MAX_NESTING = 100

export { Malformed }

/** Bytes after the type byte of c0..df; -1: a length follows, -2: the invalid type c1. */
const FIXED = new Int8Array([
  0, -2, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, -1, -1, -1, -1, -1, -1,
  -1,
])
/** Width in bytes of the length that follows c4..c9 and d9..df. */
const WIDTH = new Int8Array(32)
for (const t of [0xc4, 0xc7, 0xd9]) WIDTH[t - 0xc0] = 1
for (const t of [0xc5, 0xc8, 0xda, 0xdc, 0xde]) WIDTH[t - 0xc0] = 2
for (const t of [0xc6, 0xc9, 0xdb, 0xdd, 0xdf]) WIDTH[t - 0xc0] = 4

/**
 * Finds the end of a MessagePack value of which only a part may have arrived. It resumes where it stopped, so a value that arrives
 * in a thousand pieces is walked once. It does not trust the value: size and nesting are limited, and an impossible length is
 * rejected as soon as it is read.
 */
export class ValueScanner {
  readonly #maxBytes: number
  /** Values missing in each open container; [0] is the value itself. */
  readonly #left = new Float64Array(MAX_NESTING + 1).fill(1, 0, 1)
  #depth = 0
  /** Scanned bytes, from the start of the value; beyond the received bytes inside a long text. */
  #done = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Returns the offset after the value that begins at `start` in buf[start, end), or -1 when it is incomplete: the next call has to
   * be for the same value. Throws `Malformed`.
   */
  scan(buf: Buffer, start: number, end: number): number {
    const left = this.#left
    let depth = this.#depth
    let p = start + this.#done
    for (;;) {
      while (left[depth] === 0 && depth > 0) depth--
      if (p - start > this.#maxBytes) throw new Malformed(`a value of more than ${this.#maxBytes} bytes`)
      if (left[depth] === 0 && p <= end) {
        this.reset()
        return p
      }
      if (p >= end) break
      const t = buf[p] as number
      let n = 0
      if (t < 0x80 || t >= 0xe0) p++
      else if (t >= 0xa0 && t < 0xc0) p += 1 + (t & 31)
      else if (t < 0xa0) {
        n = t < 0x90 ? (t & 15) * 2 : t & 15
        p++
      } else {
        const fixed = FIXED[t - 0xc0] as number
        if (fixed === -2) throw new Malformed('the byte 0xc1')
        if (fixed >= 0) p += 1 + fixed
        else {
          const width = WIDTH[t - 0xc0] as number
          if (p + 1 + width > end) break
          const length =
            width === 1
              ? (buf[p + 1] as number)
              : width === 2
                ? buf.readUInt16BE(p + 1)
                : buf.readUInt32BE(p + 1)
          p += 1 + width
          if (t >= 0xdc) n = t >= 0xde ? length * 2 : length
          else p += length + (t >= 0xc7 && t <= 0xc9 ? 1 : 0)
        }
      }
      left[depth] = (left[depth] as number) - 1
      if (n === 0) continue
      if (n > this.#maxBytes) throw new Malformed(`a container of ${n} values`)
      if (depth === MAX_NESTING) throw new Malformed(`values nested deeper than ${MAX_NESTING}`)
      left[++depth] = n
    }
    this.#depth = depth
    this.#done = p - start
    return -1
  }

  /** Forgets the current value. */
  reset(): void {
    this.#left[0] = 1
    this.#depth = 0
    this.#done = 0
  }
}
