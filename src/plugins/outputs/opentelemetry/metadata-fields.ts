import { skip } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textEquals } from '../../../core/msgpack/record.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { type LogRecord, readLogFields } from '../../../protocol/otlp/log-record.ts'
import type { OtelOptions } from './options.ts'

const GROUP = Buffer.from('group')

/** Reads the metadata of records: the fields of the input opentelemetry, and pairs that others have set, which are attributes. */
export class MetadataFields {
  /** Offsets of the maps of resource and scope of the present record, or -1. */
  resource = -1
  scope = -1
  readonly #otlp: Buffer
  readonly #resource: Buffer
  readonly #scope: Buffer
  readonly #fields: readonly { accessor: RecordAccessor; set(record: LogRecord, at: number): void }[]
  readonly #attributes: RecordAccessor
  readonly #omitted: number[] = []

  constructor(options: OtelOptions) {
    const accessor = (text: string): RecordAccessor => RecordAccessor.parseLoose(text)
    this.#otlp = Buffer.from(options.logsMetadataKey)
    this.#resource = Buffer.from(options.logsResourceMetadataKey)
    this.#scope = Buffer.from(options.logsInstrumentationScopeMetadataKey)
    this.#attributes = accessor(options.logsAttributesMetadataKey)
    this.#fields = [
      [options.logsTimestampMetadataKey, 'timestamp'],
      [options.logsObservedTimestampMetadataKey, 'observed_timestamp'],
      [options.logsSeverityTextMetadataKey, 'severity_text'],
      [options.logsSeverityNumberMetadataKey, 'severity_number'],
      [options.logsTraceIdMetadataKey, 'trace_id'],
      [options.logsSpanIdMetadataKey, 'span_id'],
      [options.logsTraceFlagsMetadataKey, 'trace_flags'],
    ].map(([key = '', name = '']) => ({
      accessor: accessor(key),
      set: (record, at) => record.setField(name, at),
    }))
  }

  /** Reads the metadata at `at`, which ends at `end`, into the record. */
  read(record: LogRecord, buf: Buffer, at: number, end: number): void {
    this.resource = this.scope = -1
    const omitted = this.#omitted
    omitted.length = 0
    let otlp = -1
    let pairs = mapPairs(buf, at)
    let key = mapBody(buf, at)
    const all = pairs
    for (; pairs > 0; pairs--) {
      const value = skip(buf, key, end)
      if (textEquals(buf, key, this.#otlp)) otlp = value
      else if (textEquals(buf, key, this.#resource)) this.resource = value
      else if (textEquals(buf, key, this.#scope)) this.scope = value
      else if (!textEquals(buf, key, GROUP)) {
        key = skip(buf, value, end)
        continue
      }
      omitted.push(key)
      key = skip(buf, value, end)
    }
    if (omitted.length < all) {
      for (const { accessor, set } of this.#fields) {
        const found = accessor.find(buf, at, end)
        if (found >= 0) set(record, found)
      }
      record.addAttributes(at, omitted)
      const attributes = this.#attributes.find(buf, at, end)
      if (attributes >= 0 && mapPairs(buf, attributes) >= 0) record.addAttributes(attributes)
    }
    if (otlp >= 0 && mapPairs(buf, otlp) >= 0) readLogFields(record, buf, otlp)
  }
}
