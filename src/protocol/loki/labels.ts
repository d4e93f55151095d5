import { fieldSize, MessageBuffer } from '../protobuf/message-buffer.ts'

type LabelPair = readonly [name: string, value: string]

/** Characters that a text of Go has with a backslash, by what follows it. */
const ESCAPES: Record<string, string> = { '"': '"', '\\': '\\', '\n': 'n', '\r': 'r', '\t': 't' }

/** Returns the labels of a stream as text, `{a="b", c="d"}`, sorted by name. The last of equal names counts. */
export function labelsText(pairs: readonly LabelPair[]): string {
  const sorted = [...new Map(pairs)].sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${sorted.map(([name, value]) => `${name}="${escaped(value)}"`).join(', ')}}`
}

function escaped(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they have to be escaped
  return value.replace(/["\\\u0000-\u001f\u007f]/g, (c) => {
    const letter = ESCAPES[c]
    return `\\${letter ?? `x${c.charCodeAt(0).toString(16).padStart(2, '0')}`}`
  })
}

/** Returns the name with an underscore in the place of each character that a name of a label cannot have. */
export function labelName(name: string): string {
  const legal = name.replace(/[^a-zA-Z0-9_]/g, '_')
  return /^[0-9]/.test(legal) ? `_${legal}` : legal
}

/** Encodes structured metadata, for entries: `3 *LabelPair (1 name, 2 value)`. */
export function encodeMetadata(pairs: readonly LabelPair[]): Buffer {
  const out = new MessageBuffer(256)
  for (const [name, value] of pairs) {
    const [key, text] = [Buffer.from(name), Buffer.from(value)]
    const size = fieldSize(key.length) + fieldSize(text.length)
    out.reserve(10)
    out.head(3, size)
    out.field(1, key)
    out.field(2, text)
  }
  return out.bytes()
}
