/**
 * Values of requests and responses: big-endian, strings and arrays prefixed with their length (-1: null).
 */

/** Writes small requests into a growing buffer. Record batches are not copied through it. */
export class WireWriter {
  #buf = Buffer.alloc(256)
  at = 0

  bytes(): Buffer {
    return this.#buf.subarray(0, this.at)
  }

  int8(n: number): this {
    this.at = this.#reserve(1).writeInt8(n, this.at)
    return this
  }

  int16(n: number): this {
    this.at = this.#reserve(2).writeInt16BE(n, this.at)
    return this
  }

  int32(n: number): this {
    this.at = this.#reserve(4).writeInt32BE(n, this.at)
    return this
  }

  string(text: string | undefined): this {
    if (text === undefined) return this.int16(-1)
    const length = Buffer.byteLength(text)
    this.int16(length)
    this.at += this.#reserve(length).write(text, this.at)
    return this
  }

  data(bytes: Buffer): this {
    this.int32(bytes.length)
    this.at += bytes.copy(this.#reserve(bytes.length), this.at)
    return this
  }

  #reserve(bytes: number): Buffer {
    if (this.at + bytes > this.#buf.length) {
      const larger = Buffer.alloc((this.at + bytes) * 2)
      this.#buf.copy(larger)
      this.#buf = larger
    }
    return this.#buf
  }
}

/** Reads the values of a response in order. Throws a RangeError at the end of the bytes, when the response is truncated. */
export class WireReader {
  readonly #buf: Buffer
  #at: number

  constructor(buf: Buffer, at = 0) {
    this.#buf = buf
    this.#at = at
  }

  int8(): number {
    this.#at += 1
    return this.#buf.readInt8(this.#at - 1)
  }

  int16(): number {
    this.#at += 2
    return this.#buf.readInt16BE(this.#at - 2)
  }

  int32(): number {
    this.#at += 4
    return this.#buf.readInt32BE(this.#at - 4)
  }

  int64(): bigint {
    this.#at += 8
    return this.#buf.readBigInt64BE(this.#at - 8)
  }

  string(): string | undefined {
    const length = this.int16()
    return length < 0 ? undefined : this.#take(length).toString()
  }

  data(): Buffer {
    return Buffer.from(this.#take(Math.max(0, this.int32())))
  }

  array<T>(item: () => T): T[] {
    const items: T[] = []
    for (let n = this.int32(); n > 0; n--) items.push(item())
    return items
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#buf.length) throw new RangeError('the response is truncated')
    const bytes = this.#buf.subarray(this.#at, end)
    this.#at = end
    return bytes
  }
}
