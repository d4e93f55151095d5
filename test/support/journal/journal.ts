import { Database } from 'bun:sqlite'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, start } from '../process.ts'
import { atEnd } from '../tmp.ts'
import { HANG_MS, until, within } from '../until.ts'
import { type EntryInit, entry } from './export.ts'
import type { JournalTools } from './tools.ts'

/** Time of the first entry: 2023-11-14T22:13:20Z. */
export const START_US = 1_700_000_000_000_000

/** A directory of real journal files. */
export class Journal {
  readonly dir: string
  readonly #tools: JournalTools

  constructor(tools: JournalTools, dir: string) {
    this.#tools = tools
    this.dir = dir
    mkdirSync(dir, { recursive: true })
  }

  /** Writes entries to a file of the directory, or appends them. */
  write(entries: EntryInit[], file = 'system.journal'): void {
    this.writeExport(Buffer.concat(entries.map(entry)), file)
  }

  writeExport(stream: Buffer, file = 'system.journal'): void {
    const { remote, env } = this.#tools
    const args = [`--output=${join(this.dir, file)}`, '-']
    const { status, stderr } = spawnSync(remote, args, { input: stream, env, timeout: 60_000 })
    if (status !== 0) throw new Error(`systemd-journal-remote ended with ${status}: ${stderr}`)
  }

  /** Starts a writer that keeps running: entries appear in the file as they are written. */
  writer(file = 'live.journal'): JournalWriter {
    return new JournalWriter(this.#tools, join(this.dir, file))
  }

  /** Returns the entries in the directory as journalctl exports them. */
  export(): Buffer {
    const args = ['--output=export', '--merge', `--directory=${this.dir}`]
    const { stdout } = spawnSync('journalctl', args, {
      env: { ...process.env, PATH: this.#tools.path },
      maxBuffer: 1e9,
      timeout: 60_000,
    })
    return stdout
  }
}

/** A running systemd-journal-remote that writes to one file. */
export class JournalWriter {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>

  constructor({ remote, env }: JournalTools, file: string) {
    this.#child = spawn(remote, [`--output=${file}`, '-'], { env, stdio: ['pipe', 'ignore', 'ignore'] })
    this.#exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin?.on('error', () => {})
    atEnd(() => {
      this.#child.kill('SIGKILL')
    })
  }

  write(entries: EntryInit[]): void {
    this.#child.stdin?.write(Buffer.concat(entries.map(entry)))
  }

  async end(): Promise<void> {
    this.#child.stdin?.end()
    await within(this.#exited, HANG_MS, 'the end of systemd-journal-remote')
  }
}

/** Returns entries numbered from `from` to `to`, one per millisecond; with Lowercase the sink of the tests reads the number. */
export function numberedEntries(from: number, to: number, more: EntryInit['fields'] = {}): EntryInit[] {
  return Array.from({ length: to - from }, (_, i) => ({
    us: START_US + (from + i) * 1000,
    fields: { LOG: `line ${from + i}`, MESSAGE: `message ${from + i}`, PRIORITY: '6', ...more },
  }))
}

export const HOUR_US = 3_600_000_000

/** Returns numbered entries of one boot, whose clock stood `clockBackUs` before the right time. */
export function bootEntries(boot: string, from: number, to: number, clockBackUs = 0): EntryInit[] {
  return numberedEntries(from, to).map((entry, i) => ({
    ...entry,
    us: entry.us - clockBackUs,
    boot: boot.repeat(32),
    monotonicUs: (from + i) * 1000,
  }))
}

/** Starts the agent, following `path` with a stored cursor and one forward output per port. */
export function followJournal(setup: {
  dir: string
  path: string
  ports: number[]
  tools: JournalTools
  systemd?: Record<string, string | string[]>
  service?: Record<string, string>
}): Running {
  const own = { name: 'systemd', tag: 'j', path: setup.path, db: join(setup.dir, 'pos.db'), lowercase: 'on' }
  const text = [
    section('SERVICE', { flush: '0.1', ...setup.service }),
    section('INPUT', { ...own, ...setup.systemd }),
    ...setup.ports.map((port) => section('OUTPUT', { name: 'forward', match: '*', port: String(port) })),
  ]
  const conf = join(setup.dir, 'agent.conf')
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf], { env: { PATH: setup.tools.path } })
}

function section(name: string, options: Record<string, string | string[]>): string {
  const lines = Object.entries(options).flatMap(([key, values]) =>
    [values].flat().map((value) => `    ${key}  ${value}\n`),
  )
  return `[${name}]\n${lines.join('')}`
}

/** Returns the cursor in the agent's database; undefined when none is stored. */
export function storedCursor(dir: string): string | undefined {
  const path = join(dir, 'pos.db')
  if (!existsSync(path)) return undefined
  const db = new Database(path, { readonly: true })
  try {
    db.exec('PRAGMA busy_timeout = 2000')
    const table = db.query("SELECT 1 FROM sqlite_master WHERE name = 'in_systemd_cursor'").get()
    if (table === null) return undefined
    const row = db.query('SELECT cursor FROM in_systemd_cursor').get() as { cursor: string } | null
    return row?.cursor
  } finally {
    db.close()
  }
}

const FIRST_FIELD = /^__CURSOR=(.*)$/gm

/** Returns the cursors of all entries in the directory, in order. */
export function cursorsIn(journal: Journal): string[] {
  return [...journal.export().toString('latin1').matchAll(FIRST_FIELD)].map(([, cursor = '']) => cursor)
}

/** Resolves with the process id of the journalctl that the agent has started. */
export function journalctlOf(agent: Running): Promise<number> {
  const pids = (): number[] =>
    readdirSync('/proc')
      .map(Number)
      .filter((n) => n > 0)
  const isChild = (pid: number): boolean => Number(statOf(pid)?.[1]) === agent.pid && isAlive(pid)
  return until(() => pids().find(isChild), { what: 'the journalctl of the agent' })
}

export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[0]
  return state !== undefined && state !== 'Z'
}

/** Resolves when the process is waiting: it used no CPU time for half a second. */
export async function untilIdle(pid: number): Promise<void> {
  let ticks = -1
  const isIdle = (): boolean => {
    const before = ticks
    ticks = cpuTicks(pid)
    return ticks === before && statOf(pid)?.[0] === 'S'
  }
  await until(isIdle, { everyMs: 500 })
}

/** Returns the CPU time used so far, in clock ticks. */
function cpuTicks(pid: number): number {
  const stat = statOf(pid)
  return Number(stat?.[11]) + Number(stat?.[12])
}

/** Returns the fields of /proc/PID/stat from the state on; undefined when the process does not exist. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}
