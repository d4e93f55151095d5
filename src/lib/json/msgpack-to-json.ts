import { escapeTerminalControls } from '../../core/escape-controls.ts'
import { skip } from '../../core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  mapBody,
  mapPairs,
  textEquals,
  textHead,
  textLength,
} from '../../core/msgpack/record.ts'
import { utf8SequenceLength } from '../../core/utf8.ts'
import { sourceView, targetView } from '../text/data-views.ts'
import { floatText } from './float-text.ts'
import { stringEnd, WrittenKeys } from './written-keys.ts'

const HEX = Buffer.from('0123456789abcdef')
/** Class of a byte in a JSON string: 0 is copied, 1 is escaped, 2 begins (or breaks) a UTF-8 sequence. */
const KIND = new Uint8Array(256).fill(2, 0x80)
for (let c = 0; c < 0x20; c++) KIND[c] = 1
/** The same in fluent-bit's form, for a terminal, and for anything else. */
const TERMINAL_KIND = KIND.slice()
KIND[0x22] = KIND[0x5c] = 1
const ARROW_KIND = TERMINAL_KIND.slice()
ARROW_KIND[0x09] = ARROW_KIND[0x0a] = ARROW_KIND[0x0d] = 0
const FIRST_BYTES = 16_384
/** A larger buffer is not kept for the next text. */
export const MAX_KEPT_BYTES = 4_000_000
/** Longest text that is copied word by word: a call of `copy` costs more. */
const MAX_SHORT_BYTES = 48
const REPLACEMENT = Buffer.from('\ufffd')
/** Letters of the escapes that have one, by character. */
const SHORT_ESCAPES: Record<number, number> = {
  8: 0x62,
  9: 0x74,
  10: 0x6e,
  12: 0x66,
  13: 0x72,
  34: 0x22,
  92: 0x5c,
}
const TRUE = Buffer.from('true')
const FALSE = Buffer.from('false')
const NULL = Buffer.from('null')
const NIL = Buffer.from('nil')

/** Returns the index of the key that is buf[start, start + length), or -1. */
interface KeyFinder {
  find(buf: Buffer, start: number, length: number): number
}

/**
 * Converts MessagePack to JSON text, bytes to bytes. What JSON lacks: bin is written as a string, ext, NaN and infinities
 * as null, keys that are not strings as the text of their JSON, in which keys that are maps or arrays are null. Bytes
 * that are not UTF-8 become U+FFFD, or the text would not be JSON. Integers keep all their digits.
 */
/** Thrown by a JsonText with more than `maxBytes`. */
export class TextTooLarge extends Error {
  constructor(maxBytes: number) {
    super(`larger than ${maxBytes} bytes`)
  }
}

export class JsonText {
  buf: Buffer = Buffer.allocUnsafe(FIRST_BYTES)
  at = 0
  /**
   * True to write fluent-bit's form instead of JSON: `"k"=>"v"`, nil, blanks after commas, floats with six digits. Quotation marks,
   * backslashes, tabs and ends of lines stand in texts as they are: no program can read that back.
   */
  arrows = false
  /** True to escape tabs and ends of lines in fluent-bit's form, too. */
  escapesLineEnds = false
  /**
   * True to escape what may control a terminal or change the direction of its text, and JSON allows as it is: DEL, C1,
   * line separators and bidirectional marks. The values that a reader decodes are the same.
   */
  escapesControls = false
  /** True to write points in keys as underscores, on all levels. */
  undots = false
  /** Size above which writing ends with TextTooLarge, before the memory for it is taken. */
  maxBytes = Number.POSITIVE_INFINITY
  /** Keys of the maps that are being written. */
  #keys: WrittenKeys | undefined
  /** Writes a map or an array that is a key. */
  #inner: JsonText | undefined
  /**
   * True for `#inner`. Its keys that are maps or arrays become null: each level of them would double the
   * escapes of the one below, so that a hundred bytes never ended.
   */
  #isKey = false

