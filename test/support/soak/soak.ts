import { mkdirSync, utimesSync } from 'node:fs'
import { basename, join } from 'node:path'
import { until } from '../until.ts'
import type { Ability } from './abilities.ts'
import { SoakAgent } from './agent.ts'
import { chooseLog, stemOf } from './choices.ts'
import { ForeignFiles } from './foreign.ts'
import { type LogOptions, SoakLog } from './log.ts'
import { DATED } from './names.ts'
import { SoakFailure, SoakPeers } from './peers.ts'
import { filesIn, placesOf } from './places.ts'
import { Dice, planOfSoak, type SoakPlan } from './plan.ts'

/** Time after which a partial record is completed: long before the agent sends it incomplete. */
const OPEN_MS = 400
const MAX_LOGS = 5
/** Time after which the agent has closed a rotated file, with the shortest Rotate_Wait. */
const CLOSED_MS = 900
/** Time in which the agent, if it runs, prints its state. */
const DUMP_MS = 300
const MAX_LATE_WRITERS = 3
const DAY_S = 86_400
/** Time after which a file has other times than one that was written before. */
const TICK_MS = 20
/** Steps that the message of a failure has; the trace has all. */
const SHOWN_STEPS = 30

/**
 * A run of one seed: programs that log and rotate, an agent that is killed, stopped and starved, and peers that fail, in an
 * order that the seed determines. At the end every line has arrived, complete and in order, and twice only where it may.
 * The seed does not determine the time that each step takes.
 */
export class Soak {
  readonly stats = { steps: 0, lines: 0, rotations: 0, kills: 0, faults: 0, duplicates: 0 }
  /** Steps of the run, and the log of the agent. */
  readonly trace: string[] = []
  readonly plan: SoakPlan
  readonly #dir: string
  readonly #seed: number
  readonly #logs: SoakLog[] = []
  readonly #begunMs = new Map<SoakLog, number>()
  readonly #foreign: ForeignFiles
  /** Decisions of the present step: those of a step do not depend on how many another one made. */
  #dice: Dice
  #peers!: SoakPeers
  #agent!: SoakAgent
  #names = 0

  constructor(dir: string, seed: number) {
    this.#dir = dir
    this.#seed = seed
    this.#dice = this.#diceOf(0)
    this.plan = planOfSoak(seed, dir)
    this.#foreign = new ForeignFiles(this.plan)
    this.#note(`seed ${seed}, abilities: ${this.plan.abilities}`)
    this.#note(JSON.stringify({ ...this.plan, abilities: undefined }))
  }

