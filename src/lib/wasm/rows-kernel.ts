import type { LineFrame } from '../../core/parser.ts'
import { VALUE_TYPES, type ValueType } from '../values/typed-value.ts'
import { FieldsKernel } from './fields-kernel.ts'

/** A field whose key is known beforehand. */
export interface Row {
  /** Addresses of the spans of its groups, the first one last. */
  spans: readonly number[]
  /** The key as MessagePack. */
  key: Buffer
  type: ValueType
  isTime: boolean
}

export const ROW_BYTES = 16
/** Groups of one name: a byte holds the number of all but the first. */
export const MAX_SPANS = 256
const TIME_TYPE = 255

/** Base of the kernels whose fields are spans of the line, with keys that are known beforehand. */
export abstract class RowsKernel extends FieldsKernel {
  use(frame: LineFrame, maxLineBytes: number, skipEmpty: boolean): boolean {
    if (!this.fits(frame)) return false
    this.module.begin(this, [this.record])
    this.setFrame(frame, maxLineBytes, skipEmpty)
    return true
  }
}

/** Returns the table of rows, keys and lists of spans. */
export function encodeRows(fields: readonly Row[]): Buffer {
  const rows = Buffer.alloc(fields.length * ROW_BYTES)
  const parts: Buffer[] = [rows]
  let end = rows.length
  const add = (part: Buffer): number => {
    // Keys are read 16 bytes at a time.
    const padded = Buffer.concat([part, Buffer.alloc(-part.length & 15)])
    parts.push(padded)
    end += padded.length
    return end - padded.length
  }
  for (const [i, { spans, key, type, isTime }] of fields.entries()) {
    const row = i * ROW_BYTES
    rows.writeUInt32LE(spans.at(-1) as number, row)
    rows.writeUInt32LE(add(key), row + 4)
    rows.writeUInt16LE(key.length, row + 8)
    rows[row + 10] = isTime ? TIME_TYPE : VALUE_TYPES.indexOf(type)
    rows[row + 11] = spans.length - 1
    rows.writeUInt32LE(add(Buffer.from(Uint32Array.from(spans.slice(0, -1)).buffer)), row + 12)
  }
  return Buffer.concat(parts)
}
