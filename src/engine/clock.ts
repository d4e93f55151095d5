import type { Clock, TimerHandle } from '../core/services.ts'
import { LongTimer, MAX_TIMER_MS } from '../lib/async/timer.ts'

/** The system's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (ms, fn) =>
    ms <= MAX_TIMER_MS ? setTimeout(fn, ms) : (new LongTimer(fn, ms) as unknown as TimerHandle),
  cancel: (handle: TimerHandle | undefined) => {
    const timer: unknown = handle
    if (timer instanceof LongTimer) timer.cancel()
    else if (handle !== undefined) clearTimeout(handle as ReturnType<typeof setTimeout>)
  },
}