  /** Returns a view of what was written, valid until the next write. */
  bytes(): Buffer {
    return this.buf.subarray(0, this.at)
  }

  reset(): void {
    this.at = 0
    this.#keys?.reset()
    // One huge record must not cost its memory forever.
    if (this.buf.length > MAX_KEPT_BYTES) this.buf = Buffer.allocUnsafe(FIRST_BYTES)
  }

  /** Returns the buffer with what was written, which is the caller's from now on. */
  take(): Buffer {
    const { buf } = this
    this.buf = Buffer.allocUnsafe(FIRST_BYTES)
    this.reset()
    return buf
  }

  /** Drops what was written from `at` on, also of a value whose writing has ended with TextTooLarge. */
  cut(at: number): void {
    this.at = at
    this.#keys?.reset()
  }

  raw(text: string): void {
    const { length } = text
    this.#reserve(length * 3)
    if (length > MAX_SHORT_BYTES) {
      this.at += this.buf.write(text, this.at)
      return
    }
    for (let i = 0; i < length; i++) {
      const c = text.charCodeAt(i)
      if (c > 0x7f) {
        this.at += this.buf.write(i === 0 ? text : text.slice(i), this.at)
        return
      }
      this.buf[this.at++] = c
    }
  }

  /** Makes room for bytes that the caller writes to `buf` from `at` on. */
  reserve(bytes: number): void {
    this.#reserve(bytes)
  }

  byte(byte: number): void {
    this.#reserve(1)
    this.buf[this.at++] = byte
  }

  copy(src: Buffer, start: number, end: number): void {
    this.#check(end - start)
    this.#reserve(end - start)
    this.at += src.copy(this.buf, this.at, start, end)
  }

  /**
   * Writes a string without quotes and escapes, any other value as JSON. With `escapesControls` control characters
   * other than tab and newline are written as `\\x1b`.
   */
  plain(src: Buffer, at: number): void {
    const head = textHead(src, at)
    if (head <= 0) {
      this.value(src, at)
      return
    }
    const [start, end] = [at + head, at + head + textLength(src, at)]
    if (this.escapesControls && mayControl(src, start, end))
      this.raw(escapeTerminalControls(src.toString('utf8', start, end)))
    else this.copy(src, start, end)
  }

  /** Writes the value at `at`, which must be complete; returns the offset after it. */
  value(src: Buffer, at: number): number {
    const head = textHead(src, at)
    if (head > 0) {
      const end = at + head + textLength(src, at)
      if (this.arrows && isBinary(src[at] as number)) this.#binary(src, at + head, end)
      else this.string(src, at + head, end)
      return end
    }
    const pairs = mapPairs(src, at)
    if (pairs >= 0) return this.#map(src, at)
    const items = arrayItems(src, at)
    if (items >= 0) return this.#array(src, at, items)
    return this.#scalar(src, at)
  }

