import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { atEnd } from './tmp.ts'
import { HANG_MS, until, within } from './until.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64'

/**
 * Returns the command that starts the program: the binary that SHIPPER_BIN names, else that of `npm run build`, else the
 * sources. `npm test` builds the binary first, so it tests the binary.
 */
export function shipperCommand(): string[] {
  const named = process.env.SHIPPER_BIN
  if (named) return [named]
  const built = resolve(ROOT, `dist/shipper-linux-${ARCH}`)
  return existsSync(built) ? [built] : [process.execPath, resolve(ROOT, 'src/main.ts')]
}

/** End of a process: exactly one of the two is not null. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface StartOptions {
  cwd?: string
  /** Variables added to the environment; undefined removes a variable. */
  env?: Record<string, string | undefined>
  /** Text for stdin, which is then closed. `'open'` leaves it open: use `child.stdin`. Default: no stdin. */
  stdin?: string | Uint8Array | 'open'
  /** Command instead of `shipperCommand()`, e.g. a peer. */
  command?: string[]
}

/** A started process. It is killed by its pid if it still runs when the test ends. */
export class Running {
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  exit: Exit | undefined
  #out: Buffer[] = []
  #err = ''

  constructor(command: string[], args: string[], options: StartOptions) {
    const [file = '', ...rest] = command
    this.child = spawn(file, [...rest, ...args], {
      cwd: options.cwd,
      env: environment(options.env),
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    this.child.stdout?.on('data', (bytes: Buffer) => this.#out.push(bytes))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text
    })
    this.exited = new Promise((done, fail) => {
      this.child.once('error', fail)
      // 'close' and not 'exit': by then stdout and stderr have been read to their end.
      this.child.once('close', (code, signal) => {
        this.exit = { code, signal }
        done(this.exit)
      })
    })
    this.exited.catch(() => {})
    if (options.stdin !== undefined && options.stdin !== 'open') this.child.stdin?.end(options.stdin)
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** Text on stderr so far. */
  get stderr(): string {
    return this.#err
  }

  /** Text on stdout so far. */
  get stdout(): string {
    return this.stdoutBytes.toString()
  }

  get stdoutBytes(): Buffer {
    if (this.#out.length > 1) this.#out = [Buffer.concat(this.#out)]
    return this.#out[0] ?? Buffer.alloc(0)
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.exit === undefined) this.child.kill(signal)
  }

  /** Sends the signal and waits for the end of the process. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', limitMs = HANG_MS): Promise<Exit> {
    this.kill(signal)
    return this.ended(limitMs)
  }

  /** Waits for the end of the process; the error shows its stderr. */
  async ended(limitMs = HANG_MS): Promise<Exit> {
    try {
      return await within(this.exited, limitMs, `the end of process ${this.pid}`)
    } catch (err) {
      throw new Error(`${(err as Error).message}; its stderr:\n${tail(this.#err)}`, { cause: err })
    }
  }

  /** Waits until stderr contains or matches the text; fails at once if the process has ended without it. */
  waitForStderr(what: string | RegExp, limitMs = HANG_MS): Promise<true> {
    return this.#waitForText(what, () => this.#err, 'stderr', limitMs)
  }

  waitForStdout(what: string | RegExp, limitMs = HANG_MS): Promise<true> {
    return this.#waitForText(what, () => this.stdout, 'stdout', limitMs)
  }

  #waitForText(what: string | RegExp, text: () => string, where: string, limitMs: number): Promise<true> {
    const found = (): boolean => (typeof what === 'string' ? text().includes(what) : what.test(text()))
    const detail = (): string =>
      `${what} on ${where}; its ${where}:\n${tail(text())}\nits stderr:\n${tail(this.#err)}`
    return until(
      () => {
        // In this order: text that came just before the end must still be found.
        const ended = this.exit
        if (found()) return true
        if (ended !== undefined) throw new Error(`ended (${ended.code ?? ended.signal}) without ${detail()}`)
        return false
      },
      { limitMs, what: detail },
    )
  }
}

/** Starts the program (or `options.command`) with these arguments. */
export function start(args: string[], options: StartOptions = {}): Running {
  const running = new Running(options.command ?? shipperCommand(), args, options)
  atEnd(async () => {
    running.kill('SIGKILL')
    await running.exited.catch(() => {})
  })
  return running
}

/** Runs the program to its end. */
export async function run(
  args: string[],
  options: StartOptions & { limitMs?: number } = {},
): Promise<Exit & { stdout: string; stderr: string }> {
  const running = start(args, options)
  const exit = await running.ended(options.limitMs)
  return { ...exit, stdout: running.stdout, stderr: running.stderr }
}

function environment(changes: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...changes }
  for (const [name, value] of Object.entries(changes)) if (value === undefined) delete env[name]
  return env
}

function tail(text: string): string {
  return text.length > 4000 ? `... ${text.slice(-4000)}` : text
}
