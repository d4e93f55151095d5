import { DecodeError, Decoder, type DecoderOptions, ExtData, ExtensionCodec } from '@msgpack/msgpack'

/** A value with an application's type, as in MessagePack: `type` and `data`. */
export { ExtData }

/** The members of the library's decoder that are replaced; its types declare them as private. */
interface Replaceable {
  pos: number
  view: DataView
  bytes: Buffer
  doDecodeSync(): unknown
  reinitializeState(): void
  decodeBinary(length: number, head: number): Uint8Array
  decodeUtf8String(length: number, head: number): string
  stateIsMapKey(): boolean
}

const Base = Decoder as unknown as new (options: DecoderOptions) => Replaceable

const REPLACEMENT = '\ufffd'

/** 2^53 / 2^32: an integer is safe when its upper half is smaller. */
const SAFE_HIGH = 0x200000
const TWO_32 = 0x100000000

/** Keeps values of all types as they are, MessagePack's own time included, which the library makes a Date of. */
const codec = new ExtensionCodec()
codec.register({ type: -1, encode: () => null, decode: (data) => new ExtData(-1, data) })

/**
 * Decodes MessagePack to plain values: a map is an object, a str a string, a bin a Buffer of its own, an ext an ExtData. An integer
 * beyond 2^53 is a BigInt, any other a number: the library has BigInts for all integers of 64 bits or for none. Keys that are
 * numbers become text; other keys, `__proto__`, and two keys of a record that are no UTF-8 and look the same, are refused with an error.
 */
export class ObjectDecoder extends Base {
  /** Keys that are no UTF-8, or that look like one, by what they were decoded to. */
  readonly #invalidKeys = new Map<string, Buffer>()

  constructor() {
    super({ useBigInt64: true, extensionCodec: codec, mapKeyConverter: keyOf })
  }

  /** Begins to read another buffer. `decode` of the library makes two views for each value that it reads. */
  open(buf: Buffer): void {
    this.bytes = buf
    this.view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
  }

  /** Decodes the value at `at`, which must be complete. */
  decodeAt(at: number): unknown {
    this.pos = at
    if (this.#invalidKeys.size > 0) this.#invalidKeys.clear()
    try {
      return this.doDecodeSync()
    } catch (error) {
      this.reinitializeState()
      throw error
    }
  }

  /** Copied: the bytes of a chunk belong to another one later. */
  override decodeBinary(length: number, head: number): Uint8Array {
    return Buffer.from(super.decodeBinary(length, head))
  }

  /** Bytes that are no UTF-8 become U+FFFD: the library makes other characters of them in a short text. */
  override decodeUtf8String(length: number, head: number): string {
    const start = this.pos + head
    const end = start + length
    if (end > this.bytes.length) throw new DecodeError('a text is cut off')
    const isKey = this.stateIsMapKey()
    // The library has a cache of short keys; it reads beyond the end of one that is no UTF-8.
    if (isKey && this.#isAscii(start, end)) return super.decodeUtf8String(length, head)
    this.pos = end
    const text = this.bytes.toString('utf8', start, end)
    if (isKey && text.includes(REPLACEMENT)) this.#noteInvalid(text, start, end)
    return text
  }

  /** True when the last record has keys that are no UTF-8, or look like one. */
  get hasInvalidKeys(): boolean {
    return this.#invalidKeys.size > 0
  }

  /** Returns the bytes of a key of the last record that is no UTF-8 and became this text. */
  invalidKey(text: string): Buffer | undefined {
    return this.#invalidKeys.get(text)
  }

  #isAscii(start: number, end: number): boolean {
    const { bytes } = this
    for (let i = start; i < end; i++) if ((bytes[i] as number) >= 0x80) return false
    return true
  }

  /** Throws if another key of the record looks the same: in an object one of them would be lost. */
  #noteInvalid(text: string, start: number, end: number): void {
    const known = this.#invalidKeys.get(text)
    const key = Buffer.from(this.bytes.subarray(start, end))
    if (known === undefined) this.#invalidKeys.set(text, key)
    else if (!known.equals(key)) throw new DecodeError('two keys differ only in bytes that are no UTF-8')
  }

  protected readU64AsBigInt(): number | bigint {
    const { view, pos } = this
    const high = view.getUint32(pos)
    this.pos += 8
    return high < SAFE_HIGH ? high * TWO_32 + view.getUint32(pos + 4) : view.getBigUint64(pos)
  }

  protected readI64AsBigInt(): number | bigint {
    const { view, pos } = this
    const value = view.getInt32(pos) * TWO_32 + view.getUint32(pos + 4)
    this.pos += 8
    return Number.isSafeInteger(value) ? value : view.getBigInt64(pos)
  }
}

function keyOf(key: unknown): string {
  if (typeof key === 'string') return key
  if (typeof key === 'number' || typeof key === 'bigint') return String(key)
  throw new DecodeError('a key is neither a text nor a number')
}
