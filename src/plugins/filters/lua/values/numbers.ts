import { writeNumber } from '../../../../core/msgpack/encode.ts'

const INT64_LIMIT = 2 ** 63
/** Largest number of bytes of a number. */
const NUMBER_BYTES = 9

export function isFloat(type: number): boolean {
  return type === 0xca || type === 0xcb
}

/** Writes a number as fluent-bit does: a whole one that fits 64 bits is an integer. Returns the offset after it. */
export function writeLuaNumber(buf: Buffer, at: number, value: number): number {
  if (Number.isSafeInteger(value)) return writeNumber(buf, at, value === 0 ? 0 : value)
  if (!Number.isInteger(value) || value >= INT64_LIMIT || value < -INT64_LIMIT)
    return writeNumber(buf, at, value)
  buf[at] = 0xd3
  buf.writeBigInt64BE(BigInt(value), at + 1)
  return at + NUMBER_BYTES
}
