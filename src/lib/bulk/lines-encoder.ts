import type { Chunk } from '../../core/chunk.ts'
import type { Counters } from '../../core/services.ts'
import type { RecordRange } from '../http-output/api.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { EventTime } from '../records/event-time.ts'
import { type DatedPrefix, JsonLines, type LeadingPair } from '../records/json-lines.ts'
import { actionText } from './action-text.ts'
import { documentTimeForm } from './document-time.ts'
import type { IndexName } from './index-name.ts'
import type { BulkOptions } from './options.ts'

/** Writes operations whose index and id do not depend on fields of the record: nearly all by the WebAssembly kernel. */
export class LinesEncoder {
  readonly #lines: JsonLines
  readonly #index: IndexName
  readonly #period: number
  readonly #before: string
  readonly #after: string
  readonly #name = new JsonText()
  readonly #time = new EventTime()

  /** `index` has a period. */
  constructor(options: BulkOptions, index: IndexName, hasIds: boolean, counters: Counters) {
    const { before, type, open, close } = actionText(options)
    const { timeKey, tagKey, includeTagKey, replaceDots } = options
    const pairs: LeadingPair[] = [{ key: timeKey, value: 'time' }]
    if (includeTagKey) pairs.push({ key: tagKey, value: 'tag' })
    this.#lines = new JsonLines(
      {
        time: documentTimeForm(options.timeKeyFormat, options.timeKeyNanos),
        hasIds,
        infix: `${hasIds ? '"' : ''}}}\n${open}`,
        suffix: close,
        pairs,
        replaceDots,
      },
      counters,
    )
    this.#index = index
    this.#period = index.period ?? 1
    this.#before = before
    this.#after = `${type}${hasIds ? ',"_id":"' : ''}`
  }

  encode({ chunk, start, first, count }: RecordRange, out: JsonText, ids: Buffer | undefined): void {
    this.#index.begin(chunk)
    this.#lines.prefix =
      this.#period === Number.POSITIVE_INFINITY ? this.#prefixAt(0, chunk) : this.#dated(chunk)
    this.#lines.append(out, chunk, start, {
      ...(ids === undefined ? {} : { ids }),
      index: first,
      maxRecords: count,
    })
  }

  #dated(chunk: Chunk): DatedPrefix {
    const prefix = {
      first: 0,
      last: -1,
      of: (sec: number): Buffer => {
        if (sec < prefix.first || sec > prefix.last) {
          prefix.first = Math.floor(sec / this.#period) * this.#period
          prefix.last = prefix.first + this.#period - 1
          bytes = this.#prefixAt(sec, chunk)
        }
        return bytes
      },
    }
    let bytes: Buffer = Buffer.alloc(0)
    return prefix
  }

  #prefixAt(sec: number, chunk: Chunk): Buffer {
    this.#time.sec = sec
    this.#time.nsec = 0
    this.#name.at = 0
    this.#index.write(this.#name, this.#time, chunk)
    const name = JSON.stringify(this.#name.bytes().toString())
    return Buffer.from(`${this.#before}${name}${this.#after}`)
  }
}
