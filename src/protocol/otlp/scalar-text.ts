/** Texts of values of MessagePack for which OTLP has no other form. */

/** Returns the digits of a uint 64. */
export function longDigits(src: Buffer, at: number): Buffer {
  return Buffer.from(String(src.readBigUInt64BE(at + 1)))
}

/** Returns the text of a key that is not text: a number, true, false, or null for anything else. */
export function keyText(src: Buffer, at: number): Buffer {
  return Buffer.from(scalarText(src, at, src[at] as number))
}

function scalarText(src: Buffer, at: number, t: number): string {
  if (t < 0x80 || t >= 0xe0) return String(t < 0x80 ? t : t - 256)
  switch (t) {
    case 0xc2:
      return 'false'
    case 0xc3:
      return 'true'
    case 0xca:
      return String(src.readFloatBE(at + 1))
    case 0xcb:
      return String(src.readDoubleBE(at + 1))
    case 0xcc:
      return String(src[at + 1])
    case 0xcd:
      return String(src.readUInt16BE(at + 1))
    case 0xce:
      return String(src.readUInt32BE(at + 1))
    case 0xcf:
      return String(src.readBigUInt64BE(at + 1))
    case 0xd0:
      return String(src.readInt8(at + 1))
    case 0xd1:
      return String(src.readInt16BE(at + 1))
    case 0xd2:
      return String(src.readInt32BE(at + 1))
    case 0xd3:
      return String(src.readBigInt64BE(at + 1))
    default:
      return 'null'
  }
}
