import type { BufferSource } from '../../core/buffer-source.ts'
import { utf8Floor } from '../../core/utf8.ts'
import {
  doubleFields,
  type ExportLimits,
  FIELD_STRIDE,
  HASH,
  isAddressField,
  isCursorName,
  isRealtimeName,
  malformedExport,
  NAME,
  NAME_END,
  parseDecimal,
  shiftFields,
  UNDERSCORE,
  VALUE,
  VALUE_END,
} from './export-fields.ts'

const LF = 10
const EQUALS = 61
/** Maximum length of a field name; journald allows 64. */
const MAX_NAME_BYTES = 256
/** Maximum length of the value of an address field. */
const MAX_ADDRESS_BYTES = 4096
/** Maximum length of a binary value; journald's own limit is below 1 GB. */
const MAX_VALUE_BYTES = 2 ** 40

/**
 * Scans a stream of the journal export format for entries and their fields, no matter how the stream is split into
 * pieces. Allocates nothing per entry: fields are offsets in `fields`.
 *
 * ```
 *   stream = *( entry / LF )
 *   entry  = 1*field LF
 *   field  = name "=" *( any octet but LF ) LF      ; text field
 *          / name LF length *OCTET LF               ; binary field: length is the number of octets, a little-endian u64
 *   name   = 1*64( "A"-"Z" / "0"-"9" / "_" )        ; "__" begins an address field: not part of the entry's data
 *
 *   buf   |  (done)  | entry: kept fields ... | (cut) | not scanned |  free  |
 *                    ^ start                          ^ at          ^ end
 * ```
 * See systemd.io/JOURNAL_EXPORT_FORMATS. What is kept of an entry depends only on its content and the limits, and so does
 * the memory: bytes beyond the limits are discarded on arrival.
 *
 * journalctl breaks an entry off when its file is vacuumed while it writes it: the bytes of the file are zeros from then
 * on, and the next entry follows without an empty line. A second `__CURSOR` therefore begins another entry.
 */
export class ExportScanner {
  buf: Buffer
  fields = new Int32Array(64 * FIELD_STRIDE)
  /** Number of kept fields, without address fields. */
  fieldCount = 0
  /** Start and end of the value of `__CURSOR` in `buf`; equal when the entry has none. */
  cursorStart = 0
  cursorEnd = 0
  /** Value of `__REALTIME_TIMESTAMP`, in microseconds since 1970; 0 when the entry has none. */
  realtimeUs = 0
  /** Size of the entry in the stream. */
  entryBytes = 0
  /** Number of values of this entry that were cut at a limit. */
  truncatedValues = 0
  /** Number of fields of this entry that were left out. */
  droppedFields = 0
  /** True when journalctl did not end the entry before this one, which is left out. */
  followsIncomplete = false
  readonly #limits: ExportLimits
  readonly #buffers: BufferSource
  readonly #blockBytes: number
  #start = 0
  #scanPos = 0
  #end = 0
  /** End of the bytes that are kept of this entry. */
  #keptEnd = 0
  #keptBytes = 0
  /** Offset up to which the current text field was searched for its line feed. */
  #searchedTo = 0
  /** Bytes still to discard, including the line feed after the value; -1: all up to the next line feed. */
  #discardBytes = 0
  #isComplete = false

  /** `blockBytes` is the size of the buffer; a large entry gets a larger one. */
  constructor(limits: ExportLimits, buffers: BufferSource, blockBytes = 131_072) {
    this.#limits = limits
    this.#buffers = buffers
    this.#blockBytes = blockBytes
    this.buf = buffers.takeLongLived(blockBytes)
  }

  /** Total size of the names and values in `fields`. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  close(): void {
    this.#buffers.give(this.buf)
  }

  /** Discards all buffered bytes and begins a new stream. */
  reset(): void {
    this.#start = this.#scanPos = this.#end = this.#searchedTo = this.#discardBytes = 0
    this.#beginEntry()
  }

