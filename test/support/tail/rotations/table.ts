import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, start } from '../../process.ts'
import { dumpedFiles } from '../../shipping.ts'
import { tmp } from '../../tmp.ts'
import { until } from '../../until.ts'
import { AgentClock, REFRESH_S } from './clock.ts'
import { RotatingLog } from './log.ts'
import { TablePeer } from './peer.ts'
import { linesPresent } from './present.ts'
import type { Absence, Row } from './row.ts'
import { type Case, faults, promised, sendersOf, tagOf } from './verdict.ts'

/**
 * How the agent misses the rotations:
 *
 * - `live`: it does not
 * - `burst`: SIGSTOP, then SIGCONT
 * - `stopped`: SIGTERM when everything is acknowledged, then a new start
 * - `killed`: SIGKILL after the first start, before anything is acknowledged
 * - `killed later`: SIGKILL in the second run, after lines that are not acknowledged
 */
export type Mode = 'live' | 'burst' | 'stopped' | 'killed' | 'killed later'

/** Options of all inputs, and the number of lines of a large write. */
export type TableOptions = Record<string, string | number> & { many?: number }

/** Number of rotations that the agent misses. */
const MISSED = 3
/** Number of searches without a new line after which a line counts as missing. */
const IDLE_TICKS = 6
/** Number of searches after which nothing arrives twice. */
const CALM_TICKS = 3

/** One agent that follows the logs of many rows, each in a directory of its own. */
export class Table {
  readonly cases: Case[]
  readonly #root = tmp()
  readonly #peer: TablePeer
  readonly #clock: AgentClock
  readonly #mode: Mode
  readonly #options: Record<string, string | number>
  #agents: Running[] = []
  /** Keys of lines that must arrive and have not. */
  #outstanding: string[] = []
  /** Number of lines of each case that are in `#outstanding` or have arrived. */
  #expected = new Map<Case, number>()

  private constructor(rows: Row[], mode: Mode, peer: TablePeer, { many, ...options }: TableOptions) {
    this.#mode = mode
    this.#peer = peer
    this.#options = options
    this.#clock = new AgentClock(this.#root, peer, Number(options.refresh_interval ?? REFRESH_S))
    this.cases = rows.map((row, i) => ({
      row,
      log: new RotatingLog(join(this.#root, `row${i + 1}`, 'log'), i + 1, many),
    }))
  }

  /** Runs all rows and returns the faults of each. */
  static async run(rows: Row[], mode: Mode, options: TableOptions = {}): Promise<Map<Row, string[]>> {
    const table = new Table(rows, mode, await TablePeer.start(), options)
    return await table.#run()
  }

  get #agent(): Running {
    return this.#agents.at(-1) as Running
  }

  get #absence(): Absence {
    return this.#mode === 'live' || this.#mode === 'burst' ? this.#mode : 'away'
  }

