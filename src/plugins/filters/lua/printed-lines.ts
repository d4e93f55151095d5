import { escapeControls } from '../../../core/escape-controls.ts'
import type { PluginContext } from '../../../core/plugin.ts'

/** Lines per second that a script may print. */
const MAX_PER_SECOND = 100

/** Lines that a script prints: they go to the log. */
export class PrintedLines {
  readonly #ctx: Pick<PluginContext, 'log' | 'clock'>
  #second = 0
  #count = 0

  constructor(ctx: Pick<PluginContext, 'log' | 'clock'>) {
    this.#ctx = ctx
  }

  add(line: string, isError: boolean): void {
    const second = Math.floor(this.#ctx.clock.nowMs() / 1000)
    if (second !== this.#second) this.#report(second)
    this.#count++
    if (this.#count > MAX_PER_SECOND) return
    const text = escapeControls(line.replaceAll('\t', ' '))
    if (isError) this.#ctx.log.warn(text)
    else this.#ctx.log.info(text)
  }

  #report(second: number): void {
    const missing = this.#count - MAX_PER_SECOND
    if (missing > 0) this.#ctx.log.warn(`${missing} more lines that the script printed are left out`)
    this.#second = second
    this.#count = 0
  }
}
