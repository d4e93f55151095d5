import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { ENTRY_HEAD, skip } from '../../../core/msgpack/encode.ts'
import type { Counters } from '../../../core/services.ts'
import type { RecordRange } from '../../../lib/http-output/api.ts'
import { codingOf } from '../../../lib/http-output/compress-option.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { JsonPushRequest } from '../../../lib/loki/json-push.ts'
import { LogLines } from '../../../lib/loki/log-lines.ts'
import { type LabelPair, RecordLabels } from '../../../lib/loki/record-labels.ts'
import { TrimmedRecords } from '../../../lib/loki/trimmed-records.ts'
import { EventTime } from '../../../lib/records/event-time.ts'
import { encodeMetadata, labelsText } from '../../../protocol/loki/labels.ts'
import { PushRequest } from '../../../protocol/loki/push-request.ts'
import { DEFAULT_LABELS, type LabelPlan, labelPlan } from './labels.ts'
import type { LokiOptions } from './options.ts'

/** Bytes of lines that are encoded at once: few enough to stay in the CPU cache. */
const STEP_BYTES = 131_072

/** Size of a request: a push that is larger than the burst of a tenant (6 MB by default) is never taken. */
export const MAX_REQUEST_BYTES = 2_000_000
/** Size of a line that no request has room for: its text is not made to its end. */
const MAX_LINE_BYTES = 2 * MAX_REQUEST_BYTES

/** Gets the entries of records, in their order. `M`: what structured metadata is. */
interface EntrySink<M> {
  add(labels: string, sec: number, nsec: number, src: Buffer, start: number, end: number, metadata?: M): void
}

/** Writes the streams of records as a part of a push request. */
export class LokiEncoder {
  readonly isJson: boolean
  readonly #plan: LabelPlan
  readonly #lines: LogLines
  readonly #trimmed: TrimmedRecords | undefined
  readonly #time = new EventTime()
  readonly #encode: (range: RecordRange, out: JsonText) => void
  #textLabels: RecordLabels<string> | undefined

  constructor(options: LokiOptions, counters: Counters) {
    this.#plan = labelPlan(options)
    this.isJson = isJson(options)
    const { omitted, trimmed } = this.#plan
    const single = SINGLE[options.dropSingleKey]
    this.#lines = new LogLines({ format: options.lineFormat, omitted, single }, counters)
    this.#lines.text.maxBytes = MAX_LINE_BYTES
    this.#trimmed = trimmed.length === 0 ? undefined : new TrimmedRecords(trimmed)
    this.#encode = this.isJson ? this.#jsonEncoder() : this.#protobufEncoder()
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#encode(range, out)
  }

  /** Passes each record to `sink`, with the labels as Loki writes them. */
  describe(range: RecordRange, sink: EntrySink<never>): void {
    this.#textLabels ??= this.#labels(labelsText)
    this.#walk(range, sink, this.#textLabels, undefined)
  }

  #protobufEncoder(): (range: RecordRange, out: JsonText) => void {
    const push = new PushRequest()
    const labels = this.#labels(labelsText)
    const metadata = this.#metadata(encodeMetadata)
    return (range, out) => {
      // A text that is too large ends it.
      try {
        this.#walk(range, push, labels, metadata)
        push.appendTo(out)
      } finally {
        push.clear()
      }
    }
  }

  #jsonEncoder(): (range: RecordRange, out: JsonText) => void {
    const push = new JsonPushRequest()
    const labels = this.#labels(jsonText)
    const metadata = this.#metadata((pairs) => (pairs.length === 0 ? '' : jsonText(pairs)))
    return (range, out) => {
      // A text that is too large ends it.
      try {
        this.#walk(range, push, labels, metadata)
        push.appendTo(out)
      } finally {
        push.clear()
      }
    }
  }

  #labels(form: (pairs: readonly LabelPair[]) => string): RecordLabels<string> {
    const { fixed, sources } = this.#plan
    return new RecordLabels(fixed, sources, (pairs) => form(pairs.length === 0 ? DEFAULT_LABELS : pairs))
  }

  #metadata<M>(form: (pairs: readonly LabelPair[]) => M): RecordLabels<M> | undefined {
    const { fixedMetadata, metadata } = this.#plan
    if (fixedMetadata.length + metadata.length === 0) return undefined
    return new RecordLabels(fixedMetadata, metadata, form)
  }

  #walk<M>(
    range: RecordRange,
    sink: EntrySink<M>,
    labels: RecordLabels<string>,
    metadata: RecordLabels<M> | undefined,
  ): void {
    const { chunk, start, end, count } = range
    const { buf } = chunk
    labels.setTag(chunk.tag)
    metadata?.setTag(chunk.tag)
    const lines = this.#lines
    const { ends } = lines
    const time = this.#time
    const source = this.#trimmed === undefined ? chunk : this.#trimmed.trim(chunk, start, end, count)
    let from = source === chunk ? start : source.start
    let at = start
    for (let left = count; left > 0; left -= ends.count) {
      from = lines.write(source, from, STEP_BYTES, left)
      let textStart = 0
      for (let i = 0; i < ends.count; i++) {
        const map = mapOf(chunk, at)
        const next = source === chunk ? ends.entryEnd(i) : skip(buf, map, end)
        const textEnd = ends.textEnd(i)
        time.read(buf, at)
        sink.add(
          labels.of(buf, map, next),
          time.sec,
          time.nsec,
          lines.text.buf,
          textStart,
          textEnd,
          metadata?.of(buf, map, next),
        )
        textStart = textEnd
        at = next
      }
    }
  }
}

/** Returns true when requests are in JSON. */
export function isJson({ format, compress }: LokiOptions): boolean {
  const isCompressed = codingOf(compress) !== undefined
  if (format === 'protobuf' && isCompressed)
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'Compress gzip needs Format json', {
      option: 'compress',
      hint: 'leave Compress out: requests of protobuf are compressed with snappy',
    })
  return format === 'json' || isCompressed
}

const SINGLE = {
  off: 'off',
  false: 'off',
  no: 'off',
  on: 'on',
  true: 'on',
  yes: 'on',
  raw: 'raw',
} as const

function jsonText(pairs: readonly LabelPair[]): string {
  return JSON.stringify(Object.fromEntries(pairs))
}

/** Returns the offset of the map of the entry at `at`. */
function mapOf({ buf, end }: Chunk, at: number): number {
  return buf[at + 1] === 0xd7 && buf[at + 2] === 0 ? at + ENTRY_HEAD : skip(buf, at + 1, end)
}
