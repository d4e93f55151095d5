import { ShipperError } from '../../core/error.ts'
import { escapeControls } from '../../core/escape-controls.ts'
import { type Mask, maskTexts } from '../../core/mask-texts.ts'
import type { OutputContext } from '../../core/plugin.ts'
import { isSecretName } from '../../core/secret-names.ts'
import type { Counters } from '../../core/services.ts'
import { HttpError } from '../http/http-error.ts'
import { stopped } from '../net/stopped.ts'
import { beginningOf, drain } from './answer-text.ts'
import type { Connections, Failed, FailedAnswer, HttpSender, Judgement, SenderResponse } from './api.ts'
import type { Batch } from './batch.ts'
import { withClosedHint } from './closed-hint.ts'
import { type CompressBody, loadBodyCompression } from './compress.ts'
import type { HTTP_OUTPUT_COUNTERS } from './counters.ts'
import { failed, judgeStatus, type StatusContext } from './judge-status.ts'
import type { HttpOutputOptions } from './output-options.ts'

/** Size of an answer: more than any API says about a request and each of its records. */
const MAX_ANSWER_BYTES = 1_000_000
const MAX_ANSWER_BYTES_PER_RECORD = 8192
const HTML = /^text\/html\b/i
/** The beginning of a whole page. */
const PAGE = /^(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body)\b/i

/** Objects that a request leaves, whatever its size, in bytes: those of the client, its promises, and what was received. */
const REQUEST_GARBAGE_BYTES = 24_576

/** When a request was sent, and the answer. */
interface Sent {
  ms: number
  /** True when the request was given to the connection. */
  isBegun: boolean
  response: SenderResponse | undefined
}

/** Sends a batch as one request and finds out what the answer says. */
export class Requester {
  readonly #options: HttpOutputOptions
  readonly #ctx: OutputContext
  readonly #counters: Counters<typeof HTTP_OUTPUT_COUNTERS>
  readonly #signal: AbortSignal
  readonly #secrets: readonly string[]
  readonly #mask: Mask
  #compress: CompressBody | undefined
  #sender: HttpSender | undefined

  constructor(options: HttpOutputOptions, ctx: OutputContext, signal: AbortSignal) {
    this.#options = options
    this.#ctx = ctx
    this.#counters = ctx.counters
    this.#signal = signal
    const { headers, connections } = options
    this.#secrets = [...(ctx.secrets ?? []), ...(connections.secrets ?? []), ...credentialsOf(headers)]
    this.#mask = maskTexts(this.#secrets)
  }

  /** Loads the compression and reads the files of TLS. */
  async start(): Promise<void> {
    const { compress, connections } = this.#options
    connections.start()
    if (compress !== undefined) this.#compress = await loadBodyCompression(compress)
  }

