import {
  ENTRY_HEAD,
  encodeStr,
  TRUE,
  writeArrayHead,
  writeEntryHead,
  writeMapHead,
  writeStrHead,
} from '../../../core/msgpack/encode.ts'
import type { ExportScanner } from '../../../protocol/journal/export-scanner.ts'
import { FIELD, HASH, NAME, NAME_END, VALUE, VALUE_END } from '../../../protocol/journal/field-names.ts'

const TRUNCATED = Buffer.concat([encodeStr('truncated'), Buffer.from([TRUE])])
/** Heads of the entry and the map, and the mark of a cut one. */
const AROUND = ENTRY_HEAD + 5 + TRUNCATED.length
/** Heads of a name, a value and an array. */
const HEADS = 15
/** Shorter ranges are copied faster by a loop than by a call. */
const SHORT = 24
const SLOTS = 1024
const NONE = -1

/**
 * Writes an entry of the journal as `[EventTime, {name: value, ...}]`. Values are strings as fluent-bit writes them,
 * whatever their bytes; a field that stands in the entry more than once has an array of its values, in order.
 */
export class RecordWriter {
  readonly #lowercase: boolean
  /** By hash of a name: the entry in which one was seen last. */
  readonly #seen = new Int32Array(SLOTS)
  #entry = 0
  /** Of each field the next one with its name, or NONE; filled only for an entry in which a name is repeated. */
  #next = new Int32Array(64)
  /** 1: a field of this name stands before it. */
  #later = new Uint8Array(64)

  constructor(lowercase: boolean) {
    this.#lowercase = lowercase
  }

  /** Most bytes that `write` takes. */
  bound(scan: ExportScanner): number {
    return AROUND + scan.keptBytes + scan.count * HEADS
  }

  /** Writes the entry that `scan` has found at `out[at]` and gives the offset behind it. */
  write(scan: ExportScanner, out: Buffer, start: number): number {
    const us = scan.realtimeUs
    const sec = Math.floor(us / 1e6)
    let at = writeEntryHead(out, start, sec, (us - sec * 1e6) * 1000)
    const repeated = this.#repeats(scan)
    const cut = scan.cutValues + scan.leftOut > 0
    at = writeMapHead(out, at, scan.count - repeated + (cut ? 1 : 0))
    for (let i = 0; i < scan.count; i++) {
      if (repeated > 0 && this.#later[i] === 1) continue
      at = this.#name(scan, i, out, at)
      at = repeated > 0 && this.#next[i] !== NONE ? this.#values(scan, i, out, at) : value(scan, i, out, at)
    }
    return cut ? at + TRUNCATED.copy(out, at) : at
  }

  #name(scan: ExportScanner, i: number, out: Buffer, start: number): number {
    const { buf, fields } = scan
    const from = fields[i * FIELD + NAME] as number
    const to = fields[i * FIELD + NAME_END] as number
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

  #values(scan: ExportScanner, first: number, out: Buffer, start: number): number {
    let count = 0
    for (let i = first; i !== NONE; i = this.#next[i] as number) count++
    let at = writeArrayHead(out, start, count)
    for (let i = first; i !== NONE; i = this.#next[i] as number) at = value(scan, i, out, at)
    return at
  }

  /** How many fields have the name of one before them. */
  #repeats(scan: ExportScanner): number {
    const { fields, count } = scan
    this.#entry = (this.#entry + 1) | 0
    let maybe = false
    for (let i = 0; i < count; i++) {
      const slot = (fields[i * FIELD + HASH] as number) & (SLOTS - 1)
      if (this.#seen[slot] === this.#entry) maybe = true
      this.#seen[slot] = this.#entry
    }
    return maybe ? this.#link(scan) : 0
  }

  #link(scan: ExportScanner): number {
    const { count } = scan
    if (count > this.#next.length) {
      this.#next = new Int32Array(count * 2)
      this.#later = new Uint8Array(count * 2)
    }
    this.#next.fill(NONE, 0, count)
    this.#later.fill(0, 0, count)
    let repeated = 0
    for (let i = 1; i < count; i++) {
      let before = i - 1
      while (before >= 0 && !sameName(scan, before, i)) before--
      if (before < 0) continue
      this.#next[before] = i
      this.#later[i] = 1
      repeated++
    }
    return repeated
  }
}

function sameName(scan: ExportScanner, a: number, b: number): boolean {
  const { buf, fields } = scan
  if (fields[a * FIELD + HASH] !== fields[b * FIELD + HASH]) return false
  const from = fields[a * FIELD + NAME] as number
  const other = fields[b * FIELD + NAME] as number
  const length = (fields[a * FIELD + NAME_END] as number) - from
  if ((fields[b * FIELD + NAME_END] as number) - other !== length) return false
  for (let i = 0; i < length; i++) if (buf[from + i] !== buf[other + i]) return false
  return true
}

function value(scan: ExportScanner, i: number, out: Buffer, start: number): number {
  const { buf, fields } = scan
  const from = fields[i * FIELD + VALUE] as number
  const to = fields[i * FIELD + VALUE_END] as number
  let at = writeStrHead(out, start, to - from)
  if (to - from > SHORT) return at + buf.copy(out, at, from, to)
  for (let p = from; p < to; p++) out[at++] = buf[p] as number
  return at
}