  /** Runs the steps. The error of a failure says where the lines concerned are now. */
  async run(steps: number): Promise<void> {
    try {
      await this.#run(steps)
    } catch (error) {
      const lines = error instanceof SoakFailure ? error.lines : []
      this.#agent?.continue()
      this.#agent?.running?.kill('SIGUSR1')
      await Bun.sleep(DUMP_MS)
      this.#note(`the agent's log:\n${this.#agent?.running?.stderr}`)
      const places = `${placesOf(this.#dir, lines)}${filesIn(this.#dir)}`
      throw new Error(`${(error as Error).message}\n${places}${this.#lastSteps()}`, { cause: error })
    } finally {
      await this.#agent?.running?.stop('SIGKILL')
      this.#peers?.stop()
      for (const log of this.#logs) log.close()
    }
  }

  async #run(steps: number): Promise<void> {
    this.#peers = await SoakPeers.start(this.plan.peers, this.plan.abilities.has('strict'))
    this.#agent = new SoakAgent({
      dir: this.#dir,
      plan: this.plan,
      peers: this.#peers,
      logs: this.#logs,
      stats: this.stats,
      note: (what) => this.#note(what),
    })
    await this.#begin()
    for (let step = 1; step <= steps; step++) {
      this.#dice = this.#diceOf(step)
      await this.#step(this.#dice.pick(this.#logs))
      await this.#pause()
      this.#complete()
      this.#agent.tick()
      this.stats.steps++
    }
    await this.#agent.settle(this.#dice.chance(0.5))
    this.stats.lines = this.#logs.flatMap(({ counts }) => counts).reduce((a, b) => a + b, 0)
    this.stats.duplicates = this.#peers.duplicates
  }

  /** Begins with a log that the agent knows, since it cannot lose what it has never seen. */
  async #begin(): Promise<void> {
    mkdirSync(this.plan.logs, { recursive: true })
    if (this.plan.abilities.has('foreign') && !this.plan.wide && !this.plan.kube)
      this.#note(`foreign: ${this.#foreign.makeOld(stemOf(0), this.#dice)}`)
    const first = this.#appears(false)
    if (this.plan.abilities.has('aged') && !this.plan.kube) this.#ages()
    for (let n = this.plan.fromHead ? this.#dice.int(4) : 0; n > 0; n--) {
      this.#agent.start()
      await Bun.sleep(this.#dice.random() * 250)
      first.write(this.#dice.int(5))
      await this.#agent.end('SIGKILL')
    }
    this.#agent.start()
    const begun = (): Promise<boolean> => {
      first.write(2)
      return this.#peers.hasBegun(first)
    }
    await until(begun, { everyMs: 20, what: () => `the first lines; ${this.#agent.running?.stderr}` })
    if (this.plan.fromHead) first.from.fill(0)
    this.#note(`from ${first.from}`)
    if (this.plan.second !== undefined) this.#appears(false)
  }

  async #step(log: SoakLog): Promise<void> {
    if (this.#agent.running === undefined && this.#dice.chance(0.25)) return this.#agent.start()
    if (this.#agent.stopped && this.#dice.chance(0.3)) return this.#agent.continue()
    if (this.#peers.faulty && this.#dice.chance(0.2)) return this.#peers.endFault()
    if (this.plan.abilities.any && this.#dice.chance(0.25)) return this.#stepOfAbility(log)
    return this.#usualStep(log)
  }

  async #usualStep(log: SoakLog): Promise<void> {
    const at = this.#dice.random() * 100
    if (at < 40) return this.#write(log, at < 34)
    if (at < 62) return this.#rotate(log)
    if (at < 66) return this.#logs.length < MAX_LOGS ? void this.#appears(this.#dice.chance(0.5)) : undefined
    if (at < 68) return this.#replace(log)
    if (at < 70) return this.#move(log)
    if (at < 80) return this.#agent.end('SIGKILL')
    if (at < 83) return this.#agent.end('SIGTERM')
    if (at < 86) return this.#crashLoop()
    if (at < 90) return this.#agent.stop()
    if (at < 97) return this.#fault()
    return this.#agent.settle(this.#dice.chance(0.5))
  }

  /** Takes one of the steps that only the abilities of the seed allow. */
  async #stepOfAbility(log: SoakLog): Promise<void> {
    const { kube, wide } = this.plan
    const plain = !kube && log.real === log.path
    const appears = (): void => void this.#appears(true)
    const steps: [ability: Ability, possible: boolean, step: () => void | Promise<void>][] = [
      ['late', log.lateWriters > 0, () => this.#writeLate(log)],
      ['late', log.lateWriters > 0, () => this.#writeLate(log)],
      ['gzip', log.o.compress === 'late' && log.hasRotated, () => this.#compress(log)],
      ['moved', plain, () => this.#move(log)],
      // A pinned agent waits for all logs before it is killed.
      ['moved', plain && !this.#agent.pinned, () => this.#leaveAndReturn(log)],
      ['moved', this.#logs.length < MAX_LOGS, appears],
      ['restored', plain && !log.aged, () => this.#restore(log)],
      ['copies', plain && !log.aged, () => this.#backUp(log)],
      [
        'foreign',
        !kube && !wide,
        () => this.#note(`foreign: ${this.#foreign.makeOther(this.#anyStem(), this.#dice)}`),
      ],
      [
        'exclude',
        !kube,
        () => this.#note(`excluded: ${this.#foreign.makeExcluded(this.#anyStem(), this.#dice)}`),
      ],
    ]
    const possible = steps.filter(([ability, can]) => can && this.plan.abilities.has(ability))
    await (possible.length > 0 ? this.#dice.pick(possible)[2]() : this.#rotate(log))
  }

  /** Returns the letters of a log that there is or was. */
  #anyStem(): string {
    return stemOf(this.#dice.int(this.#names))
  }

  /** Lets a program begin to log. With `moved` its file may come from another folder. */
  #appears(moved: boolean, fixed: Partial<LogOptions> = {}): SoakLog {
    const index = this.#names++
    const seed = this.#seed * 64 + this.#logs.length
    const names = this.#logs.map(({ path }) => basename(path))
    const chosen = { ...chooseLog(this.plan, this.#dice, this.#dir, index, names), ...fixed }
    const comes =
      moved && this.plan.abilities.has('moved') && (chosen.style === 'rename' || chosen.style === 'copy')
    const log = new SoakLog({
      ...chosen,
      path: comes ? join(this.#dir, 'staging', basename(chosen.path)) : chosen.path,
      first: this.#logs.length * 2,
      format: this.plan.format,
      random: new Dice(seed + 9_000_000).random,
      between: (done) => this.#between(done, chosen.style === 'copy'),
    })
    // To an agent whose Path matches rotated names each of these is a log of its own, and there is no order across files.
    const { wide, abilities } = this.plan
    log.unordered ||= wide
    // Which of several copies nobody has read is which, and what is behind a hole, cannot always be told.
    log.mayRepeat =
      (abilities.has('copies') && (wide || abilities.has('unread'))) ||
      (log.o.holes && (wide || abilities.has('copies', 'unread')))
    this.#logs.push(log)
    if (comes || this.#dice.chance(0.5)) log.write(this.#dice.int(20))
    if (comes) this.#arrivesFrom(log, chosen.path)
    this.#note(
      `${log.path} appears: ${JSON.stringify({ ...chosen, path: undefined, scheme: chosen.scheme.name })}`,
    )
    return log
  }

  /** Lets a log be older than Ignore_Older. No fingerprint of it is known as long as nothing is written to it. */
  #ages(): void {
    const log = this.#appears(false, { style: 'rename', scheme: DATED, compress: 'no' })
    log.write(1 + this.#dice.int(20))
    log.from.splice(0, log.from.length, ...log.counts)
    log.aged = true
    // What is written to it before it is opened is found by the next refresh, after the log that follows it.
    log.unordered = true
    const time = Date.now() / 1000 - 3 * DAY_S
    utimesSync(log.path, time, time)
    this.#note(`${log.path} is old, lines from ${log.from}`)
  }

  #arrivesFrom(log: SoakLog, path: string): void {
    // When a .gz was made says nothing: one of an old file that the agent has never seen is not read.
    const isYoung = this.plan.abilities.has('aged') || log.o.compress !== 'no'
    const days = isYoung ? 0 : this.#dice.int(3) * DAY_S
    const time = Date.now() / 1000 - days
    if (days > 0) utimesSync(log.path, time, time)
    log.move(path)
    log.moved = false
    this.#note(`${path} is moved in, ${days / DAY_S} days old`)
  }

  #write(log: SoakLog, whole: boolean): void {
    const lines = this.#dice.chance(0.08) ? 500 + this.#dice.int(2000) : 1 + this.#dice.int(30)
    if (whole) log.write(lines)
    else log.begin()
    if (!whole) this.#begunMs.set(log, performance.now())
    this.#note(`${log.path} ${whole ? `+${lines}` : 'begins a line'}`)
  }

  /** Writes to a rotated file, which the agent may have closed. */
  async #writeLate(log: SoakLog): Promise<void> {
    log.write(0)
    const lines = 1 + this.#dice.int(20)
    if (this.#dice.chance(0.3)) await Bun.sleep(CLOSED_MS)
    this.#note(`${log.writeLate(lines)} of ${log.path} +${lines}, late`)
  }

  async #rotate(log: SoakLog): Promise<void> {
    for (let n = this.#dice.chance(0.2) ? 1 + this.#dice.int(4) : 1; n > 0; n--) {
      await this.#beforeRotation(log)
      const late = this.#dice.chance(0.2) ? this.#dice.int(20) : 0
      const keep = this.#dice.chance(0.5) && this.#mayKeep(log)
      this.#note(`${log.path} is rotated, ${late} lines late${keep ? ', and more later' : ''}`)
      await log.rotate({ late, keep })
      this.stats.rotations++
      if (this.#dice.chance(0.7)) log.write(this.#dice.int(20))
      if (this.#dice.chance(0.5)) await this.#pause()
    }
  }

  async #beforeRotation(log: SoakLog): Promise<void> {
    const { abilities, excludesRotated } = this.plan
    const copies = log.o.style === 'copy'
    const unread = abilities.has('unread') && !excludesRotated
    // Such a file is only read after its rotation if the agent has known it.
    const hidden = excludesRotated || log.hasUnknownTarget
    if (hidden) log.write(log.counts.length * 4)
    if (copies && unread) log.unordered = true
    // Lines that are truncated unread would be lost by the writer.
    const waits = copies && this.#agent.running !== undefined && !unread
    if (hidden || waits) await this.#agent.arrived([log])
  }

  /** Returns true if the program may keep the descriptor of the file that is rotated. */
  #mayKeep(log: SoakLog): boolean {
    const { abilities, excludesRotated } = this.plan
    const can = log.lateWriters < MAX_LATE_WRITERS && log.o.style !== 'copy'
    return can && abilities.has('late') && !excludesRotated
  }

  async #compress(log: SoakLog): Promise<void> {
    this.#note(`the rotated files of ${log.path} are compressed`)
    await log.compressAll()
  }

  /** Kills, starts or stops the agent in the middle of a rotation. */
  async #between(done: string, copies: boolean): Promise<void> {
    const { abilities } = this.plan
    if (!abilities.has('between') || this.#agent.pinned || (copies && !abilities.has('unread'))) return
    const at = this.#dice.random()
    const sleep = this.#dice.random()
    if (at < 0.5) return
    this.#note(`between, ${done}:`)
    if (at < 0.62) await this.#agent.end('SIGKILL')
    else if (at < 0.67) await this.#agent.end('SIGTERM')
    else if (at < 0.85 && this.#agent.running === undefined) this.#agent.start()
    else if (at < 0.9) this.#agent.stop()
    await Bun.sleep(sleep * (at < 0.85 ? 300 : 100))
  }

  /** Replaces a log that the agent has open and has read. It can read the new one unless that is rotated before a check. */
  async #replace(log: SoakLog): Promise<void> {
    if (this.#agent.running === undefined) return
    log.write(log.counts.length)
    await this.#agent.arrived([log])
    log.write(this.#dice.int(50))
    log.replace()
    this.#agent.pinned = true
    this.#note(`${log.path} is replaced`)
    log.write(log.counts.length)
    await this.#agent.arrived([log])
  }

  async #restore(log: SoakLog): Promise<void> {
    while (!log.isDistinct) log.write(1)
    this.#note(`${log.path} is replaced by a copy of itself`)
    await log.restore()
    log.write(this.#dice.int(20))
  }

  /** Copies a log under a rotated name. A copy within Path is one more log until the agent has read the original. */
  async #backUp(log: SoakLog): Promise<void> {
    const { extension, wide } = this.plan
    const [format, ofRotated] = [this.#dice.int(5), this.#dice.chance(0.4)]
    // A name that no rotation makes of that of the original tells nothing.
    const name = ofRotated ? log.rotatedFrom : basename(log.path)
    const stem = extension === '' ? name : name.slice(0, -extension.length)
    const names = [
      `${name}.bak`,
      `${name}.old`,
      `${name}.2024-05-05`,
      `${stem}-20240505${extension}`,
      `${stem}.4711${extension}`,
    ]
    if (wide) await this.#agent.arrived([log])
    // Fewer bytes may be the first words of the next file, and what was made in one clock tick has the same times.
    while (!log.isDistinct) log.write(1)
    await Bun.sleep(TICK_MS)
    this.#note(log.backUp(names[format] as string, ofRotated))
    if (this.#dice.chance(0.5)) log.write(this.#dice.int(20))
  }

  /** Renames a log within Path. */
  async #move(log: SoakLog): Promise<void> {
    const agent = this.#agent.running
    // Of a log that is renamed, rotated and compressed before the new name is stored neither inode nor name is known.
    const free = this.plan.abilities.has('moved') && log.o.compress === 'no'
    if (log.real !== log.path || (agent === undefined && !free)) return
    const path = join(this.plan.logs, `${stemOf(this.#names++)}${basename(log.path).slice(2)}`)
    if (!free) log.write(1)
    // A file that was never seen is known by the name of a log that exists.
    if (!free || log.unseen > 0) await this.#agent.arrived([log])
    log.move(path)
    this.#note(`is ${log.path} now`)
    if (free || agent === undefined) return
    // Renamed and rotated between two checks of the agent, it would be another log to it.
    const isKnown = (): boolean => {
      agent.kill('SIGUSR1')
      return agent.stderr.includes(` ${log.path}"}\n`)
    }
    await until(isKnown, { everyMs: 50, what: () => `${log.path}; ${agent.stderr}` })
    // Its offset has to be stored as well.
    await this.#agent.settle(this.#dice.chance(0.5))
  }

  /** Moves a log to a folder beside and back; its program writes on. */
  async #leaveAndReturn(log: SoakLog): Promise<void> {
    const { path } = log
    const aside = join(this.#dir, 'aside')
    if (log.unseen > 0) await this.#agent.arrived([log])
    mkdirSync(aside, { recursive: true })
    log.move(join(aside, basename(path)))
    this.#note(`${path} is moved out`)
    const [at, sleep] = [this.#dice.random(), this.#dice.random()]
    log.write(this.#dice.int(20))
    if (at < 0.3 && this.#agent.running === undefined) this.#agent.start()
    else if (at < 0.5) await this.#agent.end('SIGKILL')
    await Bun.sleep(sleep * 1500)
    log.write(this.#dice.int(20))
    log.move(path)
    this.#note(`${path} is moved back`)
  }

  async #crashLoop(): Promise<void> {
    await this.#agent.end('SIGKILL')
    for (let n = 2 + this.#dice.int(4); n > 0; n--) {
      const log = this.#dice.pick(this.#logs)
      if (this.#dice.chance(0.5)) this.#write(log, true)
      if (this.#dice.chance(0.4)) await this.#rotate(log)
      if (this.#agent.running === undefined) this.#agent.start()
      await Bun.sleep(this.#dice.random() * 250)
      await this.#agent.end('SIGKILL')
    }
  }

  async #fault(): Promise<void> {
    if (this.#peers.faulty) return
    this.#note(await this.#peers.fail(this.#dice.pick))
    this.stats.faults++
    this.#agent.once = false
  }

  async #pause(): Promise<void> {
    const at = this.#dice.random()
    const most = at < 0.4 ? 0 : at < 0.8 ? 30 : at < 0.96 ? 200 : 500
    if (most > 0) await Bun.sleep(this.#dice.random() * most)
  }

  /** Completes partial lines that are old. */
  #complete(): void {
    for (const log of this.#logs)
      if (log.open && performance.now() - (this.#begunMs.get(log) ?? 0) > OPEN_MS) log.write(0)
  }

  #diceOf(step: number): Dice {
    return new Dice(this.#seed * 1009 + step)
  }

  #lastSteps(): string {
    const steps = this.trace.map((text) => text.split('\n', 1)[0])
    return steps.slice(-SHOWN_STEPS).join('\n')
  }

  #note(what: string): void {
    this.trace.push(`${Math.round(performance.now())} ${what}`)
  }
}
