import type { Clock, TimerHandle } from '../core/plugin.ts'

/** The real clock. Wall time with fractions of a millisecond, so that records of one millisecond keep their order. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (ms, fn) => setTimeout(fn, ms),
  cancel: (handle: TimerHandle | undefined) => {
    if (handle !== undefined) clearTimeout(handle as ReturnType<typeof setTimeout>)
  },
}
