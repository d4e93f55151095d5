/** Log of one plugin instance; a line consists of `message` followed by `fields`. */
export interface Logger {
  error(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  debug(message: string, fields?: Record<string, unknown>): void
}

/** Named counters of one plugin instance, shown by the metrics endpoints. */
export interface Counters {
  add(name: string, n?: number): void
  get(name: string): number
}

/** Wall time and timers, which a test can control. */
export interface Clock {
  /** Returns Unix time in milliseconds, fractions allowed. */
  nowMs(): number
  /** Runs `fn` once after `ms` milliseconds; the handle is for `cancel`. */
  after(ms: number, fn: () => void): TimerHandle
  cancel(handle: TimerHandle | undefined): void
}

/** Handle of a pending timer, for `Clock.cancel`. */
export type TimerHandle = { readonly __timer: unique symbol } | ReturnType<typeof setTimeout>
