/** Log of one plugin instance; a line consists of `message` followed by `fields`. */
export interface Logger {
  error(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  debug(message: string, fields?: Record<string, unknown>): void
}

/** A counter whose counts are told apart by their reason: a label of its metric. */
interface ReasonedCounter {
  readonly help: string
  /** What each reason stands for; none but these are counted. */
  readonly reasons: Readonly<Record<string, string>>
}

/** The counters that a plugin declares, by name: one line of help, or one for the counter and one for each reason. */
export type CounterTable = Readonly<Record<string, string | ReasonedCounter>>

type CountArguments<C> = C extends ReasonedCounter
  ? [n: number, reason: keyof C['reasons'] & string]
  : [n?: number]

/**
 * Named counters of one plugin instance, shown by the metrics endpoints. With the type of the plugin's table as `T`, a
 * name or a reason that is not declared is a type error, and so is a missing reason.
 */
export interface Counters<T extends CounterTable = CounterTable> {
  add<N extends keyof T & string>(name: N, ...count: CountArguments<T[N]>): void
  /** Returns the count of all reasons, or that of one. */
  get(name: keyof T & string, reason?: string): number
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
