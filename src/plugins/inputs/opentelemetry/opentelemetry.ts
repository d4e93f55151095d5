import { encodeStr } from '../../../core/msgpack/encode.ts'
import type { InputContext } from '../../../core/plugin.ts'
import type { HttpAnswer } from '../../../lib/http-input/answers.ts'
import { HttpInput } from '../../../lib/http-input/http-input.ts'
import type { Route } from '../../../lib/http-input/received-request.ts'
import { RecordTags } from '../../../lib/http-input/record-tags.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import type { Connection } from '../../../lib/net/http-server/connection.ts'
import type { RequestHead } from '../../../lib/net/http-server/head.ts'
import { splitMs } from '../../../lib/time/split-ms.ts'
import { AnyValueWriter } from '../../../protocol/otlp/any-value.ts'
import { JsonReader, type Rejected } from './json-reader.ts'
import { JsonCodec, REFUSAL } from './json-text.ts'
import type { LogFrame } from './log-entry.ts'
import type { Options } from './options.ts'
import { ProtobufReader } from './protobuf-reader.ts'

const LOGS_PATH = '/v1/logs'
/** Tag of log records, without a Tag of the configuration. */
export const LOGS_TAG = 'v1_logs'
const OTHER_SIGNALS = /^\/(?:v1\/(metrics|traces)|v1development\/(profiles))$/
const GRPC_PATH = /^\/opentelemetry\.proto\.collector\./
const GRPC_TYPE = /^application\/grpc(?:$|[+; \t])/i
const NO_GRPC = 'gRPC is not supported: send OTLP over HTTP/1.1 to /v1/logs'
const GRPC_HINT =
  'set the sender to OTLP/HTTP: the exporter otlphttp of a collector, OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf of an SDK, ' +
  'grpc off of an output of fluent-bit; the URL is http://HOST:PORT/v1/logs'
const JSON_TYPE = /^application\/json(?:$|[; \t])/i
const PROTOBUF_TYPE = /^application\/(?:x-)?protobuf(?:$|[; \t])/i

/** Receives log records over OTLP/HTTP. */
export class OpenTelemetryInput extends HttpInput {
  readonly #success: HttpAnswer
  readonly #tag: string
  readonly #tags: RecordTags | undefined
  readonly #metadataKey: Buffer
  readonly #bodyKey: Buffer | undefined
  readonly #codec = new JsonCodec()
  readonly #values = new AnyValueWriter()

  constructor(options: Options, ctx: InputContext) {
    super(options, ctx)
    this.#success = { status: Number(options.successfulResponseCode), body: '' }
    this.#tag = ctx.configuredTag ?? (options.tagFromUri ? LOGS_TAG : ctx.tag)
    this.#tags = options.tagKey === undefined ? undefined : new RecordTags(options.tagKey)
    this.#metadataKey = encodeStr(options.logsMetadataKey)
    this.#bodyKey = options.logsBodyKey === undefined ? undefined : encodeStr(options.logsBodyKey)
  }

  protected override get isGrpc(): boolean {
    return true
  }

  protected override get noHttp2(): RefusedRequest {
    // With 404, for which clients of gRPC have the same meaning, no other takes the answer for success.
    return new RefusedRequest(404, 'http2', NO_GRPC, undefined, GRPC_HINT)
  }

  protected route(head: RequestHead, { address }: Connection<HttpAnswer>): Route {
    const { method, path, headers, framing } = head
    const type = headers.get('content-type')
    if (GRPC_PATH.test(path) || (type !== undefined && GRPC_TYPE.test(type)))
      throw new RefusedRequest(415, 'http2', `error: ${NO_GRPC}`, undefined, GRPC_HINT)
    const [, ...signals] = OTHER_SIGNALS.exec(path) ?? []
    const signal = signals.find((name) => name !== undefined)
    if (signal !== undefined)
      throw new RefusedRequest(404, 'path', `error: ${signal} are not accepted, only logs (${LOGS_PATH})`)
    if (path !== LOGS_PATH) throw new RefusedRequest(404, 'path', 'error: invalid endpoint')
    if (method !== 'POST') throw new RefusedRequest(400, 'method', 'error: invalid HTTP method')
    if (framing === 0) throw new RefusedRequest(400, 'malformed', 'error: invalid content-length')
    const frame = this.#frame()
    if (type === undefined || JSON_TYPE.test(type)) {
      const partial = (rejected: Rejected): HttpAnswer => this.#partialJson(rejected, address)
      return { tag: this.#tag, reader: new JsonReader({ ...frame, partial }, this.#codec) }
    }
    if (PROTOBUF_TYPE.test(type)) return { tag: this.#tag, reader: new ProtobufReader(frame, this.#values) }
    throw new RefusedRequest(400, 'content_type', REFUSAL, `unsupported content type ${type}`)
  }

  #frame(): LogFrame {
    const tags = this.#tags
    return {
      tag: this.#tag,
      ...splitMs(this.ctx.clock.nowMs()),
      metadataKey: this.#metadataKey,
      bodyKey: this.#bodyKey,
      answer: this.#success,
      ...(tags === undefined ? {} : { tagOf: (buf, map, end) => this.#tagIn(tags, buf, map, end) }),
    }
  }

  #tagIn(tags: RecordTags, buf: Buffer, map: number, end: number): string {
    const tag = tags.of(buf, map, end, this.#tag)
    this.checkTag(tag)
    return tag
  }

  /** Answers a request of which some records were rejected; by the specification it is not sent again. */
  #partialJson({ rejected, records, reason }: Rejected, peer: string): HttpAnswer {
    this.ctx.counters.add('rejected_records', rejected)
    const from = peer === '' ? '' : ` from ${peer}`
    const first = rejected === 1 ? '' : 'the first: '
    this.ctx.log.warn(
      `rejected ${rejected} of ${records} log records${from}: ${first}${reason}`,
      undefined,
      'rejected records',
    )
    const partialSuccess = { rejectedLogRecords: String(rejected), errorMessage: reason }
    return {
      status: 200,
      body: JSON.stringify({ partialSuccess }),
      fields: 'content-type: application/json\r\n',
    }
  }
}