  /** Sends a batch once; never rejects. `sentMs`: when it was sent, after compression and signature. */
  async send(batch: Batch): Promise<{ judgement: Judgement; sentMs: number }> {
    const sent: Sent = { ms: this.#ctx.clock.nowMs(), isBegun: false, response: undefined }
    let judgement: Judgement
    let isUnread = false
    try {
      judgement = this.#masked(await this.#exchange(batch, sent))
    } catch (error) {
      judgement = this.#masked(this.#unknown(batch, error, sent.isBegun))
      // An answer that cannot be read leaves open whether the records were taken.
      isUnread = !(error instanceof ShipperError)
    }
    if (isUnread) this.#counters.add('request_failures', 1, 'unknown')
    else this.#count(judgement)
    if (!this.#signal.aborted) sent.response?.judged?.(judgement)
    return { judgement, sentMs: sent.ms }
  }

  async close(): Promise<void> {
    const { authorizer } = this.#options
    const sender = this.#sender
    this.#sender = undefined
    await authorizer?.close?.()
    await sender?.close()
  }

  async #exchange(batch: Batch, sent: Sent): Promise<Judgement> {
    const coding = await this.#compressBody(batch)
    const first = await this.#once(batch, coding, sent, true)
    // Credentials that have expired are renewed once; what is refused with new ones stays refused.
    return first ?? ((await this.#once(batch, coding, sent, false)) as Judgement)
  }

  /** Returns undefined when the request is to be sent again with other credentials. */
  async #once(
    batch: Batch,
    coding: Record<string, string>,
    sent: Sent,
    mayRenew: boolean,
  ): Promise<Judgement | undefined> {
    const { api, authorizer, connections } = this.#options
    await api.prepare?.(batch, this.#signal)
    const { method, path, headers: own } = api.head(batch)
    const headers: Record<string, string> = { ...own, ...coding, ...this.#options.headers }
    const { pieces } = batch
    const added = (await authorizer?.headers({ method, path, headers, body: pieces }, this.#signal)) ?? {}
    Object.assign(headers, added)
    if (this.#signal.aborted) throw stopped()
    this.#sender ??= connections.createSender()
    sent.response = undefined
    sent.ms = this.#ctx.clock.nowMs()
    sent.isBegun = true
    this.#counters.add('requests')
    this.#ctx.leftGarbage?.(REQUEST_GARBAGE_BYTES)
    this.#counters.add('body_bytes', batch.bodyBytes)
    this.#counters.add('sent_bytes', bytesOf(pieces))
    const response = await this.#sender.send({
      ...{ method, path, headers, body: [...pieces], signal: this.#signal },
      ...answerLimits(connections, batch),
    })
    sent.response = response
    if (response.nodes !== undefined) batch.nodes = response.nodes
    try {
      if (api.isSuccess(response.status)) return await this.#success(batch, response)
      const mask = this.#maskWith(added)
      const other = codingOf(response)
      const beginning =
        other === undefined
          ? mask(await beginningOf(response, connections.responseTimeoutMs))
          : `(a text in the coding ${other})`
      const text = api.plainText?.(beginning) ?? beginning
      const answer: FailedAnswer = { status: response.status, header: (name) => response.header(name), text }
      if (mayRenew && authorizer?.refused?.(answer, added) === true) return undefined
      if (mayRenew && api.mayPassAgain?.(answer, batch) === true) return undefined
      return api.judgeFailure?.(answer, batch) ?? judgeStatus(answer, this.statusContext(batch))
    } finally {
      response.discard()
    }
  }

  /** Returns a text of the server without what it may have been told in secret. */
  mask(text: string): string {
    return this.#mask(text)
  }

  /** Returns the same for an answer to a request with these headers of the authorizer. */
  #maskWith(added: Record<string, string>): Mask {
    const credentials = credentialsOf(added)
    return credentials.length === 0 ? this.#mask : maskTexts([...this.#secrets, ...credentials])
  }

  #masked(judgement: Judgement): Judgement {
    if (judgement.kind === 'failed') return this.#maskedFailure(judgement)
    if (judgement.kind === 'records' && judgement.verdicts.failure !== undefined)
      judgement.verdicts.failure = this.#maskedFailure(judgement.verdicts.failure)
    return judgement
  }

  #maskedFailure(failure: Failed): Failed {
    const { error } = failure
    const message = this.#mask(error.message)
    if (message === error.message) return failure
    const { code, retryable, scope, hint } = error
    return { ...failure, error: new ShipperError(code, message, { retryable, scope, hint }) }
  }

  async #success(batch: Batch, response: SenderResponse): Promise<Judgement> {
    const { api, connections } = this.#options
    if (api.readSuccess === undefined) {
      if (HTML.test(response.header('content-type') ?? '')) return await this.#successOfPage(response)
      if (!(await drain(response, connections.responseTimeoutMs)))
        this.#ctx.log.warn(
          `${connections.origin}: the answers do not end, or are longer than they need to be: each costs a new connection`,
          {},
          'answer without end',
        )
      return { kind: 'delivered' }
    }
    try {
      return await api.readSuccess(response, batch)
    } catch (error) {
      const isPage = !(error instanceof ShipperError) && HTML.test(response.header('content-type') ?? '')
      const coding = codingOf(response)
      if (coding !== undefined && !(error instanceof ShipperError))
        throw new Error(
          `it has the coding ${coding}, which was not asked for; let proxies not compress answers`,
        )
      throw isPage ? new Error('it is an HTML page, as from a proxy or a login page') : error
    }
  }

  /**
   * Takes an answer that claims to be HTML for a success, as its status says: it may be a word of a server that states no other
   * type. A whole page is more likely that of something else, so it is logged.
   */
  async #successOfPage(response: SenderResponse): Promise<Judgement> {
    const { origin, responseTimeoutMs } = this.#options.connections
    const text = await beginningOf(response, responseTimeoutMs)
    if (PAGE.test(text))
      this.#ctx.log.warn(
        `${origin}: the answer is ${response.status} with an HTML page, which counts as delivered`,
        { hint: 'check that no proxy and no login page answers in place of the server' },
        'HTML page',
      )
    return { kind: 'delivered' }
  }

  /** Returns what errors of a batch say besides their reason. */
  statusContext({ key }: Batch): StatusContext {
    const peer = this.#options.connections.origin
    return { peer, nowMs: this.#ctx.clock.nowMs(), scope: key === '' ? 'peer' : 'chunk' }
  }

  #unknown(batch: Batch, error: unknown, isBegun: boolean): Judgement {
    if (this.#signal.aborted) return { kind: 'failed', error: stopped() }
    if (error instanceof ShipperError && error.retryable)
      return { kind: 'failed', error: this.#withHint(error), isOverload: error.code === 'E_PEER_TIMEOUT' }
    if (error instanceof HttpError)
      return failed(this.statusContext(batch), error.code, `the request cannot be sent: ${error.reason}`, {
        hint: 'nothing was sent, and the records wait; check path, headers and credentials of the output, and what of them comes from records',
      })
    const reason = error instanceof Error ? error.message : String(error)
    if (!isBegun)
      return failed(this.statusContext(batch), 'E_INTERNAL', `the request cannot be made: ${reason}`, {
        hint: 'nothing was sent, and the records wait',
      })
    return failed(this.statusContext(batch), 'E_HTTP_ANSWER', `the answer cannot be read: ${reason}`, {
      hint: 'it is not known whether the records were taken, so they are sent again; check that nothing else answers at this address',
    })
  }

  /** Adds what may be why a server has closed a connection. */
  #withHint(error: ShipperError): ShipperError {
    return withClosedHint(error, this.#options.connections.closedHint) as ShipperError
  }

  /** Compresses the body of a batch, which keeps no memory that it does not need any more. Returns the headers that say so. */
  async #compressBody(batch: Batch): Promise<Record<string, string>> {
    const { buffers } = this.#ctx
    const compress = this.#compress
    if (compress === undefined) return {}
    const { buf, size } = await compress(batch.pieces, buffers)
    batch.replaceBody(buf, size)
    const coding = this.#options.contentEncoding ?? this.#options.compress ?? ''
    return coding === '' ? {} : { 'content-encoding': coding }
  }

  #count(judgement: Judgement): void {
    if (judgement.kind === 'bad' || judgement.kind === 'too large')
      this.#counters.add('request_failures', 1, 'refused')
    else if (judgement.kind === 'failed')
      this.#counters.add('request_failures', 1, reasonOf(judgement.error, judgement.isOverload))
    else if (judgement.kind === 'records' && judgement.verdicts.failure?.isOverload === true)
      this.#counters.add('request_failures', 1, 'overload')
  }
}

