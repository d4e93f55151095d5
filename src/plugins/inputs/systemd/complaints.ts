import { escapeControls, truncate } from '../../../core/escape-controls.ts'
import type { InputContext } from '../../../core/plugin.ts'

/** Lines of one journalctl that are looked at; each is a file at most, and one names the kind of trouble. */
const MAX_LINES = 20
const MAX_LINE_CHARS = 500
/** Different lines that are logged in a run. */
const MAX_LOGGED = 200
/** Lines that tell nothing about entries that are not shown. */
const HARMLESS = /^(?:-- No entries --|No journal files were found\.|Pass -q to turn off this notice\.?)$/

/** Splits what journalctl writes to stderr into its first lines, whatever pieces it comes in. */
export class LineSplitter {
  #rest = ''
  #lines = 0
  readonly #onLine: (line: string) => void

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(text: string): void {
    if (this.#lines >= MAX_LINES) return
    const lines = (this.#rest + text).split('\n')
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARS)
    for (const line of lines) this.#take(line)
  }

  end(): void {
    this.#take(this.#rest)
    this.#rest = ''
  }

  #take(line: string): void {
    const text = line.trim()
    if (text === '' || this.#lines >= MAX_LINES) return
    this.#lines++
    this.#onLine(truncate(escapeControls(text), MAX_LINE_CHARS))
  }
}

/** Logs what journalctl says about files that it cannot read, each line once. */
export class Complaints {
  readonly #ctx: InputContext
  readonly #logged = new Set<string>()

  constructor(ctx: InputContext) {
    this.#ctx = ctx
  }

  report(line: string): void {
    if (this.#logged.has(line) || this.#logged.size > MAX_LOGGED) return
    this.#logged.add(line)
    if (isHarmless(line)) {
      this.#ctx.log.info(`journalctl: ${line}`)
      return
    }
    this.#ctx.counters.add('journalctl_warnings')
    if (this.#logged.size > MAX_LOGGED)
      this.#ctx.log.warn('journalctl has written too many different messages: further ones are not logged')
    else
      this.#ctx.log.warn(`journalctl: ${line}`, {
        code: 'E_JOURNAL_READ',
        hint: 'entries may be missing: check the file with journalctl --verify, and the permissions (group systemd-journal)',
      })
  }
}

export function isHarmless(line: string): boolean {
  return HARMLESS.test(line)
}
