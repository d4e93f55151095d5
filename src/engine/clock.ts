import type { Clock, TimerHandle } from '../core/services.ts'

/** Longest delay of setTimeout; a longer one would fire immediately. */
const MAX_MS = 2 ** 31 - 1

/** The system's clock. A delay of more than 24.8 days ends after 24.8 days. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (ms, fn) => setTimeout(fn, Math.min(ms, MAX_MS)),
  cancel: (handle: TimerHandle | undefined) => {
    if (handle !== undefined) clearTimeout(handle as ReturnType<typeof setTimeout>)
  },
}
