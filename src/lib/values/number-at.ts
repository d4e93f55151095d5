/** Returns the number at `at` as a float64, in which an integer beyond 2^53 may be rounded; undefined for other types. */
export function numberAt(buf: Buffer, at: number): number | undefined {
  const t = buf[at] as number
  if (t < 0x80) return t
  if (t >= 0xe0) return t - 0x100
  switch (t) {
    case 0xca:
      return buf.readFloatBE(at + 1)
    case 0xcb:
      return buf.readDoubleBE(at + 1)
    case 0xcc:
      return buf[at + 1]
    case 0xcd:
      return buf.readUInt16BE(at + 1)
    case 0xce:
      return buf.readUInt32BE(at + 1)
    case 0xcf:
      return buf.readUInt32BE(at + 1) * TWO_32 + buf.readUInt32BE(at + 5)
    case 0xd0:
      return buf.readInt8(at + 1)
    case 0xd1:
      return buf.readInt16BE(at + 1)
    case 0xd2:
      return buf.readInt32BE(at + 1)
    case 0xd3:
      return buf.readInt32BE(at + 1) * TWO_32 + buf.readUInt32BE(at + 5)
    default:
      return undefined
  }
}

const TWO_32 = 2 ** 32
