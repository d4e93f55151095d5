import { readFileSync, statSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Running } from '../process.ts'
import { dumpedFiles, ship } from '../shipping.ts'
import { until } from '../until.ts'
import type { SoakLog } from './log.ts'
import type { SoakPeers } from './peers.ts'
import type { SoakPlan } from './plan.ts'

/** Steps for which the agent is stopped. */
const STOPPED_STEPS = 3

interface Options {
  dir: string
  plan: SoakPlan
  peers: SoakPeers
  logs: readonly SoakLog[]
  stats: { kills: number }
  note: (what: string) => void
}

/** The agent of a soak: it is started, stopped and killed again and again, and has to deliver everything all the same. */
export class SoakAgent {
  /** The agent's process; undefined when none runs. */
  running: Running | undefined
  /** True if a file was unlinked that only the running agent has open. */
  pinned = false
  /** True as long as nothing has happened for which a line may arrive twice. */
  once = true
  readonly #o: Options
  /** Steps until the agent, which is stopped, continues. */
  #stopped = 0

  constructor(o: Options) {
    this.#o = o
  }

  get stopped(): boolean {
    return this.#stopped > 0
  }

  /** Ends a step. */
  tick(): void {
    if (this.#stopped === 1) this.continue()
    else if (this.#stopped > 0) this.#stopped--
  }

  start(): void {
    const { options } = this.#o.plan
    this.running = ship({ dir: this.#o.dir, ports: this.#o.peers.sinks.map((s) => s.port), ...options })
    this.#o.note('start')
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.running === undefined) return
    if (this.pinned) await this.arrived(this.#o.logs)
    this.once = false
    await this.#ended(signal)
  }

  async #ended(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const agent = this.running
    if (agent === undefined) return
    this.continue()
    this.#o.note(signal)
    this.running = undefined
    await agent.stop(signal)
    await this.#o.peers.nextRun()
    this.#o.stats.kills++
    this.#o.note(`ended, with the log:\n${agent.stderr}`)
  }

  stop(): void {
    if (this.running === undefined || this.#stopped > 0) return
    this.running.kill('SIGSTOP')
    this.#stopped = STOPPED_STEPS
    this.#o.note('SIGSTOP')
  }

  continue(): void {
    if (this.#stopped === 0) return
    this.running?.kill('SIGCONT')
    this.#stopped = 0
    this.#o.note('SIGCONT')
  }

  async arrived(logs: readonly SoakLog[]): Promise<void> {
    await this.#o.peers.endFault()
    if (this.running === undefined) this.start()
    this.continue()
    for (const log of this.#o.logs) log.write(0)
    await this.#o.peers.haveAll(logs, this.#o.logs, this.once)
    for (const log of logs) log.unseen = 0
    if (logs === this.#o.logs) this.pinned = false
  }

  /** Waits until everything has arrived; if the agent then ends with everything acknowledged, all offsets are stored. */
  async settle(prunes: boolean): Promise<void> {
    // A line after everything that the agent may repeat, because an earlier run could not store its offset.
    for (const log of this.#o.logs) log.write(log.counts.length)
    await this.arrived(this.#o.logs)
    const agent = this.running
    // Lines that a rotated file has for a second time may come after that line, as there is no order across files.
    if (agent !== undefined) await readAll(agent)
    await this.#ended('SIGTERM')
    if (agent?.stderr.includes('before everything was acknowledged')) return
    await this.#o.peers.ended()
    await this.#o.peers.mark()
    this.#o.note('settled')
    if (prunes) for (const log of this.#o.logs) log.prune()
  }
}

/** Waits until the agent has read all complete lines of the files that it has open. */
async function readAll(agent: Running): Promise<void> {
  let unread: string[] = []
  const isComplete = async (): Promise<boolean> => {
    const files = await dumpedFiles(agent)
    // Another file may have its path by now.
    const isThere = ({ path, inode }: (typeof files)[number]): boolean =>
      statSync(path, { throwIfNoEntry: false })?.ino.toString() === inode
    unread = files.filter((one) => isThere(one) && one.read < endOfLines(one.path)).map(({ path }) => path)
    return unread.length === 0
  }
  await until(isComplete, { everyMs: 50, what: () => `the end of ${unread.join(', ')}` })
}

/** Returns the offset after the last complete line of a file, in its decompressed bytes. */
function endOfLines(path: string): number {
  const bytes = readFileSync(path)
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).lastIndexOf('\n') + 1
}
