import { expect } from 'bun:test'
import { EsApi } from '../doubles/es.ts'
import { Ledger } from '../doubles/ledger.ts'
import {
  type StoreAnswer,
  type StoreContext,
  StoreDouble,
  type StoreRequest,
} from '../doubles/store-double.ts'
import { peakBytes } from '../shipping.ts'
import { HANG_MS, until, untilReaches } from '../until.ts'
import { KubeNode } from './node.ts'
import { dockerId, type PodObject, podOf } from './pods.ts'

/** An API server that has pods. */
interface PodsApi {
  url: string
  authority?: { cert: string } | undefined
  create(pod: PodObject): PodObject | Promise<PodObject>
  remove(pod: PodObject): void | Promise<void>
}

export interface PodsOutageInit {
  api: PodsApi
  token?: string
  seconds: number
  /** Pods in the course of the outage. */
  pods: number
  /** Pods that exist at the same time. */
  alive: number
  /** Lines of a pod: a part at each change of the pods, all before it is deleted. */
  linesOfPod: number
}

/** The bulk API, with a ledger by pod; it looks at the metadata of each record. */
class EsOfPods extends EsApi {
  readonly byPod = new Ledger()
  /** Records without the labels of the pod that wrote them, or with those of another. */
  unlabeled = 0

  override handle(request: StoreRequest, store: StoreContext): StoreAnswer {
    const answer = super.handle(request, store)
    if (answer.status !== 200 || request.method !== 'POST') return answer
    const lines = request.content.toString().split('\n')
    for (let i = 1; i < lines.length; i += 2) {
      const record = JSON.parse(lines[i] ?? '') as { log: string; kubernetes?: { labels?: { app?: string } } }
      const pod = record.log.split(' ')[1] ?? ''
      if (record.kubernetes?.labels?.app !== pod) this.unlabeled++
      this.byPod.keep(record.log, pod)
    }
    return answer
  }
}

const MEMORY_LIMIT = 4_000_000
const TEXT = 'the quick brown fox jumps over the lazy dog '.repeat(2).trim()

/**
 * A store is away while pods come, write, and are deleted with their logs; then it returns. Returns what became of their lines,
 * and the agent's highest resident memory in bytes before, after a quarter of the outage, at its end and at the end of all.
 */
export async function outageWithPods(init: PodsOutageInit) {
  const { api, seconds, alive } = init
  const store = await StoreDouble.start(new EsOfPods(), { lean: true })
  const node = new KubeNode(api)
  if (init.token !== undefined) node.token = init.token
  const pods = new Pods(init, node)
  const agent = node.agent(
    {},
    { refresh_interval: '0.5' },
    { name: 'es', match: '*', host: '127.0.0.1', port: String(store.port), 'http.response_timeout': '1' },
    { memory_limit: String(MEMORY_LIMIT), 'scheduler.base': '1', 'scheduler.cap': '2' },
  )
  const what = (): string =>
    `${store.ledger.settled} of ${pods.written}: ${agent.process.stderr.slice(-3000)}`
  const arrive = (): Promise<void> =>
    untilReaches(pods.written, () => store.ledger.settled, { everyMs: 50, what })
  // None of these is deleted before the agent has seen it.
  for (let i = 1; i < alive; i++) await pods.change()
  await arrive()
  const peaks = { before: peakBytes(agent.process), quarter: 0, end: 0, caughtUp: 0 }
  await store.down()
  const beganMs = performance.now()
  for (let i = 1; i <= init.pods; i++) {
    await pods.change()
    const endMs = beganMs + (seconds * 1000 * i) / init.pods
    await until(() => performance.now() >= endMs, { limitMs: seconds * 1000 + HANG_MS, everyMs: 20 })
    if (i === Math.ceil(init.pods / 4)) peaks.quarter = peakBytes(agent.process)
  }
  peaks.end = peakBytes(agent.process)
  expect(store.ledger.settled).toBeLessThan(pods.written / 2)
  await store.up()
  await pods.change()
  await arrive()
  peaks.caughtUp = peakBytes(agent.process)
  const { stderr } = agent.process
  expect((await agent.process.stop()).code).toBe(0)
  expect(store.bad).toEqual([])
  const { disorder } = store.api.byPod.report(0)
  const { kept, twice, missing, first, refused } = store.ledger.report(pods.written)
  const fates = { kept, twice, missing, first, refused, disorder, unlabeled: store.api.unlabeled }
  return { fates, written: pods.written, deleted: pods.deleted, peaks, stderr }
}

/** Pods that come and go on a node. The lines of all of them are numbered in one series. */
class Pods {
  written = 0
  deleted = 0
  readonly #init: PodsOutageInit
  readonly #node: KubeNode
  readonly #alive: PodObject[] = []
  #made = 0

  constructor(init: PodsOutageInit, node: KubeNode) {
    this.#init = init
    this.#node = node
  }

  /** Each pod writes a part of its lines; the oldest one is deleted with its logs if there are enough, and a new one comes. */
  async change(): Promise<void> {
    const { api, alive, linesOfPod } = this.#init
    const name = `pod-${this.#made++}`
    this.#alive.push(await api.create(podOf({ name, labels: { app: name }, dockerId: dockerId(name) })))
    for (const pod of this.#alive) this.#write(pod, Math.ceil(linesOfPod / alive))
    const oldest = this.#alive.length >= alive ? this.#alive.shift() : undefined
    if (oldest === undefined) return
    await api.remove(oldest)
    this.#node.remove(oldest)
    this.deleted++
  }

  #write(pod: PodObject, count: number): void {
    const lines = Array.from({ length: count }, () => `${this.written++} ${pod.metadata.name} ${TEXT}`)
    this.#node.log(pod, ...lines)
  }
}
