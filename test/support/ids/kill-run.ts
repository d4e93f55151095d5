import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CuttingProxy } from '../doubles/cutting-proxy.ts'
import { IdStore } from '../doubles/id-store.ts'
import { section } from '../kafka/agent.ts'
import { type Running, start } from '../process.ts'
import { seeded } from '../shipping.ts'
import { tmp } from '../tmp.ts'
import { until } from '../until.ts'

type Options = Record<string, string | number>

/** What a record of a test has in it: its number, or a text that several have. */
const MARK = /n=([a-z0-9]+);/

export interface KillRunInit {
  inputs: Options[]
  seed: number
  service?: Options
  filters?: Options[]
  env?: Record<string, string>
  command?: string[]
  /** Folder of the configuration, in which the agent runs; default: a new one. */
  dir?: string
  /** Probability that the store takes a request and its answer is lost. */
  cutAfterBody?: number
}

/**
 * An agent with the output es, that is killed again and again, and a store that keeps a document once for each id. What is in front of
 * the store takes requests as a whole and loses their answers.
 */
export class KillRun {
  readonly dir: string
  readonly store: IdStore
  readonly proxy: CuttingProxy
  agent: Running | undefined
  readonly #init: KillRunInit
  readonly #random: () => number
  readonly #conf: string

  private constructor(init: KillRunInit, store: IdStore, proxy: CuttingProxy) {
    this.#init = init
    this.dir = init.dir ?? tmp()
    this.store = store
    this.proxy = proxy
    this.#random = seeded(init.seed)
    this.#conf = join(this.dir, 'agent.conf')
    const es = { name: 'es', match: '*', host: '127.0.0.1', port: proxy.port, suppress_type_name: 'on' }
    const small = { flush: 0.05, grace: 5, 'scheduler.base': 0.05, 'scheduler.cap': 0.2, chunk_size: 65_536 }
    const text = [
      section('SERVICE', { ...small, ...init.service }),
      ...init.inputs.map((input) => section('INPUT', input)),
      ...(init.filters ?? []).map((filter) => section('FILTER', { match: '*', ...filter })),
      section('OUTPUT', es),
    ]
    writeFileSync(this.#conf, text.join('\n'))
  }

  static async start(init: KillRunInit): Promise<KillRun> {
    const store = await IdStore.start()
    const { seed, cutAfterBody = 0.3 } = init
    return new KillRun(init, store, await CuttingProxy.start(store.port, { seed, cutAfterBody }))
  }

  startAgent(): Running {
    const { env = {}, command } = this.#init
    this.agent = start(['-c', this.#conf], {
      env,
      cwd: this.dir,
      ...(command === undefined ? {} : { command }),
    })
    return this.agent
  }

  /** Starts the agent; when it is in the middle of some requests, or the store has so many documents, kills it. */
  async runAndKill(give: (agent: Running) => Promise<void> | void, all: () => number): Promise<void> {
    const target = this.proxy.cuts.requests + 1 + Math.floor(this.#random() * 3)
    const agent = this.startAgent()
    const given = Promise.resolve(give(agent))
    // Its senders may be cut off by the kill.
    given.catch(() => {})
    const isTime = (): boolean => this.proxy.cuts.requests >= target || this.store.byId.size >= all()
    await until(() => this.#runs(agent) && isTime(), {
      what: () => `request ${target}, not ${this.proxy.cuts.requests}: ${agent.stderr.slice(-3000)}`,
    })
    await agent.stop('SIGKILL')
    await given.catch(() => {})
  }

  /** Runs the agent until the store has so many documents, or all of them; ends the agent in order. */
  async finish(all: number | (() => boolean)): Promise<void> {
    this.proxy.calm()
    const agent = this.startAgent()
    // Before that, a signal ends it at once.
    await agent.waitForStderr('-> es.0')
    const isOver = typeof all === 'function' ? all : (): boolean => this.store.byId.size >= all
    await until(() => this.#runs(agent) && isOver(), {
      what: () => `all documents, have ${this.store.byId.size}: ${agent.stderr.slice(-3000)}`,
    })
    const exit = await agent.stop()
    if (exit.code !== 0) throw new Error(`the agent has ended with ${exit.code}: ${agent.stderr}`)
  }

  /** Throws when the agent has ended by itself. */
  #runs(agent: Running): true {
    if (agent.exit !== undefined) throw new Error(`the agent has ended: ${agent.stderr}`)
    return true
  }

  /** Returns how many documents of the store have each mark. */
  marks(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const document of this.store.byId.values()) {
      const mark = MARK.exec(document)?.[1] ?? `none: ${document}`
      counts.set(mark, (counts.get(mark) ?? 0) + 1)
    }
    return counts
  }
}

/** Returns what each of the records 0 to `count` is there once looks like, with `equal` of one text. */
export function once(count: number, equal = 0): Map<string, number> {
  const counts = new Map<string, number>()
  for (let n = 0; n < count; n++) counts.set(String(n), 1)
  if (equal > 0) counts.set('equal', equal)
  return counts
}
