import { type ErrorCode, type ErrorScope, ShipperError } from '../../core/error.ts'
import { durationText } from '../text/duration.ts'
import type { Failed, FailedAnswer, Judgement } from './api.ts'
import { retryAfterMs } from './retry-after.ts'

/** Longest part of an answer that an error message has, in characters. */
const MAX_WORDS = 200

export interface StatusContext {
  /** Name of the server in messages, without secrets. */
  readonly peer: string
  readonly nowMs: number
  /** Scope of errors: `peer`, or `chunk` where requests with other keys may be accepted. */
  readonly scope: ErrorScope
}

/**
 * Returns what an answer says whose status the API gives no meaning of its own. What is about credentials, routing, load or the server is
 * repeated and costs no record:
 *
 * ```
 *   2xx (not one of the API), 1xx, 3xx     failed: something else answers, or somewhere else is the server
 *   400, 422                               bad: some record, see `findRefused`
 *   401, 403, 407                          failed: credentials
 *   413                                    too large
 *   408, 429, 502, 503, 504                failed, with less at a time, and not before Retry-After
 *   other 4xx, 500, other 5xx              failed
 * ```
 */
export function judgeStatus(answer: FailedAnswer, context: StatusContext): Judgement {
  const { status } = answer
  const words = wordsOf(answer)
  if (status === 400 || status === 422) return { kind: 'bad', reason: words }
  if (status === 413) return { kind: 'too large', reason: words }
  const isOverload = OVERLOADED.has(status)
  const afterMs = retryAfterMs(answer.header('retry-after'), context.nowMs)
  const { code, what, hint } = meaningOf(answer)
  return failed(context, code, `${what}${words}`, { hint, isOverload, afterMs })
}

/** Returns a failure; `reason` follows the name of the server, and the wait that it asks for follows the reason. */
export function failed(
  { peer, scope }: StatusContext,
  code: ErrorCode,
  reason: string,
  {
    hint,
    afterMs,
    isOverload = false,
  }: { hint?: string | undefined; afterMs?: number | undefined; isOverload?: boolean } = {},
): Failed {
  const wait =
    afterMs === undefined || afterMs === 0
      ? ''
      : `; nothing is sent for ${durationText(afterMs)}, as Retry-After asks`
  const error = new ShipperError(code, `${peer}: ${reason}${wait}`, {
    ...{ retryable: true, scope },
    ...(hint === undefined ? {} : { hint }),
  })
  return { kind: 'failed', error, isOverload, afterMs }
}

const OVERLOADED = new Set([408, 429, 502, 503, 504])

interface Meaning {
  code: ErrorCode
  what: string
  hint?: string
}

function meaningOf({ status, header, text }: FailedAnswer): Meaning {
  if (status === 401 || status === 407)
    return {
      code: 'E_PEER_AUTH',
      what: 'the credentials are refused: ',
      hint: 'check user, password, token or key of the output; records wait, and none is lost',
    }
  if (status === 403)
    return {
      code: 'E_PEER_AUTH',
      what: 'access is denied: ',
      hint: 'check user, password, token or key of the output, and that they may write there; records wait, and none is lost',
    }
  if (status === 404 || status === 405)
    return {
      code: 'E_HTTP_ANSWER',
      what: 'nothing accepts records at this path: ',
      hint: 'check the path of the output, and that what it names exists on the server; records wait, and none is lost',
    }
  if (status >= 300 && status < 400) {
    const location = placeOf(header('location'))
    return {
      code: 'E_HTTP_ANSWER',
      what: `the server sends elsewhere${location === undefined ? '' : `, to ${location}`}: `,
      hint: 'a redirect is not followed: set host, port, tls and path of the output to where the records should go',
    }
  }
  if (status < 300)
    return {
      code: 'E_HTTP_ANSWER',
      what: 'not an answer that this API gives when it accepts records: ',
      hint: 'check that host, port and path are those of the API, and not of something else',
    }
  if (status === 408 || status === 429)
    return { code: 'E_HTTP_ANSWER', what: 'the server is overloaded: ', hint: LATER }
  if (status >= 500 && isHtml(text))
    return {
      code: 'E_HTTP_ANSWER',
      what: 'the server has failed: ',
      hint: 'check that the server behind the proxy or load balancer is up; records wait, and none is lost',
    }
  if (status >= 500) return { code: 'E_HTTP_ANSWER', what: 'the server has failed: ', hint: LATER }
  return { code: 'E_HTTP_ANSWER', what: 'the request is refused: ' }
}

const LATER = 'no action is needed: it is sent again, with fewer requests at a time; see the server’s log'

/** Returns scheme and host of a Location, which may have secrets in its query; undefined when it is only a path. */
function placeOf(location: string | undefined): string | undefined {
  return /^https?:\/\/[\w.:[\]-]{1,255}/i.exec(location?.replace(/\/\/[^/@]*@/, '//') ?? '')?.[0]
}

/** True for a page for people, which no API answers with. */
function isHtml(text: string): boolean {
  return /^\s*<(?:!doctype|html|head|\?xml)/i.test(text)
}

/** Returns `503 "the text"`, or what the text is when it is a page for people. */
export function wordsOf({ status, text }: Pick<FailedAnswer, 'status' | 'text'>): string {
  const plain = text.trim()
  if (plain === '') return `${status}`
  if (isHtml(plain)) {
    const title = /<title>([^<]{1,100})/i.exec(plain)?.[1]?.trim()
    return `${status}, an HTML page${title === undefined ? '' : ` with the title "${title}"`}, as from a proxy`
  }
  if (plain.startsWith(`${status} `)) return shortened(plain)
  return `${status} ${shortened(plain)}`
}

function shortened(plain: string): string {
  return plain.length > MAX_WORDS ? `${plain.slice(0, MAX_WORDS)}...` : plain
}
