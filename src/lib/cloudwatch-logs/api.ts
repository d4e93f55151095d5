import { ShipperError } from '../../core/error.ts'
import { escapeControls, truncate } from '../../core/escape-controls.ts'
import type { Counters } from '../../core/services.ts'
import { awsErrorOf, ERROR_FIELDS } from '../aws/error-answer.ts'
import { judgeAwsFailure } from '../aws/judge.ts'
import type {
  Answer,
  Api,
  BatchInfo,
  FailedAnswer,
  Judgement,
  RecordRange,
  RequestHead,
  RequestLimits,
} from '../http-output/api.ts'
import type { Failed } from '../http-output/failed.ts'
import type { Verdicts } from '../http-output/verdicts.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from '../records/entry.ts'
import { orderOf } from './event-times.ts'
import { EventWriter } from './events.ts'
import type { LogStreams } from './log-streams.ts'
import type { Messages } from './messages.ts'
import type { StreamNames } from './names.ts'
import { placeOf } from './place.ts'
import { rejectedVerdicts } from './rejected-events.ts'
import { SequenceTokens } from './sequence-tokens.ts'

/** More than the events of a request can have: the service limits their messages, see EventWriter. */
const MAX_BODY_BYTES = 8_000_000
/** Maximum size of an answer. */
const MAX_ANSWER_BYTES = 100_000
const MAX_WORDS = 200

interface ApiOptions {
  readonly names: StreamNames
  readonly streams: LogStreams
  readonly messages: Messages
  readonly path: string
  readonly logFormat: string | undefined
  /** Name of the server in messages. */
  readonly peer: string
  readonly nowMs: () => number
  readonly counters: Pick<Counters, 'add'>
}

/** PutLogEvents of CloudWatch Logs: the events of one stream, in the order of their times. */
export class CloudwatchLogsApi implements Api {
  /** The number of events is limited by EventWriter, which is cheaper than to take them off before. */
  readonly limits: RequestLimits = { bytes: MAX_BODY_BYTES, records: Number.POSITIVE_INFINITY }
  keyOf?: (chunk: RecordRange['chunk'], start: number) => string
  readonly #options: ApiOptions
  readonly #events: EventWriter
  readonly #tokens = new SequenceTokens()
  readonly #head: RequestHead
  readonly #entry = new Entry()

  constructor(options: ApiOptions) {
    const { names, messages, path, logFormat } = options
    this.#options = options
    this.#events = new EventWriter(messages)
    if (names.isPerRecord) this.keyOf = (chunk, start) => names.ofRecord(chunk, start)
    this.#head = {
      method: 'POST',
      path,
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'Logs_20140328.PutLogEvents',
        ...(logFormat === undefined ? {} : { 'x-amzn-logs-format': logFormat }),
      },
    }
  }

  keyOfChunk(chunk: RecordRange['chunk']): string {
    const { names } = this.#options
    return names.isPerRecord ? '' : names.ofChunk(chunk)
  }

  encodeAll(key: string, ranges: readonly RecordRange[], out: JsonText): number {
    const { group, stream, entity } = placeOf(key)
    const token = this.#tokens.of(key)
    out.raw(`{"logGroupName":${JSON.stringify(group)},"logStreamName":${JSON.stringify(stream)}`)
    if (token !== undefined) out.raw(`,"sequenceToken":${JSON.stringify(token)}`)
    if (entity !== '') out.raw(`,"entity":${entity}`)
    out.raw(',"logEvents":')
    const records = this.#events.write(ranges, out)
    out.byte(0x7d)
    return records
  }

  prepare({ key }: BatchInfo, signal: AbortSignal): Promise<void> {
    return this.#options.streams.ensure(placeOf(key), signal)
  }

  head(): RequestHead {
    return this.#head
  }

  isSuccess(status: number): boolean {
    return status === 200
  }

  async readSuccess(answer: Answer, batch: BatchInfo): Promise<Judgement> {
    const text = await textOf(answer)
    // Without a body only the service itself is trusted, not a proxy.
    if (text.trim() === '' && answer.header('x-amzn-requestid') !== undefined) return { kind: 'delivered' }
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error('it is not a JSON object')
    const fields = value as Record<string, unknown>
    const { nextSequenceToken, rejectedLogEventsInfo = null, rejectedEntityInfo } = fields
    const error = ERROR_FIELDS.find((name) => fields[name] !== undefined)
    if (error !== undefined) throw new Error(`it has the field ${error}, as an error has`)
    if (
      rejectedLogEventsInfo !== null &&
      (!isObject(rejectedLogEventsInfo) || Array.isArray(rejectedLogEventsInfo))
    )
      throw new Error('its rejectedLogEventsInfo is not an object')
    this.#tokens.next(batch.key, nextSequenceToken)
    if (isObject(rejectedEntityInfo)) this.#options.counters.add('refused_entities', batch.records)
    if (!isObject(rejectedLogEventsInfo)) return { kind: 'delivered' }
    return { kind: 'records', verdicts: this.#rejected(batch, rejectedLogEventsInfo) }
  }

  mayPassAgain(answer: FailedAnswer, { key }: BatchInfo): boolean {
    const { name } = errorOf(answer)
    if (name !== 'ResourceNotFoundException') return false
    this.#options.streams.missing(placeOf(key))
    return true
  }

  judgeFailure(answer: FailedAnswer, { key }: BatchInfo): Judgement | undefined {
    const { peer, nowMs } = this.#options
    const error = errorOf(answer)
    const { group, stream } = placeOf(key)
    if (error.name === 'DataAlreadyAcceptedException') {
      this.#tokens.expect(key, answer.text)
      return { kind: 'delivered' }
    }
    if (error.name === 'InvalidSequenceTokenException') {
      this.#tokens.expect(key, answer.text)
      return this.#failed(
        `the sequence token of log stream ${stream} in ${group} is another one: ${error.message}`,
        'no action is needed: the next attempt has it',
      )
    }
    if (error.class === 'missing')
      return this.#failed(
        `log stream ${stream} in ${group} does not exist: ${error.message}`,
        'it is created at the next attempt; records wait, and none is lost',
      )
    return judgeAwsFailure(answer, { peer, nowMs: nowMs(), missingHint: '' })
  }

  #rejected(batch: BatchInfo, info: object): Verdicts {
    const times = this.#timesOf(batch)
    return rejectedVerdicts(batch, info, {
      ...{ times, order: orderOf(times, times.length), nowMs: this.#options.nowMs() },
      wrongClock: this.#failed(
        'the clock of this machine and that of the service differ by hours, so that the times of the events are refused',
        'set the clock of this machine; records wait, and none is lost',
      ),
    })
  }

  #timesOf({ ranges, records }: BatchInfo): Float64Array {
    const times = new Float64Array(records)
    const entry = this.#entry
    let i = 0
    for (const { chunk, start, end } of ranges)
      for (let at = start; at < end; at = entry.end) {
        entry.read(chunk, at)
        times[i++] = entry.time.ms
      }
    return times
  }

  #failed(reason: string, hint: string): Failed {
    const message = `${this.#options.peer}: ${reason}`
    const error = new ShipperError('E_HTTP_ANSWER', message, { retryable: true, scope: 'chunk', hint })
    return { kind: 'failed', error }
  }
}

function errorOf({ status, text, header }: FailedAnswer) {
  const error = awsErrorOf(status, text, header('x-amzn-errortype'))
  return { ...error, message: truncate(escapeControls(error.message), MAX_WORDS) }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

async function textOf({ body }: Answer): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`it is larger than ${MAX_ANSWER_BYTES} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}
