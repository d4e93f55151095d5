import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { atEnd } from '../tmp.ts'
import { HANG_MS, until } from '../until.ts'

/** Attackers have machines of their own: here they leave the processors to the agent. */
export const ATTACKER = ['nice', '-n', '5']
/**
 * Command before that of the agent and its witness. With a niceness of -10, or that of SHIPPER_HOSTILE_NICE, which only root
 * may set, they get the processors of a machine that others use, so that a delay is that of the agent; they need a session
 * of their own for that. SHIPPER_HOSTILE_NICE=0 leaves them what they have.
 */
const NICENESS = Number(process.env.SHIPPER_HOSTILE_NICE ?? -10)
const NICER = `(echo ${NICENESS} > /proc/$$/autogroup) 2>/dev/null; exec nice -n ${NICENESS} "$@"`
export const PRIORITY = isAllowed() ? ['setsid', 'sh', '-c', NICER, 'sh'] : []

function isAllowed(): boolean {
  if (NICENESS === 0) return false
  const tried = spawnSync('setsid', ['sh', '-c', NICER, 'sh', 'true'], { encoding: 'utf8' })
  return tried.status === 0 && tried.stderr === ''
}

/** A process of this folder: it prints lines, and answers each line on its stdin by one. It ends with the test. */
export class Helper {
  readonly child: ChildProcess
  readonly lines: string[] = []
  readonly #name: string

  constructor(name: string, args: string[], before: string[]) {
    this.#name = name
    const program = [process.execPath, join(import.meta.dirname, `${name}-process.ts`), ...args]
    const [file = '', ...words] = [...before, ...program]
    this.child = spawn(file, words, { stdio: ['pipe', 'pipe', 'inherit'] })
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
