import type { Chunk } from '../../../core/chunk.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import type { Counters, Logger } from '../../../core/services.ts'
import { utf8SequenceLength } from '../../../core/utf8.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import type { DatagramBatch } from '../../../lib/net/datagram-batch.ts'
import { SOCKET_COUNTERS, type SocketEncoder } from '../../../lib/net/socket-output.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { facilityOf, severityOf } from '../../../lib/records/severity.ts'
import { targetView } from '../../../lib/text/data-views.ts'
import { HeaderTime, keepPrintable } from './header-text.ts'
import type { SyslogOptions } from './options.ts'
import { StructuredData, writeScalar } from './structured-data.ts'

/** Maximum sizes of messages, by the number of the RFC, and of the fields of a header. */
const MAX_SIZES = { rfc5424: 2048, rfc3164: 1024 } as const
const MAX_HOST = 255
const MAX_APP = 48
const MAX_PROC = 128
const MAX_MSG = 32
const BOM = Buffer.from('\ufeff')
const NIL = 0xc0
const MAX_PRIORITY = 191

export const SYSLOG_COUNTERS = {
  ...SOCKET_COUNTERS,
  truncated: 'messages that were cut off at Syslog_Maxsize',
  bad_priority: {
    help: 'records whose severity or facility is not a valid syslog value, which were sent with the preset',
    reasons: {
      severity: 'neither a number from 0 to 7 nor a word for one',
      facility: 'neither a number from 0 to 23 nor a name for one',
    },
  },
} as const

interface Services {
  readonly counters: Counters<typeof SYSLOG_COUNTERS>
  readonly log: Logger
}

/** A field of the header: the key of its value, and the preset. */
interface Field {
  readonly accessor: RecordAccessor | undefined
  readonly preset: string
  readonly max: number
}

/** Writes records as messages of syslog and frames them, bytes to bytes. */
export class SyslogMessages implements SocketEncoder {
  readonly #services: Services
  readonly #is5424: boolean
  readonly #isCounted: boolean
  readonly #maxSize: number
  readonly #time: HeaderTime
  readonly #message: RecordAccessor | undefined
  readonly #severity: RecordAccessor | undefined
  readonly #facility: RecordAccessor | undefined
  readonly #presets: { severity: number; facility: number }
  readonly #host: Field
  readonly #app: Field
  readonly #proc: Field
  readonly #msg: Field
  readonly #data: StructuredData
  readonly #entry = new Entry()
  /** One message, before its length is known or its newlines are replaced. */
  readonly #one = new JsonText()

