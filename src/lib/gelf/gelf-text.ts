import { skip } from '../../core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  findKey,
  mapBody,
  mapPairs,
  textHead,
  textLength,
} from '../../core/msgpack/record.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { WrittenKeys } from '../json/written-keys.ts'
import type { Entry } from '../records/entry.ts'
import type { EventTime } from '../records/event-time.ts'
import { isKey } from '../records/keys.ts'
import { severityOf } from '../records/severity.ts'

/** Fields of records to use as fields of GELF. */
export interface GelfKeys {
  readonly host: string
  readonly shortMessage: string
  readonly fullMessage: string
  readonly level: string
  /** Undefined: the time is always that of the record. */
  readonly timestamp: string | undefined
  /** Name of the field with the tag; undefined: none. */
  readonly tag: string | undefined
}

const SHORT_MESSAGE_FALLBACKS = [Buffer.from('log'), Buffer.from('message')]
const ID = Buffer.from('id')
const NIL = 0xc0
const FALSE = 0xc2
const TRUE = 0xc3
/** Fields besides those of the record: host, short_message and timestamp, where it has none, and the tag. */
const OWN_FIELDS = 4

/** Bytes that a name of a field may have; others become `_`. */
const NAME_BYTE = new Uint8Array(256)
for (const c of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-'))
  NAME_BYTE[c] = 1

/**
 * Writes records as GELF 1.1, bytes to bytes, in the form and order of fluent-bit: version, the fields of the record, timestamp.
 *
 * - The fields of the configured keys become host, short_message, full_message, level and timestamp; host and short_message are
 *   added where they are missing, as GELF requires them.
 * - All others get a `_` before their name. Those of a nested map have its name, too: `_kubernetes_pod`. Characters that GELF does
 *   not allow in names become `_`, and `id` is `_id_`, since `_id` is forbidden. Of fields with the same resulting name the last
 *   is written.
 * - Values are strings or numbers. true is `"true"`; a list of such values is joined by commas, any other is the text of its
 *   JSON. null is left out.
 */
export class GelfText {
  readonly #host: Buffer
  readonly #short: Buffer
  readonly #full: Buffer
  readonly #level: Buffer
  readonly #timestamp: Buffer | undefined
  readonly #tag: Buffer | undefined
  readonly #hostname: string
  readonly #keys = new WrittenKeys()
  /** Offsets of the keys of the maps around a field. */
  readonly #path: number[] = []
  readonly #inner = new JsonText()
  #map = 0
  #hasHost = false
  #hasTime = false

  constructor(keys: GelfKeys, hostname: string) {
    this.#host = Buffer.from(keys.host)
    this.#short = Buffer.from(keys.shortMessage)
    this.#full = Buffer.from(keys.fullMessage)
    this.#level = Buffer.from(keys.level)
    this.#timestamp = keys.timestamp === undefined ? undefined : Buffer.from(keys.timestamp)
    this.#tag = keys.tag === undefined ? undefined : Buffer.from(keys.tag)
    this.#hostname = JSON.stringify(hostname)
  }

  write(text: JsonText, buf: Buffer, { time, map, end }: Entry, tag = ''): void {
    const short = this.#findShortMessage(buf, map, end)
    this.#hasHost = this.#hasTime = false
    this.#keys.reset()
    this.#map = this.#keys.open(countFields(buf, map, end) + OWN_FIELDS)
    text.raw('{"version":"1.1"')
    this.#writeFields(text, buf, map, end, short)
    if (this.#tag !== undefined) this.#writeTag(text, tag)
    if (!this.#hasHost) {
      this.#beginOwn(text, 'host')
      text.raw(this.#hostname)
    }
    if (short < 0) {
      this.#beginOwn(text, 'short_message')
      text.raw('"-"')
    }
    if (!this.#hasTime) this.#writeTime(text, time)
    text.at = this.#keys.close(this.#map, text.buf, text.at)
    text.byte(0x7d)
  }

  #findShortMessage(buf: Buffer, map: number, end: number): number {
    let at = findKey(buf, map, end, this.#short)
    for (const key of SHORT_MESSAGE_FALLBACKS) if (!isText(buf, at)) at = findKey(buf, map, end, key)
    return isText(buf, at) ? at : -1
  }

  #writeFields(text: JsonText, buf: Buffer, map: number, end: number, short: number): void {
    let p = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const value = skip(buf, p, end)
      const next = skip(buf, value, end)
      if (value === short) this.#writeText(text, buf, value, 'short_message')
      else if (!this.#writeStandard(text, buf, p, value)) this.#writeOther(text, buf, p, value, end)
      p = next
    }
  }

  /** Writes a field of GELF if it is one that has a proper value. */
  #writeStandard(text: JsonText, buf: Buffer, key: number, value: number): boolean {
    if (isKey(buf, key, this.#host)) {
      if (!isText(buf, value)) return false
      this.#hasHost = true
      this.#writeText(text, buf, value, 'host')
      return true
    }
    if (isKey(buf, key, this.#full)) {
      if (!isText(buf, value)) return false
      this.#writeText(text, buf, value, 'full_message')
      return true
    }
    if (isKey(buf, key, this.#level)) {
      const level = severityOf(buf, value)
      if (level < 0) return false
      this.#beginOwn(text, 'level')
      text.byte(0x30 + level)
      return true
    }
    if (this.#timestamp === undefined || !isKey(buf, key, this.#timestamp)) return false
    return this.#writeGivenTime(text, buf, value)
  }

  /** Writes a field with a time in seconds, a number or the digits of one. */
  #writeGivenTime(text: JsonText, buf: Buffer, value: number): boolean {
    const head = textHead(buf, value)
    if (head < 0 && !isFiniteNumber(buf, value)) return false
    if (head > 0 && !isDecimal(buf, value + head, value + head + textLength(buf, value))) return false
    this.#hasTime = true
    this.#beginOwn(text, 'timestamp')
    text.plain(buf, value)
    return true
  }

  #writeText(text: JsonText, buf: Buffer, value: number, name: string): void {
    this.#beginOwn(text, name)
    if (textHead(buf, value) > 0) text.value(buf, value)
    else {
      text.byte(0x22)
      text.value(buf, value)
      text.byte(0x22)
    }
  }

  /** Writes a field whose name gets a `_`, or those of a map. */
  #writeOther(text: JsonText, buf: Buffer, key: number, value: number, end: number): void {
    const t = buf[value] as number
    if (textHead(buf, key) < 0 || t === NIL || isExt(t)) return
    if (mapPairs(buf, value) >= 0) {
      this.#path.push(key)
      let p = mapBody(buf, value)
      for (let left = mapPairs(buf, value); left > 0; left--) {
        const inner = skip(buf, p, end)
        this.#writeOther(text, buf, p, inner, end)
        p = skip(buf, inner, end)
      }
      this.#path.pop()
      return
    }
    this.#beginOther(text, buf, key)
    if (t === FALSE || t === TRUE) text.raw(t === TRUE ? '"true"' : '"false"')
    else if (arrayItems(buf, value) >= 0) this.#writeList(text, buf, value, end)
    else if (t === 0xcb || t === 0xca)
      text.raw(floatText(t === 0xca ? buf.readFloatBE(value + 1) : buf.readDoubleBE(value + 1)))
    else text.value(buf, value)
  }

  #writeList(text: JsonText, buf: Buffer, value: number, end: number): void {
    const inner = this.#inner
    inner.reset()
    const items = arrayItems(buf, value)
    let p = arrayBody(buf, value)
    let isFlat = true
    for (let i = 0; i < items && isFlat; i++) {
      isFlat = mapPairs(buf, p) < 0 && arrayItems(buf, p) < 0
      if (i > 0) inner.raw(', ')
      if (isFlat) inner.plain(buf, p)
      p = skip(buf, p, end)
    }
    if (!isFlat) {
      inner.reset()
      inner.value(buf, value)
    }
    text.string(inner.buf, 0, inner.at)
  }

  #writeTag(text: JsonText, tag: string): void {
    const name = this.#tag as Buffer
    const start = this.#beginName(text)
    text.byte(0x5f)
    appendName(text, name, 0, name.length)
    this.#endName(text, start)
    text.raw(JSON.stringify(tag))
  }

  /** Milliseconds, as GELF has them. */
  #writeTime(text: JsonText, time: EventTime): void {
    this.#beginOwn(text, 'timestamp')
    text.raw(`${time.sec}.${String(Math.floor(time.nsec / 1_000_000)).padStart(3, '0')}`)
  }

  #beginOwn(text: JsonText, name: string): void {
    const start = this.#beginName(text)
    text.raw(name)
    this.#endName(text, start)
  }

  #beginOther(text: JsonText, buf: Buffer, key: number): void {
    const path = this.#path
    const start = this.#beginName(text)
    text.byte(0x5f)
    for (let i = 0; i < path.length; i++) {
      appendKey(text, buf, path[i] as number)
      text.byte(0x5f)
    }
    appendKey(text, buf, key)
    if (path.length === 0 && isKey(buf, key, ID)) text.byte(0x5f)
    this.#endName(text, start)
  }

  #beginName(text: JsonText): number {
    text.raw(', ')
    const start = text.at
    text.byte(0x22)
    return start
  }

  #endName(text: JsonText, start: number): void {
    text.byte(0x22)
    this.#keys.add(this.#map, text.buf, start, text.at)
    text.byte(0x3a)
  }
}

