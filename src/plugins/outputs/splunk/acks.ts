import { messageOf, ShipperError } from '../../../core/error.ts'
import { maskTexts } from '../../../core/mask-texts.ts'
import type { OutputContext } from '../../../core/plugin.ts'
import type { Clock, Counters, TimerHandle } from '../../../core/services.ts'
import { beginningOf } from '../../../lib/http-output/answer-text.ts'
import type { HttpSender } from '../../../lib/http-output/api.ts'
import { wordsOf } from '../../../lib/http-output/judge-status.ts'
import { readAcks } from './ack-answer.ts'
import { AckLog } from './ack-log.ts'
import { Channel } from './channel.ts'
import { ACKS_ARE_OFF, CHANNEL_IS_MISSING, CHANNEL_IS_WRONG, codeIn } from './codes.ts'
import type { SPLUNK_COUNTERS } from './counters.ts'

/** Interval of queries. */
const EVERY_MS = 1000
/** Time for which queries report a request as not acknowledged, after which its acknowledgement counts as lost. */
const LOST_AFTER_MS = 300_000
/** Maximum wait for the answer to a query. */
const ANSWER_MS = 10_000
/** Maximum number of concurrent queries. */
const MAX_QUERIES = 8
/** Maximum size of an answer: a few bytes for each id. */
const MAX_ANSWER_BYTES = 262_144
/** Maximum number of requests that wait for an acknowledgement. */
const MAX_OPEN = 256

type AckFate = 'acknowledged' | 'lost' | 'stopped'

/** A request that the collector has accepted and that is not acknowledged. */
interface OpenRequest {
  /** Time of the last query that reported it as not acknowledged. */
  sinceMs: number
  waitedMs: number
  settle(fate: AckFate): void
}

interface AckSettings {
  /** First channel, if it is configured. */
  readonly channel: string | undefined
  readonly origin: string
  /** Headers of every request. */
  readonly headers: Readonly<Record<string, string>>
  sender(): HttpSender
}

/**
 * Queries once a second which of the accepted requests are acknowledged, with one query for each channel that has open ones.
 *
 * ```
 *   POST /services/collector/ack?channel=GUID    {"acks":[7,8]}  ->  {"acks":{"7":true,"8":false}}
 * ```
 * `true` is reported once only. `false` means not yet, or an id that the indexer does not know: because it was restarted, because
 * the load balancer has chosen another one, or because the answer with `true` did not arrive. After five minutes of `false` an
 * acknowledgement counts as lost. Time in which the query itself fails does not count: nothing is known then, and the requests on that
 * channel wait. A channel that the collector does not know, while it answers for others, has lost its requests at once.
 */
export class Acks {
  readonly #settings: AckSettings
  readonly #ctx: OutputContext
  readonly #clock: Clock
  readonly #counters: Counters<typeof SPLUNK_COUNTERS>
  readonly #open = new Map<Channel, Map<number, OpenRequest>>()
  readonly #log: AckLog
  #channel: Channel
  #count = 0
  #timer: TimerHandle | undefined
  #isAsking = false
  #isStopped = false
  #waiters: (() => void)[] = []

  constructor(settings: AckSettings, ctx: OutputContext) {
    this.#settings = settings
    this.#ctx = ctx
    this.#clock = ctx.clock
    this.#counters = ctx.counters
    this.#log = new AckLog(ctx)
    const { channel } = settings
    this.#channel = channel === undefined ? Channel.of(ctx.agent.id, ctx.name) : new Channel(channel)
    if (ctx.signal.aborted) this.stop()
    else ctx.signal.addEventListener('abort', () => this.stop(), { once: true })
  }

  /** Called with each request that was accepted; `hasId`: with an acknowledgement id. */
  accepted(hasId: boolean): void {
    this.#log.accepted(hasId)
  }

  /** Channel of the next request. */
  get channel(): Channel {
    return this.#channel
  }

