import { join } from 'node:path'
import { type Running, start } from '../../process.ts'
import { until } from '../../until.ts'

const SCRIPT = join(import.meta.dirname, 'handlers.py')

/** A program that logs through one of Python's handlers and rotates on request. */
export class Program {
  readonly #running: Running
  #answers = 0

  /** `handler`: a class of handlers.py. `options`: arguments of its constructor. */
  constructor(handler: string, path: string, options: Record<string, unknown> = {}) {
    const command = ['python3', '-u', SCRIPT, handler, path, JSON.stringify(options)]
    this.#running = start([], { command, stdin: 'open' })
  }

  async write(text: string): Promise<void> {
    await this.#ask(['write', text.split('\n').slice(0, -1)])
  }

  /** Makes the handler rotate, as at its limit of size or time. */
  async rotate(): Promise<void> {
    await this.#ask(['rotate'])
  }

  async end(): Promise<void> {
    this.#running.child.stdin?.end()
    await this.#running.ended()
  }

  async #ask(command: unknown[]): Promise<void> {
    this.#running.child.stdin?.write(`${JSON.stringify(command)}\n`)
    this.#answers++
    await until(() => {
      if (this.#running.exit !== undefined) throw new Error(`handlers.py ended: ${this.#running.stderr}`)
      return this.#running.stdout.length >= this.#answers
    })
  }
}
