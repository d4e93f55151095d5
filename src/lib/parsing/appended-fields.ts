import { skip } from '../../core/msgpack/encode.ts'
import { textEquals } from '../../core/msgpack/record.ts'

/** Size above which a buffer is released after the line that needed it. */
export const MAX_KEPT_BYTES = 256 * 1024

interface Pair {
  start: number
  value: number
  end: number
}

/** A buffer for the pairs of decoded objects until the record's own pairs are written. */
export class AppendedFields {
  pairs = 0
  buf = Buffer.alloc(0)
  #end = 0
  /** State before the latest object was added. */
  #before = { end: 0, pairs: 0 }

  reset(): void {
    this.#end = this.pairs = 0
    if (this.buf.length > MAX_KEPT_BYTES) this.buf = Buffer.alloc(0)
  }

  /** Returns the buffer and its end, with space for `bytes` more bytes. */
  reserve(bytes: number): { buf: Buffer; at: number } {
    if (this.buf.length < this.#end + bytes) {
      const larger = Buffer.allocUnsafeSlow((this.#end + bytes) * 2)
      this.buf.copy(larger, 0, 0, this.#end)
      this.buf = larger
    }
    return { buf: this.buf, at: this.#end }
  }

  /**
   * Adds the pairs buf[from, end) of the object written to the reserved space; `instead` replaces the latest
   * object.
   */
  add(from: number, end: number, pairs: number, instead: boolean): void {
    if (instead) {
      this.#end = this.#before.end
      this.pairs = this.#before.pairs
    }
    this.#before = { end: this.#end, pairs: this.pairs }
    this.buf.copyWithin(this.#end, from, end)
    this.#end += end - from
    this.pairs += pairs
  }

  copyTo(out: Buffer, at: number): number {
    return at + this.buf.copy(out, at, 0, this.#end)
  }

  /** Finds the first pair with this key. */
  find(key: Buffer): Pair | undefined {
    let at = 0
    for (let i = this.pairs; i > 0; i--) {
      const value = skip(this.buf, at, this.#end)
      const end = skip(this.buf, value, this.#end)
      if (textEquals(this.buf, at, key)) return { start: at, value, end }
      at = end
    }
    return undefined
  }

  remove(start: number, end: number): void {
    this.buf.copyWithin(start, end, this.#end)
    this.#end -= end - start
    this.pairs--
  }
}

/** Returns true for the type byte of a string: fixstr a0..bf or str8, 16, 32 d9..db. */
export function isString(type: number): boolean {
  return (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb)
}
