import { skip } from '../../../core/msgpack/encode.ts'
import { arrayBody, arrayItems, mapPairs } from '../../../core/msgpack/record.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import type { Entry } from '../../../lib/records/entry.ts'
import { JsonTime, SECONDS } from '../../../lib/records/json-time.ts'
import { type TagText, Template } from '../../../lib/records/template.ts'
import type { SplunkOptions } from './options.ts'

const NIL = 0xc0

/** A member of an event whose value depends on the record or its tag, with its fallback. */
interface Member {
  readonly name: string
  readonly template?: Template
  readonly accessor?: RecordAccessor
  readonly fallback?: string | undefined
}

/** Returns the members besides time, fields and event, in the order of fluent-bit. */
function membersOf(options: SplunkOptions): Member[] {
  const { eventHost, eventSource, eventSourcetype, eventSourcetypeKey, eventIndex, eventIndexKey } = options
  return [
    templateMember('host', eventHost),
    templateMember('source', eventSource),
    keyMember('sourcetype', eventSourcetypeKey, eventSourcetype),
    keyMember('index', eventIndexKey, eventIndex),
  ].filter((member) => member !== undefined)
}

function templateMember(name: string, text: string | undefined): Member | undefined {
  return text === undefined
    ? undefined
    : { name, template: Template.parse(text, { option: `event_${name}` }) }
}

function keyMember(name: string, key: string | undefined, fallback: string | undefined): Member | undefined {
  if (key !== undefined)
    return { name, accessor: RecordAccessor.parseLoose(key, `event_${name}_key`), fallback }
  return fallback === undefined ? undefined : { name, fallback }
}

/**
 * Writes the members of an event around the record:
 *
 * ```
 *   {"time": 1700000000.123456789, "host": "", "source": "", "sourcetype": "", "index": "", "fields": {}, "event": {} or ""}
 * ```
 * Members without a value are left out.
 */
export class EventText {
  readonly #members: readonly Member[]
  readonly #fields: readonly { json: string; accessor: RecordAccessor }[]
  readonly #event: RecordAccessor | undefined
  readonly #time: JsonTime | undefined
  readonly #value = new JsonText()

  constructor(options: SplunkOptions) {
    const { eventField, eventKey, autoExtractTimestamp } = options
    this.#members = membersOf(options)
    this.#fields = (eventField ?? []).map(([name = '', text = '']) => ({
      json: `${JSON.stringify(name)}:`,
      accessor: RecordAccessor.parseLoose(text, 'event_field'),
    }))
    this.#event = eventKey === undefined ? undefined : RecordAccessor.parseLoose(eventKey, 'event_key')
    this.#time = autoExtractTimestamp ? undefined : new JsonTime(SECONDS)
  }

  /** True when all but the time and the record is the same for the records of a tag. */
  get isPerTag(): boolean {
    return (
      this.#event === undefined &&
      this.#fields.length === 0 &&
      this.#members.every(({ template, accessor }) => accessor === undefined && template?.isPerTag !== false)
    )
  }

  /** Appends the text before the time in the events of a tag, when `isPerTag`. */
  writeHead(out: JsonText, tag: TagText): void {
    out.byte(0x7b)
    this.#writeMembers(out, tag, EMPTY, 0, 0)
  }

  write(out: JsonText, tag: TagText, buf: Buffer, entry: Entry): void {
    const { map, end, time } = entry
    out.byte(0x7b)
    if (this.#time !== undefined) {
      const length = this.#time.set(time.sec, time.nsec)
      out.raw('"time":')
      out.copy(this.#time.bytes, 0, length)
      out.byte(0x2c)
    }
    this.#writeMembers(out, tag, buf, map, end)
    if (this.#fields.length > 0) this.#writeFields(out, buf, map, end)
    out.raw('"event":')
    if (this.#event === undefined || !this.#writeEvent(out, buf, this.#event.find(buf, map, end)))
      out.value(buf, map)
    out.byte(0x7d)
  }

  #writeMembers(out: JsonText, tag: TagText, buf: Buffer, map: number, end: number): void {
    const value = this.#value
    for (const { name, template, accessor, fallback } of this.#members) {
      value.reset()
      if (template !== undefined && !template.write(value, tag, buf, map, end)) value.reset()
      if (accessor !== undefined) writeScalar(value, buf, accessor.find(buf, map, end))
      if (value.at === 0 && fallback !== undefined) value.raw(fallback)
      if (value.at === 0) continue
      out.raw(`"${name}":`)
      out.string(value.buf, 0, value.at)
      out.byte(0x2c)
    }
  }

  #writeFields(out: JsonText, buf: Buffer, map: number, end: number): void {
    out.raw('"fields":{')
    const start = out.at
    for (const { json, accessor } of this.#fields) {
      const at = accessor.find(buf, map, end)
      if (at < 0 || buf[at] === NIL) continue
      if (out.at > start) out.byte(0x2c)
      out.raw(json)
      if (isFlat(buf, at, end)) out.value(buf, at)
      else {
        this.#value.reset()
        this.#value.value(buf, at)
        out.string(this.#value.buf, 0, this.#value.at)
      }
    }
    out.raw('},')
  }

  /** Writes the value of `event_key`: a text, or a map or list as it is; false when there is none, or it is empty. */
  #writeEvent(out: JsonText, buf: Buffer, at: number): boolean {
    if (at < 0) return false
    const size = Math.max(mapPairs(buf, at), arrayItems(buf, at))
    if (size >= 0) {
      if (size > 0) out.value(buf, at)
      return size > 0
    }
    const value = this.#value
    value.reset()
    writeScalar(value, buf, at)
    if (value.at > 0) out.string(value.buf, 0, value.at)
    return value.at > 0
  }
}

const EMPTY = Buffer.alloc(0)

/** Appends the text of the scalar at `at`; nothing for null, for others, and for none. */
function writeScalar(out: JsonText, buf: Buffer, at: number): void {
  if (at < 0 || buf[at] === NIL || mapPairs(buf, at) >= 0 || arrayItems(buf, at) >= 0) return
  out.plain(buf, at)
}

/** Returns true for what Splunk takes as a field: a scalar, or a list of scalars. */
function isFlat(buf: Buffer, at: number, end: number): boolean {
  if (mapPairs(buf, at) >= 0) return false
  const items = arrayItems(buf, at)
  let p = items < 0 ? at : arrayBody(buf, at)
  for (let i = 0; i < items; i++) {
    if (mapPairs(buf, p) >= 0 || arrayItems(buf, p) >= 0) return false
    p = skip(buf, p, end)
  }
  return true
}
