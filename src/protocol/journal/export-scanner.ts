import type { BufferSource } from '../../core/buffer-source.ts'
import { utf8Floor } from '../../core/utf8.ts'
import {
  broken,
  digits,
  type ExportLimits,
  FIELD,
  HASH,
  isAddress,
  isCursor,
  isRealtime,
  moveFields,
  NAME,
  NAME_END,
  UNDERSCORE,
  VALUE,
  VALUE_END,
  widened,
} from './field-names.ts'

const LF = 10
const EQUALS = 61
/** journald allows 64. */
const MAX_NAME = 256
/** Of what stands in a `__` field. */
const MAX_ADDRESS = 4096
/** journald's own limit is below 1 GB. */
const MAX_LENGTH = 2 ** 40

/**
 * Finds the fields of the entries in a stream of the journal export format, however it is cut into pieces; nothing is
 * made for an entry but numbers in `fields`.
 *
 * ```
 *   stream = *( entry / LF )
 *   entry  = 1*field LF
 *   field  = name "=" *( any octet but LF ) LF      ; text
 *          / name LF length *OCTET LF               ; anything: length is a u64, little-endian, of the octets
 *   name   = 1*64( "A"-"Z" / "0"-"9" / "_" )        ; "__": the entry's address, not a field of it
 *
 *   buf   |  (done)  | entry: kept fields ... | (cut) | not scanned |  free  |
 *                    ^ start                          ^ at          ^ end
 * ```
 * systemd.io/JOURNAL_EXPORT_FORMATS. What is kept of an entry depends on its content and the limits only, and so does
 * the memory: bytes beyond the limits are thrown away as they come.
 */
export class ExportScanner {
  buf: Buffer
  fields = new Int32Array(64 * FIELD)
  /** Number of fields kept. */
  count = 0
  /** The value of `__CURSOR`; equal when there is none. */
  cursor = 0
  cursorEnd = 0
  /** `__REALTIME_TIMESTAMP`, microseconds since 1970; 0: there is none. */
  realtimeUs = 0
  /** Bytes of the entry as it came. */
  entryBytes = 0
  /** Values cut, and fields left out, of this entry. */
  cutValues = 0
  leftOut = 0
  readonly #limits: ExportLimits
  readonly #buffers: BufferSource
  readonly #blockBytes: number
  #start = 0
  #at = 0
  #end = 0
  /** Behind the last byte that is kept of this entry. */
  #keptEnd = 0
  /** Bytes of names and values kept of this entry. */
  #kept = 0
  /** Up to here there is no end of the line. */
  #searched = 0
  /** Octets still to be thrown away, the line feed behind them included; -1: up to the next line feed. */
  #skip = 0
  #whole = false

  /** `blockBytes`: size of the buffer, but for large entries. */
  constructor(limits: ExportLimits, buffers: BufferSource, blockBytes = 131_072) {
    this.#limits = limits
    this.#buffers = buffers
    this.#blockBytes = blockBytes
    this.buf = buffers.takeLongLived(blockBytes)
  }

  /** Bytes of names and values in `fields`. */
  get keptBytes(): number {
    return this.#kept
  }

  close(): void {
    this.#buffers.give(this.buf)
  }

  /** Forgets what it holds: another stream begins. */
  reset(): void {
    this.#start = this.#at = this.#end = this.#searched = this.#skip = 0
    this.#begin()
  }

