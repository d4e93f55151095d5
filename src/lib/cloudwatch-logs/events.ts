import { ShipperError } from '../../core/error.ts'
import type { RecordRange } from '../http-output/api.ts'
import { escapeJson } from '../json/escapes.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { countText } from '../text/duration.ts'
import { orderOf } from './event-times.ts'
import type { Messages } from './messages.ts'

/** Limits of PutLogEvents: of the messages as UTF-8 with so much for each event, of the number of events, and of the time between them. */
const MAX_EVENTS = 10_000
const MAX_BATCH_BYTES = 1_048_576
const EVENT_BYTES = 26
const MAX_SPAN_MS = 86_400_000
/** Largest message. */
const MAX_MESSAGE_BYTES = MAX_BATCH_BYTES - EVENT_BYTES

/** Size of an event besides its message, at most, with the comma. */
const FRAME_BYTES = 64

/**
 * Writes the events of a request in the order of their times:
 *
 * ```
 *   [{"timestamp":1700000000500,"message":".."},..]
 * ```
 */
export class EventWriter {
  readonly #messages: Messages
  /** The beginning of an event with the time `#ms`: many have the same. */
  readonly #eventHead = Buffer.alloc(FRAME_BYTES)
  #headBytes = 0
  #ms = -1

  constructor(messages: Messages) {
    this.#messages = messages
  }

  /** Appends the events of the first records, as many as a request may have; returns their number. */
  write(ranges: readonly RecordRange[], out: JsonText): number {
    const messages = this.#messages
    messages.write(ranges, MAX_BATCH_BYTES)
    const count = this.#fitting()
    const order = orderOf(messages.times, count)
    out.reserve(FRAME_BYTES * count + 2 * messages.end(count - 1) + 2)
    out.byte(0x5b)
    for (let i = 0; i < count; i++) {
      const record = order === undefined ? i : (order[i] as number)
      const [start, end] = [messages.end(record - 1), messages.end(record)]
      out.reserve(FRAME_BYTES + 6 * (end - start))
      if (i > 0) out.buf[out.at++] = 0x2c
      this.#head(out, messages.times[record] as number)
      out.at = escapeJson(messages.bytes, start, end, out.buf, out.at)
      out.buf[out.at++] = 0x22
      out.buf[out.at++] = 0x7d
    }
    out.byte(0x5d)
    return count
  }

  /** Returns how many of the messages may be in one request. Throws E_OUTPUT_REJECTED when the first is too large. */
  #fitting(): number {
    const messages = this.#messages
    const { times } = messages
    let bytes = 0
    let first = times[0] as number
    let last = first
    let count = 0
    for (; count < messages.count && count < MAX_EVENTS; count++) {
      const size = messages.end(count) - messages.end(count - 1)
      const time = times[count] as number
      bytes += size + EVENT_BYTES
      first = Math.min(first, time)
      last = Math.max(last, time)
      if (bytes > MAX_BATCH_BYTES || last - first >= MAX_SPAN_MS) break
    }
    if (count === 0) throw tooLarge(bytes - EVENT_BYTES)
    return count
  }

  #head(out: JsonText, ms: number): void {
    if (ms !== this.#ms) {
      this.#ms = ms
      this.#headBytes = this.#eventHead.write(`{"timestamp":${ms},"message":"`, 'latin1')
    }
    out.at += this.#eventHead.copy(out.buf, out.at, 0, this.#headBytes)
  }
}

function tooLarge(bytes: number): ShipperError {
  const message = `the record is larger than CloudWatch Logs accepts: ${countText(bytes)} bytes as an event, and at most ${countText(MAX_MESSAGE_BYTES)}`
  return new ShipperError('E_OUTPUT_REJECTED', message, {
    hint: 'it is in the dead letters, not truncated',
  })
}
