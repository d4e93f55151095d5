import type { Logger } from '../../core/services.ts'
import type { Log, LogLevel } from './log.ts'

/** Keeps lines that are logged before it is known whether there will be a log, as those of plugins that are being created. */
export class EarlyLog {
  /** Warnings that are kept, with the name of the instance. */
  readonly warnings: string[] = []
  #log: Log | undefined
  #kept: (() => void)[] = []

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

  /** Writes what was kept; from then on lines go to the log at once. */
  open(log: Log): void {
    this.#log = log
    for (const line of this.#kept) line()
    this.#kept = []
    this.warnings.length = 0
  }
}
