import { join } from 'node:path'
import type { Running } from '../process.ts'
import { ship } from '../shipping.ts'
import { until } from '../until.ts'
import { type Compress, SoakLog } from './log.ts'
import { SoakPeers } from './peers.ts'
import { Dice, planOfSoak, type SoakPlan } from './plan.ts'

/** Time after which a partial record is completed: long before the agent sends it incomplete. */
const OPEN_MS = 400
const STOPPED_MS = 800
const MAX_LOGS = 5

/**
 * A run of one seed: programs that log and rotate, an agent that is killed, stopped and starved, and peers that fail, in an
 * order that the seed determines. At the end every line has arrived, complete and in order, and twice only where it may.
 * The seed does not determine the time that each step takes.
 */
export class Soak {
  readonly stats = { lines: 0, rotations: 0, kills: 0, faults: 0, duplicates: 0 }
  /** Steps of the run, and the log of the agent. */
  readonly trace: string[] = []
  readonly #dir: string
  readonly #dice: Dice
  readonly #plan: SoakPlan
  readonly #logs: SoakLog[] = []
  readonly #begunMs = new Map<SoakLog, number>()
  #peers!: SoakPeers
  #agent: Running | undefined
  #stoppedMs = 0
  /** True if a file was unlinked that only the running agent has open. */
  #pinned = false
  /** True as long as nothing has happened for which a line may arrive twice. */
  #once = true
  #names = 0

  constructor(dir: string, seed: number) {
    this.#dir = dir
    this.#dice = new Dice(seed)
    this.#plan = planOfSoak(this.#dice, dir)
    this.#note(JSON.stringify(this.#plan))
  }

  async run(steps: number): Promise<void> {
    try {
      await this.#run(steps)
    } catch (error) {
      const trace = this.trace.slice(-100).join('\n')
      throw new Error(`${(error as Error).message}\n${trace}\n${this.#agent?.stderr}`, { cause: error })
    }
  }

