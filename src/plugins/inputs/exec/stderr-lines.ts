import { escapeControls, truncate } from '../../../core/escape-controls.ts'
import type { Logger } from '../../../core/services.ts'

/** Lines of a run that are logged. */
const MAX_LINES = 20
const MAX_LINE_CHARS = 500

/** Logs the first lines that a run writes to stderr. What is written beyond them is counted in bytes. */
export class StderrLines {
  readonly #log: Logger
  #rest = ''
  #lines = 0
  #unshownBytes = 0

  constructor(log: Logger) {
    this.#log = log
  }

  push(piece: Buffer): void {
    if (this.#lines >= MAX_LINES) {
      this.#unshownBytes += piece.length
      return
    }
    const lines = (this.#rest + piece.toString()).split('\n')
    const rest = lines.pop() ?? ''
    this.#unshownBytes += Math.max(0, rest.length - MAX_LINE_CHARS)
    this.#rest = rest.slice(0, MAX_LINE_CHARS)
    for (const line of lines) this.#take(line)
  }

  end(): void {
    this.#take(this.#rest)
    this.#rest = ''
    if (this.#unshownBytes > 0)
      this.#log.warn(
        `the command has written ${this.#unshownBytes} more bytes to stderr, which are not shown`,
      )
    this.#unshownBytes = 0
  }

  #take(line: string): void {
    if (line.trim() === '') return
    if (this.#lines >= MAX_LINES) {
      this.#unshownBytes += line.length
      return
    }
    this.#lines++
    this.#log.warn(`stderr of the command: ${truncate(escapeControls(line), MAX_LINE_CHARS)}`)
  }
}