  /** Writes bytes in fluent-bit's form: printable ASCII as it is, quotation marks as `\"`, and others as `\x01`. */
  #binary(src: Buffer, start: number, end: number): void {
    this.#check(end - start)
    this.#reserve((end - start) * 4 + 2)
    const out = this.buf
    let dst = this.at
    out[dst++] = 0x22
    for (let p = start; p < end; p++) {
      const c = src[p] as number
      if (c >= 0x20 && c < 0x7f) {
        if (c === 0x22) out[dst++] = 0x5c
        out[dst++] = c
        continue
      }
      out[dst++] = 0x5c
      out[dst++] = 0x78
      out[dst++] = HEX_DIGITS.charCodeAt(c >>> 4)
      out[dst++] = HEX_DIGITS.charCodeAt(c & 15)
    }
    out[dst++] = 0x22
    this.at = dst
  }

  /** Writes src[start, end) as a JSON string, or in fluent-bit's form. */
  string(src: Buffer, start: number, end: number): void {
    const kinds = this.arrows ? (this.escapesLineEnds ? TERMINAL_KIND : ARROW_KIND) : KIND
    // Four more than the text needs, as it is copied in words.
    this.#check(end - start)
    this.#reserve((end - start) * 6 + 6)
    const view = sourceView(src)
    const out = this.buf
    let dst = this.at
    out[dst++] = 0x22
    let p = start
    if (end - start <= MAX_SHORT_BYTES) {
      const to = targetView(out)
      for (; p + 4 <= end; p += 4, dst += 4) {
        const word = view.getInt32(p, true)
        if (!isPlain(word)) break
        to.setInt32(dst, word, true)
      }
      for (; p < end; p++) {
        const c = src[p] as number
        if (c >= 0x7f || kinds[c] !== 0) break
        out[dst++] = c
      }
    }
    let run = p
    while (p < end) {
      while (p + 4 <= end && isPlain(view.getInt32(p, true))) p += 4
      if (p === end) break
      const kind = kinds[src[p] as number]
      const length = kind === 2 ? utf8SequenceLength(src, p, end) : 1
      const hidden = this.escapesControls && kind !== 1 ? hiddenControl(src, p, length) : 0
      if (kind === 1 || length < 0 || hidden > 0) {
        dst += src.copy(out, dst, run, p)
        if (length < 0) dst += REPLACEMENT.copy(out, dst)
        else if (hidden > 0) dst = writeUnicodeEscape(hidden, out, dst)
        else dst = writeEscape(src[p] as number, out, dst)
        run = p + Math.abs(length)
      }
      p += Math.abs(length)
    }
    if (run < end) dst += src.copy(out, dst, run, end)
    out[dst++] = 0x22
    this.at = dst
  }

  /**
   * Writes the pairs of a map without its braces, so that others can come before them; returns the offset after it. Of pairs with
   * the same key only the last is left. `first`: the offset in `buf` of a pair that was written before these, with its comma; a pair
   * of the map with its key replaces it.
   */
  pairs(src: Buffer, at: number, first = -1): number {
    const n = mapPairs(src, at)
    const all = first < 0 ? n : n + 1
    if (all < 2) return n === 0 ? mapBody(src, at) : this.#pair(src, mapBody(src, at))
    if (this.arrows) return this.#arrows(src, at, n)
    this.#keys ??= new WrittenKeys()
    const keys = this.#keys
    const map = keys.open(all)
    if (first >= 0) keys.add(map, this.buf, first, stringEnd(this.buf, first))
    let p = mapBody(src, at)
    for (let i = 0; i < n; i++) {
      if (i > 0) this.byte(0x2c)
      const start = this.at
      p = this.#key(src, p)
      keys.add(map, this.buf, start, this.at)
      this.byte(0x3a)
      p = this.value(src, p)
    }
    this.at = keys.close(map, this.buf, this.at)
    return p
  }

  /**
   * Writes the pairs of a map without its braces, and without those whose key is in `omitted`, after pairs that begin at the offsets
   * `before` in `buf`; returns the offset after it. Of pairs with the same key only the last is left. `renamed`: the pair with this
   * key gets another one, which is given as JSON.
   */
  pairsAfter(
    src: Buffer,
    at: number,
    before: readonly number[],
    omitted?: KeyFinder,
    renamed?: { readonly key: Buffer; readonly json: Buffer },
  ): number {
    const n = mapPairs(src, at)
    this.#keys ??= new WrittenKeys()
    const keys = this.#keys
    const map = keys.open(before.length + n)
    for (const start of before) keys.add(map, this.buf, start, stringEnd(this.buf, start))
    let isFirst = before.length === 0
    let p = mapBody(src, at)
    for (let i = 0; i < n; i++) {
      const head = omitted === undefined ? -1 : textHead(src, p)
      if (head > 0 && omitted !== undefined && omitted.find(src, p + head, textLength(src, p)) >= 0) {
        p = skip(src, skip(src, p, src.length), src.length)
        continue
      }
      if (!isFirst) this.byte(0x2c)
      isFirst = false
      const start = this.at
      if (renamed !== undefined && textEquals(src, p, renamed.key)) {
        this.copy(renamed.json, 0, renamed.json.length)
        p = skip(src, p, src.length)
      } else p = this.#key(src, p)
      keys.add(map, this.buf, start, this.at)
      this.byte(0x3a)
      p = this.value(src, p)
    }
    this.at = keys.close(map, this.buf, this.at)
    return p
  }

  #pair(src: Buffer, at: number): number {
    const p = this.#key(src, at)
    if (this.arrows) this.raw('=>')
    else this.byte(0x3a)
    return this.value(src, p)
  }

  /** Writes pairs in fluent-bit's form, which shows a key as often as the map has it. */
  #arrows(src: Buffer, at: number, pairs: number): number {
    let p = mapBody(src, at)
    for (let i = 0; i < pairs; i++) {
      if (i > 0) this.#comma()
      p = this.#pair(src, p)
    }
    return p
  }

  #key(src: Buffer, at: number): number {
    const start = this.at
    const next = this.#keyAsIs(src, at)
    if (this.undots) for (let p = start; p < this.at; p++) if (this.buf[p] === 0x2e) this.buf[p] = 0x5f
    return next
  }

  #keyAsIs(src: Buffer, at: number): number {
    const head = textHead(src, at)
    if (head > 0) {
      const end = at + head + textLength(src, at)
      this.string(src, at + head, end)
      return end
    }
    if (this.arrows) return this.value(src, at)
    if (mapPairs(src, at) < 0 && arrayItems(src, at) < 0) {
      this.byte(0x22)
      const next = this.#scalar(src, at)
      this.byte(0x22)
      return next
    }
    if (this.#isKey) return this.#nullKey(src, at)
    this.#inner ??= new JsonText()
    const inner = this.#inner
    inner.#isKey = true
    inner.at = 0
    const end = inner.value(src, at)
    const text = inner.bytes()
    this.string(text, 0, text.length)
    inner.reset()
    return end
  }

  #nullKey(src: Buffer, at: number): number {
    this.raw('"null"')
    return skip(src, at, src.length)
  }

  #map(src: Buffer, at: number): number {
    this.byte(0x7b)
    const end = this.pairs(src, at)
    this.byte(0x7d)
    return end
  }

  #array(src: Buffer, at: number, items: number): number {
    this.byte(0x5b)
    let p = arrayBody(src, at)
    for (let i = 0; i < items; i++) {
      if (i > 0) this.#comma()
      p = this.value(src, p)
    }
    this.byte(0x5d)
    return p
  }

  #comma(): void {
    this.byte(0x2c)
    if (this.arrows) this.byte(0x20)
  }

  #scalar(src: Buffer, at: number): number {
    const t = src[at] as number
    if (t < 0x80 || t >= 0xe0) return this.#number(t < 0x80 ? t : t - 256, at + 1)
    switch (t) {
      case 0xc2:
        return this.#word(FALSE, at + 1)
      case 0xc3:
        return this.#word(TRUE, at + 1)
      case 0xca:
        return this.#float(src.readFloatBE(at + 1), at + 5)
      case 0xcb:
        return this.#float(src.readDoubleBE(at + 1), at + 9)
      case 0xcc:
        return this.#number(src.readUInt8(at + 1), at + 2)
      case 0xcd:
        return this.#number(src.readUInt16BE(at + 1), at + 3)
      case 0xce:
        return this.#number(src.readUInt32BE(at + 1), at + 5)
      case 0xcf:
        return this.#number(src.readBigUInt64BE(at + 1), at + 9)
      case 0xd0:
        return this.#number(src.readInt8(at + 1), at + 2)
      case 0xd1:
        return this.#number(src.readInt16BE(at + 1), at + 3)
      case 0xd2:
        return this.#number(src.readInt32BE(at + 1), at + 5)
      case 0xd3:
        return this.#number(src.readBigInt64BE(at + 1), at + 9)
      default:
        return this.#word(this.arrows ? NIL : NULL, at + extSize(src, at))
    }
  }

  #number(value: number | bigint, next: number): number {
    this.raw(String(value))
    return next
  }

  #float(value: number, next: number): number {
    if (this.arrows) this.raw(value.toFixed(6))
    else this.raw(floatText(value))
    return next
  }

  #word(word: Buffer, next: number): number {
    this.copy(word, 0, word.length)
    return next
  }

  /** `bytes`: size of a text, which is never shorter as JSON. */
  #check(bytes: number): void {
    if (this.at + bytes > this.maxBytes) throw new TextTooLarge(this.maxBytes)
  }

  #reserve(bytes: number): void {
    if (this.at + bytes <= this.buf.length) return
    this.#check(0)
    const larger = Buffer.allocUnsafe(Math.max(this.buf.length * 2, this.at + bytes))
    this.buf.copy(larger, 0, 0, this.at)
    this.buf = larger
  }
}

