import { ShipperError } from '../../core/error.ts'
import { maskTexts } from '../../core/mask-texts.ts'
import { type AwsError, awsErrorOf } from './error-answer.ts'
import type { AwsEndpoint } from './regions.ts'
import type { Send } from './send.ts'
import type { AwsSigner } from './signer.ts'

interface CallOptions {
  endpoint: AwsEndpoint
  signer: AwsSigner
  send: Send
  /** First part of `x-amz-target`: `Logs_20140328`. */
  target: string
  /** Default: `application/x-amz-json-1.1`. */
  contentType?: string
  userAgent: string
}

/** The answer of an API: an object, or the error that it names. */
type CallAnswer =
  | { readonly isOk: true; readonly value: Record<string, unknown> }
  | { readonly isOk: false; readonly status: number; readonly error: AwsError }

const TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 1_000_000

/**
 * Calls operations of a service that speaks JSON (`POST /` with `x-amz-target`), outside the byte path: to create a log
 * group, or to describe a stream.
 */
export class AwsCall {
  readonly #options: CallOptions

  constructor(options: CallOptions) {
    this.#options = options
  }

  /**
   * Resolves with the answer; a request that is refused for its signature is sent once more. Rejects with a retryable error
   * without an answer, or when it does not come from the service.
   */
  async call(operation: string, fields: Record<string, unknown>, signal: AbortSignal): Promise<CallAnswer> {
    const { signer } = this.#options
    const body = Buffer.from(JSON.stringify(fields))
    for (let isAgain = false; ; isAgain = true) {
      const { endpoint, send, target, contentType = 'application/x-amz-json-1.1', userAgent } = this.#options
      const path = `${endpoint.basePath}/`
      const headers = {
        'content-type': contentType,
        'user-agent': userAgent,
        'x-amz-target': `${target}.${operation}`,
      }
      const signed = await signer.sign({ method: 'POST', path, headers, body })
      const answer = await send({
        ...{ origin: endpoint.origin, method: 'POST', path, headers: signed.headers, body: body.toString() },
        ...{ signal, mayUseProxy: true, timeoutMs: TIMEOUT_MS, maxBodyBytes: MAX_ANSWER_BYTES },
      })
      if (answer.status === 200) return { isOk: true, value: objectIn(answer.text, operation, endpoint) }
      // Some errors repeat the request.
      const mask = maskTexts([signed.credentials.sessionToken ?? ''])
      const error = awsErrorOf(answer.status, mask(answer.text), answer.header('x-amzn-errortype'))
      if (isAgain || !signer.mayPassAgain(signed, error, answer.header('date')))
        return { isOk: false, status: answer.status, error }
    }
  }
}

function objectIn(text: string, operation: string, { hostHeader }: AwsEndpoint): Record<string, unknown> {
  // Some operations answer with an empty body.
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  const what = text.trimStart().startsWith('<') ? 'an HTML or XML page' : 'not a JSON object'
  throw new ShipperError('E_HTTP_ANSWER', `${operation} at ${hostHeader}: the answer is ${what}`, {
    retryable: true,
    scope: 'peer',
    hint: 'check endpoint, and that no proxy answers in place of the service',
  })
}
