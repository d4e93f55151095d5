import { createHash } from 'node:crypto'
import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { textHead, textLength } from '../../core/msgpack/record.ts'
import { RECORD_ID_BYTES } from '../../core/record-ids.ts'
import type { Clock } from '../../core/services.ts'
import type { RecordRange } from '../http-output/api.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { RecordAccessor } from '../records/accessor.ts'
import { Entry } from '../records/entry.ts'
import { EventTime } from '../records/event-time.ts'
import { JsonTime } from '../records/json-time.ts'
import { actionText } from './action-text.ts'
import { documentTimeForm } from './document-time.ts'
import type { IndexName } from './index-name.ts'
import type { BulkOptions } from './options.ts'

/** Longest id that a server takes; a longer one is hashed. */
const MAX_ID_BYTES = 512

/** Writes operations whose index or id is in fields of the record, or whose time is that of sending. */
export class ChosenEncoder {
  readonly #options: BulkOptions
  readonly #clock: Clock
  readonly #index: IndexName
  readonly #idKey: RecordAccessor | undefined
  readonly #needsId: boolean
  readonly #time: JsonTime
  readonly #entry = new Entry()
  readonly #now = new EventTime()
  readonly #name = new JsonText()
  readonly #before: Buffer
  readonly #type: Buffer
  readonly #open: Buffer
  readonly #close: string
  readonly #starts: number[] = []
  readonly #quote: boolean

  constructor(options: BulkOptions, index: IndexName, hasIds: boolean, clock: Clock) {
    const { idKey, writeOperation } = options
    const { before, type, open, close } = actionText(options)
    this.#options = options
    this.#clock = clock
    this.#index = index
    this.#idKey = idKey === undefined ? undefined : RecordAccessor.parseLoose(idKey, 'id_key')
    this.#needsId = !hasIds && (writeOperation === 'update' || writeOperation === 'upsert')
    const form = documentTimeForm(options.timeKeyFormat, options.timeKeyNanos)
    this.#time = new JsonTime(form)
    this.#quote = form.quoted
    this.#before = Buffer.from(before)
    this.#type = Buffer.from(type)
    this.#open = Buffer.from(open)
    this.#close = `}${close}`
  }

  encode({ chunk, start, end, first }: RecordRange, out: JsonText, ids: Buffer | undefined): void {
    const entry = this.#entry
    const { currentTimeIndex, timeKey, tagKey, includeTagKey } = this.#options
    const timePair = `${JSON.stringify(timeKey)}:`
    const tagPair = includeTagKey ? `${JSON.stringify(tagKey)}:${JSON.stringify(chunk.tag)}` : undefined
    if (currentTimeIndex) setNow(this.#now, this.#clock.nowMs())
    this.#index.begin(chunk)
    let id = first * RECORD_ID_BYTES
    for (let at = start; at < end; at = entry.end, id += RECORD_ID_BYTES) {
      entry.read(chunk, at)
      const time = currentTimeIndex ? this.#now : entry.time
      this.#action(out, chunk, time, ids, id)
      this.#document(out, chunk, time, timePair, tagPair)
    }
  }

  #action(out: JsonText, chunk: Chunk, time: EventTime, ids: Buffer | undefined, id: number): void {
    out.copy(this.#before, 0, this.#before.length)
    this.#name.at = 0
    this.#index.write(this.#name, time, chunk, this.#entry)
    out.string(this.#name.buf, 0, this.#name.at)
    out.copy(this.#type, 0, this.#type.length)
    if (!this.#ownId(out, chunk) && ids !== undefined) {
      out.raw(',"_id":"')
      out.copy(ids, id, id + RECORD_ID_BYTES)
      out.byte(0x22)
    }
    out.raw('}}\n')
  }

  /** Writes the id that the record has in Id_Key; false when there is none. */
  #ownId(out: JsonText, { buf }: Chunk): boolean {
    if (this.#idKey === undefined) return false
    const { map, end } = this.#entry
    const at = this.#idKey.find(buf, map, end)
    const isText = at >= 0 && textHead(buf, at) > 0 && textLength(buf, at) > 0
    if (isText || (at >= 0 && isInteger(buf[at] as number))) {
      this.#name.at = 0
      this.#name.plain(buf, at)
      const { buf: text, at: length } = this.#name
      out.raw(',"_id":')
      if (length <= MAX_ID_BYTES) out.string(text, 0, length)
      else out.raw(`"${createHash('sha256').update(text.subarray(0, length)).digest('base64url')}"`)
      return true
    }
    if (!this.#needsId) return false
    const { writeOperation, idKey } = this.#options
    const message = `the record has no text or integer in ${idKey}, which Write_Operation ${writeOperation} needs as the id`
    throw new ShipperError('E_OUTPUT_REJECTED', message)
  }

  /** A field of the record takes the place of the time or the tag of the same name: servers refuse a document with a key twice. */
  #document(
    out: JsonText,
    { buf }: Chunk,
    { sec, nsec }: EventTime,
    timePair: string,
    tagPair?: string,
  ): void {
    const starts = this.#starts
    out.copy(this.#open, 0, this.#open.length)
    out.byte(0x7b)
    starts.length = 0
    starts.push(out.at)
    out.raw(timePair)
    if (this.#quote) out.byte(0x22)
    const length = this.#time.set(sec, nsec)
    out.copy(this.#time.bytes, 0, length)
    if (this.#quote) out.byte(0x22)
    if (tagPair !== undefined) {
      out.byte(0x2c)
      starts.push(out.at)
      out.raw(tagPair)
    }
    out.undots = this.#options.replaceDots
    out.pairsAfter(buf, this.#entry.map, starts)
    out.undots = false
    out.raw(this.#close)
  }
}

function isInteger(t: number): boolean {
  return t < 0x80 || t >= 0xe0 || (t >= 0xcc && t <= 0xd3)
}

function setNow(time: EventTime, nowMs: number): void {
  time.sec = Math.floor(nowMs / 1000)
  time.nsec = Math.floor((nowMs % 1000) * 1_000_000)
}
