import {
  ENTRY_HEAD,
  encodeStr,
  TRUE,
  writeArrayHead,
  writeEntryHead,
  writeMapHead,
  writeStrHead,
} from '../../../core/msgpack/encode.ts'
import { UniqueKeys } from '../../../core/msgpack/unique-keys.ts'
import {
  FIELD_STRIDE,
  HASH,
  NAME,
  NAME_END,
  VALUE,
  VALUE_END,
} from '../../../protocol/journal/export-fields.ts'
import type { ExportScanner } from '../../../protocol/journal/export-scanner.ts'

const TRUNCATED = Buffer.concat([encodeStr('truncated'), Buffer.from([TRUE])])
/** Bytes of the entry and map heads, and of the `truncated` pair. */
const FIXED_BYTES = ENTRY_HEAD + 5 + TRUNCATED.length
/** Bytes of the heads of a name, a value and an array. */
const FIELD_HEAD_BYTES = 15
/** Ranges up to this size are copied faster by a loop than by a call. */
const MAX_LOOP_COPY_BYTES = 24
const HASH_SLOTS = 1024
const NONE = -1

/**
 * Writes a journal entry as `[EventTime, {name: value, ...}]`. Values are strings, whatever their bytes, as
 * in fluent-bit; a field that occurs more than once in the entry becomes an array of its values, in order.
 */
export class RecordWriter {
  readonly #lowercase: boolean
  readonly #keys = new UniqueKeys()
  /** Number of the entry in which a name with this hash was last seen. */
  readonly #lastEntryBySlot = new Int32Array(HASH_SLOTS)
  #entryNumber = 0
  /**
   * Index of the next field with the same name, or NONE; filled only for an entry in which a name is
   * repeated.
   */
  #nextSameName = new Int32Array(64)
  /** 1 for a field whose name occurs earlier in the entry; filled like `#nextSameName`. */
  #isRepeat = new Uint8Array(64)

  constructor(lowercase: boolean) {
    this.#lowercase = lowercase
  }

  /** Returns the maximum number of bytes that `write` needs for the scanned entry. */
  bound(scan: ExportScanner): number {
    return FIXED_BYTES + scan.keptBytes + scan.fieldCount * FIELD_HEAD_BYTES
  }

  /** Writes the scanned entry at `out[start]` and returns the offset after it. */
  write(scan: ExportScanner, out: Buffer, start: number): number {
    const us = scan.realtimeUs
    const sec = Math.floor(us / 1e6)
    let at = writeEntryHead(out, start, sec, (us - sec * 1e6) * 1000)
    const repeated = this.#countRepeats(scan)
    const isTruncated = scan.truncatedValues + scan.droppedFields > 0
    at = writeMapHead(out, at, scan.fieldCount - repeated + (isTruncated ? 1 : 0))
    for (let i = 0; i < scan.fieldCount; i++) {
      if (repeated > 0 && this.#isRepeat[i] === 1) continue
      at = this.#writeName(scan, i, out, at)
      at =
        repeated > 0 && this.#nextSameName[i] !== NONE
          ? this.#writeValues(scan, i, out, at)
          : writeValue(scan, i, out, at)
    }
    if (!isTruncated) return at
    // With Lowercase, a field may have the key of the flag.
    return this.#keys.settle(out, start + ENTRY_HEAD, at + TRUNCATED.copy(out, at), 0)
  }

  #writeName(scan: ExportScanner, i: number, out: Buffer, start: number): number {
    const { buf, fields } = scan
    const from = fields[i * FIELD_STRIDE + NAME] as number
    const to = fields[i * FIELD_STRIDE + NAME_END] as number
    let at = writeStrHead(out, start, to - from)
    if (!this.#lowercase) {
      for (let p = from; p < to; p++) out[at++] = buf[p] as number
      return at
    }
    for (let p = from; p < to; p++) {
      const c = buf[p] as number
      out[at++] = c >= 65 && c <= 90 ? c | 0x20 : c
    }
    return at
  }

  #writeValues(scan: ExportScanner, first: number, out: Buffer, start: number): number {
    let count = 0
    for (let i = first; i !== NONE; i = this.#nextSameName[i] as number) count++
    let at = writeArrayHead(out, start, count)
    for (let i = first; i !== NONE; i = this.#nextSameName[i] as number) at = writeValue(scan, i, out, at)
    return at
  }

  /** Returns the number of fields whose name occurs earlier in the entry. */
  #countRepeats(scan: ExportScanner): number {
    const { fields, fieldCount } = scan
    this.#entryNumber = (this.#entryNumber + 1) | 0
    let mayRepeat = false
    for (let i = 0; i < fieldCount; i++) {
      const slot = (fields[i * FIELD_STRIDE + HASH] as number) & (HASH_SLOTS - 1)
      if (this.#lastEntryBySlot[slot] === this.#entryNumber) mayRepeat = true
      this.#lastEntryBySlot[slot] = this.#entryNumber
    }
    return mayRepeat ? this.#linkRepeats(scan) : 0
  }

  #linkRepeats(scan: ExportScanner): number {
    const { fieldCount } = scan
    if (fieldCount > this.#nextSameName.length) {
      this.#nextSameName = new Int32Array(fieldCount * 2)
      this.#isRepeat = new Uint8Array(fieldCount * 2)
    }
    this.#nextSameName.fill(NONE, 0, fieldCount)
    this.#isRepeat.fill(0, 0, fieldCount)
    let repeated = 0
    for (let i = 1; i < fieldCount; i++) {
      let before = i - 1
      while (before >= 0 && !sameName(scan, before, i)) before--
      if (before < 0) continue
      this.#nextSameName[before] = i
      this.#isRepeat[i] = 1
      repeated++
    }
    return repeated
  }
}

function sameName(scan: ExportScanner, a: number, b: number): boolean {
  const { buf, fields } = scan
  if (fields[a * FIELD_STRIDE + HASH] !== fields[b * FIELD_STRIDE + HASH]) return false
  const from = fields[a * FIELD_STRIDE + NAME] as number
  const other = fields[b * FIELD_STRIDE + NAME] as number
  const length = (fields[a * FIELD_STRIDE + NAME_END] as number) - from
  if ((fields[b * FIELD_STRIDE + NAME_END] as number) - other !== length) return false
  for (let i = 0; i < length; i++) if (buf[from + i] !== buf[other + i]) return false
  return true
}

function writeValue(scan: ExportScanner, i: number, out: Buffer, start: number): number {
  const { buf, fields } = scan
  const from = fields[i * FIELD_STRIDE + VALUE] as number
  const to = fields[i * FIELD_STRIDE + VALUE_END] as number
  let at = writeStrHead(out, start, to - from)
  if (to - from > MAX_LOOP_COPY_BYTES) return at + buf.copy(out, at, from, to)
  for (let p = from; p < to; p++) out[at++] = buf[p] as number
  return at
}
