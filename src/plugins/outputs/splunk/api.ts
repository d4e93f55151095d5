import type { ErrorCode } from '../../../core/error.ts'
import type { OutputContext } from '../../../core/plugin.ts'
import type {
  Answer,
  Api,
  Authorizer,
  BatchInfo,
  Failed,
  FailedAnswer,
  Judgement,
  RecordRange,
  RequestHead,
} from '../../../lib/http-output/api.ts'
import { failed, type StatusContext } from '../../../lib/http-output/judge-status.ts'
import { retryAfterMs } from '../../../lib/http-output/retry-after.ts'
import { Verdicts } from '../../../lib/http-output/verdicts.ts'
import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { stopped } from '../../../lib/net/stopped.ts'
import { readAccepted } from './accepted-answer.ts'
import type { Acks } from './acks.ts'
import type { Channel } from './channel.ts'
import { BAD_EVENT, CHANNEL_IS_MISSING, CODES, codeIn, INDEX_IS_WRONG, readHecAnswer } from './codes.ts'
import { type EncodeEvents, eventEncoder } from './encoder.ts'
import type { SplunkOptions } from './options.ts'

/** Size of a request: the collector accepts hundreds of megabytes; proxies in front of it often accept less and answer 413. */
const MAX_BYTES = 5_000_000

/** Channel state when a request was sent. */
interface Sent {
  readonly channel: Channel
  readonly knownId: number
}

/**
 * The HTTP Event Collector of Splunk.
 *
 * ```
 *   POST /services/collector/event  ->  {"text":"Success","code":0}             accepted: delivered
 *                                       {"text":"Success","code":0,"ackId":7}   accepted: delivered when it is acknowledged
 *                                       {"text":..,"code":6,"invalid-event-number":3}   accepted up to the event 3, which is refused
 * ```
 * It is an Authorizer as well: a request that lacks its channel, and one of a token that is not known to have acknowledgements,
 * are handled before they count as failures.
 */
export class SplunkApi implements Api, Authorizer {
  readonly limits = {
    bytes: MAX_BYTES,
    recordBytes: Number.POSITIVE_INFINITY,
    records: Number.POSITIVE_INFINITY,
  }
  readonly #options: SplunkOptions
  readonly #ctx: OutputContext
  readonly #acks: Acks
  readonly #origin: string
  readonly #encode: EncodeEvents
  readonly #sent = new WeakMap<BatchInfo, Sent>()
  /** True when requests have a channel: it is configured, or a request without one was refused. */
  #hasChannel: boolean
  /** False while `ack on` does not know yet that the token has acknowledgements. */
  #isVerified: boolean
  /** True when some request was accepted: a later refusal is about an event, not about the form of requests. */
  #isWitnessed = false
  /** True when the last request was accepted with an id; undefined before the first one. */
  #hasAcks: boolean | undefined

  constructor(options: SplunkOptions, origin: string, acks: Acks, ctx: OutputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#acks = acks
    this.#origin = origin
    this.#encode = eventEncoder(options, ctx.counters)
    this.#hasChannel = options.channel !== undefined || options.ack === 'on'
    this.#isVerified = options.ack !== 'on'
  }

  encode(range: RecordRange, out: JsonText): void {
    this.#encode(range, out)
  }

  head(batch: BatchInfo): RequestHead {
    const query = this.#options.autoExtractTimestamp ? '?auto_extract_timestamp=true' : ''
    const headers: Record<string, string> = {}
    if (this.#hasChannel) {
      const { channel } = this.#acks
      this.#sent.set(batch, { channel, knownId: channel.highestId })
      headers['x-splunk-request-channel'] = channel.guid
    }
    return { method: 'POST', path: `/services/collector/event${query}`, headers }
  }

  async headers(_request: unknown, signal: AbortSignal): Promise<Record<string, string>> {
    if (!this.#isVerified) {
      await this.#acks.verify(signal)
      this.#isVerified = true
    }
    await this.#acks.room()
    return {}
  }

