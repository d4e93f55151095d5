import { ShipperError } from '../../../core/error.ts'
import type { HttpResponse } from '../../../lib/http/client.ts'
import { refusalMessage } from '../../../lib/http/text.ts'

/**
 * Returns the error for a response other than 200, with the message in its body. A redirect is one: none is
 * followed.
 */
export async function responseError(path: string, response: HttpResponse): Promise<ShipperError> {
  const reason = await refusalMessage(response)
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