/** Returns an upper limit of the number of fields that a map becomes. */
function countFields(buf: Buffer, map: number, end: number): number {
  let count = 0
  let p = mapBody(buf, map)
  for (let left = mapPairs(buf, map); left > 0; left--) {
    const value = skip(buf, p, end)
    count += mapPairs(buf, value) < 0 ? 1 : countFields(buf, value, end)
    p = skip(buf, value, end)
  }
  return count
}

function appendKey(text: JsonText, buf: Buffer, key: number): void {
  const start = key + textHead(buf, key)
  appendName(text, buf, start, start + textLength(buf, key))
}

function appendName(text: JsonText, src: Buffer, start: number, end: number): void {
  const from = text.at
  text.copy(src, start, end)
  const { buf } = text
  for (let i = from; i < text.at; i++) if (NAME_BYTE[buf[i] as number] === 0) buf[i] = 0x5f
}

/** Returns true for a text that is not blank, which Graylog refuses, or a number. */
function isText(buf: Buffer, at: number): boolean {
  if (at < 0) return false
  const head = textHead(buf, at)
  return head > 0 ? !isBlank(buf, at + head, at + head + textLength(buf, at)) : isFiniteNumber(buf, at)
}

/**
 * Returns true for what is empty or white space of Java (`Character.isWhitespace`), by which Graylog judges: 0x09-0x0d, 0x1c-0x20, and
 * U+1680, U+2000-U+2006, U+2008-U+200A, U+2028, U+2029, U+205F and U+3000.
 */
