import { ShipperError } from '../../core/error.ts'
import { escapeControls, truncate } from '../../core/escape-controls.ts'
import type { HttpClient, HttpResponse } from './client.ts'
import { HttpError } from './http-error.ts'

interface TextRequest {
  method?: 'GET' | 'PUT'
  path: string
  headers?: Record<string, string>
  body?: Buffer | undefined
  signal: AbortSignal
  /** Maximum time for the head of the response; head and body may take twice as long. */
  timeoutMs: number
  maxBodyBytes: number
}

/** Status of a response, and its body as UTF-8; of one that is not 200 the body is not read and is empty. */
interface TextResponse {
  status: number
  text: string
}

const MAX_MESSAGE_BYTES = 16_384
const MAX_MESSAGE_CHARS = 300
/** Maximum time for the body of an error, whose status is what counts. */
const MESSAGE_TIMEOUT_MS = 5000

/**
 * Requests a short text of a metadata service, which need not be trusted: time and size are limited. Rejects with
 * E_PEER_UNREACHABLE when there is no answer, or none within the limits.
 */
export async function requestText(client: HttpClient, request: TextRequest): Promise<TextResponse> {
  const { method = 'GET', path, headers = {}, body, signal, timeoutMs, maxBodyBytes } = request
  try {
    const response = await client.send({
      ...{ method, path, headers, body, signal, maxBodyBytes },
      ...{ headTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs, totalTimeoutMs: 2 * timeoutMs },
    })
    if (response.status === 200) return { status: 200, text: await bodyText(response) }
    response.discard()
    return { status: response.status, text: '' }
  } catch (cause) {
    const reason = cause instanceof HttpError ? cause.reason : String(cause)
    throw new ShipperError('E_PEER_UNREACHABLE', `${method} ${path}: ${reason}`, { retryable: true, cause })
  }
}

/** Resolves with the body as UTF-8. Its size is limited by the request. */
export async function bodyText(response: HttpResponse): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of response.body) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

/**
 * Resolves with the field `message` of the JSON object in the body, in which servers explain a refusal, or with ''
 * without one. Reads at most 16 KB and 5 s of the body.
 */
export async function refusalMessage(response: HttpResponse): Promise<string> {
  const timer = setTimeout(() => response.discard(), MESSAGE_TIMEOUT_MS)
  try {
    const text = await limitedText(response)
    const { message } = JSON.parse(text) as { message?: unknown }
    return typeof message === 'string' ? escapeControls(truncate(message, MAX_MESSAGE_CHARS)) : ''
  } catch {
    // No body, a body that is cut off, or a proxy's page: the status is enough.
    return ''
  } finally {
    clearTimeout(timer)
    response.discard()
  }
}

async function limitedText(response: HttpResponse): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of response.body) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > MAX_MESSAGE_BYTES) break
  }
  return Buffer.concat(pieces).toString()
}
