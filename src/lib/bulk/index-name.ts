import type { Chunk } from '../../core/chunk.ts'
import { textHead, textLength } from '../../core/msgpack/record.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { RecordAccessor } from '../records/accessor.ts'
import type { Entry } from '../records/entry.ts'
import type { EventTime } from '../records/event-time.ts'
import { TagText, Template } from '../records/template.ts'
import { TimeText } from '../records/time-text.ts'
import type { BulkOptions } from './options.ts'

/** Longest prefix that a field may give. */
const MAX_PREFIX_BYTES = 128
/** Index of a record that lacks a field of the template. */
const FALLBACK = Buffer.from('fluent-bit')

/** Writes names of indexes, as text without quotes. */
export interface IndexName {
  /** Seconds for which the name of a tag stays the same, from a multiple of it on; undefined when records choose it. */
  readonly period: number | undefined
  /** To be called before the records of a chunk. */
  begin(chunk: Chunk): void
  /** `entry`: may be left out where records do not choose the name. */
  write(out: JsonText, time: EventTime, chunk: Chunk, entry?: Entry): void
}

export function createIndexName(options: BulkOptions): IndexName {
  return options.logstashFormat ? new DatedName(options) : new TemplateName(options.index, 'index')
}

class TemplateName implements IndexName {
  readonly #template: Template
  readonly #fallback: Buffer
  readonly #tag = new TagText()

  constructor(text: string, option: string, fallback = FALLBACK, times = true) {
    this.#template = Template.parse(text, { times, option })
    this.#fallback = fallback
  }

  get period(): number | undefined {
    return this.#template.period
  }

  begin({ tag }: Chunk): void {
    this.#tag.set(tag)
  }

  write(out: JsonText, time: EventTime, { buf }: Chunk, entry?: Entry): void {
    const at = out.at
    const { map, end } = entry ?? { map: -1, end: -1 }
    if (!this.#template.write(out, this.#tag, buf, map, end, undefined, time) || out.at === at)
      out.copy(this.#fallback, 0, this.#fallback.length)
  }
}

/** A prefix and the date of the record. */
class DatedName implements IndexName {
  readonly #prefix: TemplateName
  readonly #prefixKey: RecordAccessor | undefined
  readonly #separator: Buffer
  readonly #date: TimeText

  constructor(options: BulkOptions) {
    const { logstashPrefix, logstashPrefixKey: key, logstashPrefixSeparator, logstashDateformat } = options
    this.#prefix = new TemplateName(logstashPrefix, 'logstash_prefix', Buffer.from('logstash'), false)
    this.#prefixKey = key === undefined ? undefined : RecordAccessor.parseLoose(key, 'logstash_prefix_key')
    this.#separator = Buffer.from(logstashPrefixSeparator)
    this.#date = TimeText.parse(logstashDateformat, 'logstash_dateformat')
  }

  get period(): number | undefined {
    if (this.#prefixKey !== undefined || this.#prefix.period === undefined) return undefined
    return this.#date.period
  }

  begin(chunk: Chunk): void {
    this.#prefix.begin(chunk)
  }

  write(out: JsonText, time: EventTime, chunk: Chunk, entry?: Entry): void {
    if (entry === undefined || !this.#writeKey(out, chunk, entry)) this.#prefix.write(out, time, chunk, entry)
    out.copy(this.#separator, 0, this.#separator.length)
    this.#date.write(out, time)
  }

  #writeKey(out: JsonText, { buf }: Chunk, { map, end }: Entry): boolean {
    const at = this.#prefixKey?.find(buf, map, end) ?? -1
    const head = at < 0 ? -1 : textHead(buf, at)
    const length = head > 0 ? textLength(buf, at) : 0
    if (length === 0) return false
    let cut = Math.min(length, MAX_PREFIX_BYTES)
    // Not inside a character.
    while (cut < length && cut > 0 && ((buf[at + head + cut] as number) & 0xc0) === 0x80) cut--
    out.copy(buf, at + head, at + head + cut)
    return true
  }
}
