import { ShipperError } from '../../core/error.ts'

/**
 * Returns the error of a send that was interrupted because the agent is stopping: the next run sends it again. It is not logged; the
 * code only has to be retryable.
 */
export function stopped(): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'stopped while sending', { retryable: true, scope: 'peer' })
}