  constructor(options: SyslogOptions, isCounted: boolean, services: Services) {
    this.#services = services
    this.#is5424 = options.syslogFormat === 'rfc5424'
    this.#isCounted = isCounted
    this.#maxSize = options.syslogMaxsize > 0 ? options.syslogMaxsize : MAX_SIZES[options.syslogFormat]
    this.#time = new HeaderTime(this.#is5424)
    this.#message = accessorOf(options.syslogMessageKey)
    this.#severity = accessorOf(options.syslogSeverityKey)
    this.#facility = accessorOf(options.syslogFacilityKey)
    this.#presets = { severity: options.syslogSeverityPreset, facility: options.syslogFacilityPreset }
    this.#host = this.#field(options.syslogHostnameKey, options.syslogHostnamePreset, MAX_HOST)
    this.#app = this.#field(options.syslogAppnameKey, options.syslogAppnamePreset, MAX_APP)
    this.#proc = this.#field(options.syslogProcidKey, options.syslogProcidPreset, MAX_PROC)
    this.#msg = this.#field(options.syslogMsgidKey, options.syslogMsgidPreset, MAX_MSG)
    this.#data = new StructuredData(
      options.syslogSdKey,
      options.syslogSdPreset ?? '-',
      options.allowLongerSdId,
    )
  }

  stream(text: JsonText, chunk: Chunk): void {
    const entry = this.#entry
    const one = this.#one
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      one.reset()
      this.#write(one, chunk.buf)
      if (this.#isCounted) {
        text.raw(String(one.at))
        text.byte(0x20)
        text.copy(one.buf, 0, one.at)
      } else appendLine(text, one)
    }
  }

  datagrams(batch: DatagramBatch, chunk: Chunk): void {
    const entry = this.#entry
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      entry.read(chunk, at)
      this.#write(batch.text, chunk.buf)
      batch.end(at - chunk.start, entry.end - chunk.start)
    }
  }

  #field(key: string | undefined, preset: string | undefined, max: number): Field {
    const text = new JsonText()
    text.raw(preset ?? '')
    keepPrintable(text, 0, max)
    return { accessor: accessorOf(key), preset: text.bytes().toString('latin1'), max }
  }

  /** Writes the message of the record that the cursor is at. */
  #write(text: JsonText, buf: Buffer): void {
    const { map, end } = this.#entry
    const start = text.at
    let message = this.#message?.find(buf, map, end) ?? -1
    if (message < 0 || buf[message] === NIL) message = map
    const isWhole = hasPriority(buf, message)
    if (!isWhole) this.#writeHeader(text, buf)
    const body = text.at
    if (this.#is5424 && !isWhole) {
      text.copy(BOM, 0, BOM.length)
      writeScalar(text, buf, message)
      if (!isUtf8(text.buf, body, text.at)) removeMark(text, body)
    } else writeScalar(text, buf, message)
    if (text.at - start > this.#maxSize) this.#cut(text, Math.max(body, start + this.#maxSize))
  }

  #writeHeader(text: JsonText, buf: Buffer): void {
    const { time } = this.#entry
    text.byte(0x3c)
    text.raw(String(this.#priority(buf)))
    text.byte(0x3e)
    if (!this.#is5424) {
      this.#time.write(text, time)
      text.byte(0x20)
      if (this.#writeField(text, buf, this.#host)) text.byte(0x20)
      if (!this.#writeField(text, buf, this.#app)) return
      const bracket = text.at
      text.byte(0x5b)
      if (this.#writeField(text, buf, this.#proc)) text.byte(0x5d)
      else text.at = bracket
      text.raw(': ')
      return
    }
    text.raw('1 ')
    this.#time.write(text, time)
    text.byte(0x20)
    this.#writeOrDash(text, buf, this.#host)
    this.#writeOrDash(text, buf, this.#app)
    this.#writeOrDash(text, buf, this.#proc)
    this.#writeOrDash(text, buf, this.#msg)
    this.#data.write(text, buf, this.#entry)
    text.byte(0x20)
  }

  #writeOrDash(text: JsonText, buf: Buffer, field: Field): void {
    if (!this.#writeField(text, buf, field)) text.byte(0x2d)
    text.byte(0x20)
  }

  /** Writes a field of the header; returns false when there is nothing to write. */
  #writeField(text: JsonText, buf: Buffer, { accessor, preset, max }: Field): boolean {
    const { map, end } = this.#entry
    const start = text.at
    const value = accessor?.find(buf, map, end) ?? -1
    if (value >= 0 && buf[value] !== NIL) {
      writeScalar(text, buf, value)
      keepPrintable(text, start, max)
    }
    if (text.at === start) text.raw(preset)
    return text.at > start
  }

  #priority(buf: Buffer): number {
    const { map, end } = this.#entry
    let { severity, facility } = this.#presets
    const severityAt = this.#severity?.find(buf, map, end) ?? -1
    if (severityAt >= 0) {
      const found = severityOf(buf, severityAt)
      if (found >= 0) severity = found
      else this.#countBad('severity')
    }
    const facilityAt = this.#facility?.find(buf, map, end) ?? -1
    if (facilityAt >= 0) {
      const found = facilityOf(buf, facilityAt)
      if (found >= 0) facility = found
      else this.#countBad('facility')
    }
    return facility * 8 + severity
  }

  #countBad(what: 'severity' | 'facility'): void {
    const { counters, log } = this.#services
    if (counters.get('bad_priority', what) === 0)
      log.warn(
        `the field of Syslog_${what === 'severity' ? 'Severity' : 'Facility'}_Key of a record is not a valid ${what}: the preset was sent, as for all such records, which bad_priority counts`,
      )
    counters.add('bad_priority', 1, what)
  }

  /** Ends the message at `limit`, or before it where that is within a character. */
  #cut(text: JsonText, limit: number): void {
    const { counters, log } = this.#services
    let at = limit
    // At most three steps: what is not UTF-8 is cut anywhere.
    for (let i = 0; i < 3 && ((text.buf[at] as number) & 0xc0) === 0x80 && at > 0; i++) at--
    if (((text.buf[at] as number) & 0xc0) === 0x80) at = limit
    text.at = at
    if (counters.get('truncated') === 0)
      log.warn(
        `a message longer than Syslog_Maxsize ${this.#maxSize} was truncated, as are all such messages, which truncated counts: raise Syslog_Maxsize if the receiver takes more`,
      )
    counters.add('truncated')
  }
}

function accessorOf(key: string | undefined): RecordAccessor | undefined {
  return key === undefined ? undefined : RecordAccessor.parseLoose(key)
}

/** Returns true for a text that begins with a priority: `<`, a number up to 191, and `>`. */
function hasPriority(buf: Buffer, at: number): boolean {
  const head = textHead(buf, at)
  if (head < 0) return false
  const start = at + head
  const length = textLength(buf, at)
  if (length < 3 || buf[start] !== 0x3c) return false
  let value = 0
  for (let i = 1; i <= 4 && i < length; i++) {
    const c = buf[start + i] as number
    if (c === 0x3e) return i > 1 && value <= MAX_PRIORITY
    if (c < 0x30 || c > 0x39) return false
    value = value * 10 + c - 0x30
  }
  return false
}

function isUtf8(buf: Buffer, start: number, end: number): boolean {
  const view = targetView(buf)
  for (let p = start; p < end; ) {
    while (p + 4 <= end && (view.getInt32(p) & 0x80808080) === 0) p += 4
    if (p === end) return true
    if ((buf[p] as number) < 0x80) p++
    else {
      const length = utf8SequenceLength(buf, p, end)
      if (length < 0) return false
      p += length
    }
  }
  return true
}

/** Removes the mark of UTF-8 at `body`. */
function removeMark(text: JsonText, body: number): void {
  text.buf.copyWithin(body, body + BOM.length, text.at)
  text.at -= BOM.length
}

/** Appends a message that ends with a newline, with no other in it. */
function appendLine(text: JsonText, { buf, at }: JsonText): void {
  const end = at > 0 && buf[at - 1] === 0x0a ? at - 1 : at
  let run = 0
  for (let i = 0; i < end; i++) {
    const c = buf[i]
    if (c !== 0x0a && c !== 0) continue
    text.copy(buf, run, i)
    text.raw(c === 0 ? '#000' : '#012')
    run = i + 1
  }
  text.copy(buf, run, end)
  text.byte(0x0a)
}
