import type { Chunk } from '../../../core/chunk.ts'
import { messageOf } from '../../../core/error.ts'
import { encodeStr } from '../../../core/msgpack/encode.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { settledWithin } from '../../../lib/async/settled-within.ts'
import { FixedPairs } from '../../../lib/records/added-pairs.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import { EcsAgent } from './agent.ts'
import type { EcsOptions } from './options.ts'
import { type ClusterValues, FieldTemplate, type TaskValues } from './template.ts'

/** Maximum time by which the first answer delays the start. */
const START_WAIT_MS = 1000
/** Maximum time that lines of files wait for the cluster, and for each container. */
const MAX_WAIT_MS = 5000
/** Pause after a request that brought nothing, while lines wait and after that. */
const RETRY_MS = 1000
const LATER_RETRY_MS = 10_000
/** Maximum number of containers that are remembered; the one that was used least recently is forgotten. */
const MAX_CONTAINERS = 1000
const MAX_REQUESTS = 4
const SHORT_ID_CHARS = 12
const SHORT_ID = /^[0-9a-f]{12}$/

/** What is known of a container. */
interface Container {
  id: string
  pairs: FixedPairs | undefined
  /** Number of answers without a task since it was known last. */
  refusals: number
  lastRequestMs: number
  waitEndMs: number
  request: Promise<void> | undefined
}

/** Adds what the ECS agent of the machine says. Asks in the background; `apply` uses what is known. */
export class Ecs implements Filter {
  readonly #options: EcsOptions
  readonly #ctx: FilterContext
  readonly #templates: readonly FieldTemplate[]
  readonly #agent: EcsAgent | undefined
  readonly #out: EntryOutput
  readonly #closing = new AbortController()
  readonly #containers = new Map<string, Container>()
  readonly #logged = new Set<string>()
  /** Ends of the pauses that lines wait for. */
  readonly #pauses = new Set<() => void>()
  #requests = 0
  #cluster: ClusterValues | undefined
  #clusterPairs: FixedPairs
  #clusterRequest: Promise<void> | undefined
  #lastClusterMs = Number.NEGATIVE_INFINITY
  #clusterWaitEndMs = Number.NEGATIVE_INFINITY

  /** `trial`: nothing is asked for, and records get the fields that are given, if any. */
  constructor(
    options: EcsOptions,
    ctx: FilterContext,
    trial?: { given: Record<string, unknown> | undefined },
  ) {
    this.#options = options
    this.#ctx = ctx
    this.#templates = options.add.map(([key = '', text = '']) => new FieldTemplate(key, text))
    this.#out = new EntryOutput(ctx.buffers)
    const given = Object.entries(trial?.given ?? {}).filter(
      (pair): pair is [string, string] => typeof pair[1] === 'string',
    )
    this.#clusterPairs = new FixedPairs(new Map(given.map(([key, value]) => [key, encodeStr(value)])))
    const { ecsMetaHost, ecsMetaPort } = options
    if (trial === undefined && this.#templates.length > 0)
      this.#agent = new EcsAgent(ecsMetaHost, ecsMetaPort, this.#closing.signal, () =>
        ctx.counters.add('agent_requests'),
      )
  }

