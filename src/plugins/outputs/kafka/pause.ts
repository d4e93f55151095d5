import { ShipperError } from '../../../core/error.ts'
import type { Clock } from '../../../core/plugin.ts'

/** Waits; rejects on an abort. */
export function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clock.cancel(timer)
      reject(stopping())
    }
    const timer = clock.after(ms, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

export function stopping(): ShipperError {
  return new ShipperError('E_PEER_CLOSED', 'stopped while sending', { retryable: true, scope: 'peer' })
}