/** Returns true when four bytes need no escape: no control character, quote, backslash, DEL or byte beyond ASCII. */
function isPlain(word: number): boolean {
  const quote = word ^ 0x22222222
  const slash = word ^ 0x5c5c5c5c
  const found = (word - 0x20202020) | (quote - 0x01010101) | (slash - 0x01010101) | (word + 0x01010101) | word
  return (found & 0x80808080) === 0
}

/** Writes the escape of a control character, a quote or a backslash; returns the offset after it. */
function writeEscape(c: number, out: Buffer, at: number): number {
  out[at] = 0x5c
  const short = SHORT_ESCAPES[c]
  if (short !== undefined) {
    out[at + 1] = short
    return at + 2
  }
  return writeUnicodeEscape(c, out, at)
}

function writeUnicodeEscape(unit: number, out: Buffer, at: number): number {
  out[at] = 0x5c
  out[at + 1] = 0x75
  for (let i = 0; i < 4; i++) out[at + 2 + i] = HEX[(unit >> (12 - 4 * i)) & 15] as number
  return at + 6
}

/** Returns false when a text has no control characters but tab and newline; true when it may have some. */
function mayControl(src: Buffer, start: number, end: number): boolean {
  for (let p = start; p < end; p++) {
    const c = src[p] as number
    if ((c < 0x20 && c !== 0x09 && c !== 0x0a) || c === 0x7f || c === 0xc2 || c === 0xe2) return true
  }
  return false
}

