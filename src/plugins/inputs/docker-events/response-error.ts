import { ShipperError } from '../../../core/error.ts'
import { escapeControls, truncate } from '../../../core/escape-controls.ts'
import type { HttpResponse } from '../../../lib/net/http-client.ts'

const MAX_BODY_BYTES = 16_384
const ERROR_BODY_TIMEOUT_MS = 5000

/**
 * Returns the error for a response other than 200, with the message in its body. A redirect is one: none is
 * followed.
 */
export async function responseError(path: string, response: HttpResponse): Promise<ShipperError> {
  const reason = await messageOf(response)
  const { status } = response
  const text = `${path} answered GET /events with status ${status}${reason === '' ? '' : `: ${reason}`}`
  return new ShipperError('E_PEER_PROTOCOL', text, {
    retryable: true,
    scope: 'peer',
    hint:
      status >= 300 && status < 400
        ? 'redirects are not followed: set Unix_Path to the socket of the Docker daemon itself'
        : status === 401 || status === 403
          ? 'allow GET /events in the proxy that stands before Docker'
          : 'see the log of the Docker daemon',
  })
}

/** Resolves with the message of Docker in the body, or '' without one. */
async function messageOf(response: HttpResponse): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  const timer = setTimeout(() => response.discard(), ERROR_BODY_TIMEOUT_MS)
  try {
    for await (const piece of response.body) {
      pieces.push(piece)
      bytes += piece.length
      if (bytes > MAX_BODY_BYTES) return ''
    }
    const { message } = JSON.parse(Buffer.concat(pieces).toString()) as { message?: unknown }
    return typeof message === 'string' ? escapeControls(truncate(message, 300)) : ''
  } catch {
    // An empty body, or that of another server: the status is enough.
    return ''
  } finally {
    clearTimeout(timer)
    response.discard()
  }
}
