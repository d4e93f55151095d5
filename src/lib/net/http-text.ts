import { ShipperError } from '../../core/error.ts'
import { descriptorShortage, reasonsOf } from './connect-failure.ts'
import type { HttpClient } from './http-client.ts'

interface TextRequest {
  method?: 'GET' | 'PUT'
  path: string
  headers?: Record<string, string>
  signal: AbortSignal
  /** Maximum time for the response: for its head, and again for its body. */
  timeoutMs: number
  maxBodyBytes: number
}

/** Status of a response, and its body as UTF-8; of one that is not 200 the body is not read and is empty. */
interface TextResponse {
  status: number
  text: string
}

/**
 * Requests a short text of a metadata service, which need not be trusted: time and size are limited. Rejects with
 * E_PEER_UNREACHABLE when there is no answer, or none within the limits.
 */
export async function requestText(client: HttpClient, request: TextRequest): Promise<TextResponse> {
  const { method = 'GET', path, headers = {}, signal, timeoutMs, maxBodyBytes } = request
  try {
    const response = await client.get({
      ...{ method, path, headers, signal, maxBodyBytes },
      ...{ headTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs, totalTimeoutMs: timeoutMs },
    })
    if (response.status !== 200) {
      response.discard()
      return { status: response.status, text: '' }
    }
    try {
      const pieces: Buffer[] = []
      for await (const piece of response.body) pieces.push(piece)
      return { status: 200, text: Buffer.concat(pieces).toString('utf8') }
    } finally {
      response.discard()
    }
  } catch (cause) {
    const reason = descriptorShortage(cause) ?? reasonsOf(cause)
    throw new ShipperError('E_PEER_UNREACHABLE', `${method} ${path}: ${reason}`, { retryable: true, cause })
  }
}
