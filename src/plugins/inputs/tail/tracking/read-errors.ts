import { messageOf, systemCode } from '../../../../core/error.ts'
import type { Logger } from '../../../../core/services.ts'
import { LINK_REFUSED } from '../../../../lib/fs/links.ts'
import type { TailCounters } from '../counters.ts'
import { COMPRESSED } from '../file/compression.ts'

/** Paths whose error is remembered, so that it is logged once; others are not named. */
const MAX_PATHS = 1000
/** Either finding and opening the file at a path, or reading the open file. */
type Task = 'find' | 'read'
/** U+FFFD: stands for bytes of a name that are not UTF-8. */
const REPLACEMENT_CHARACTER = '\ufffd'
const NOT_UTF8 = 'its name is not UTF-8'
const FORBIDDEN_CODES = ['EACCES', 'EPERM']

const LINK_HINT =
  'Follow_Symlinks same_owner follows a link that belongs to root (chown -h root LINK) or to the owner of its target; set it to on if all who can write to this directory may choose what is read'

function hintOf(code: string): string {
  if (code === LINK_REFUSED) return LINK_HINT
  if (code === NOT_UTF8) return 'rename it; until then it is not read'
  if (FORBIDDEN_CODES.includes(code))
    return 'run as a user that may read it, or exclude it with Exclude_Path; reading is retried'
  return code === COMPRESSED
    ? 'exclude it with Exclude_Path; if it was followed before it was compressed, its lines have been sent'
    : 'reading is retried'
}

/**
 * Logs and counts files and directories that cannot be opened or read: once per path, and again when the
 * reason changes.
 */
export class ReadErrors {
  readonly #counters: TailCounters
  readonly #log: Logger
  /** Error code (or message) and the failed task, by path. */
  readonly #codes = new Map<string, { code: string; task: Task }>()
  #hasUnnamed = false

  constructor(counters: TailCounters, log: Logger) {
    this.#counters = counters
    this.#log = log
  }

  /** Clause that says how many of the paths found could not be read; undefined when all could. */
  get incomplete(): string | undefined {
    const paths = this.#codes.size + this.#counters.get('gzip_errors')
    return paths === 0 ? undefined : `${paths} ${paths === 1 ? 'path' : 'paths'} could not be read`
  }

  /** Logs an error of this path; ENOENT is not an error, as files may be deleted at any time. */
  record(path: string, error: unknown, task: Task = 'find'): void {
    const code = systemCode(error) ?? messageOf(error)
    if (code === 'ENOENT' || this.#codes.get(path)?.code === code) return
    if (!this.#codes.has(path) && this.#codes.size >= MAX_PATHS) {
      this.#recordUnnamed()
      return
    }
    this.#codes.set(path, { code, task })
    this.#counters.add(code === LINK_REFUSED ? 'links_refused' : 'files_unreadable')
    this.#log.error(`cannot read ${path}: ${messageOf(error)}`, {
      code: 'E_TAIL_UNREADABLE',
      hint: hintOf(code),
    })
  }

  /** Beyond MAX_PATHS an error would be logged at every scan, as it cannot be remembered. */
  #recordUnnamed(): void {
    if (this.#hasUnnamed) return
    this.#hasUnnamed = true
    this.#log.error(`more than ${MAX_PATHS} paths cannot be read: the others are not named, nor counted`, {
      code: 'E_TAIL_UNREADABLE',
      hint: 'make Path more specific, or exclude them with Exclude_Path',
    })
  }

  /**
   * Records that a path that was found does not exist. It was deleted meanwhile, unless its name is not
   * UTF-8: then it exists, but cannot be opened by the name as decoded.
   */
  recordMissing(path: string): undefined {
    if (path.includes(REPLACEMENT_CHARACTER)) this.record(path, new Error(NOT_UTF8))
  }

  /** Records that the task works for this path. Either task may fail while the other works. */
  clear(path: string, task: Task = 'find'): void {
    if (this.#codes.size > 0 && this.#codes.get(path)?.task === task) this.#codes.delete(path)
  }
}
