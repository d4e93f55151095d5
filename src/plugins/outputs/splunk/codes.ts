import type { ErrorCode } from '../../../core/error.ts'

export const CHANNEL_IS_MISSING = 10
export const CHANNEL_IS_WRONG = 11
export const ACKS_ARE_OFF = 14
export const INDEX_IS_WRONG = 7

/**
 * Codes of the collector that are about single events: invalid data format, event field missing, event field blank, error in the indexed
 * fields.
 */
export const BAD_EVENT: ReadonlySet<number> = new Set([6, 12, 13, 15])

/** Meaning of a code that is about the request or the server. */
interface CodeMeaning {
  readonly error: ErrorCode
  readonly what: string
  readonly hint: string
  readonly isOverload?: boolean
}

const WAIT = 'records wait, and none is lost'
const TOKEN: CodeMeaning = {
  error: 'E_PEER_AUTH',
  what: 'the token is refused',
  hint: `check Splunk_Token; ${WAIT}`,
}
const BUSY: CodeMeaning = {
  error: 'E_HTTP_ANSWER',
  what: 'the collector is overloaded',
  hint: 'no action is needed: the request is retried, with fewer requests at a time; see the queues of the indexer',
  isOverload: true,
}

export const CODES: Readonly<Record<number, CodeMeaning>> = {
  1: { ...TOKEN, what: 'the token is disabled', hint: `enable the token in Splunk; ${WAIT}` },
  2: { ...TOKEN, what: 'the token is missing', hint: `set Splunk_Token; ${WAIT}` },
  3: TOKEN,
  4: TOKEN,
  7: {
    error: 'E_HTTP_ANSWER',
    what: 'the index is refused',
    hint: `create the index, let the token write to it, or correct Event_Index or Event_Index_Key; ${WAIT}`,
  },
  8: {
    error: 'E_HTTP_ANSWER',
    what: 'the collector has failed',
    hint: 'no action is needed: the request is retried; see splunkd.log',
  },
  9: BUSY,
  10: {
    error: 'E_HTTP_ANSWER',
    what: 'the channel of the request did not arrive',
    hint: `let proxies forward the header X-Splunk-Request-Channel; ${WAIT}`,
  },
  11: {
    error: 'E_HTTP_ANSWER',
    what: 'the channel is refused',
    hint: `correct Channel; ${WAIT}`,
  },
  14: {
    error: 'E_HTTP_ANSWER',
    what: 'the token has no indexer acknowledgement',
    hint: `enable indexer acknowledgement of the token, or set ack off; ${WAIT}`,
  },
  16: { ...TOKEN, what: 'tokens in the query are not allowed' },
  18: BUSY,
  19: BUSY,
  20: BUSY,
  23: { ...BUSY, what: 'the collector is shutting down' },
  24: BUSY,
  26: BUSY,
  27: BUSY,
}

/** Answer of the collector. */
interface HecAnswer {
  readonly code: number
  readonly text: string
  /** Index of the first event that is refused. */
  readonly event: number | undefined
}

/** Parses the text of an answer; undefined when it is not from the collector. */
export function readHecAnswer(text: string): HecAnswer | undefined {
  try {
    const answer = JSON.parse(text) as Record<string, unknown> | null
    if (typeof answer?.code !== 'number') return undefined
    const event = answer['invalid-event-number']
    return {
      code: answer.code,
      text: typeof answer.text === 'string' ? answer.text : '',
      event: Number.isSafeInteger(event) && (event as number) >= 0 ? (event as number) : undefined,
    }
  } catch {
    return undefined
  }
}

/** Returns the code of an answer; undefined when it is not from the collector. */
export function codeIn(text: string): number | undefined {
  return readHecAnswer(text)?.code
}
