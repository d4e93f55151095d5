import type { HeadLimits } from './head.ts'

export interface ConnectionLimits extends HeadLimits {
  /** Time for a head to arrive completely, from its first byte or from the connection. */
  headersMs: number
  /** Time that a connection may be idle between two requests. */
  keepAliveMs: number
  /** Time for a client to take an answer. */
  sendMs: number
  /** Time for an answer to come, once the request is there; default: sendMs. */
  askMs?: number
  /** Silence within a body, and time for all of it. */
  bodySilenceMs?: number
  bodyMs?: number
}

/** Body of an answer. Parts of a text that may be long are made one by one, while the client takes those before. */
export interface AnswerBody {
  body: string | Buffer | Iterator<string>
}

/** How the body of an answer is sent. */
export interface AnswerFrame {
  /** Undefined when it is not known yet. */
  length: number | undefined
  isChunked: boolean
  /** True when the connection ends after it. */
  isLast: boolean
  /** What the client has to be told about the connection; undefined when its version of HTTP says it. */
  connection: 'close' | 'keep-alive' | undefined
}

/** Where the body of a request goes. */
export interface BodySink {
  /**
   * Takes `buf[start, end)`, which is valid during the call. `isLast`: no byte of the body follows; without it, the end shows at
   * `end` only. Returns false when there is no memory for it: it is offered again after `Connection.resume`.
   */
  push(buf: Buffer, start: number, end: number, isLast: boolean): boolean
  /** True when there is memory for all of the body: then the rest is read whatever others have sent. */
  readonly hasPlace?: boolean
  /** The body is complete: to be answered, sooner or later. */
  end(): void
  /** The connection has ended before the answer, or the rest of the body will not come. Called at most once. */
  abort(): void
}
