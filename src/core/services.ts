/** Log of one plugin instance; a line consists of `message` followed by `fields`. */
export interface Logger {
  /** `kind`: see warn. */
  error(message: string, fields?: Record<string, unknown>, kind?: string): void
  /** Lines of one `kind` count as repetitions of each other, whatever their messages are, and are folded into one. */
  warn(message: string, fields?: Record<string, unknown>, kind?: string): void
  info(message: string, fields?: Record<string, unknown>): void
  debug(message: string, fields?: Record<string, unknown>): void
}

/** A line of the agent's log, as the log has written it: without secrets, and with repetitions folded. */
export interface LoggedLine {
  timeMs: number
  level: 'error' | 'warn' | 'info' | 'debug'
  /** Name of the instance that has logged it. */
  instance: string
  /** The line without time and level: `[tail.0] message key=value`. */
  text: string
}

/** A counter that is split by reason. The reason is a label of its metric. */
interface ReasonedCounter {
  readonly help: string
  /** Meaning of each reason. No other reason is counted. */
  readonly reasons: Readonly<Record<string, string>>
}

/**
 * Counters that a plugin declares, by name: a line of help, or one for the counter and one for each of its
 * reasons.
 */
export type CounterTable = Readonly<Record<string, string | ReasonedCounter>>

type CountArguments<C> = C extends ReasonedCounter
  ? [n: number, reason: keyof C['reasons'] & string]
  : [n?: number]

/**
 * Named counters of one plugin instance, shown by the metrics endpoints. With the plugin's table as `T`, an
 * undeclared name, an undeclared reason and a missing reason are type errors.
 */
export interface Counters<T extends CounterTable = CounterTable> {
  add<N extends keyof T & string>(name: N, ...count: CountArguments<T[N]>): void
  /** Returns the count for one reason, or the sum over all reasons. */
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
