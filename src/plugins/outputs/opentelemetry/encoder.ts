import { ENTRY_HEAD, skip } from '../../../core/msgpack/encode.ts'
import { mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import type { Counters } from '../../../core/services.ts'
import type { RecordRange } from '../../../lib/http-output/api.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { EventTime } from '../../../lib/records/event-time.ts'
import { groupIn } from '../../../lib/records/group.ts'
import { FastPath } from '../../../lib/wasm/fast-path.ts'
import { type LogsForm, type LogsKernel, sharedLogsKernel } from '../../../lib/wasm/logs-kernel.ts'
import { LogRecord } from '../../../protocol/otlp/log-record.ts'
import { LogsRequest } from '../../../protocol/otlp/logs-request.ts'
import { MetadataFields } from './metadata-fields.ts'
import type { OtelOptions } from './options.ts'
import { type Field, RecordFields } from './record-fields.ts'
import { Resources, type Source } from './resources.ts'
import { klogSeverity, SEVERITIES_BY_NUMBER, SEVERITY_WORDS, severityOf } from './severity.ts'

/** Minimum records of a range for which the WebAssembly kernel pays off. */
const MIN_FAST_PATH_RECORDS = 32
const DEFAULT_BODY_KEYS = ['$log', '$message']

/** Writes the log records of a range as ResourceLogs, of which several requests become one when they follow each other. */
export class OtelEncoder {
  readonly #options: OtelOptions
  readonly #request = new LogsRequest()
  readonly #record = new LogRecord()
  readonly #time = new EventTime()
  readonly #fields = new RecordFields()
  readonly #metadata: MetadataFields
  readonly #bodies: Field[]
  readonly #levels: Field[]
  readonly #messages: Record<'severityNumber' | 'severityText' | 'traceId' | 'spanId', Field>
  readonly #kubernetes: Field
  readonly #namespace: Field
  readonly #resources: Resources
  /** Offsets of keys that are not in the attributes or the body. */
  readonly #omitted: number[] = []
  readonly #path = new FastPath()
  /** Form of the kernel; undefined: it does not have the options. */
  readonly #form: LogsForm | undefined
  readonly #counters: Counters

  constructor(options: OtelOptions, counters: Counters) {
    this.#options = options
    this.#counters = counters
    const fields = this.#fields
    const levels = options.logsSeverityKeys.filter((key) => key !== 'none')
    const bodies = options.logsBodyKey.length > 0 ? options.logsBodyKey : DEFAULT_BODY_KEYS
    this.#bodies = bodies.map((key) => fields.add(key, 'logs_body_key'))
    this.#levels = levels.map((key) => fields.add(key, 'logs_severity_keys'))
    this.#messages = {
      severityNumber: fields.add(options.logsSeverityNumberMessageKey, 'logs_severity_number_message_key'),
      severityText: fields.add(options.logsSeverityTextMessageKey, 'logs_severity_text_message_key'),
      traceId: fields.add(options.logsTraceIdMessageKey, 'logs_trace_id_message_key'),
      spanId: fields.add(options.logsSpanIdMessageKey, 'logs_span_id_message_key'),
    }
    this.#kubernetes = fields.add('kubernetes', 'logs_kubernetes_resource')
    this.#namespace = fields.add('kubernetes_namespace', 'logs_kubernetes_resource')
    this.#metadata = new MetadataFields(options)
    const labels = options.addLabel.map(([name = '', value = '']) => [name, value] as const)
    this.#resources = new Resources(labels)
    this.#form = fields.isFlat ? this.#makeForm() : undefined
  }

  #makeForm(): LogsForm {
    const { logsKubernetesResource, logsBodyKeyAttributes } = this.#options
    const names = (fields: readonly Field[]): string[] => fields.map(({ name }) => name ?? '')
    return {
      bodies: names(this.#bodies),
      levels: names(this.#levels),
      left: names([...Object.values(this.#messages), ...(logsKubernetesResource ? [this.#namespace] : [])]),
      pod: logsKubernetesResource ? this.#kubernetes.name : undefined,
      hasAttributes: logsBodyKeyAttributes,
      words: SEVERITY_WORDS,
      numbers: SEVERITIES_BY_NUMBER,
    }
  }

  encode(range: RecordRange, out: JsonText): void {
    const request = this.#request
    const { chunk, start, end } = range
    const { buf } = chunk
    const expected = end - start
    const kernel = this.#kernelFor(range)
    const path = this.#path
    let source = this.#resources.none
    /** Offset of the entry for whose pod the kernel was set up last: once is enough for each. */
    let prepared = -1
    for (let at = start; at < end; ) {
      if (kernel !== undefined && path.isOpen) {
        const size = kernel.run(buf, at, end)
        const { taken } = kernel
        if (size > 0) request.recordsOf(source.resource, source.scope, expected).copy(kernel.output, 0, size)
        at = kernel.consumed
        if (taken > 0) path.hit(taken)
        const next = kernel.needsPod && at !== prepared ? this.#setPod(kernel, buf, at, end) : undefined
        if (next !== undefined) {
          prepared = at
          source = next
        }
        if (taken > 0 || next !== undefined) continue
        path.miss()
      }
      at = this.#append(buf, at, end, expected)
      path.fallback()
    }
    path.report(this.#counters)
    // A text that is too large ends it.
    try {
      for (const piece of request.pieces()) out.copy(piece, 0, piece.length)
    } finally {
      request.clear()
    }
  }

  /** Sets the kernel up for the records of a range, unless it cannot write them or does not pay off. */
  #kernelFor({ count }: RecordRange): LogsKernel | undefined {
    const form = this.#form
    const kernel = form === undefined || count < MIN_FAST_PATH_RECORDS ? undefined : sharedLogsKernel()
    const isUsable = form !== undefined && kernel?.use(form) === true
    this.#path.begin(
      isUsable,
      isUsable ? 'form' : kernel === undefined && form !== undefined ? 'small' : 'options',
    )
    return isUsable ? kernel : undefined
  }

  /** Sets the kernel up for the pod of the entry at `at`; returns what its records belong to, or undefined when that is not possible. */
  #setPod(kernel: LogsKernel, buf: Buffer, at: number, end: number): Source | undefined {
    const next = this.#fields.read(buf, at + ENTRY_HEAD, end)
    this.#omitted.length = 0
    const source = this.#podOf(buf, next)
    const { value } = this.#kubernetes
    if (source === this.#resources.none) return kernel.setPod(buf, 0, 0) ? source : undefined
    return kernel.setPod(buf, value, skip(buf, value, next)) ? source : undefined
  }

  /** Adds the entry at `at`; returns the offset after it. */
  #append(buf: Buffer, at: number, end: number, expected: number): number {
    const record = this.#record
    const time = this.#time
    time.read(buf, at)
    const hasMetadata = buf[at + 1] === 0x92
    const map = !hasMetadata && buf[at + 1] === 0xd7 ? at + ENTRY_HEAD : skip(buf, at + 1, end)
    const next = this.#fields.read(buf, map, end)
    record.reset(buf)
    record.setTime(time.sec, time.nsec)
    let source = this.#resources.none
    if (hasMetadata) source = this.#readMetadata(buf, skip(buf, at + 2, map), map)
    const omitted = this.#omitted
    omitted.length = 0
    if (source === this.#resources.none) source = this.#podOf(buf, next)
    const body = this.#setBody(map)
    this.#setSeverity(buf, body)
    const { traceId, spanId } = this.#messages
    if (traceId.value >= 0 && record.traceId.end === 0) record.setId('traceId', traceId.value)
    if (spanId.value >= 0 && record.spanId.end === 0) record.setId('spanId', spanId.value)
    record.append(this.#request.recordsOf(source.resource, source.scope, expected))
    return next
  }

  /** Reads the metadata at `at`; returns resource and scope. */
  #readMetadata(buf: Buffer, at: number, end: number): Source {
    if (mapPairs(buf, at) <= 0) return this.#resources.none
    const record = this.#record
    const fields = this.#metadata
    const group = groupIn(buf, at, end)
    fields.read(record, buf, at, end)
    if (group !== undefined) return this.#resources.ofGroup(buf, group)
    if (fields.resource < 0 && fields.scope < 0) return this.#resources.none
    return this.#resources.ofMaps(buf, fields.resource, fields.scope)
  }

  #podOf(buf: Buffer, end: number): Source {
    const { key, value } = this.#kubernetes
    if (!this.#options.logsKubernetesResource || value < 0 || mapPairs(buf, value) < 0)
      return this.#resources.none
    const namespace = this.#namespace
    this.#omitted.push(key)
    let last = value
    if (namespace.value >= 0) {
      this.#omitted.push(namespace.key)
      last = Math.max(value, namespace.value)
    }
    return this.#resources.ofPod(buf, value, namespace.value, skip(buf, last, end))
  }

  /** Sets the body and the attributes of the record; returns the offset of a body that is a field, or -1. */
  #setBody(map: number): number {
    const record = this.#record
    for (const { key, value } of this.#bodies) {
      if (value < 0) continue
      record.setBody(value)
      if (key >= 0) this.#omitted.push(key)
      if (this.#options.logsBodyKeyAttributes) record.addAttributes(map, this.#omitted)
      return value
    }
    record.setBody(map, this.#omitted)
    return -1
  }

  #setSeverity(buf: Buffer, body: number): void {
    const record = this.#record
    const { severityNumber, severityText } = this.#messages
    if (record.severityNumber === 0 && severityNumber.value >= 0) record.setSeverity(severityNumber.value)
    if (record.severityText.end === 0 && severityText.value >= 0)
      record.setText('severityText', severityText.value)
    if (record.severityNumber > 0) return
    if (record.severityText.end > 0) {
      if (severityText.value >= 0) record.severityNumber = severityOf(buf, severityText.value)
      return
    }
    for (const { value } of this.#levels) {
      const severity = value < 0 ? 0 : severityOf(buf, value)
      if (severity === 0) continue
      record.severityNumber = severity
      record.setText('severityText', value)
      return
    }
    if (this.#levels.length === 0 || body < 0) return
    const head = textHead(buf, body)
    if (head > 0) record.severityNumber = klogSeverity(buf, body + head, body + head + textLength(buf, body))
  }
}
