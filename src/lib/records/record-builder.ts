import { encodeStr, FALSE, TRUE, writeMapHead, writeNumber, writeStrHead } from '../../core/msgpack/encode.ts'

const UINT64 = Buffer.from([0xcf])

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

  /** Adds eight bytes as an unsigned integer of 64 bits. */
  uint64(key: string, bytes: Buffer): this {
    return this.#add(key, Buffer.concat([UINT64, bytes]))
  }

  /** Adds bytes as a string, which need not be UTF-8. */
  bytesText(key: string, bytes: Buffer): this {
    const head = Buffer.alloc(5)
    return this.#add(key, Buffer.concat([head.subarray(0, writeStrHead(head, 0, bytes.length)), bytes]))
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