  /** Takes as many bytes of `data[from..]` as there is space for, and returns the offset after them. */
  push(data: Buffer, from: number): number {
    const at = this.#discardBytes === 0 ? from : this.#discard(data, from)
    if (at === data.length) return at
    if (this.buf.length - this.#end < data.length - at) this.#makeSpace()
    const n = Math.min(data.length - at, this.buf.length - this.#end)
    data.copy(this.buf, this.#end, at, at + n)
    this.#end += n
    return at + n
  }

  /** Scans for the next entry. True: its fields are valid until the next call. False: more bytes are needed. */
  next(): boolean {
    if (this.#isComplete) {
      this.#start = this.#scanPos
      this.#beginEntry()
    }
    while (this.#scanPos < this.#end) {
      const from = this.#scanPos
      if (this.buf[from] === LF) {
        this.#scanPos++
        this.entryBytes++
        if (this.entryBytes > 1) {
          this.#isComplete = true
          return true
        }
        this.#start = this.#keptEnd = this.#scanPos
        this.entryBytes = 0
      } else if (!this.#scanField(from)) return false
    }
    return false
  }

  #beginEntry(): void {
    this.#isComplete = false
    this.fieldCount = this.cursorStart = this.cursorEnd = this.realtimeUs = 0
    this.entryBytes = this.truncatedValues = this.droppedFields = this.#keptBytes = 0
    this.followsIncomplete = false
    this.#keptEnd = this.#start
  }

  /** Forgets the fields of the entry so far: the field at the scan position is the first of the next one. */
  #skipIncomplete(): void {
    this.#start = this.#scanPos
    this.#beginEntry()
    this.followsIncomplete = true
  }

  /** Scans one field; false when more of it is needed. */
  #scanField(from: number): boolean {
    const { buf } = this
    const end = this.#end
    const strip = this.#limits.stripUnderscore && buf[from] === UNDERSCORE ? 1 : 0
    let hash = 0
    let p = from + strip
    for (; p < end; p++) {
      const c = buf[p] as number
      if (c === EQUALS || c === LF) break
      hash = (Math.imul(hash, 31) + c) | 0
    }
    if (p - from > MAX_NAME_BYTES) throw malformedExport('a field without a name')
    if (p === end) return false
    if (p === from) throw malformedExport('a field without a name')
    return buf[p] === EQUALS ? this.#scanText(from, p, strip, hash) : this.#scanBinary(from, p, strip, hash)
  }

  #scanText(from: number, nameEnd: number, strip: number, hash: number): boolean {
    const value = nameEnd + 1
    const found = this.buf.indexOf(LF, Math.max(value, this.#searchedTo))
    const isComplete = found >= 0 && found < this.#end
    const valueEnd = isComplete ? found : this.#end
    const maxBytes = this.#maxValueBytes(from, nameEnd)
    if (!isComplete) {
      this.#searchedTo = valueEnd
      if (valueEnd - value <= maxBytes) return false
    }
    this.#storeField(from + strip, nameEnd, value, valueEnd, maxBytes, hash)
    if (isComplete) return this.#advance(from, valueEnd + 1)
    this.#discardRest(from, -1)
    return true
  }

  #scanBinary(from: number, nameEnd: number, strip: number, hash: number): boolean {
    const value = nameEnd + 9
    if (this.#end < value) return false
    const length = this.buf.readUInt32LE(nameEnd + 1) + this.buf.readUInt32LE(nameEnd + 5) * 2 ** 32
    if (length > MAX_VALUE_BYTES) throw malformedExport(`a binary field of ${length} bytes`)
    const maxBytes = this.#maxValueBytes(from, nameEnd)
    const isComplete = value + length < this.#end
    // One byte after the cut shows whether the cut is inside a character.
    if (!isComplete && (length <= maxBytes || this.#end <= value + Math.max(0, maxBytes))) return false
    this.#storeField(from + strip, nameEnd, value, value + length, maxBytes, hash)
    if (!isComplete) {
      this.#discardRest(from, value + length + 1 - this.#end)
      return true
    }
    if (this.buf[value + length] !== LF)
      throw malformedExport('a binary field without a line feed after its value')
    return this.#advance(from, value + length + 1)
  }

  /** Returns how many bytes of the value may be kept; -1 when the field is to be left out. */
  #maxValueBytes(from: number, nameEnd: number): number {
    if (isAddressField(this.buf, from)) return MAX_ADDRESS_BYTES
    const { maxFields, maxFieldBytes, maxEntryBytes } = this.#limits
    const left = maxEntryBytes - this.#keptBytes - (nameEnd - from)
    return this.fieldCount >= maxFields || left <= 0 ? -1 : Math.min(maxFieldBytes, left)
  }

  #storeField(
    name: number,
    nameEnd: number,
    value: number,
    valueEnd: number,
    maxBytes: number,
    hash: number,
  ): void {
    const from = this.#scanPos
    if (isAddressField(this.buf, from)) {
      if (valueEnd - value > maxBytes)
        throw malformedExport(`an address field of more than ${MAX_ADDRESS_BYTES} bytes`)
      this.#storeAddress(from + 2, nameEnd, value, valueEnd)
      return
    }
    if (maxBytes < 0) {
      this.droppedFields++
      return
    }
    const isTooLong = valueEnd - value > maxBytes
    const end = isTooLong ? utf8Floor(this.buf, value, value + maxBytes) : valueEnd
    if (isTooLong) this.truncatedValues++
    const at = this.fieldCount * FIELD_STRIDE
    if (at === this.fields.length) this.fields = doubleFields(this.fields)
    const f = this.fields
    f[at + NAME] = name
    f[at + NAME_END] = nameEnd
    f[at + VALUE] = value
    f[at + VALUE_END] = end
    f[at + HASH] = hash
    this.fieldCount++
    this.#keptBytes += nameEnd - from + end - value
    this.#keptEnd = end
  }

  #storeAddress(name: number, nameEnd: number, value: number, valueEnd: number): void {
    if (isCursorName(this.buf, name, nameEnd)) {
      if (this.cursorEnd > this.cursorStart) this.#skipIncomplete()
      this.cursorStart = value
      this.cursorEnd = this.#keptEnd = valueEnd
    } else if (isRealtimeName(this.buf, name, nameEnd)) {
      this.realtimeUs = parseDecimal(this.buf, value, valueEnd)
    }
  }

  #advance(from: number, to: number): true {
    this.entryBytes += to - from
    this.#scanPos = to
    return true
  }