  async #run(steps: number): Promise<void> {
    this.#peers = await SoakPeers.start(this.#plan.peers)
    await this.#begin()
    for (let step = 0; step < steps; step++) {
      await this.#step(this.#dice.pick(this.#logs))
      await this.#pause()
      for (const log of this.#logs) if (log.open && this.#ageMs(log) > OPEN_MS) log.write(0)
      if (this.#stoppedMs > 0 && performance.now() - this.#stoppedMs > STOPPED_MS) this.#continue()
    }
    await this.#settle()
    for (const log of this.#logs) log.close()
    this.stats.lines = this.#logs.flatMap(({ counts }) => counts).reduce((a, b) => a + b, 0)
    this.stats.duplicates = this.#peers.duplicates
  }

  /** Begins with a log that the agent knows, since it cannot lose what it has never seen. */
  async #begin(): Promise<void> {
    const first = this.#appears()
    for (let n = this.#plan.fromHead ? this.#dice.int(4) : 0; n > 0; n--) {
      this.#start()
      await Bun.sleep(this.#dice.random() * 250)
      first.write(this.#dice.int(5))
      await this.#end('SIGKILL')
    }
    this.#start()
    const begun = (): Promise<boolean> => {
      first.write(2)
      return this.#peers.hasBegun(first)
    }
    await until(begun, {
      everyMs: 20,
      what: () => `the first lines; ${this.#agent?.stderr}`,
    })
    if (this.#plan.fromHead) first.from.fill(0)
    this.#note(`from ${first.from}`)
  }

  async #step(log: SoakLog): Promise<void> {
    if (this.#agent === undefined && this.#dice.chance(0.25)) return this.#start()
    if (this.#stoppedMs > 0 && this.#dice.chance(0.3)) return this.#continue()
    if (this.#peers.faulty && this.#dice.chance(0.2)) return this.#peers.endFault()
    const at = this.#dice.random() * 100
    if (at < 40) return this.#write(log, at < 34)
    if (at < 62) return this.#rotate(log)
    if (at < 66) return this.#logs.length < MAX_LOGS ? void this.#appears() : undefined
    if (at < 68) return this.#replace(log)
    if (at < 70) return this.#move(log)
    if (at < 80) return this.#end('SIGKILL')
    if (at < 83) return this.#end('SIGTERM')
    if (at < 86) return this.#crashLoop()
    if (at < 90) return this.#stop()
    if (at < 97) return this.#fault()
    return this.#settle()
  }

  #appears(): SoakLog {
    const kube = this.#plan.styles[0] === 'kubelet'
    const log = new SoakLog({
      path: join(this.#dir, kube ? 'containers' : '', `log${this.#names++}.log`),
      first: this.#logs.length * 2,
      style: this.#dice.pick(this.#plan.styles),
      compress: this.#dice.pick<Compress>(['no', 'delayed', 'now']),
      format: this.#plan.format,
      random: this.#dice.random,
    })
    this.#logs.push(log)
    if (this.#dice.chance(0.5)) log.write(this.#dice.int(20))
    this.#note(`${log.path} appears: ${log.style}, compressed: ${log.compress}`)
    return log
  }

  #write(log: SoakLog, whole: boolean): void {
    const lines = this.#dice.chance(0.08) ? 500 + this.#dice.int(2000) : 1 + this.#dice.int(30)
    if (whole) log.write(lines)
    else log.begin()
    if (!whole) this.#begunMs.set(log, performance.now())
    this.#note(`${log.path} ${whole ? `+${lines}` : 'begins a line'}`)
  }

  async #rotate(log: SoakLog): Promise<void> {
    for (let n = this.#dice.chance(0.2) ? 1 + this.#dice.int(4) : 1; n > 0; n--) {
      // Lines that are truncated unread would be lost by the writer.
      if (log.style === 'copy' && this.#agent !== undefined) await this.#arrived([log])
      const late = this.#dice.chance(0.2) ? this.#dice.int(20) : 0
      log.rotate(late)
      this.stats.rotations++
      this.#note(`${log.path} is rotated, ${late} lines late`)
      if (this.#dice.chance(0.7)) log.write(this.#dice.int(20))
      if (this.#dice.chance(0.5)) await this.#pause()
    }
  }

  /** Replaces a log that the agent has open and has read. It can read the new one unless that is rotated before a check. */
  async #replace(log: SoakLog): Promise<void> {
    if (this.#agent === undefined) return
    log.write(log.counts.length)
    await this.#arrived([log])
    log.write(this.#dice.int(50))
    log.replace()
    this.#pinned = true
    this.#note(`${log.path} is replaced`)
    log.write(log.counts.length)
    await this.#arrived([log])
  }

  /** Renames a log within Path. Renamed and rotated between two checks of the agent, it would be another log to it. */
  async #move(log: SoakLog): Promise<void> {
    const agent = this.#agent
    if (log.style === 'kubelet' || agent === undefined) return
    log.write(1)
    await this.#arrived([log])
    log.move(join(this.#dir, `log${this.#names++}.log`))
    this.#note(`is ${log.path} now`)
    const isKnown = (): boolean => {
      agent.kill('SIGUSR1')
      return agent.stderr.includes(` ${log.path}\n`)
    }
    await until(isKnown, { everyMs: 50, what: () => `${log.path}; ${agent.stderr}` })
    // Its offset has to be stored as well.
    await this.#settle()
  }

  #start(): void {
    this.#agent = ship({ dir: this.#dir, ports: this.#peers.sinks.map((s) => s.port), ...this.#plan.options })
    this.#note('start')
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.#agent === undefined) return
    if (this.#pinned) await this.#arrived(this.#logs)
    this.#once = false
    await this.#stopped(signal)
  }

  async #stopped(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const agent = this.#agent
    if (agent === undefined) return
    this.#continue()
    this.#note(signal)
    this.#agent = undefined
    await agent.stop(signal)
    this.stats.kills++
    this.#note(`ended, with the log:\n${agent.stderr}`)
  }

  async #crashLoop(): Promise<void> {
    await this.#end('SIGKILL')
    for (let n = 2 + this.#dice.int(4); n > 0; n--) {
      const log = this.#dice.pick(this.#logs)
      if (this.#dice.chance(0.5)) this.#write(log, true)
      if (this.#dice.chance(0.4)) await this.#rotate(log)
      if (this.#agent === undefined) this.#start()
      await Bun.sleep(this.#dice.random() * 250)
      await this.#end('SIGKILL')
    }
  }

  #stop(): void {
    if (this.#agent === undefined || this.#stoppedMs > 0) return
    this.#agent.kill('SIGSTOP')
    this.#stoppedMs = performance.now()
    this.#note('SIGSTOP')
  }

  #continue(): void {
    if (this.#stoppedMs === 0) return
    this.#agent?.kill('SIGCONT')
    this.#stoppedMs = 0
    this.#note('SIGCONT')
  }

  async #fault(): Promise<void> {
    if (this.#peers.faulty) return
    this.#note(await this.#peers.fail(this.#dice.pick))
    this.stats.faults++
    this.#once = false
  }

  async #arrived(logs: readonly SoakLog[]): Promise<void> {
    await this.#peers.endFault()
    if (this.#agent === undefined) this.#start()
    this.#continue()
    for (const log of this.#logs) log.write(0)
    await this.#peers.haveAll(logs, this.#logs, this.#once)
    if (logs === this.#logs) this.#pinned = false
  }

  /** Waits until everything has arrived; if the agent then ends with everything acknowledged, all offsets are stored. */
  async #settle(): Promise<void> {
    // A line after everything that the agent may repeat, because an earlier run could not store its offset.
    for (const log of this.#logs) log.write(log.counts.length)
    await this.#arrived(this.#logs)
    const agent = this.#agent
    await this.#stopped('SIGTERM')
    if (agent?.stderr.includes('before everything was acknowledged')) return
    await this.#peers.ended()
    await this.#peers.mark()
    this.#note('settled')
    if (this.#dice.chance(0.5)) for (const log of this.#logs) log.prune()
  }

  async #pause(): Promise<void> {
    const at = this.#dice.random()
    const most = at < 0.4 ? 0 : at < 0.8 ? 30 : at < 0.96 ? 200 : 500
    if (most > 0) await Bun.sleep(this.#dice.random() * most)
  }

  #ageMs(log: SoakLog): number {
    return performance.now() - (this.#begunMs.get(log) ?? 0)
  }

  #note(what: string): void {
    this.trace.push(`${Math.round(performance.now())} ${what}`)
  }
}
