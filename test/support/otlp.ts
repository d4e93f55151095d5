/** Encodes protobuf by hand, for requests of OTLP and for malformed ones. */

export type Fields = readonly (readonly [field: number, value: Value])[]
/** A text, bytes, a message, a double, or an integer; of a negative one the two's complement. */
export type Value =
  | string
  | Buffer
  | Fields
  | { double: number }
  | { fixed64: bigint }
  | { fixed32: number }
  | number
  | bigint

export function varint(value: number | bigint): Buffer {
  const bytes: number[] = []
  let left = BigInt.asUintN(64, BigInt(value))
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128)
  return Buffer.from([...bytes, Number(left)])
}

export function message(fields: Fields): Buffer {
  return Buffer.concat(fields.map(([field, value]) => encode(field, value)))
}

function encode(field: number, value: Value): Buffer {
  if (typeof value === 'number' || typeof value === 'bigint')
    return Buffer.concat([varint(field * 8), varint(value)])
  if (typeof value === 'string' || Buffer.isBuffer(value)) {
    const bytes = Buffer.from(value as string)
    return Buffer.concat([varint(field * 8 + 2), varint(bytes.length), bytes])
  }
  if ('double' in value) {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(value.double)
    return Buffer.concat([varint(field * 8 + 1), bytes])
  }
  if ('fixed64' in value) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(value.fixed64)
    return Buffer.concat([varint(field * 8 + 1), bytes])
  }
  if ('fixed32' in value) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value.fixed32)
    return Buffer.concat([varint(field * 8 + 5), bytes])
  }
  return encode(field, message(value))
}

export const keyValue = (key: string, value: Fields): Fields => [
  [1, key],
  [2, value],
]
