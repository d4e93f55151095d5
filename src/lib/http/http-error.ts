import { type ErrorCode, ShipperError, systemCode } from '../../core/error.ts'
import { descriptorShortage, reasonsOf } from '../net/connect-failure.ts'
import { tlsFailureOf } from '../net/tls-failure.ts'

/** What is known about an exchange when it fails. */
interface ExchangeState {
  /** True when bytes of the request may have been read by the server. */
  wasSent: boolean
  /** True when the head of the response has arrived. */
  hasHead: boolean
}

interface More {
  cause?: unknown
  /** Default: the hint of the cause. */
  hint?: string
  /** True when the request itself is invalid and can never be sent. */
  isOwnFault?: boolean
}

/** A request that has no complete response. */
export class HttpError extends ShipperError {
  /**
   * True when bytes of the request may have been read by the server, so whether it was carried out is unknown; false when
   * the server has seen nothing of it.
   */
  readonly wasSent: boolean
  /** The message without the request and its server. */
  readonly reason: string

  /** `where` names the request and its server. */
  constructor(code: ErrorCode, reason: string, where: string, wasSent: boolean, more: More = {}) {
    const { cause, hint = cause instanceof ShipperError ? cause.hint : undefined, isOwnFault = false } = more
    super(code, where === '' ? reason : `${where}: ${reason}`, {
      retryable: !isOwnFault,
      scope: isOwnFault ? 'chunk' : 'peer',
      ...(cause === undefined ? {} : { cause }),
      ...(hint === undefined ? {} : { hint }),
    })
    this.wasSent = wasSent
    this.reason = reason
  }
}

/** Reason of a server that closes the connection after the request, before it answers. */
export const NO_RESPONSE = 'the server closed the connection without a response'
/** What undici says of bytes that are no HTTP/1.1, such as an alert of TLS or a frame of HTTP/2. */
const NOT_HTTP = /^Response does not match the HTTP\/1\.1 protocol|HPE_INVALID_CONSTANT/
const NOT_HTTP_HINT = 'the port may expect TLS, or another protocol such as gRPC: check port and tls'

/** Codes of undici for a connection that has ended. */
const CLOSED = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED'])

/** Returns the error for what undici, a connection or a limit reports about an exchange with the server `where`. */
export function httpError(cause: unknown, where: string, state: ExchangeState): HttpError {
  if (cause instanceof HttpError) return cause
  if (cause instanceof ShipperError)
    return new HttpError(cause.code, cause.message, '', state.wasSent, { cause })
  const code = systemCode(cause)
  const text = reasonsOf(cause)
  const isCut = code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' && state.hasHead
  if (isCut || (CLOSED.has(code ?? '') && !text.startsWith('bad ')))
    return new HttpError('E_PEER_CLOSED', closedAt(state), where, state.wasSent, { cause })
  const failure = tlsFailureOf(cause)
  if (failure !== undefined)
    return new HttpError('E_PEER_CLOSED', failure.reason, where, state.wasSent, { cause, hint: failure.hint })
  const shortage = descriptorShortage(cause)
  if (shortage !== undefined)
    return new HttpError('E_PEER_UNREACHABLE', shortage, where, state.wasSent, { cause })
  if (code === 'UND_ERR_INVALID_ARG')
    return new HttpError('E_PEER_PROTOCOL', `HTTP does not allow this request: ${text}`, where, false, {
      ...{ cause, isOwnFault: true },
    })
  if (NOT_HTTP.test(text))
    return new HttpError('E_PEER_PROTOCOL', 'the answer is not HTTP/1.1', where, state.wasSent, {
      ...{ cause, hint: NOT_HTTP_HINT },
    })
  const isProtocol = code?.startsWith('UND_ERR_') === true || (cause as Error).name === 'HTTPParserError'
  return new HttpError(
    isProtocol ? 'E_PEER_PROTOCOL' : 'E_PEER_CLOSED',
    WORDS[code ?? ''] ?? WORDS[text] ?? text,
    where,
    state.wasSent,
    { cause },
  )
}

const WORDS: Readonly<Record<string, string>> = {
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the response are too large',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the response has no valid length',
  UND_ERR_DESTROYED: 'stopped',
  UND_ERR_CLOSED: 'stopped',
  'bad response': 'the server sent `100 Continue`, or a response, that was not asked for',
  'bad upgrade': 'the server changed the protocol, which was not asked for',
}

function closedAt({ wasSent, hasHead }: ExchangeState): string {
  if (hasHead) return 'the connection was closed before the end of the response'
  return wasSent ? NO_RESPONSE : 'the connection was closed before the request was sent'
}