  async #run(): Promise<Map<Row, string[]>> {
    await this.#begin()
    if (this.#mode === 'live') await this.#live()
    else {
      await this.#leave()
      for (let n = 1; n <= MISSED; n++) await this.#period(n)
      await this.#resume()
      await this.#arrival()
    }
    await this.#afterwards()
    await this.#arrival()
    for (let n = 0; n < CALM_TICKS; n++) await this.#clock.tick(this.#agent)
    const { code } = await this.#agent.stop()
    if (code !== 0) throw new Error(`the agent ended with ${code}: ${this.#agent.stderr.slice(-2000)}`)
    for (const { log } of this.cases) await log.end()
    return new Map(this.cases.map((one) => [one.row, this.#faults(one)]))
  }

  async #begin(): Promise<void> {
    for (const { row, log } of this.cases) {
      if (row.begin === undefined) log.open('app.log')
      else await row.begin(log)
      // Every third log is empty when the agent first sees it.
      await log.write(log.row % 3 === 0 ? 0 : undefined)
      if (this.#options.read_from_head === 'off') log.early = log.lines.length
    }
  }

  /** Three rotations that the agent sees, and one right after the third. */
  async #live(): Promise<void> {
    this.#start()
    await this.#arrival()
    for (let n = 1; n <= 4; n++) {
      await this.#write(n)
      if (n < 4) await this.#arrival()
      await this.#rotate(n === 4 ? (row) => (row.unseen ?? 'once') === 'once' : () => true)
      await this.#write(n)
    }
    await this.#arrival()
  }

  /** Lets the agent see the logs, and then makes it look away. */
  async #leave(): Promise<void> {
    this.#peer.acking = this.#mode !== 'killed'
    let before = this.#peer.arrived.size
    this.#clock.wind()
    this.#start()
    if (this.#mode !== 'killed') await this.#arrival()
    if (this.#mode === 'killed later') {
      await this.#agent.stop()
      this.#peer.acking = false
      before = this.#peer.arrived.size
      this.#clock.wind()
      this.#start()
      await this.#write(0)
    }
    if (!this.#peer.acking) await this.#readAll(before)
    for (const one of this.cases) {
      const { log } = one
      const linesBefore = this.#peer.acking ? log.lines.length : 0
      one.resumed = {
        linesBefore,
        contentBefore: log.content,
        lines: 0,
        content: 0,
        present: new Map(),
      }
    }
    if (this.#mode === 'burst') await this.#suspend()
    else await this.#agent.stop(this.#mode === 'stopped' ? 'SIGTERM' : 'SIGKILL')
    if (this.#mode !== 'burst')
      await until(() => !this.#peer.connected, { what: 'the end of the connections' })
  }

  /** Waits until the agent has read all files. Without acknowledgements, not all of their lines arrive. */
  async #readAll(before: number): Promise<void> {
    // A signal before that would end it.
    await until(() => this.#peer.arrived.size > before, { what: 'the first line' })
    let unread: string[] = []
    const allRead = async (): Promise<boolean> => {
      const files = await dumpedFiles(this.#agent)
      unread = this.cases.flatMap(({ log }) => {
        const own = files.filter(({ path }) => path.startsWith(`${log.dir}/`))
        if (own.length === 0) return [log.dir]
        // Positions in a compressed file count decompressed bytes.
        return own.flatMap(({ path, read }) =>
          path.endsWith('.gz') || read === statSync(path).size ? [] : [path],
        )
      })
      return unread.length === 0
    }
    await until(allRead, { everyMs: 50, what: () => `the end of ${unread.join(', ')}` })
  }

  async #suspend(): Promise<void> {
    this.#agent.kill('SIGSTOP')
    const state = (): string | undefined =>
      STATE.exec(readFileSync(`/proc/${this.#agent.pid}/stat`, 'latin1'))?.[1]
    await until(() => state() === 'T', { what: 'the stop of the agent' })
  }

  async #resume(): Promise<void> {
    for (const { log, resumed } of this.cases) {
      if (resumed === undefined) continue
      resumed.lines = log.lines.length
      resumed.content = log.content
      resumed.present = linesPresent(join(log.dir, '..'), log.row)
    }
    this.#peer.acking = true
    this.#expected.clear()
    this.#outstanding = []
    if (this.#mode === 'burst') this.#agent.kill('SIGCONT')
    else this.#start()
  }

  /** One more rotation that the agent sees, and late lines. */
  async #afterwards(): Promise<void> {
    await this.#write(1)
    await this.#arrival()
    await this.#rotate()
    await this.#write(1)
    await this.#arrival()
    for (const { row, log } of this.cases) {
      if (row.afterwards === undefined) continue
      await until(() => !this.#holdsRotated(log), { what: `the end of Rotate_Wait in ${log.dir}` })
      row.afterwards(log)
    }
  }

  /** A period between two rotations. The second one of every fourth log is empty. */
  async #period(n: number): Promise<void> {
    await this.#write(n)
    await this.#rotate()
    await this.#write(n)
  }

  async #write(n: number): Promise<void> {
    for (const { log } of this.cases) if (n !== 2 || log.row % 4 !== 0) await log.write()
  }

  async #rotate(which: (row: Row) => boolean = () => true): Promise<void> {
    for (const { row, log } of this.cases) if (which(row)) await row.rotate(log, ++log.rotations)
  }

  /** Waits until all promised lines have arrived, or until nothing has arrived for some searches. */
  async #arrival(): Promise<void> {
    this.#expectMore()
    let idle = 0
    let lines = 0
    while (idle < IDLE_TICKS) {
      let ticked = false
      const tick = this.#clock.tick(this.#agent).then(() => {
        ticked = true
      })
      await until(() => this.#complete() || ticked, { everyMs: 10 })
      await tick
      if (this.#complete()) return
      idle = this.#peer.lines > lines ? 0 : idle + 1
      lines = this.#peer.lines
    }
    // Missing lines are dropped here, not waited for again.
    this.#outstanding = []
  }

  #complete(): boolean {
    this.#outstanding = this.#outstanding.filter((key) => !this.#peer.arrived.has(key))
    return this.#outstanding.length === 0
  }

  #expectMore(): void {
    for (const one of this.cases) {
      const { log } = one
      for (let n = this.#expected.get(one) ?? 0; n < log.lines.length; n++)
        if (promised(one, n, this.#absence) === 'once')
          for (const sender of sendersOf(one, n))
            this.#outstanding.push(`${tagOf(log, sender)} ${log.row}/${n}`)
      this.#expected.set(one, log.lines.length)
    }
  }

  #start(): void {
    const inputs = this.cases.flatMap(({ row, log }) =>
      Object.entries({ a: row.path, ...row.others }).map(([name, paths]) => ({
        name: 'tail',
        tag: tagOf(log, name),
        path: paths.map((path) => log.path(path)).join(','),
        ...(row.exclude === undefined || name !== 'a' ? {} : { exclude_path: row.exclude.join(',') }),
        db: join(this.#root, 'positions.db'),
        read_from_head: 'on',
        refresh_interval: REFRESH_S,
        watcher_interval: REFRESH_S,
        progress_check_interval: REFRESH_S,
        rotate_wait: 1,
        ...this.#options,
      })),
    )
    const text = [
      section('SERVICE', { flush: 0.1 }),
      ...[this.#clock.input, ...inputs].map((input) => section('INPUT', input)),
      section('OUTPUT', { name: 'forward', match: '*', port: this.#peer.port }),
    ].join('')
    const conf = join(this.#root, 'agent.conf')
    writeFileSync(conf, text)
    this.#agents.push(start(['-c', conf]))
  }

  /** Returns true while the agent has a file of the directory open that is not the live one. */
  #holdsRotated(log: RotatingLog): boolean {
    const folder = `/proc/${this.#agent.pid}/fd`
    const open = readdirSync(folder).map((fd) => linkOf(join(folder, fd)))
    return open.some((path) => path.startsWith(`${log.dir}/`) && path !== log.path(log.live))
  }

  #faults(one: Case): string[] {
    const found = faults(one, this.#absence, this.#peer)
    if (found.length === 0) return []
    const said = this.#agents
      .flatMap((agent) => agent.stderr.split('\n'))
      .filter((line) => line.includes(`${join(one.log.dir, '..')}/`))
      .map((line) => line.replaceAll(this.#root, ''))
    return [...found, ...said.slice(-6).map((line) => `the agent: ${line}`)]
  }
}

const STATE = /\) (\w)/

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function section(name: string, options: Record<string, string | number>): string {
  const lines = Object.entries(options).map(([key, value]) => `    ${key}  ${value}\n`)
  return `[${name}]\n${lines.join('')}`
}
