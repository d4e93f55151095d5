import type { Chunk } from '../../core/chunk.ts'
import { messageOf, ShipperError } from '../../core/error.ts'
import type { Output, OutputContext } from '../../core/plugin.ts'
import type { HttpOutput } from './http-output.ts'
import { NEW_NODE, type Node, NodeTurns } from './node-turns.ts'
import { RequestRefused } from './request-refused.ts'

/** A node whose requests are not those of others: they differ in what its options say. */
export interface OwnNode {
  readonly name: string
  readonly origin: string
  readonly output: HttpOutput
}

type RunningNode = OwnNode & Node

/** The chunks of a tag that are under way. */
interface TagLane {
  node: RunningNode | undefined
  chunks: number
}

/**
 * An output to several servers each of which has requests of its own: chunks go to them in turn, those of a tag to the same one while
 * any is under way. A chunk goes to the next node at once when a node has failed or has refused it as a whole, but not when records of it
 * have a fate there: no other node knows which.
 */
export class NodeOutputs implements Output {
  readonly #turns: NodeTurns<RunningNode>
  readonly #ctx: OutputContext
  readonly #lanes = new Map<string, TagLane>()
  /** Nodes of the chunks of which some records have a fate. */
  readonly #kept = new Map<Chunk, RunningNode>()

  constructor(nodes: readonly OwnNode[], ctx: OutputContext) {
    this.#turns = new NodeTurns(
      nodes.map((node) => ({ ...node, ...NEW_NODE })),
      ctx,
    )
    this.#ctx = ctx
    for (const node of this.#turns.nodes)
      node.output.later.isElsewhere = (chunk) => {
        const holder = this.#holderOf(chunk)
        return holder !== undefined && holder !== node
      }
  }

  async start(): Promise<void> {
    for (const { output } of this.#turns.nodes) await output.start()
  }

  async flush(chunk: Chunk): Promise<void> {
    const lane = this.#lanes.get(chunk.tag) ?? { node: undefined, chunks: 0 }
    this.#lanes.set(chunk.tag, lane)
    lane.chunks++
    try {
      await this.#deliver(chunk, lane)
    } finally {
      if (--lane.chunks === 0) this.#lanes.delete(chunk.tag)
    }
  }

  forget(chunk: Chunk): void {
    this.#kept.delete(chunk)
    for (const { output } of this.#turns.nodes) output.forget(chunk)
  }

  async close(): Promise<void> {
    await Promise.all(this.#turns.nodes.map(({ output }) => output.close()))
  }

  async #deliver(chunk: Chunk, lane: TagLane): Promise<void> {
    const { nodes } = this.#turns
    const tried = new Set<RunningNode>()
    const refusals = new Map<RunningNode, string>()
    for (;;) {
      const node = this.#nodeFor(chunk, lane, tried)
      tried.add(node)
      try {
        await this.#turns.probe(node, () => node.output.flush(chunk))
        this.#delivered(chunk, node, refusals)
        return
      } catch (error) {
        const mayMove = this.#failed(chunk, node, error)
        if (mayMove && error instanceof RequestRefused) refusals.set(node, messageOf(error))
        if (mayMove && lane.node === node) lane.node = undefined
        if (!mayMove || tried.size === nodes.length) throw this.#blamed(node, error)
      }
    }
  }

  /** Notes that a node has delivered a chunk which others have refused as a whole before. */
  #delivered(chunk: Chunk, node: RunningNode, refusals: ReadonlyMap<RunningNode, string>): void {
    this.#turns.took(node)
    this.#kept.delete(chunk)
    for (const other of this.#turns.nodes) if (other !== node) other.output.forget(chunk)
    for (const [other, reason] of refusals) this.#turns.contradicted(other, reason)
  }

  /** Returns the error of a node as one of the chunk alone, while others work: they go on with other chunks. */
  #blamed(node: RunningNode, error: unknown): unknown {
    const isAlone = this.#turns.nodes.some((other) => other !== node && other.failures === 0)
    if (!isAlone || !(error instanceof ShipperError) || error.scope !== 'peer') return error
    const { code, message, retryable, hasProgress, hint, cause } = error
    return new ShipperError(code, message, { scope: 'chunk', retryable, hasProgress, hint, cause })
  }

  #nodeFor(chunk: Chunk, lane: TagLane, tried: ReadonlySet<RunningNode>): RunningNode {
    const kept = this.#kept.get(chunk) ?? this.#holderOf(chunk)
    if (kept !== undefined) return kept
    if (lane.node === undefined || tried.has(lane.node)) lane.node = this.#turns.choose(tried)
    return lane.node
  }

  /** Returns the node that has delivered, or refused, records of a chunk; undefined when none has. */
  #holderOf(chunk: Chunk): RunningNode | undefined {
    return this.#turns.nodes.find(({ output }) => output.hasFates(chunk))
  }

  /** Notes that a node has not taken a chunk; returns true when another one may get it. */
  #failed(chunk: Chunk, node: RunningNode, error: unknown): boolean {
    if (this.#ctx.signal.aborted || !(error instanceof ShipperError) || !error.retryable) return false
    if (error.scope === 'peer') this.#turns.failed(node, messageOf(error))
    if (node.output.hasFates(chunk)) {
      this.#kept.set(chunk, node)
      return false
    }
    this.#kept.delete(chunk)
    // What is in doubt stays so: it is refused there for good only when it is refused again.
    if (error instanceof RequestRefused) return true
    node.output.forget(chunk)
    return error.scope === 'peer'
  }
}
