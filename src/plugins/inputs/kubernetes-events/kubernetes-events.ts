import { messageOf } from '../../../core/error.ts'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { ApiError, type KubeClient } from '../../../lib/kubernetes/client.ts'
import { ListWatch } from '../../../lib/kubernetes/list-watch.ts'
import { createKubeClient, credentialNotes } from '../../../lib/kubernetes/options.ts'
import { openDatabase } from '../../../lib/plugin/database-options.ts'
import { EventPositions } from './event-positions.ts'
import { EventSource, oldestSeconds } from './event-source.ts'
import type { KubernetesEventsOptions } from './options.ts'

/** Maximum size of one event: the store of the API server takes no larger objects. */
const MAX_EVENT_BYTES = 4_000_000
const HINTS = {
  unreachable: 'check Kube_URL and the network; reading resumes by itself',
  unauthorized: 'check that Kube_Token_File has a token of this cluster that has not expired',
  forbidden:
    'grant the service account list and watch on events, as in conf/kubernetes-events/rbac.yaml, or with Helm set `kubernetesEvents.enabled`',
  token: 'make Kube_Token_File a regular file that this user may read',
}
/** Wait after a forbidden list or watch, doubled each time: missing rights may be granted later. */
const MIN_FORBIDDEN_RETRY_MS = 5000
const MAX_FORBIDDEN_RETRY_MS = 300_000

/** Reads the events of a Kubernetes cluster by a list and a watch. */
export class KubernetesEventsInput implements Input {
  readonly #options: KubernetesEventsOptions
  readonly #ctx: InputContext
  readonly #client: KubeClient
  /** Undefined until the database is open. */
  #positions: EventPositions | undefined
  #watch: ListWatch | undefined
  #forbiddenCount = 0

  constructor(options: KubernetesEventsOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
    this.#client = createKubeClient(options, {
      url: options.kubeUrl,
      serverName: options.tlsVhost,
      maxObjectBytes: MAX_EVENT_BYTES,
      agentVersion: ctx.agent.version,
      hints: HINTS,
      nowMs: () => ctx.clock.nowMs(),
      counters: ctx.counters,
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, counters, log, tag } = this.#ctx
    const store = await openDatabase(this.#ctx, this.#options, ownerOf(this.#options, tag))
    const after = oldestSeconds(this.#options, clock.nowMs())
    const positions = new EventPositions(store, after, { clock, log })
    this.#positions = positions
    const client = this.#client
    const source = new EventSource(this.#options, this.#ctx, {
      client,
      positions,
      signal,
      onEstablished: () => {
        this.#forbiddenCount = 0
      },
    })
    for (const note of credentialNotes(this.#options)) log.warn(note)
    const watchSeconds = Math.ceil(this.#options.kubeWatchTimeout / 1000)
    while (!signal.aborted) {
      const startVersion = positions.read === undefined ? undefined : String(positions.read)
      const services = { client, objects: source, clock, counters, log }
      this.#watch = new ListWatch({ ...services, startVersion, watchSeconds, maxJitterMs: 0 })
      try {
        await this.#watch.run(signal)
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        await sleep(this.#recordForbidden(error), clock, signal)
      }
    }
  }

  async close(): Promise<void> {
    await this.#client.close()
    this.#positions?.close()
  }

  status(): InputStatus {
    const { kubeUrl, kubeNamespace } = this.#options
    return {
      server: kubeUrl,
      namespace: kubeNamespace ?? 'all',
      watching: this.#watch?.isOpen ?? false,
      // Larger than a number may be.
      read: this.#positions?.read?.toString(),
      acked: this.#positions?.acked?.toString(),
    }
  }

  /** Counts and logs that a list or watch is forbidden; returns the wait before the next one. */
  #recordForbidden(error: ApiError): number {
    const { counters, log } = this.#ctx
    counters.add('api_errors')
    if (this.#forbiddenCount++ === 0)
      log.error(`cannot read events, trying again: ${messageOf(error)}`, {
        code: error.code,
        hint: error.hint,
      })
    const waitMs = MIN_FORBIDDEN_RETRY_MS * 2 ** Math.min(this.#forbiddenCount - 1, 20)
    return Math.min(MAX_FORBIDDEN_RETRY_MS, waitMs) * (0.5 + 0.5 * Math.random())
  }
}

/** Returns the owner of the position: the events of one namespace of one server, for one tag. */
export function ownerOf({ kubeUrl, kubeNamespace = '' }: KubernetesEventsOptions, tag: string): string {
  return `kubernetes_events ${kubeUrl} ${kubeNamespace} ${tag}`
}
