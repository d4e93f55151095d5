import type { Clock } from '../../core/services.ts'

/** Resolves when the promise has settled either way, or after `ms`. */
export function settledWithin(promise: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(ms, resolve)
    const end = (): void => {
      clock.cancel(timer)
      resolve()
    }
    promise.then(end, end)
  })
}