  /** Discards the bytes of the field after the kept ones now, and `bytes` more (-1: up to the line feed) on arrival. */
  #discardRest(from: number, bytes: number): void {
    this.entryBytes += this.#end - from
    this.#discardBytes = bytes
    this.#scanPos = this.#end = this.#searchedTo = this.#keptEnd
  }

  /** Skips the bytes of `data` that are to be discarded, and returns the offset after them. */
  #discard(data: Buffer, from: number): number {
    const isText = this.#discardBytes < 0
    const found = isText ? data.indexOf(LF, from) : from + this.#discardBytes - 1
    const to = found < 0 || found >= data.length ? data.length : found + 1
    this.entryBytes += to - from
    if (!isText) this.#discardBytes -= to - from
    else if (found >= 0) this.#discardBytes = 0
    if (!isText && this.#discardBytes === 0 && data[to - 1] !== LF)
      throw malformedExport('a binary field without a line feed after its value')
    return to
  }

  /** Moves the bytes still needed to the front, closing the gaps of cut values; a large entry gets a larger buffer. */
  #makeSpace(): void {
    const { buf } = this
    const start = this.#isComplete ? this.#scanPos : this.#start
    const kept = this.#isComplete ? 0 : this.#keptEnd - start
    const rest = this.#end - this.#scanPos
    const need = kept + rest
    const block = this.#blockBytes
    const size = need * 2 <= block ? block : need * 4 > buf.length * 3 ? need * 2 : buf.length
    if (size === buf.length) {
      buf.copyWithin(0, start, start + kept)
      buf.copyWithin(kept, this.#scanPos, this.#end)
    } else {
      this.buf = this.#buffers.takeLongLived(size)
      buf.copy(this.buf, 0, start, start + kept)
      buf.copy(this.buf, kept, this.#scanPos, this.#end)
      this.#buffers.give(buf)
    }
    this.#shiftOffsets(start)
    this.#searchedTo = Math.max(0, this.#searchedTo - this.#scanPos + kept)
    this.#start = 0
    this.#keptEnd = this.#scanPos = kept
    this.#end = need
    if (this.#isComplete) this.#beginEntry()
  }

  #shiftOffsets(by: number): void {
    if (this.#isComplete || by === 0) return
    shiftFields(this.fields, this.fieldCount, by)
    this.cursorStart -= by
    this.cursorEnd -= by
  }
}
