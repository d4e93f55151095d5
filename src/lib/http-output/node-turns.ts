import type { OutputContext } from '../../core/plugin.ts'

/** Time for which a node is left out after its first failure; twice as long after each further one. */
const FIRST_WAIT_MS = 1000
const MAX_WAIT_MS = 60_000
/** Number of contradictions from which on a node is left out: one may be of a limit, such as the size of a request, that others do not have. */
const MAX_CONTRADICTIONS = 2
/** Time without an acceptance from which on it is: a node that takes other requests is of use. */
const REFUSES_ALL_MS = 10_000

/** One of several servers that stand for each other. */
export interface Node {
  readonly name: string
  readonly origin: string
  failures: number
  /** Nothing is sent before, unless all nodes are left out. */
  leftOutUntilMs: number
  /** True while that is under way which shows whether a failed node works again. */
  isProbed: boolean
  /** Number of times in a row that it has refused what another node then took. */
  contradictions: number
  /** Time at which it last took a request. */
  takenMs: number
}

/** State of a node at the start. */
export const NEW_NODE = {
  failures: 0,
  leftOutUntilMs: 0,
  isProbed: false,
  contradictions: 0,
  takenMs: Number.NEGATIVE_INFINITY,
}

/**
 * Chooses one node after the other, and leaves out those that fail:
 *
 * ```
 *   works -> failed -> left out for 1, 2, 4 .. 60 s -> chosen once, as a probe -> works, or left out again
 * ```
 */
export class NodeTurns<N extends Node> {
  readonly nodes: readonly N[]
  readonly #ctx: OutputContext
  /** Index of the node that is next in turn. */
  #next = 0

  constructor(nodes: readonly N[], ctx: OutputContext) {
    this.nodes = nodes
    this.#ctx = ctx
  }

  /** Returns the next node in turn that works, else one whose time has come, else the one whose time comes first. */
  choose(tried: ReadonlySet<N>): N {
    const nowMs = this.#ctx.clock.nowMs()
    const count = this.nodes.length
    let best: N | undefined
    for (let i = 0; i < count; i++) {
      const index = (this.#next + i) % count
      const node = this.nodes[index] as N
      if (tried.has(node)) continue
      if (this.isReady(node)) {
        this.#next = (index + 1) % count
        return node
      }
      if (best === undefined || node.leftOutUntilMs < best.leftOutUntilMs) best = node
    }
    return best as N
  }

  /** True for a node that works, or that is to be probed. */
  isReady({ failures, leftOutUntilMs, isProbed }: N): boolean {
    return failures === 0 || (leftOutUntilMs <= this.#ctx.clock.nowMs() && !isProbed)
  }

  /** Sends something to a node; others do not probe it meanwhile. */
  async probe<T>(node: N, send: () => Promise<T>): Promise<T> {
    const isProbe = node.failures > 0
    if (isProbe) node.isProbed = true
    try {
      return await send()
    } finally {
      if (isProbe) node.isProbed = false
    }
  }

  failed(node: N, reason: string): void {
    const { clock, log } = this.#ctx
    const nowMs = clock.nowMs()
    // What was under way when it failed says nothing new.
    if (node.leftOutUntilMs > nowMs) return
    if (node.failures++ === 0)
      log.warn(`node ${node.name} (${node.origin}) is left out until it works again: ${reason}`)
    node.leftOutUntilMs = nowMs + Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (node.failures - 1))
  }

  /** Notes that a node has refused what another one then took. It is left out when it does so with everything. */
  contradicted(node: N, reason: string): void {
    const isUseful = this.#ctx.clock.nowMs() - node.takenMs < REFUSES_ALL_MS
    if (++node.contradictions >= MAX_CONTRADICTIONS && !isUseful)
      this.failed(node, `it refuses requests that another node takes: ${reason}`)
  }

  /** Notes that a node has taken a request. */
  took(node: N): void {
    node.takenMs = this.#ctx.clock.nowMs()
    this.works(node)
  }

  works(node: N): void {
    node.contradictions = 0
    if (node.failures === 0) return
    node.failures = 0
    node.leftOutUntilMs = 0
    this.#ctx.log.info(`node ${node.name} (${node.origin}) works again`)
  }
}
