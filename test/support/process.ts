import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { atEnd } from './tmp.ts'
import { until, within } from './until.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64'

/**
 * The command that starts the program: the binary that SHIPPER_BIN names, else that of `npm run build`, else the
 * sources. `npm test` builds the binary first, so there the binary is what is tested.
 */
export function shipperCommand(): string[] {
  const named = process.env.SHIPPER_BIN
  if (named) return [named]
  const built = resolve(ROOT, `dist/shipper-linux-${ARCH}`)
  return existsSync(built) ? [built] : [process.execPath, resolve(ROOT, 'src/main.ts')]
}

/** How a process ended: exactly one of the two is not null. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface StartOptions {
  cwd?: string
  /** Added to the environment; undefined takes a variable out. */
  env?: Record<string, string | undefined>
  /** Written to stdin, which is then closed. `'open'` leaves it open: use `child.stdin`. Default: no stdin. */
  stdin?: string | Uint8Array | 'open'
  /** Command instead of `shipperCommand()`, e.g. a peer. */
  command?: string[]
}

/** A started process. Whatever still runs when the test ends is killed by its pid. */
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
      // 'close' and not 'exit': by then all of stdout and stderr has been read.
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

  /** Everything on stderr so far. */
  get stderr(): string {
    return this.#err
  }

  /** Everything on stdout so far. */
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

  /** Sends the signal and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', limitMs = 30_000): Promise<Exit> {
    this.kill(signal)
    return this.ended(limitMs)
  }

  /** Waits for the end; the failure shows what it said on stderr. */
  async ended(limitMs = 30_000): Promise<Exit> {
    try {
      return await within(this.exited, limitMs, `the end of process ${this.pid}`)
    } catch (err) {
      throw new Error(`${(err as Error).message}; its stderr:\n${tail(this.#err)}`, { cause: err })
    }
  }

  /** Waits until stderr contains or matches; a process that has ended without it is a failure at once. */
  saysOnStderr(what: string | RegExp, limitMs = 30_000): Promise<true> {
    return this.#says(what, () => this.#err, 'stderr', limitMs)
  }

  saysOnStdout(what: string | RegExp, limitMs = 30_000): Promise<true> {
    return this.#says(what, () => this.stdout, 'stdout', limitMs)
  }

  #says(what: string | RegExp, text: () => string, where: string, limitMs: number): Promise<true> {
    const found = (): boolean => (typeof what === 'string' ? text().includes(what) : what.test(text()))
    const detail = (): string =>
      `${what} on ${where}; its ${where}:\n${tail(text())}\nits stderr:\n${tail(this.#err)}`
    return until(
      () => {
        // The order matters: what came just before the end must still be seen.
        const ended = this.exit
        if (found()) return true
        if (ended !== undefined) throw new Error(`ended (${ended.code ?? ended.signal}) without ${detail()}`)
        return false
      },
      { limitMs, what: detail },
    )
  }
}

/** Starts shipper (or `options.command`) with these arguments. */
export function start(args: string[], options: StartOptions = {}): Running {
  const it = new Running(options.command ?? shipperCommand(), args, options)
  atEnd(async () => {
    it.kill('SIGKILL')
    await it.exited.catch(() => {})
  })
  return it
}

/** Runs shipper to its end. */
export async function run(
  args: string[],
  options: StartOptions & { limitMs?: number } = {},
): Promise<Exit & { stdout: string; stderr: string }> {
  const it = start(args, options)
  const exit = await it.ended(options.limitMs)
  return { ...exit, stdout: it.stdout, stderr: it.stderr }
}

function environment(changes: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...changes }
  for (const [name, value] of Object.entries(changes)) if (value === undefined) delete env[name]
  return env
}

function tail(text: string): string {
  return text.length > 4000 ? `... ${text.slice(-4000)}` : text
}