  async start(): Promise<void> {
    if (this.#agent === undefined) return
    const { clock } = this.#ctx
    this.#clusterWaitEndMs = clock.nowMs() + MAX_WAIT_MS
    await settledWithin(this.#askCluster(this.#agent), START_WAIT_MS, clock)
  }

  apply(chunk: Chunk): void {
    const pairs = this.#agent === undefined ? this.#clusterPairs : this.#pairsFor(this.#agent, chunk)
    pairs?.addToAll(chunk, this.#out)
  }

  ready(tag: string): Promise<void> | undefined {
    const agent = this.#agent
    if (agent === undefined) return undefined
    const { clock } = this.#ctx
    const now = clock.nowMs()
    if (this.#cluster === undefined) {
      const leftMs = this.#clusterWaitEndMs - now
      if (leftMs <= 0) return undefined
      return settledWithin(this.#pause(this.#lastClusterMs, now) ?? this.#askCluster(agent), leftMs, clock)
    }
    const container = this.#containerOf(tag)
    if (container === undefined || container.pairs !== undefined || this.#isGivenUp(container))
      return undefined
    const leftMs = container.waitEndMs - now
    if (leftMs <= 0) return undefined
    const answer =
      container.request ?? this.#pause(container.lastRequestMs, now) ?? this.#ask(agent, container)
    return settledWithin(answer, leftMs, clock)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const end of [...this.#pauses]) end()
    await this.#clusterRequest
    await Promise.all([...this.#containers.values()].map(({ request }) => request))
    await this.#agent?.close()
  }

  /** Returns what the records of a chunk get, and asks for what is missing. */
  #pairsFor(agent: EcsAgent, chunk: Chunk): FixedPairs | undefined {
    const { clock, counters } = this.#ctx
    const now = clock.nowMs()
    if (this.#cluster === undefined) {
      if (now - this.#lastClusterMs >= LATER_RETRY_MS) void this.#askCluster(agent)
      counters.add('records_incomplete', chunk.count)
      return undefined
    }
    if (this.#options.clusterMetadataOnly) return this.#clusterPairs
    const container = this.#containerOf(chunk.tag)
    if (container === undefined) {
      this.#warnOnce(
        'tag',
        `the tag ${chunk.tag} has no id of a container after Ecs_Tag_Prefix: its records get fields of the cluster only`,
      )
    } else if (this.#isDue(container, now) && this.#requests < MAX_REQUESTS) void this.#ask(agent, container)
    if (container?.pairs !== undefined) return container.pairs
    counters.add('records_incomplete', chunk.count)
    return this.#clusterPairs
  }

  #isGivenUp({ refusals }: Container): boolean {
    return refusals >= this.#options.agentEndpointRetries
  }

  /** True when it is time to ask for a container, also for one that is known or given up. */
  #isDue(container: Container, now: number): boolean {
    const isSettled = container.pairs !== undefined || this.#isGivenUp(container)
    return now - container.lastRequestMs >= (isSettled ? this.#options.ecsMetaCacheTtl : LATER_RETRY_MS)
  }

  /** Returns the container of a tag, remembered from now on; undefined for a tag that has none. */
  #containerOf(tag: string): Container | undefined {
    const { ecsTagPrefix: prefix, clusterMetadataOnly } = this.#options
    if (clusterMetadataOnly || !tag.startsWith(prefix)) return undefined
    const id = tag.slice(prefix.length, prefix.length + SHORT_ID_CHARS)
    if (!SHORT_ID.test(id)) return undefined
    const known = this.#containers.get(id)
    if (known !== undefined) {
      // The order of the map is that of use.
      this.#containers.delete(id)
      this.#containers.set(id, known)
      return known
    }
    if (this.#containers.size >= MAX_CONTAINERS) {
      const [oldest] = this.#containers.keys()
      if (oldest !== undefined) this.#containers.delete(oldest)
    }
    const container: Container = {
      ...{ id, pairs: undefined, refusals: 0, lastRequestMs: Number.NEGATIVE_INFINITY },
      ...{ waitEndMs: this.#ctx.clock.nowMs() + MAX_WAIT_MS, request: undefined },
    }
    this.#containers.set(id, container)
    return container
  }

  /** Returns a promise for the rest of the pause after a request, or undefined when it is over. */
  #pause(lastMs: number, now: number): Promise<void> | undefined {
    const leftMs = lastMs + RETRY_MS - now
    return leftMs <= 0 ? undefined : this.#sleep(leftMs)
  }

  /** Resolves after a time, or when the filter is closed. */
  #sleep(ms: number): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        this.#ctx.clock.cancel(timer)
        this.#pauses.delete(end)
        resolve()
      }
      const timer = this.#ctx.clock.after(ms, end)
      this.#pauses.add(end)
    })
  }

  /** Asks for the cluster; resolves also when it fails. */
  #askCluster(agent: EcsAgent): Promise<void> {
    this.#clusterRequest ??= this.#fetchCluster(agent).finally(() => {
      this.#clusterRequest = undefined
    })
    return this.#clusterRequest
  }

  async #fetchCluster(agent: EcsAgent): Promise<void> {
    this.#lastClusterMs = this.#ctx.clock.nowMs()
    try {
      this.#cluster = await agent.cluster()
      this.#clusterPairs = this.#pairsOf(this.#cluster)
    } catch (error) {
      this.#failed('cluster', 'no metadata of the cluster: records go on without fields of ECS', error)
    }
  }

  /** Asks for a container; resolves also when it fails. */
  #ask(agent: EcsAgent, container: Container): Promise<void> {
    if (container.request !== undefined) return container.request
    // More are asked for when these have been answered.
    if (this.#requests >= MAX_REQUESTS) return this.#sleep(RETRY_MS)
    this.#requests++
    container.request = this.#fetchTask(agent, container).finally(() => {
      this.#requests--
      container.request = undefined
    })
    return container.request
  }

  async #fetchTask(agent: EcsAgent, container: Container): Promise<void> {
    const isRetry = container.lastRequestMs > Number.NEGATIVE_INFINITY
    container.lastRequestMs = this.#ctx.clock.nowMs()
    // A container that was given up gets all its attempts again after the time of the cache.
    if (isRetry && this.#isGivenUp(container)) container.refusals = 0
    try {
      const values = await agent.task(container.id)
      if (values !== undefined) {
        container.refusals = 0
        container.pairs = this.#pairsOf({ ...this.#cluster, ...values })
        return
      }
      container.refusals++
      this.#ctx.counters.add('containers_unknown')
      this.#warnOnce(
        'task',
        `the ECS agent knows no task with container ${container.id}: its records get fields of the cluster only`,
      )
    } catch (error) {
      this.#failed(
        'agent',
        `no metadata of container ${container.id}: its records get fields of the cluster only`,
        error,
      )
    }
  }

  #pairsOf(values: Partial<ClusterValues & TaskValues>): FixedPairs {
    const pairs = new Map<string, Buffer>()
    for (const template of this.#templates) {
      const text = template.textOf(values)
      if (text !== undefined) pairs.set(template.key, encodeStr(text))
    }
    return new FixedPairs(pairs)
  }

  #failed(kind: string, message: string, error: unknown): void {
    if (this.#closing.signal.aborted) return
    this.#ctx.counters.add('agent_failures')
    this.#warnOnce(kind, `${message}: ${messageOf(error)}`)
  }

  /** Logs the first problem of each kind: others are counted. */
  #warnOnce(kind: string, message: string): void {
    if (this.#logged.has(kind)) return
    this.#logged.add(kind)
    this.#ctx.log.warn(message, { hint: 'see docs/plugins/filter-ecs.md; later ones are counted only' })
  }
}
