import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { textHead, textLength } from '../../../core/msgpack/record.ts'
import type { OutputContext } from '../../../core/plugin.ts'
import type {
  Api,
  BatchInfo,
  FailedAnswer,
  Frame,
  Judgement,
  RecordRange,
  RequestHead,
} from '../../../lib/http-output/api.ts'
import { failed, wordsOf } from '../../../lib/http-output/judge-status.ts'
import { retryAfterMs } from '../../../lib/http-output/retry-after.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../lib/records/accessor.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { LokiEncoder, MAX_REQUEST_BYTES } from './encoder.ts'
import { findRefused } from './find-refused.ts'
import type { LokiOptions } from './options.ts'
import { withoutLabels } from './refusal.ts'
import { isTenant, tenantOf } from './tenant.ts'

/** Status while ingestion is blocked (`block_ingestion_until`), although 2xx is otherwise a success. */
const BLOCKED = 260
const STREAMS: Frame = {
  open: Buffer.from('{"streams":['),
  between: Buffer.from(','),
  close: Buffer.from(']}'),
}

/** The push API of Loki. */
export class LokiApi implements Api {
  readonly limits = { bytes: MAX_REQUEST_BYTES, records: Number.POSITIVE_INFINITY }
  /** Labels are made of records: the same stream may be in records with several tags. */
  readonly isSerial = true
  readonly frame?: Frame
  readonly keyOf?: (chunk: Chunk, start: number, end: number) => string
  readonly #encoder: LokiEncoder
  readonly #options: LokiOptions
  readonly #ctx: OutputContext
  readonly #peer: string
  readonly #entry = new Entry()

  /** `peer`: name of the server in messages. */
  constructor(options: LokiOptions, peer: string, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#peer = peer
    this.#encoder = new LokiEncoder(options, ctx.counters)
    if (this.#encoder.isJson) this.frame = STREAMS
    const { tenantIdKey } = options
    if (tenantIdKey !== undefined) {
      const accessor = RecordAccessor.parse(tenantIdKey, 'tenant_id_key')
      this.keyOf = (chunk, start) => this.#tenantOf(accessor, chunk, start)
    }
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#encoder.encode(range, out)
  }

  head({ key }: BatchInfo): RequestHead {
    const { uri } = this.#options
    const tenantId = tenantOf(this.#options.tenantId)
    const tenant = key === '' ? tenantId : key
    return {
      method: 'POST',
      path: uri,
      headers: {
        'content-type': this.#encoder.isJson ? 'application/json' : 'application/x-protobuf',
        ...(tenant === '' ? {} : { 'x-scope-orgid': tenant }),
      },
    }
  }

  isSuccess(status: number): boolean {
    return status === 204
  }

  judgeFailure(answer: FailedAnswer, batch: BatchInfo): Judgement | undefined {
    const { status, text } = answer
    if (status === 400) return findRefused(text, batch, this.#encoder)
    const context = {
      peer: this.#peer,
      nowMs: this.#ctx.clock.nowMs(),
      scope: batch.key === '' ? 'peer' : 'chunk',
    } as const
    const of = batch.key === '' ? '' : ` of tenant ${batch.key}`
    if (status === BLOCKED)
      return failed(context, 'E_HTTP_ANSWER', `Loki is not accepting records${of}: ${wordsOf(answer)}`, {
        hint: 'block_ingestion_until is set in the limits of Loki; records wait, and none is lost',
      })
    if (status !== 429) return undefined
    const isStreams = /stream limit|active stream|per-user streams/i.test(withoutLabels(text))
    const failure = failed(context, 'E_HTTP_ANSWER', `a limit${of} is reached: ${wordsOf(answer)}`, {
      hint: isStreams
        ? 'there are too many streams: use labels with fewer values, and Structured_Metadata for the others; records wait, and none is lost'
        : 'no action is needed if it is temporary; otherwise raise the limit in Loki that its message names; records wait, and none is lost',
      isOverload: true,
      afterMs: retryAfterMs(answer.header('retry-after'), context.nowMs),
    })
    // A request larger than the burst size is never accepted.
    return { ...failure, isTooLarge: !isStreams }
  }

  #tenantOf(accessor: RecordAccessor, chunk: Chunk, start: number): string {
    const entry = this.#entry
    entry.read(chunk, start)
    const { buf } = chunk
    const at = accessor.find(buf, entry.map, entry.end)
    const head = at < 0 ? -1 : textHead(buf, at)
    if (head < 0 || textLength(buf, at) === 0) return ''
    const tenant = buf.toString('utf8', at + head, at + head + textLength(buf, at))
    if (isTenant(tenant)) return tenant
    throw new ShipperError(
      'E_OUTPUT_REJECTED',
      `the field ${this.#options.tenantIdKey} of the record is not a valid tenant id: ${JSON.stringify(tenant.slice(0, 100))}`,
    )
  }
}
