import { FALSE, NIL, skip, TRUE, writeArrayHead, writeNumber } from '../../core/msgpack/encode.ts'
import type { ByteWriter } from './byte-writer.ts'
import { RubyFailure } from './failure.ts'
import { textOf } from './format.ts'
import { CLASS_NAMES, Instant, kindOf, Stored, type Value } from './values.ts'

const MAX_UINT64 = 2n ** 64n - 1n
const MIN_INT64 = -(2n ** 63n)

/** Appends a value as MessagePack. A time becomes its text, since a field has no other form for it. */
export function encodeValue(value: Value, out: ByteWriter): void {
  if (typeof value === 'string') out.string(value)
  else if (typeof value === 'bigint') encodeInteger(value, out)
  else if (typeof value === 'number') encodeFloat(value, out)
  else if (value === null) out.byte(NIL)
  else if (typeof value === 'boolean') out.byte(value ? TRUE : FALSE)
  else if (value instanceof Stored) out.copy(value.buf, value.at, skip(value.buf, value.at, value.end))
  else if (Array.isArray(value)) {
    out.reserve(5)
    out.at = writeArrayHead(out.buf, out.at, value.length)
    for (const item of value) encodeValue(item, out)
  } else if (value instanceof Instant) out.string(textOf(value))
  else throw new RubyFailure(`${CLASS_NAMES[kindOf(value)]} cannot be the value of a field`)
}

function encodeInteger(value: bigint, out: ByteWriter): void {
  out.reserve(9)
  const small = Number(value)
  if (Number.isSafeInteger(small)) {
    out.at = writeNumber(out.buf, out.at, small)
    return
  }
  if (value > MAX_UINT64 || value < MIN_INT64) throw new RubyFailure('an integer has more than 64 bits')
  out.buf[out.at] = value > 0n ? 0xcf : 0xd3
  if (value > 0n) out.buf.writeBigUInt64BE(value, out.at + 1)
  else out.buf.writeBigInt64BE(value, out.at + 1)
  out.at += 9
}

/** A float stays a float, 1.0 too. */
function encodeFloat(value: number, out: ByteWriter): void {
  out.reserve(9)
  out.buf[out.at] = 0xcb
  out.buf.writeDoubleBE(value, out.at + 1)
  out.at += 9
}