function isBlank(buf: Buffer, start: number, end: number): boolean {
  let p = start
  while (p < end) {
    const c = buf[p] as number
    if ((c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20)) p++
    else if (c >= 0xe1 && c <= 0xe3 && end - p >= 3 && isWideBlank(buf.readUIntBE(p, 3))) p += 3
    else return false
  }
  return true
}

/** Returns true for the UTF-8 of a white space beyond U+0FFF. */
function isWideBlank(bytes: number): boolean {
  if (bytes === 0xe19a80 || bytes === 0xe2819f || bytes === 0xe38080) return true
  if (bytes === 0xe280a8 || bytes === 0xe280a9) return true
  return bytes >= 0xe28080 && bytes <= 0xe2808a && bytes !== 0xe28087
}

function isFiniteNumber(buf: Buffer, at: number): boolean {
  const t = buf[at] as number
  if (t === 0xca) return Number.isFinite(buf.readFloatBE(at + 1))
  if (t === 0xcb) return Number.isFinite(buf.readDoubleBE(at + 1))
  return t < 0x80 || t >= 0xe0 || (t >= 0xcc && t <= 0xd3)
}

/** Most characters of a time: seconds and nanoseconds. */
const MAX_DECIMAL = 24

/** Returns true for digits, and perhaps a point and digits, that are a number of JSON. */
function isDecimal(src: Buffer, start: number, end: number): boolean {
  if (end - start > MAX_DECIMAL || (src[start] === 0x30 && end > start + 1 && src[start + 1] !== 0x2e))
    return false
  let digits = 0
  let points = 0
  for (let p = start; p < end; p++) {
    const c = src[p] as number
    if (c === 0x2e && digits > 0 && points === 0) {
      points++
      digits = 0
    } else if (c >= 0x30 && c <= 0x39) digits++
    else return false
  }
  return digits > 0
}

function isExt(type: number): boolean {
  return (type >= 0xc7 && type <= 0xc9) || (type >= 0xd4 && type <= 0xd8)
}

/** Returns a float with six digits after the point, as fluent-bit writes it, if that is all of it; else with the digits it needs. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return JSON.stringify(String(value))
  const fixed = Math.abs(value) < 1e21 ? value.toFixed(6) : ''
  return Number(fixed) === value && fixed !== '' ? fixed : String(value)
}
