import { messageOf } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import { HttpError } from '../http/http-error.ts'
import { beginningOf } from './answer-text.ts'
import type { HttpSender, Judgement, SenderResponse, SentRequest } from './api.ts'
import type { HttpConnections } from './connect.ts'
import { wordsOf } from './judge-status.ts'
import { type Node, NodeTurns } from './node-turns.ts'

/** Refusals of a request as a whole, as `judgeStatus` has them: some record may be at fault, or the node. */
const REFUSED: ReadonlySet<number> = new Set([400, 413, 422])
/** Answers that ask for less, which say nothing against a node. */
const OVERLOADED: ReadonlySet<number> = new Set([408, 429])

export interface ConnectedNode extends Node {
  readonly connections: HttpConnections
  /** Headers of its own. */
  readonly headers: Readonly<Record<string, string>>
  sender: HttpSender | undefined
}

/** An answer with which a node has taken nothing, while others are asked. */
interface HeldAnswer {
  readonly node: ConnectedNode
  readonly response: SenderResponse
  readonly words: string
}

/**
 * Sends requests to several servers that stand for each other, in turn, as NodeTurns has it. A request that a node has not seen, or with
 * whose answer it has taken nothing (3xx, 4xx), goes to the next one at once:
 *
 * ```
 *   a node takes it                       those that have refused it contradict it: they are left out when they refuse everything
 *   none takes it, some refuse it         a refusal by those (400, 413, 422): see `findRefused`
 *   all answer something else             the first answer
 *   it is not known (5xx, no answer)      the caller sends it again, and then gets another node, as this one is left out
 * ```
 */
export class UpstreamSender implements HttpSender {
  readonly #turns: NodeTurns<ConnectedNode>

  constructor(nodes: readonly ConnectedNode[], ctx: OutputContext) {
    this.#turns = new NodeTurns(nodes, ctx)
  }

  async send(request: SentRequest): Promise<SenderResponse> {
    const tried = new Set<ConnectedNode>()
    const held: HeldAnswer[] = []
    for (;;) {
      const node = this.#turns.choose(tried)
      tried.add(node)
      const isLast = !this.#mayAsk(tried)
      let response: SenderResponse
      try {
        response = await this.#sendTo(node, request)
      } catch (error) {
        if (request.signal.aborted || !isUnseen(error)) throw error
        if (tried.size < this.#turns.nodes.length && (held.length === 0 || !isLast)) continue
        if (held.length === 0) throw error
        return this.#untaken(held)
      }
      if (!hasTakenNothing(response.status)) return this.#answered(node, response, held)
      // Without another one to ask, its text need not be read here.
      if (isLast && held.length === 0) return this.#answered(node, response, held)
      held.push(await holdBack(node, response, request))
      if (isLast || request.signal.aborted) return this.#untaken(held)
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#turns.nodes.map(async (node) => {
        const { sender } = node
        node.sender = undefined
        await sender?.close()
      }),
    )
  }

  /** True when another node works, or is to be probed: one that has failed just now is not asked what it thinks of a refusal. */
  #mayAsk(tried: ReadonlySet<ConnectedNode>): boolean {
    return this.#turns.nodes.some((node) => !tried.has(node) && this.#turns.isReady(node))
  }

  async #sendTo(node: ConnectedNode, request: SentRequest): Promise<SenderResponse> {
    node.sender ??= node.connections.createSender()
    const { sender } = node
    try {
      const headers = { ...request.headers, ...node.headers }
      return await this.#turns.probe(node, () => sender.send({ ...request, headers }))
    } catch (error) {
      if (!request.signal.aborted) this.#turns.failed(node, messageOf(error))
      throw error
    }
  }

  /** Returns the answer of one node, which says something about those with other answers as soon as it is known what it is. */
  #answered(node: ConnectedNode, response: SenderResponse, others: readonly HeldAnswer[]): SenderResponse {
    const { status } = response
    return {
      status,
      header: (name) => response.header(name),
      body: response.body,
      discard: () => response.discard(),
      nodes: [nameOf(node)],
      judged: (judgement) => this.#judged(node, status, judgement, others),
    }
  }

  /** Returns the answer to a request that no node has taken: a refusal before others, which say nothing about the records. */
  #untaken(held: readonly HeldAnswer[]): SenderResponse {
    const refusals = held.filter(({ response }) => REFUSED.has(response.status))
    const [first] = refusals.length === 0 ? held : refusals
    const nodes = (refusals.length === 0 ? held : refusals).map(({ node }) => nameOf(node))
    const { response } = first as HeldAnswer
    return {
      ...response,
      nodes,
      judged: () => {
        if (refusals.length > 0) this.#failOthers(held)
      },
    }
  }

  #judged(node: ConnectedNode, status: number, judgement: Judgement, others: readonly HeldAnswer[]): void {
    const { kind } = judgement
    if (kind === 'failed') {
      if (!OVERLOADED.has(status)) this.#turns.failed(node, this.#reasonOf(judgement.error.message))
      return
    }
    // A refusal says nothing about a node as long as no other one has taken the same.
    if (kind === 'bad' || kind === 'too large') {
      if (node.contradictions === 0) this.#turns.works(node)
      return
    }
    this.#turns.took(node)
    for (const other of others)
      if (REFUSED.has(other.response.status)) this.#turns.contradicted(other.node, other.words)
    this.#failOthers(others)
  }

  /** Leaves out the nodes whose answers are about them, and not about the request. */
  #failOthers(held: readonly HeldAnswer[]): void {
    for (const { node, response, words } of held)
      if (!REFUSED.has(response.status)) this.#turns.failed(node, words)
  }

  /** Returns an error without the names of all nodes. */
  #reasonOf(message: string): string {
    const peer = `${this.#turns.nodes.map(({ origin }) => origin).join(', ')}: `
    return message.startsWith(peer) ? message.slice(peer.length) : message
  }
}

/** True for an answer with which a node has taken nothing for sure, and another one may. */
function hasTakenNothing(status: number): boolean {
  return status >= 300 && status < 500 && !OVERLOADED.has(status)
}

function isUnseen(error: unknown): boolean {
  return error instanceof HttpError && !error.wasSent && error.retryable
}

/** Reads the beginning of an answer, so that its connection is free while others are asked. */
async function holdBack(
  node: ConnectedNode,
  response: SenderResponse,
  { answerTimeoutMs }: SentRequest,
): Promise<HeldAnswer> {
  const { status } = response
  const text = await beginningOf(response, answerTimeoutMs)
  response.discard()
  const kept: SenderResponse = {
    status,
    header: (name) => response.header(name),
    body: (async function* () {
      yield Buffer.from(text)
    })(),
    discard: () => {},
  }
  return { node, response: kept, words: wordsOf({ status, text }) }
}

/** Returns a name that no other server of the same upstream has: two may be called the same. */
function nameOf({ name, origin }: ConnectedNode): string {
  return `${name} (${origin})`
}
