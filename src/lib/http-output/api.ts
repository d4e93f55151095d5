import type { Chunk } from '../../core/chunk.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import type { Failed } from './failed.ts'
import type { Verdicts } from './verdicts.ts'

export type { Failed } from './failed.ts'

/**
 * What an output over HTTP says about the API that it sends to. `HttpOutput` does everything else: joining, order, concurrency,
 * waits, retries of what is left, the search for a record that is refused, memory and logs.
 *
 * ```
 *   flush(chunk) ... -> keyOf -> encode (ranges of records -> pieces of a body) -> request -> sent
 *                                                                                  |
 *     delivered, refused with the server's words, or sent again  <-  success / failure (what the answer says)
 * ```
 */
export interface Api {
  readonly limits: RequestLimits
  /** What stands before, between and after the pieces of a body. Left out: nothing. */
  readonly frame?: Frame
  /**
   * Returns the key of the requests that have the records of a chunk: those with different keys are not in one request. For APIs
   * that name the tag, a tenant or a stream outside of the body. Left out: any may be in one request.
   */
  keyOfChunk?(chunk: Chunk): string
  /**
   * The same for each record, whose entry is `chunk.buf[start, end)`. Order is kept among records with the same key and tag. A
   * record for which it throws a ShipperError that is not retryable is rejected.
   */
  keyOf?(chunk: Chunk, start: number, end: number): string
  /** True when requests with the same key are sent one after the other: the store orders by something else than tags. */
  readonly isSerial?: boolean
  /**
   * Appends the records of a range to `out` as one piece of a body. Must write the same bytes whenever it is called for the same
   * range, and must not keep the chunk. A ShipperError that is not retryable rejects the record if the range has only one, and
   * makes the library call again with smaller ranges otherwise.
   */
  encode?(range: RecordRange, out: JsonText): void
  /**
   * Stands in place of `encode`, for APIs with an order or limits of their own among the records of a request: appends the whole body of a
   * request with the records of these ranges of one chunk, or with as many of the first of them as there may be in one, at least one.
   * Returns their number. For the rest as `encode`.
   */
  encodeAll?(key: string, ranges: readonly RecordRange[], out: JsonText): number
  /** Called before each sending of a request, to create what it names. A rejection fails the request, and is retried. */
  prepare?(batch: BatchInfo, signal: AbortSignal): Promise<void>
  /** Returns the head of the request for a batch. Must return the same for the same records. */
  head(batch: BatchInfo): RequestHead
  /** Status codes with which the API takes records; `readSuccess` says which of them. */
  isSuccess(status: number): boolean
  /**
   * Reads what the API says about single records. The body may be read to its end or not at all; it may be of any size, so what is kept
   * of it has to have a bound. An exception means that the outcome is unknown: the records are sent again. Left out: all are delivered.
   */
  readSuccess?(answer: Answer, batch: BatchInfo): Promise<Judgement>
  /**
   * Returns what another answer says, where the API has its own meaning for it; undefined: as `judgeStatus` has it. `text` is the
   * beginning of the body.
   */
  judgeFailure?(answer: FailedAnswer, batch: BatchInfo): Judgement | undefined
  /** Returns true when the request may be accepted after another call of `prepare`: it is then sent again at once, one time. */
  mayPassAgain?(answer: FailedAnswer, batch: BatchInfo): boolean
  /** Returns what is worth reading in the beginning of the body of an answer that is no success. */
  plainText?(text: string): string
}

/** Maxima of one request. */
export interface RequestLimits {
  /** Size of the body before compression. */
  readonly bytes: number
  /**
   * The same of a request with a single record, which is larger than others: the maximum that the API documents. Default: `bytes`. With
   * Infinity only an answer of the server says what is too large.
   */
  readonly recordBytes?: number
  readonly records: number
  /** Number of chunks; default: any. With 1, a request has records of one chunk only, and the same ones in a retry. */
  readonly chunks?: number
  /** Number of calls of `encode`, each for consecutive records; default: any. With 1, a call writes the whole body. */
  readonly ranges?: 1
  /** What the limit is called in the reason for a record that is larger: `the API accepts 1 MB per request`. */
  readonly words?: string
}

export interface Frame {
  readonly open: Buffer
  readonly between: Buffer
  readonly close: Buffer
}

