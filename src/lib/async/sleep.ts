import type { Clock, TimerHandle } from '../../core/services.ts'

/**
 * Resolves after `ms` milliseconds, or as soon as `signal` is aborted; it never rejects. 0 still waits for a timer, so that I/O gets
 * its turn in a loop that sleeps.
 */
export function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      clock.cancel(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.after(ms, end)
    signal.addEventListener('abort', end, { once: true })
  })
}

/** Resolves true when `work` resolves within `ms` milliseconds, else false; Infinity waits without a limit. */
export async function settlesWithin(work: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  if (ms === Number.POSITIVE_INFINITY) {
    await work
    return true
  }
  let timer: TimerHandle | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = clock.after(ms, () => resolve(false))
  })
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    clock.cancel(timer)
  }
}
