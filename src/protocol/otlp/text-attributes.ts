import { fieldSize, MessageBuffer, varintSize } from '../protobuf/message-buffer.ts'

/** A name and its value; a number is an integer from 0. */
export type Attribute = readonly [name: string, value: string | number]

/** Encodes attributes of a Resource: `1 *KeyValue`, KeyValue: `1 key  2 AnyValue (1 string / 3 int64)`. The last of equal names counts. */
export function encodeTextAttributes(attributes: readonly Attribute[]): Buffer {
  const out = new MessageBuffer(512)
  for (const [name, value] of new Map(attributes)) {
    const key = Buffer.from(name)
    const text = typeof value === 'string' ? Buffer.from(value) : undefined
    const size = text === undefined ? 1 + varintSize(value as number) : fieldSize(text.length)
    out.reserve(64)
    out.head(1, fieldSize(key.length) + fieldSize(size))
    out.field(1, key)
    out.reserve(32)
    out.head(2, size)
    if (text !== undefined) out.field(1, text)
    else {
      out.buf[out.at++] = 0x18
      out.varint(value as number)
    }
  }
  return Buffer.from(out.bytes())
}
