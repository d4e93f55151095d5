/** Why a request is refused: the reasons of the counter `refused_requests`. */
export const REFUSAL_REASONS = {
  method: 'another method than POST',
  path: 'a path that is not there, or a signal that is not taken',
  content_type: 'no Content-Type, or one that is not read',
  encoding: 'a Content-Encoding that is not read, or a body that cannot be decompressed',
  too_large: 'larger than Buffer_Max_Size, or than it allows when decompressed',
  http2: 'HTTP/2 or gRPC, of which only HTTP/1.1 is understood',
  malformed: 'not HTTP, or a body that cannot be read completely',
  tag: 'a tag of Tag_Reserved',
  busy: 'answered with 503, as the memory limit was reached',
  unsettled:
    'answered with 503, as records were not delivered within Max_Wait, were dropped, or the agent stopped',
  late: 'did not arrive in time',
} as const
type RefusalReason = keyof typeof REFUSAL_REASONS

/** A request that is answered with an error. Nothing of it was accepted, unless the reason is `unsettled`. */
export class RefusedRequest extends Error {
  readonly status: number
  readonly reason: RefusalReason
  /** What is logged instead of the message, if it says more; and what to do. */
  readonly detail: string | undefined
  readonly hint: string | undefined

  /** `message` is the body of the answer, without its line feed. */
  constructor(status: number, reason: RefusalReason, message: string, detail?: string, hint?: string) {
    super(message)
    this.name = 'RefusedRequest'
    this.status = status
    this.reason = reason
    this.detail = detail
    this.hint = hint
  }
}

/** The refusal while there is no memory: nothing of the request is kept. */
export function busy(): RefusedRequest {
  return new RefusedRequest(503, 'busy', 'error: the memory limit is reached, try again')
}

/** The refusal of a body that takes too long while others wait for its memory. Clients repeat it, as they do not after 408. */
export function tooSlow(): RefusedRequest {
  return new RefusedRequest(
    503,
    'late',
    'error: the body is too slow while others wait for memory, try again',
  )
}

/** The refusal of a body that is larger than Buffer_Max_Size. Without `limitBytes` the answer has no body, as in fluent-bit. */
export function tooLarge(limitBytes?: number): RefusedRequest {
  const text = limitBytes === undefined ? '' : `error: the body is larger than ${limitBytes} bytes`
  return new RefusedRequest(413, 'too_large', text, 'the body is larger than Buffer_Max_Size')
}

/** The answer after Max_Wait. `isComplete`: all records will be delivered, else those that were read so far. */
export function unsettled(isComplete: boolean): RefusedRequest {
  const kept = isComplete ? 'they' : 'some of them'
  return new RefusedRequest(
    503,
    'unsettled',
    `error: the records were not delivered within Max_Wait; ${kept} will still be, so a retry repeats them`,
  )
}