/** Limits of an answer: a server that need not be trusted may take the time of a response for it, and some kilobytes per record. */
function answerLimits({ responseTimeoutMs, readTimeoutMs }: Connections, { records }: Batch) {
  return {
    headTimeoutMs: responseTimeoutMs,
    bodyTimeoutMs: readTimeoutMs,
    answerTimeoutMs: Math.max(responseTimeoutMs, readTimeoutMs),
    maxBodyBytes: MAX_ANSWER_BYTES + records * MAX_ANSWER_BYTES_PER_RECORD,
  }
}

/** Returns the coding of the body of an answer; undefined for none. */
function codingOf(response: SenderResponse): string | undefined {
  const coding = response.header('content-encoding')?.trim().toLowerCase() ?? ''
  return coding === '' || coding === 'identity' ? undefined : escapeControls(coding.slice(0, 40))
}

/** Returns the values of headers with credentials, and what follows the name of the scheme in them. */
function credentialsOf(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    isSecretName(name) || name.includes('token') ? [value, value.slice(value.indexOf(' ') + 1)] : [],
  )
}

function bytesOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

type Reason = keyof (typeof HTTP_OUTPUT_COUNTERS)['request_failures']['reasons']

function reasonOf({ code }: ShipperError, isOverload = false): Reason {
  if (code === 'E_PEER_AUTH') return 'auth'
  if (code === 'E_HTTP_ANSWER') return isOverload ? 'overload' : 'server'
  return 'unknown'
}
