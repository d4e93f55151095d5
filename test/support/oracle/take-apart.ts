import { textOf } from './case.ts'

const MAX_DEPTH = 12
/** Characters of a text that make it look like something else; tab and line feed do not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f]/

/**
 * Returns a message of protobuf as `[[field, value], ...]`, told by its looks: a value is an integer, `fixed64:N`,
 * `fixed32:N`, a text, a message, or `hex:...`. Returns null for bytes that are no message.
 *
 * ```
 *   message: {key: varint (field << 3 | type), value}*
 *   value: type 0 varint | 1 8 bytes | 2 {length: varint, bytes} | 5 4 bytes
 * ```
 */
export function takeApartProto(bytes: Buffer, depth = 0): unknown[] | null {
  const fields: unknown[] = []
  const source = new Source(bytes)
  try {
    while (!source.isAtEnd) {
      const key = source.varint()
      const [field, type] = [Number(key >> 3n), Number(key & 7n)]
      if (field === 0) return null
      if (type === 0) fields.push([field, Number(source.varint())])
      else if (type === 1) fields.push([field, `fixed64:${source.take(8).readBigUInt64LE()}`])
      else if (type === 5) fields.push([field, `fixed32:${source.take(4).readUInt32LE()}`])
      else if (type === 2) fields.push([field, protoBytes(source.take(Number(source.varint())), depth)])
      else return null
    }
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
  return fields
}

function protoBytes(bytes: Buffer, depth: number): unknown {
  const text = textOf(bytes)
  if (typeof text === 'string' && !CONTROL.test(text)) return text
  return (depth < MAX_DEPTH ? takeApartProto(bytes, depth + 1) : null) ?? `hex:${bytes.toString('hex')}`
}

/**
 * Returns the values of a stream of MessagePack: maps as `{map: [[key, value], ...]}`, ext as `{ext: type, hex}`, bin as
 * `{bin}`. The last value is `cut` where the stream ends within one.
 */
export function takeApartMsgpack(bytes: Buffer): unknown[] {
  const source = new Source(bytes)
  const values: unknown[] = []
  try {
    while (!source.isAtEnd) values.push(msgpackValue(source))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    values.push('cut')
  }
  return values
}

function msgpackValue(source: Source): unknown {
  const type = source.unsigned(1)
  if (type < 0x80) return type
  if (type < 0x90) return msgpackMap(source, type & 15)
  if (type < 0xa0) return msgpackList(source, type & 15)
  if (type < 0xc0) return textOf(source.take(type & 31))
  if (type >= 0xe0) return type - 256
  if (type >= 0xd4 && type <= 0xd8) return msgpackExt(source, 1 << (type - 0xd4))
  switch (type) {
    case 0xc0:
      return null
    case 0xc2:
    case 0xc3:
      return type === 0xc3
    case 0xca:
      return source.take(4).readFloatBE()
    case 0xcb:
      return source.take(8).readDoubleBE()
    default:
      return msgpackSized(source, type)
  }
}

/** Returns a value whose type says how many bytes its number or its length has. */
function msgpackSized(source: Source, type: number): unknown {
  if (type >= 0xc4 && type <= 0xc6) return { bin: textOf(source.take(source.unsigned(1 << (type - 0xc4)))) }
  if (type >= 0xc7 && type <= 0xc9) return msgpackExt(source, source.unsigned(1 << (type - 0xc7)))
  if (type >= 0xcc && type <= 0xcf) return source.unsigned(1 << (type - 0xcc))
  if (type >= 0xd0 && type <= 0xd3) return source.signed(1 << (type - 0xd0))
  if (type >= 0xd9 && type <= 0xdb) return textOf(source.take(source.unsigned(1 << (type - 0xd9))))
  if (type >= 0xdc && type <= 0xdd) return msgpackList(source, source.unsigned(2 << (type - 0xdc)))
  if (type >= 0xde) return msgpackMap(source, source.unsigned(2 << (type - 0xde)))
  throw new RangeError(`no value begins with ${type}`)
}

function msgpackList(source: Source, length: number): unknown[] {
  return Array.from({ length }, () => msgpackValue(source))
}

function msgpackMap(source: Source, length: number): { map: unknown[] } {
  return { map: Array.from({ length }, () => [msgpackValue(source), msgpackValue(source)]) }
}

function msgpackExt(source: Source, length: number): { ext: number; hex: string } {
  return { ext: source.unsigned(1), hex: source.take(length).toString('hex') }
}

/** Bytes that are read from the front; reading behind their end throws a RangeError. */
class Source {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('cut')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** Reads a number in network order. As in the cases, an integer beyond 2^53 is rounded. */
  unsigned(length: number): number {
    return Number(BigInt(`0x${this.take(length).toString('hex')}`))
  }

  signed(length: number): number {
    return Number(BigInt.asIntN(length * 8, BigInt(`0x${this.take(length).toString('hex')}`)))
  }

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift <= 63n; shift += 7n) {
      const byte = this.unsigned(1)
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
    throw new RangeError('a varint of more than 10 bytes')
  }
}
