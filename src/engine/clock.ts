import type { Clock, TimerHandle } from '../core/services.ts'

/** The longest that setTimeout waits; what is longer it would run at once. */
const MAX_MS = 2 ** 31 - 1

/** The real clock. A wait of more than 24.8 days ends after 24.8 days. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (ms, fn) => setTimeout(fn, Math.min(ms, MAX_MS)),
  cancel: (handle: TimerHandle | undefined) => {
    if (handle !== undefined) clearTimeout(handle as ReturnType<typeof setTimeout>)
  },
}
