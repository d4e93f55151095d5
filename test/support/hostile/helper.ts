import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { atEnd } from '../tmp.ts'
import { HANG_MS, until } from '../until.ts'

/** A process of this folder: it prints lines, and answers each line on its stdin by one. It ends with the test. */
export class Helper {
  readonly child: ChildProcess
  readonly lines: string[] = []
  readonly #name: string

  constructor(name: string, args: string[], niceness = 0) {
    this.#name = name
    const program = [process.execPath, join(import.meta.dirname, `${name}-process.ts`), ...args]
    // Attackers have machines of their own: here they leave the processors to the agent.
    this.child = spawn('nice', ['-n', String(niceness), ...program], { stdio: ['pipe', 'pipe', 'inherit'] })
    let rest = ''
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      this.lines.push(...lines)
    })
    this.child.on('error', () => {})
    atEnd(() => void this.child.kill('SIGKILL'))
  }

  /** Waits for the next line. */
  async next(limitMs = HANG_MS): Promise<string> {
    const what = () => `a line of ${this.#name}, which ended with ${this.child.exitCode}`
    await until(() => this.lines.length > 0, { limitMs, what })
    return this.lines.shift() as string
  }

  async port(): Promise<number> {
    return Number((await this.next()).replace('listening ', ''))
  }

  async ask<T>(command: string): Promise<T> {
    this.child.stdin?.write(`${command}\n`)
    return JSON.parse(await this.next()) as T
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }
}
