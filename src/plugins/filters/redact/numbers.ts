import { numberAt } from '../../../lib/values/number-at.ts'

const UINT64 = 0xcf
const INT64 = 0xd3

/** Returns the text of the number at `at`, however it is encoded, and the bytes of anything else. */
export function numberText(buf: Buffer, at: number, end: number): Buffer {
  const t = buf[at]
  if (t === UINT64) return Buffer.from(buf.readBigUInt64BE(at + 1).toString())
  if (t === INT64) return Buffer.from(buf.readBigInt64BE(at + 1).toString())
  const value = numberAt(buf, at)
  return value === undefined ? buf.subarray(at, end) : Buffer.from(String(value))
}