/** Consecutive records of a chunk: their entries are `chunk.buf[start, end)`. */
export interface RecordRange {
  readonly chunk: Chunk
  readonly start: number
  readonly end: number
  /** Index of the first record in the chunk, and their number. */
  readonly first: number
  readonly count: number
}

export interface RequestHead {
  readonly method: 'POST' | 'PUT'
  /** Path and query. */
  readonly path: string
  /** Names in lower case. Those of the configuration and of Compress are added by the library. */
  readonly headers: Readonly<Record<string, string>>
}

/** The records of one request, in their order in the body. */
export interface BatchInfo {
  /** What `keyOf` or `keyOfChunk` returned; empty without one. */
  readonly key: string
  readonly records: number
  readonly ranges: readonly RecordRange[]
  /** Size of the body before compression. */
  readonly bodyBytes: number
  /**
   * Gives the memory of the body and the place of the request back, when the answer says that the API has the records, in their order,
   * and that their outcome will follow (indexer acknowledgement): other requests are sent meanwhile, also those with the same tags.
   */
  handOver(): void
}

export interface Answer {
  readonly status: number
  header(name: string): string | undefined
  readonly body: AsyncIterable<Buffer>
}

export interface FailedAnswer {
  readonly status: number
  header(name: string): string | undefined
  /** The beginning of the body, without control characters. */
  readonly text: string
}

/**
 * What an answer says about a batch.
 *
 * - `delivered`: the API has all records
 * - `records`: each record has a verdict
 * - `bad`: the API refuses the whole because of some record, and does not say which (400)
 * - `too large`: the whole is too large (413)
 * - `failed`: nothing is known to be taken. Everything about credentials, routing, quota and load is that, whatever its status:
 *   records are never given up for it. `afterMs`: not to be sent again before. `isOverload`: the API asks for less
 */
export type Judgement =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'records'; readonly verdicts: Verdicts }
  | { readonly kind: 'bad' | 'too large'; readonly reason: string }
  | Failed

/** A request as it is sent, for who signs it. */
export interface OutgoingRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: readonly Buffer[]
}

/** Adds credentials that depend on the request, or that are fetched and renewed. */
export interface Authorizer {
  /** Returns headers to add. Called for each request when its body is complete. A rejection fails the request, and is retried. */
  headers(request: OutgoingRequest, signal: AbortSignal): Promise<Record<string, string>>
  /**
   * Called when the API has refused a request, with what `headers` has returned for it; returns true when that was for credentials
   * that are replaced now: the request is then sent again at once, one time.
   */
  refused?(answer: FailedAnswer, added: Record<string, string>): boolean
  close?(): Promise<void> | void
}

/** The server of an output: HttpConnections, or one of a test. */
export interface Connections {
  /** Name of the server in messages: `https://host:port`, without secrets. */
  readonly origin: string
  readonly responseTimeoutMs: number
  /** Maximum silence within an answer. */
  readonly readTimeoutMs: number
  /** Secrets of requests beside those of the options of the output. */
  readonly secrets?: readonly string[]
  /** What else may be why the server closes a connection without an answer, for hints. */
  readonly closedHint?: string | undefined
  /** Number of servers that stand for each other; undefined: one. */
  readonly servers?: number
  /** Maximum number of requests at once; undefined: the default. */
  readonly maxRequests?: number | undefined
  /** Reads files of certificates and the like; throws what an operator has to fix. */
  start(): void
  /** Called when there is something to send for the first time. */
  createSender(): HttpSender
}

/** The part of HttpClient that is used. */
export interface HttpSender {
  send(request: SentRequest): Promise<SenderResponse>
  close(): Promise<void>
}

export interface SentRequest {
  method: string
  path: string
  headers: Record<string, string>
  body: Buffer[]
  signal: AbortSignal
  headTimeoutMs: number
  bodyTimeoutMs: number
  /** Maximum time from the head of the answer to its end, and maximum size of its body. */
  answerTimeoutMs: number
  maxBodyBytes: number
}

export interface SenderResponse extends Answer {
  /** Names of the servers that have answered so, where there are several. */
  readonly nodes?: readonly string[]
  /** Called with what the answer says, where there are several servers. */
  judged?(judgement: Judgement): void
  discard(): void
}
