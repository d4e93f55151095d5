import type { LoggedLine, Logger } from '../../core/services.ts'
import type { Log, LogLevel } from './log.ts'

/** Keeps lines that are logged before it is known whether there will be a log, as those of plugins that are being created. */
export class EarlyLog {
  /** Warnings that are kept, with the name of the instance. */
  readonly warnings: string[] = []
  #log: Log | undefined
  #kept: (() => void)[] = []
  readonly #waitingTaps = new Set<(log: Log) => void>()

  /** Returns the logger of an instance, as `Log.child` does. */
  child(name: string, level?: LogLevel, suppressMs?: number): Logger {
    let logger: Logger | undefined
    const write = (line: (logger: Logger) => void): void => {
      if (this.#log === undefined) this.#kept.push(() => write(line))
      else {
        logger ??= this.#log.child(name, level, suppressMs)
        line(logger)
      }
    }
    return {
      error: (message, fields, kind) => write((to) => to.error(message, fields, kind)),
      warn: (message, fields, kind) => {
        if (this.#log === undefined) this.warnings.push(`${name}: ${message}`)
        write((to) => to.warn(message, fields, kind))
      },
      info: (message, fields) => write((to) => to.info(message, fields)),
      debug: (message, fields) => write((to) => to.debug(message, fields)),
    }
  }

  /** See `Log.tap`. What is kept comes as soon as there is a log. */
  tap(take: (line: LoggedLine) => void): () => void {
    let untap: (() => void) | undefined
    const add = (log: Log): void => {
      untap = log.tap(take)
    }
    if (this.#log !== undefined) add(this.#log)
    else this.#waitingTaps.add(add)
    return () => {
      this.#waitingTaps.delete(add)
      untap?.()
    }
  }

  /** Writes what was kept; from then on lines go to the log at once. */
  open(log: Log): void {
    this.#log = log
    for (const add of this.#waitingTaps) add(log)
    this.#waitingTaps.clear()
    for (const line of this.#kept) line()
    this.#kept = []
    this.warnings.length = 0
  }
}