  refused({ text }: FailedAnswer): boolean {
    if (this.#hasChannel || codeIn(text) !== CHANNEL_IS_MISSING) return false
    this.#hasChannel = true
    return true
  }

  isSuccess(status: number): boolean {
    return status === 200
  }

  async readSuccess(answer: Answer, batch: BatchInfo): Promise<Judgement> {
    const { ack } = this.#options
    let ackId: number | undefined
    try {
      ackId = await readAccepted(answer, ack !== 'off')
    } catch (error) {
      this.lostAnswer(batch)
      throw error
    }
    this.#isWitnessed = true
    const sent = this.#sent.get(batch)
    if (ackId !== undefined && sent === undefined) return this.#withoutChannel()
    const hasAcks = ackId !== undefined
    this.#hasAcks = hasAcks
    if (ack === 'auto' || hasAcks) this.#acks.accepted(hasAcks)
    if (ackId !== undefined && sent !== undefined) {
      batch.handOver()
      return this.#acknowledged(sent, ackId, batch)
    }
    if (ack !== 'on') return { kind: 'delivered' }
    this.#isVerified = false
    return this.#failed('E_HTTP_ANSWER', 'the collector has accepted events without an id to ask for', {
      hint: 'enable indexer acknowledgement of the token, or remove `ack on`; the events are sent again',
    })
  }

  judgeFailure(answer: FailedAnswer, batch: BatchInfo): Judgement | undefined {
    const said = readHecAnswer(answer.text)
    // 413 is about the size of the request, whatever its text says.
    if (said === undefined || answer.status === 413) return undefined
    const words = `${said.text} (code ${said.code})`
    // Only with 400 it is about an event, and those before it are accepted.
    const isOfEvent = answer.status === 400
    if (BAD_EVENT.has(said.code)) return isOfEvent ? this.#badEvent(said.event, words, batch) : undefined
    if (isOfEvent && said.code === INDEX_IS_WRONG && this.#options.eventIndexKey !== undefined)
      return this.#wrongIndex(said.event, words, batch)
    const meaning = CODES[said.code]
    if (meaning === undefined) return undefined
    return this.#failed(meaning.error, `${meaning.what}: ${answer.status} ${words}`, {
      hint: meaning.hint,
      isOverload: meaning.isOverload ?? false,
      afterMs: retryAfterMs(answer.header('retry-after'), this.#ctx.clock.nowMs()),
    })
  }

  /** Called when it is not known whether a request was accepted. */
  lostAnswer(batch?: BatchInfo): void {
    const channel = batch === undefined ? this.#acks.channel : this.#sent.get(batch)?.channel
    if (channel !== undefined) this.#acks.lostAnswer(channel)
  }

  /** A request without a channel was accepted with an id, which can be asked for only on a channel. */
  #withoutChannel(): Failed {
    this.#hasChannel = true
    return this.#failed(
      'E_HTTP_ANSWER',
      'the collector has accepted events with an id to ask for, but without a channel on which to ask',
      {
        scope: 'chunk',
        hint: 'no action needed: these and all later requests are sent on a channel; some events may be duplicated',
      },
    )
  }

  async #acknowledged({ channel, knownId }: Sent, id: number, { records }: BatchInfo): Promise<Judgement> {
    const fate = await this.#acks.wait(channel, id, knownId)
    if (fate === 'acknowledged') return { kind: 'delivered' }
    if (fate === 'stopped') return { kind: 'failed', error: stopped() }
    return this.#failed(
      'E_PEER_TIMEOUT',
      `the indexer has not acknowledged ${records} events that were accepted`,
      {
        scope: 'chunk',
        hint: 'they are sent again, and some may be duplicated; was an indexer restarted, or does a load balancer send requests to several of them without stickiness?',
      },
    )
  }

  /** An event is refused: those before it are accepted, those after it were not looked at. */
  #badEvent(event: number | undefined, words: string, { records }: BatchInfo): Judgement {
    // The very first one may also be refused for the form of the request.
    if (event === undefined || event >= records || (event === 0 && !this.#isWitnessed))
      return { kind: 'bad', reason: words }
    this.#isWitnessed = true
    const verdicts = this.#upTo(event, records)
    verdicts.refuse(event, words)
    return { kind: 'records', verdicts }
  }

  /** The index that a record names is refused: it waits, and those before it are accepted. */
  #wrongIndex(event: number | undefined, words: string, batch: BatchInfo): Judgement {
    const { what, hint } = CODES[INDEX_IS_WRONG] as { what: string; hint: string }
    const failure = this.#failed('E_HTTP_ANSWER', `${what}: ${words}`, { hint, scope: 'records' })
    const chunk = batch.ranges.find(({ count }, i) => {
      const before = batch.ranges.slice(0, i).reduce((sum, range) => sum + range.count, 0)
      return event !== undefined && event < before + count
    })?.chunk
    if (event === undefined || chunk === undefined) return failure
    const verdicts = this.#upTo(event, batch.records)
    if (this.#ctx.isOverdue(chunk)) verdicts.refuse(event, words)
    else verdicts.again(event, failure)
    return { kind: 'records', verdicts }
  }

  /**
   * Returns verdicts that accept the events before `event`, and retry those after it. With acknowledgements those
   * before it are retried as well: this answer has no acknowledgement id for them. A collector that wants a channel is likely to have them.
   */
  #upTo(event: number, records: number): Verdicts {
    const verdicts = new Verdicts(records)
    const hasAcks = this.#hasAcks ?? (this.#hasChannel && this.#options.ack !== 'off')
    if (hasAcks) for (let i = 0; i < event; i++) verdicts.next(i)
    for (let i = event + 1; i < records; i++) verdicts.next(i)
    return verdicts
  }

  #failed(
    code: ErrorCode,
    reason: string,
    {
      scope = 'peer',
      ...more
    }: {
      hint: string
      scope?: StatusContext['scope']
      isOverload?: boolean
      afterMs?: number | undefined
    },
  ): Failed {
    return failed({ peer: this.#origin, nowMs: this.#ctx.clock.nowMs(), scope }, code, reason, more)
  }
}
