import type { Clock } from '../core/services.ts'

/**
 * Returns a clock that calls `look` after each of its timers. As there are timers whenever there is work, what looks at the agent now
 * and then needs no wake-ups of its own.
 */
export function afterTimers(clock: Clock, look: () => void): Clock {
  return {
    nowMs: () => clock.nowMs(),
    after: (ms, fn) =>
      clock.after(ms, () => {
        fn()
        look()
      }),
    cancel: (handle) => clock.cancel(handle),
  }
}
