import { messageOf, systemCode } from '../../../../core/error.ts'
import type { Counters, Logger } from '../../../../core/services.ts'

/** Paths whose trouble is remembered, so that it is said once; beyond it the oldest is forgotten. */
const REMEMBERED = 1000
/** What bytes become that are no UTF-8. */
const NO_TEXT = '\ufffd'
const FORBIDDEN = ['EACCES', 'EPERM']

/** Files and folders that cannot be opened or read: each is said when that begins and when its reason changes. */
export class ReadErrors {
  readonly #counters: Counters
  readonly #log: Logger
  readonly #codes = new Map<string, string>()

  constructor(counters: Counters, log: Logger) {
    this.#counters = counters
    this.#log = log
  }

  /** What could not be read of all that was found, a clause. */
  get incomplete(): string | undefined {
    const paths = this.#codes.size + this.#counters.get('gzip_errors')
    return paths === 0 ? undefined : `${paths} ${paths === 1 ? 'path' : 'paths'} could not be read`
  }

  record(path: string, error: unknown): void {
    const code = systemCode(error) ?? messageOf(error)
    if (code === 'ENOENT' || this.#codes.get(path) === code) return
    if (this.#codes.size >= REMEMBERED) this.#codes.delete(this.#codes.keys().next().value as string)
    this.#codes.set(path, code)
    this.#counters.add('files_unreadable')
    this.#log.error(`cannot read ${path}: ${messageOf(error)}`, {
      code: 'E_TAIL_UNREADABLE',
      hint: FORBIDDEN.includes(code)
        ? 'run as a user who may read it, or exclude it with Exclude_Path; it is tried again'
        : 'it is tried again',
    })
  }

  /** Gone meanwhile, unless its name is no text: then it is there, and cannot be opened by what came of the name. */
  recordMissing(path: string): undefined {
    if (path.includes(NO_TEXT)) this.record(path, new Error('its name is not UTF-8'))
  }

  /** It can be read. */
  clear(path: string): void {
    if (this.#codes.size > 0) this.#codes.delete(path)
  }
}
