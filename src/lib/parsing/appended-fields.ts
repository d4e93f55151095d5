import { skip } from '../../core/msgpack/encode.ts'
import { textEquals, textHead } from '../../core/msgpack/record.ts'

/** A buffer for a longer line is not kept. */
export const KEPT = 256 * 1024

interface Pair {
  start: number
  /** Where its text begins. */
  from: number
  end: number
}

/** The pairs of objects that were decoded, until the record's own are written. */
export class AppendedFields {
  pairs = 0
  buf = Buffer.alloc(0)
  #end = 0
  /** Before the latest object. */
  #mark = { end: 0, pairs: 0 }

  reset(): void {
    this.#end = this.pairs = 0
    if (this.buf.length > KEPT) this.buf = Buffer.alloc(0)
  }

  /** So many bytes behind what is there. */
  room(bytes: number): { buf: Buffer; at: number } {
    if (this.buf.length < this.#end + bytes) {
      const larger = Buffer.allocUnsafeSlow((this.#end + bytes) * 2)
      this.buf.copy(larger, 0, 0, this.#end)
      this.buf = larger
    }
    return { buf: this.buf, at: this.#end }
  }

  /** The pairs buf[from, end) of the object that was written to the room; `instead` of the latest. */
  add(from: number, end: number, pairs: number, instead: boolean): void {
    if (instead) {
      this.#end = this.#mark.end
      this.pairs = this.#mark.pairs
    }
    this.#mark = { end: this.#end, pairs: this.pairs }
    this.buf.copyWithin(this.#end, from, end)
    this.#end += end - from
    this.pairs += pairs
  }

  copyTo(out: Buffer, at: number): number {
    return at + this.buf.copy(out, at, 0, this.#end)
  }

  /** The first pair with this key whose value is a text. */
  find(key: Buffer): Pair | undefined {
    let at = 0
    for (let i = this.pairs; i > 0; i--) {
      const value = skip(this.buf, at, this.#end)
      const end = skip(this.buf, value, this.#end)
      if (textEquals(this.buf, at, key) && isString(this.buf[value] as number)) {
        return { start: at, from: value + textHead(this.buf, value), end }
      }
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

/** fixstr a0..bf | str8, 16, 32 d9..db */
export function isString(type: number): boolean {
  return (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb)
}
