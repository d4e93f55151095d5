import { skip } from '../../../core/msgpack/encode.ts'
import { findKey, mapPairs, spanOf, textEquals } from '../../../core/msgpack/record.ts'
import { JsonTranscoder, jsonBound } from '../../../lib/json/json-to-msgpack.ts'
import { Rfc3339 } from '../../../lib/time/rfc3339.ts'
import { versionOf } from './event-positions.ts'

/** Size up to which the buffer for encoded objects is kept. */
const MAX_KEPT_BYTES = 1_048_576
const MIN_BUFFER_BYTES = 65_536
/** Length of `YYYY-MM-DDThh:mm:ssZ`, the form of times in seconds, and of one with six decimals. */
const TIME_LENGTH = 20
const MICRO_TIME_LENGTH = 27
const LETTER_Z = 0x5a
const NO_TIME: EventTime = { sec: -1, nsec: 0 }

const TYPE = Buffer.from('type')
const OBJECT = Buffer.from('object')
const METADATA = Buffer.from('metadata')
const RESOURCE_VERSION = Buffer.from('resourceVersion')
const UID = Buffer.from('uid')
const LAST = Buffer.from('lastTimestamp')
const FIRST = Buffer.from('firstTimestamp')
const EVENT_TIME = Buffer.from('eventTime')
const SERIES = Buffer.from('series')
const LAST_OBSERVED = Buffer.from('lastObservedTime')
const CREATED = Buffer.from('creationTimestamp')
const ADDED = Buffer.from('ADDED')
const MODIFIED = Buffer.from('MODIFIED')
const BOOKMARK = Buffer.from('BOOKMARK')
const ERROR = Buffer.from('ERROR')

/** A Unix time; `sec` is -1 for none. */
interface EventTime {
  sec: number
  nsec: number
}

type WatchType = 'ERROR' | 'BOOKMARK' | 'event' | 'other'

/**
 * Reads events of the API, JSON, as MessagePack: the event of an item of a list, or of one of a watch,
 *
 * ```
 *   watch = {"type": "ADDED" / "MODIFIED" / "DELETED" / "BOOKMARK" / "ERROR", "object": EVENT}
 *   EVENT = {"metadata": {"uid": TEXT, "resourceVersion": "DIGITS", "creationTimestamp": TIME}, "lastTimestamp": TIME / null,
 *            "firstTimestamp": TIME / null, "eventTime": MICRO-TIME / null, "series": {"lastObservedTime": MICRO-TIME} / null, ...}
 * ```
 * All that is found is valid until the next call.
 */
export class EventReader {
  /** The event is buf[start, end). */
  buf: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  type: WatchType = 'other'
  /** The resourceVersion; undefined when there is none, or none that can be compared. */
  version: bigint | undefined
  /** The uid; empty when there is none. */
  uid = ''
  /**
   * Time of the event: of its last occurrence, else of the first, else of its creation. fluent-bit does not know `eventTime` and
   * `lastObservedTime`, which are all that an event of events.k8s.io/v1 has.
   */
  time: EventTime = NO_TIME
  readonly #json = new JsonTranscoder()
  readonly #time = new Rfc3339()

  /** Reads an item of a list; returns false when it is not the JSON of an object. */
  readItem(text: Buffer): boolean {
    if (!this.#encode(text)) return false
    this.type = 'event'
    this.#readEvent()
    return true
  }

  /** Reads an event of a watch; returns false when it is not the JSON of one. */
  readWatched(text: Buffer): boolean {
    if (!this.#encode(text)) return false
    const type = findKey(this.buf, this.start, this.end, TYPE)
    const object = findKey(this.buf, this.start, this.end, OBJECT)
    if (type < 0 || object < 0 || mapPairs(this.buf, object) < 0) return false
    this.type = this.#typeAt(type)
    this.end = skip(this.buf, object, this.end)
    this.start = object
    this.#readEvent()
    return true
  }

  #typeAt(at: number): WatchType {
    if (textEquals(this.buf, at, ADDED) || textEquals(this.buf, at, MODIFIED)) return 'event'
    if (textEquals(this.buf, at, BOOKMARK)) return 'BOOKMARK'
    return textEquals(this.buf, at, ERROR) ? 'ERROR' : 'other'
  }

  #encode(text: Buffer): boolean {
    const bytes = jsonBound(text.length)
    if (bytes > this.buf.length || this.buf.length > MAX_KEPT_BYTES)
      this.buf = Buffer.allocUnsafe(Math.max(MIN_BUFFER_BYTES, bytes))
    this.start = 0
    this.end = this.#json.transcode(text, 0, text.length, this.buf, 0)
    return this.end > 0 && mapPairs(this.buf, 0) >= 0
  }

  #readEvent(): void {
    const metadata = this.#find(this.start, METADATA)
    this.version = versionOf(this.#textAt(this.#find(metadata, RESOURCE_VERSION)))
    this.uid = this.#textAt(this.#find(metadata, UID)) ?? ''
    const series = this.#find(this.start, SERIES)
    const start = this.start
    this.time = newer(
      this.#timeAt(this.#find(start, LAST), TIME_LENGTH),
      this.#timeAt(this.#find(series, LAST_OBSERVED), MICRO_TIME_LENGTH),
    )
    if (this.time.sec < 0)
      this.time = newer(
        this.#timeAt(this.#find(start, EVENT_TIME), MICRO_TIME_LENGTH),
        this.#timeAt(this.#find(start, FIRST), TIME_LENGTH),
      )
    if (this.time.sec < 0) this.time = this.#timeAt(this.#find(metadata, CREATED), TIME_LENGTH)
  }

  /** Returns the offset of the value of a key of the map at `map`; -1 without one. */
  #find(map: number, key: Buffer): number {
    return map < 0 || mapPairs(this.buf, map) < 0 ? -1 : findKey(this.buf, map, this.end, key)
  }

  #textAt(at: number): string | undefined {
    const span = at < 0 ? undefined : spanOf(this.buf, at)
    return span === undefined ? undefined : this.buf.toString('latin1', span.start, span.end)
  }

  #timeAt(at: number, length: number): EventTime {
    const span = at < 0 ? undefined : spanOf(this.buf, at)
    if (span === undefined || span.end - span.start !== length) return NO_TIME
    if (this.buf[span.end - 1] !== LETTER_Z) return NO_TIME
    const parts = { sec: 0, nsec: 0 }
    return this.#time.parse(this.buf, span.start, span.end, parts) ? parts : NO_TIME
  }
}

function newer(a: EventTime, b: EventTime): EventTime {
  return b.sec > a.sec || (b.sec === a.sec && b.nsec > a.nsec) ? b : a
}