  /**
   * Resolves with the fate of a request that was accepted with an id. `knownId`: the highest id that the channel had when the request
   * was sent: a lower one comes from an indexer that was restarted, or from another one.
   */
  wait(channel: Channel, id: number, knownId: number): Promise<AckFate> {
    if (this.#isStopped) return Promise.resolve('stopped')
    channel.highestId = Math.max(channel.highestId, id)
    const nowMs = this.#clock.nowMs()
    const idleMs = nowMs - channel.usedMs
    channel.usedMs = nowMs
    const same = this.#open.get(channel)?.get(id)
    if (same !== undefined || id <= knownId) {
      // Requests that were sent on it in the meantime tell nothing new.
      if (channel === this.#channel) this.#log.restarted(idleMs)
      this.leave(channel)
    }
    if (same !== undefined) {
      // An acknowledgement would be ambiguous.
      this.#settle(channel, id, 'lost')
      this.#counters.add('lost_acks')
      return Promise.resolve('lost')
    }
    return new Promise((settle) => {
      const requests = this.#open.get(channel) ?? new Map<number, OpenRequest>()
      this.#open.set(channel, requests.set(id, { sinceMs: nowMs, waitedMs: 0, settle }))
      this.#count++
      this.#schedule()
    })
  }

  /** Sends later requests on another channel: ids on this one may be reused. */
  leave(channel: Channel): void {
    if (channel === this.#channel && channel.highestId >= 0) this.#channel = new Channel()
  }

  /** Called when it is not known whether a request on a channel was accepted, and under which id. */
  lostAnswer(channel: Channel): void {
    if (this.#open.has(channel)) this.leave(channel)
  }

  /** Resolves when one more request may be accepted. */
  async room(): Promise<void> {
    while (this.#count >= MAX_OPEN && !this.#isStopped)
      await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  /** Rejects with a retryable error unless the token has acknowledgements. */
  async verify(signal: AbortSignal): Promise<void> {
    const { guid, highestId } = this.#channel
    const answer = await this.#ask(guid, [highestId + 1], signal)
    if (answer === 'off')
      throw new ShipperError(
        'E_HTTP_ANSWER',
        `${this.#settings.origin}: the token has no indexer acknowledgement`,
        {
          ...{ retryable: true, scope: 'peer' },
          hint: 'enable indexer acknowledgement of the token, or remove `ack on`; records wait, and none is lost',
        },
      )
  }

  stop(): void {
    this.#isStopped = true
    this.#clock.cancel(this.#timer)
    for (const [channel, requests] of this.#open)
      for (const id of [...requests.keys()]) this.#settle(channel, id, 'stopped')
    this.#wake()
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#isAsking || this.#isStopped || this.#count === 0) return
    this.#timer = this.#clock.after(EVERY_MS, () => {
      this.#timer = undefined
      void this.#askAll()
    })
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true
    const open = [...this.#open]
    const answers: Answered[] = []
    const next = open.values()
    const askNext = async (): Promise<void> => {
      for (const [channel, requests] of next) answers.push(await this.#askOn(channel, [...requests.keys()]))
    }
    await Promise.all(Array.from({ length: Math.min(MAX_QUERIES, open.length) }, askNext))
    if (!this.#isStopped) this.#judge(answers)
    this.#isAsking = false
    this.#schedule()
  }

  /** Asks for requests on one channel; never rejects. */
  async #askOn(channel: Channel, ids: readonly number[]): Promise<Answered> {
    try {
      const answer = await this.#ask(channel.guid, ids, this.#ctx.signal)
      if (answer === 'off') this.#log.accepted(false)
      this.#answered(channel, ids, answer === 'off' ? new Set() : answer)
      return { channel, ids }
    } catch (error) {
      return { channel, ids, error }
    }
  }

  /** Handles the questions of one round that have failed: those on other channels are not concerned. */
  #judge(answers: readonly Answered[]): void {
    const failed = answers.filter(({ error }) => error !== undefined)
    for (const { channel, ids, error } of failed)
      if (!(error instanceof ChannelRefused)) this.#notAnswered(channel)
      // Where other channels are known it is this one that is not, so its ids will never be acknowledged.
      else if (failed.length < answers.length) this.#lose(channel, ids)
      else this.#refused(channel, ids)
    const lasting = failed.find(({ channel }) => this.#open.has(channel))
    if (lasting !== undefined) this.#log.failed(messageOf(lasting.error), this.#count)
    else this.#log.answered()
    this.#noteWaiting()
  }

  /** Counts the refusal of a channel as `false` for its ids: it may be a proxy that does not pass on the channel. */
  #refused(channel: Channel, ids: readonly number[]): void {
    this.leave(channel)
    this.#answered(channel, ids, new Set())
  }

  #answered(channel: Channel, ids: readonly number[], acknowledged: ReadonlySet<number>): void {
    const nowMs = this.#clock.nowMs()
    channel.usedMs = nowMs
    for (const id of ids) {
      const request = this.#open.get(channel)?.get(id)
      if (request === undefined) continue
      request.waitedMs += nowMs - request.sinceMs
      request.sinceMs = nowMs
      if (acknowledged.has(id)) this.#settle(channel, id, 'acknowledged')
      else if (request.waitedMs >= LOST_AFTER_MS) this.#lose(channel, [id])
    }
  }

  #lose(channel: Channel, ids: readonly number[]): void {
    this.leave(channel)
    for (const id of ids) {
      if (this.#open.get(channel)?.has(id) !== true) continue
      this.#counters.add('lost_acks')
      this.#settle(channel, id, 'lost')
    }
  }

  #settle(channel: Channel, id: number, fate: AckFate): void {
    const requests = this.#open.get(channel)
    const request = requests?.get(id)
    if (requests === undefined || request === undefined) return
    requests.delete(id)
    if (requests.size === 0) this.#open.delete(channel)
    this.#count--
    request.settle(fate)
    this.#wake()
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }

  /** Returns the acknowledged ones among these ids; `off` when the token has no acknowledgements. */
  async #ask(
    guid: string,
    ids: readonly number[],
    signal: AbortSignal,
  ): Promise<ReadonlySet<number> | 'off'> {
    const response = await this.#settings.sender().send({
      ...{ method: 'POST', path: `/services/collector/ack?channel=${guid}`, signal },
      headers: {
        'content-type': 'application/json',
        ...this.#settings.headers,
        'x-splunk-request-channel': guid,
      },
      body: [Buffer.from(JSON.stringify({ acks: ids }))],
      ...{ headTimeoutMs: ANSWER_MS, bodyTimeoutMs: ANSWER_MS, answerTimeoutMs: ANSWER_MS },
      maxBodyBytes: MAX_ANSWER_BYTES,
    })
    this.#counters.add('ack_polls')
    try {
      if (response.status !== 200) {
        const text = maskTexts(this.#ctx.secrets ?? [])(await beginningOf(response, ANSWER_MS))
        const code = codeIn(text)
        if (code === ACKS_ARE_OFF) return 'off'
        const isChannel = code === CHANNEL_IS_MISSING || code === CHANNEL_IS_WRONG
        const Refusal = isChannel ? ChannelRefused : ShipperError
        throw new Refusal(
          response.status === 401 || response.status === 403 ? 'E_PEER_AUTH' : 'E_HTTP_ANSWER',
          `${this.#settings.origin}/services/collector/ack: ${wordsOf({ status: response.status, text })}`,
          { retryable: true, scope: 'peer' },
        )
      }
      const acknowledged = await readAcks(response, ids)
      if (acknowledged === undefined)
        throw new Error(`${this.#settings.origin}/services/collector/ack: the answer is empty`)
      return acknowledged
    } finally {
      response.discard()
    }
  }

  /** The time until now does not count for the requests on a channel. */
  #notAnswered(channel: Channel): void {
    const nowMs = this.#clock.nowMs()
    for (const request of this.#open.get(channel)?.values() ?? []) request.sinceMs = nowMs
  }

  #noteWaiting(): void {
    let longestMs = 0
    for (const requests of this.#open.values())
      for (const { waitedMs } of requests.values()) longestMs = Math.max(longestMs, waitedMs)
    this.#log.waiting(longestMs, this.#count)
  }
}

/** The outcome of one question. */
interface Answered {
  readonly channel: Channel
  readonly ids: readonly number[]
  readonly error?: unknown
}

/** The collector says that it has no such channel. */
class ChannelRefused extends ShipperError {}