/** Returns the code of a character that JSON allows as it is and `escapesControls` escapes, else 0. */
function hiddenControl(src: Buffer, at: number, length: number): number {
  const first = src[at] as number
  if (length === 1) return first === 0x7f ? first : 0
  const second = src[at + 1] as number
  if (length === 2) return first === 0xc2 && second < 0xa0 ? second : 0
  if (length !== 3 || first !== 0xe2) return 0
  const code = 0x2000 | ((second & 0x3f) << 6) | ((src[at + 2] as number) & 0x3f)
  return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ? code : 0
}

/** Returns the size of nil (c0: 1), fixext (d4..d8: 2 + 1,2,4,8,16) or ext (c7, c8, c9 with their length). */
function extSize(src: Buffer, at: number): number {
  const t = src[at] as number
  if (t >= 0xd4 && t <= 0xd8) return 2 + (1 << (t - 0xd4))
  if (t === 0xc7) return 3 + (src[at + 1] as number)
  if (t === 0xc8) return 4 + src.readUInt16BE(at + 1)
  if (t === 0xc9) return 6 + src.readUInt32BE(at + 1)
  return 1
}

const HEX_DIGITS = '0123456789abcdef'

function isBinary(type: number): boolean {
  return type >= 0xc4 && type <= 0xc6
}
