import type { OutputContext } from '../../../core/plugin.ts'
import type { Counters } from '../../../core/services.ts'
import type {
  Answer,
  Api,
  BatchInfo,
  Judgement,
  RecordRange,
  RequestHead,
} from '../../../lib/http-output/api.ts'
import { Verdicts } from '../../../lib/http-output/verdicts.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { readPartialSuccess, statusText } from './answer.ts'
import type { OTEL_COUNTERS } from './counters.ts'
import { OtelEncoder } from './encoder.ts'
import type { OtelOptions } from './options.ts'

/** Size of a request: collectors take 20 MB by default, and none need take more than 64 MiB. */
const MAX_BYTES = 2_000_000
const TAKEN = new Set([200, 201, 202, 204])
/** Time between two lines in the log about records that collectors have rejected. */
const LOG_MS = 60_000

/** OTLP over HTTP in protobuf. */
export class OtelApi implements Api {
  readonly limits: Api['limits']
  readonly #encoder: OtelEncoder
  readonly #head: RequestHead
  readonly #ctx: OutputContext
  readonly #counters: Counters<typeof OTEL_COUNTERS>
  readonly #peer: string
  #loggedMs = Number.NEGATIVE_INFINITY

  /** `peer`: name of the server in messages. */
  constructor(options: OtelOptions, peer: string, ctx: OutputContext) {
    this.#ctx = ctx
    this.#counters = ctx.counters
    this.#peer = peer
    this.#encoder = new OtelEncoder(options, ctx.counters)
    this.limits = { bytes: MAX_BYTES, records: options.batchSize ?? Number.POSITIVE_INFINITY }
    this.#head = {
      method: 'POST',
      path: options.logsUri,
      headers: { 'content-type': 'application/x-protobuf' },
    }
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#encoder.encode(range, out)
  }

  head(): RequestHead {
    return this.#head
  }

  isSuccess(status: number): boolean {
    return TAKEN.has(status)
  }

  /**
   * Counts the records of a request that a collector rejects: the specification forbids a retry, and the response does not name them. Only
   * when all are rejected is each known to be refused.
   */
  async readSuccess(answer: Answer, { records }: BatchInfo): Promise<Judgement> {
    const { rejected, message } = await readPartialSuccess(answer)
    if (rejected > 0 && rejected >= records) {
      const verdicts = new Verdicts(records)
      for (let i = 0; i < records; i++)
        verdicts.refuse(i, `all records of the request are rejected: ${message}`)
      return { kind: 'records', verdicts }
    }
    if (rejected > 0) this.#counters.add('rejected_records', rejected)
    if (rejected > 0 || message !== '') this.#log(rejected, message)
    return { kind: 'delivered' }
  }

  plainText(text: string): string {
    return statusText(text)
  }

  #log(rejected: number, message: string): void {
    const nowMs = this.#ctx.clock.nowMs()
    if (nowMs - this.#loggedMs < LOG_MS) return
    this.#loggedMs = nowMs
    if (rejected === 0) this.#ctx.log.warn(`${this.#peer} accepted all records, with a warning: ${message}`)
    else
      this.#ctx.log.error(
        `${this.#peer} rejected ${rejected} records of a request without saying which: ${message}; they are lost, and counted in rejected_records`,
      )
  }
}
