import { encodeStr, FALSE, TRUE, writeMapHead, writeNumber } from '../../core/msgpack/encode.ts'

/** Builds a small map as bytes, one pair at a time; for inputs with about a record per second, not for lines. */
export class RecordBuilder {
  readonly #parts: Buffer[] = []
  #pairs = 0

  text(key: string, value: string): this {
    return this.#add(key, encodeStr(value))
  }

  /** Adds a number, rounded, as an integer. */
  integer(key: string, value: number): this {
    const out = Buffer.alloc(9)
    return this.#add(key, out.subarray(0, writeNumber(out, 0, Math.round(value))))
  }

  /** Adds a number as float64 in any case, also 0. */
  float(key: string, value: number): this {
    const out = Buffer.alloc(9)
    out[0] = 0xcb
    out.writeDoubleBE(value, 1)
    return this.#add(key, out)
  }

  bool(key: string, value: boolean): this {
    return this.#add(key, Buffer.from([value ? TRUE : FALSE]))
  }

  /** Returns the map as MessagePack. */
  bytes(): Buffer {
    const head = Buffer.alloc(5)
    return Buffer.concat([head.subarray(0, writeMapHead(head, 0, this.#pairs)), ...this.#parts])
  }

  #add(key: string, value: Buffer): this {
    this.#parts.push(encodeStr(key), value)
    this.#pairs++
    return this
  }
}
