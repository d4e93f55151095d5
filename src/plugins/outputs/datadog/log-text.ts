import { findKey } from '../../../core/msgpack/record.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import type { Entry } from '../../../lib/records/entry.ts'
import { JSON_DATE_FORMS, JsonTime } from '../../../lib/records/json-time.ts'
import { KeyTable } from '../../../lib/records/key-table.ts'
import { EcsTags } from './ecs-tags.ts'
import type { DatadogOptions } from './options.ts'

const MESSAGE = 'message'
const MESSAGE_KEY = Buffer.from(MESSAGE)
const MESSAGE_JSON = Buffer.from(`"${MESSAGE}"`)
const DDTAGS = 'ddtags'

/** A pair that is the same for all records of a tag. */
interface OwnPair {
  readonly key: string
  readonly value: string | 'tag'
}

/**
 * Writes a record as a log of Datadog, in the order of fluent-bit: the time, pairs of the configuration, those of the record. A field of
 * the record with the key of such a pair replaces it, but for the tags. The field of Dd_Message_Key is `message`, unless the record has a
 * field of that name: it keeps its own then, as of two members with one name Datadog would keep one.
 */
export class LogText {
  readonly #time = new JsonTime(JSON_DATE_FORMS.epoch_ms)
  readonly #timeKey: string
  readonly #pairs: readonly OwnPair[]
  readonly #tagKey: string | undefined
  readonly #tags: string | undefined
  readonly #renamed: { key: Buffer; json: Buffer } | undefined
  readonly #ecs: EcsTags | undefined
  readonly #ddtags = new KeyTable([Buffer.from(DDTAGS)])
  readonly #starts: number[] = []

  constructor(options: DatadogOptions) {
    const { ddSource, ddService, ddHostname, ddTags, ddMessageKey, includeTagKey, tagKey, provider } = options
    this.#timeKey = `${JSON.stringify(options.jsonDateKey)}:`
    this.#tagKey = includeTagKey ? tagKey : undefined
    this.#tags = ddTags
    this.#renamed =
      ddMessageKey === MESSAGE ? undefined : { key: Buffer.from(ddMessageKey), json: MESSAGE_JSON }
    this.#ecs = provider?.toLowerCase() === 'ecs' ? new EcsTags() : undefined
    const pairs: [string, string | undefined][] = [
      ['ddsource', ddSource],
      ['service', ddService],
      ['hostname', ddHostname],
    ]
    this.#pairs = pairs.flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }]))
  }

  write(out: JsonText, tag: string, buf: Buffer, { time, map, end }: Entry): void {
    const starts = this.#starts
    starts.length = 0
    out.byte(0x7b)
    starts.push(out.at)
    out.raw(this.#timeKey)
    out.copy(this.#time.bytes, 0, this.#time.set(time.sec, time.nsec))
    if (this.#tagKey !== undefined) this.#writePair(out, this.#tagKey, tag)
    for (const { key, value } of this.#pairs) this.#writePair(out, key, value)
    const moved = this.#ecs?.of(buf, map, end) ?? ''
    const tags = moved === '' ? this.#tags : this.#tags === undefined ? moved : `${moved},${this.#tags}`
    if (tags !== undefined) this.#writePair(out, DDTAGS, tags)
    const renamed = findKey(buf, map, end, MESSAGE_KEY) < 0 ? this.#renamed : undefined
    out.pairsAfter(buf, map, starts, this.#omitted(tags !== undefined), renamed)
    out.byte(0x7d)
  }

  #writePair(out: JsonText, key: string, value: string): void {
    out.byte(0x2c)
    this.#starts.push(out.at)
    out.raw(`${JSON.stringify(key)}:${JSON.stringify(value.toWellFormed())}`)
  }

  /** Fields of the record that are left out: those that became tags, and its tags where others replace them. */
  #omitted(hasTags: boolean): { find(buf: Buffer, start: number, length: number): number } | undefined {
    const ecs = this.#ecs
    if (!hasTags) return undefined
    if (ecs === undefined) return this.#ddtags
    const ddtags = this.#ddtags
    return {
      find: (buf, start, length) => Math.max(ecs.find(buf, start, length), ddtags.find(buf, start, length)),
    }
  }
}