  /** Takes bytes of `data` from `from` on, as many as there is room for, and gives the offset behind them. */
  push(data: Buffer, from: number): number {
    const at = this.#skip === 0 ? from : this.#passOver(data, from)
    if (at === data.length) return at
    if (this.buf.length - this.#end < data.length - at) this.#makeRoom()
    const n = Math.min(data.length - at, this.buf.length - this.#end)
    data.copy(this.buf, this.#end, at, at + n)
    this.#end += n
    return at + n
  }

  /** True: the fields of the next entry are there, until the next call. False: more bytes are needed. */
  next(): boolean {
    if (this.#whole) {
      this.#start = this.#at
      this.#begin()
    }
    while (this.#at < this.#end) {
      const from = this.#at
      if (this.buf[from] === LF) {
        this.#at++
        this.entryBytes++
        if (this.entryBytes > 1) {
          this.#whole = true
          return true
        }
        this.#start = this.#keptEnd = this.#at
        this.entryBytes = 0
      } else if (!this.#field(from)) return false
    }
    return false
  }

  #begin(): void {
    this.#whole = false
    this.count = this.cursor = this.cursorEnd = this.realtimeUs = 0
    this.entryBytes = this.cutValues = this.leftOut = this.#kept = 0
    this.#keptEnd = this.#start
  }

  /** One field; false when it is not whole. */
  #field(from: number): boolean {
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
    if (p - from > MAX_NAME) throw broken('a field without a name')
    if (p === end) return false
    if (p === from) throw broken('a field without a name')
    return buf[p] === EQUALS ? this.#text(from, p, strip, hash) : this.#binary(from, p, strip, hash)
  }

  #text(from: number, nameEnd: number, strip: number, hash: number): boolean {
    const value = nameEnd + 1
    const found = this.buf.indexOf(LF, Math.max(value, this.#searched))
    const whole = found >= 0 && found < this.#end
    const valueEnd = whole ? found : this.#end
    const room = this.#room(from, nameEnd)
    if (!whole) {
      this.#searched = valueEnd
      if (valueEnd - value <= room) return false
    }
    this.#keep(from + strip, nameEnd, value, valueEnd, room, hash)
    if (whole) return this.#passed(from, valueEnd + 1)
    this.#cutOff(from, -1)
    return true
  }

  #binary(from: number, nameEnd: number, strip: number, hash: number): boolean {
    const value = nameEnd + 9
    if (this.#end < value) return false
    const length = this.buf.readUInt32LE(nameEnd + 1) + this.buf.readUInt32LE(nameEnd + 5) * 2 ** 32
    if (length > MAX_LENGTH) throw broken(`a field of ${length} bytes`)
    const room = this.#room(from, nameEnd)
    const whole = value + length < this.#end
    // One byte beyond what is kept shows whether the cut is within a character.
    if (!whole && (length <= room || this.#end <= value + Math.max(0, room))) return false
    this.#keep(from + strip, nameEnd, value, value + length, room, hash)
    if (!whole) {
      this.#cutOff(from, value + length + 1 - this.#end)
      return true
    }
    if (this.buf[value + length] !== LF) throw broken('a field that does not end where it says')
    return this.#passed(from, value + length + 1)
  }

  /** How many bytes of the value may be kept; -1: the field is left out. */
  #room(from: number, nameEnd: number): number {
    if (isAddress(this.buf, from)) return MAX_ADDRESS
    const { fields, fieldBytes, entryBytes } = this.#limits
    const left = entryBytes - this.#kept - (nameEnd - from)
    return this.count >= fields || left <= 0 ? -1 : Math.min(fieldBytes, left)
  }

  #keep(name: number, nameEnd: number, value: number, valueEnd: number, room: number, hash: number): void {
    const from = this.#at
    if (isAddress(this.buf, from)) {
      if (valueEnd - value > room) throw broken('an address that is too long')
      this.#address(from + 2, nameEnd, value, valueEnd)
      return
    }
    if (room < 0) {
      this.leftOut++
      return
    }
    const cut = valueEnd - value > room
    const end = cut ? utf8Floor(this.buf, value, value + room) : valueEnd
    if (cut) this.cutValues++
    const at = this.count * FIELD
    if (at === this.fields.length) this.fields = widened(this.fields)
    const f = this.fields
    f[at + NAME] = name
    f[at + NAME_END] = nameEnd
    f[at + VALUE] = value
    f[at + VALUE_END] = end
    f[at + HASH] = hash
    this.count++
    this.#kept += nameEnd - from + end - value
    this.#keptEnd = end
  }

  #address(name: number, nameEnd: number, value: number, valueEnd: number): void {
    if (isCursor(this.buf, name, nameEnd)) {
      this.cursor = value
      this.cursorEnd = this.#keptEnd = valueEnd
    } else if (isRealtime(this.buf, name, nameEnd)) {
      this.realtimeUs = digits(this.buf, value, valueEnd)
    }
  }

  #passed(from: number, to: number): true {
    this.entryBytes += to - from
    this.#at = to
    return true
  }

  /** The rest of the field is thrown away as it comes, and what is there of it at once. */
  #cutOff(from: number, skip: number): void {
    this.entryBytes += this.#end - from
    this.#skip = skip
    this.#at = this.#end = this.#searched = this.#keptEnd
  }

  #passOver(data: Buffer, from: number): number {
    const line = this.#skip < 0
    const found = line ? data.indexOf(LF, from) : from + this.#skip - 1
    const to = found < 0 || found >= data.length ? data.length : found + 1
    this.entryBytes += to - from
    if (!line) this.#skip -= to - from
    else if (found >= 0) this.#skip = 0
    if (!line && this.#skip === 0 && data[to - 1] !== LF)
      throw broken('a field that does not end where it says')
    return to
  }

  /** Moves what is needed to the front, closes what was cut, and takes a larger buffer for a large entry. */
  #makeRoom(): void {
    const { buf } = this
    const start = this.#whole ? this.#at : this.#start
    const kept = this.#whole ? 0 : this.#keptEnd - start
    const rest = this.#end - this.#at
    const need = kept + rest
    const block = this.#blockBytes
    const size = need * 2 <= block ? block : need * 4 > buf.length * 3 ? need * 2 : buf.length
    if (size === buf.length) {
      buf.copyWithin(0, start, start + kept)
      buf.copyWithin(kept, this.#at, this.#end)
    } else {
      this.buf = this.#buffers.takeLongLived(size)
      buf.copy(this.buf, 0, start, start + kept)
      buf.copy(this.buf, kept, this.#at, this.#end)
      this.#buffers.give(buf)
    }
    this.#moved(start)
    this.#searched = Math.max(0, this.#searched - this.#at + kept)
    this.#start = 0
    this.#keptEnd = this.#at = kept
    this.#end = need
    if (this.#whole) this.#begin()
  }

  #moved(by: number): void {
    if (this.#whole || by === 0) return
    moveFields(this.fields, this.count, by)
    this.cursor -= by
    this.cursorEnd -= by
  }
}
