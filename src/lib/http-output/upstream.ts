import { ShipperError } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type { Connections, HttpSender } from './api.ts'
import { HttpConnections, type ServerOptions } from './connect.ts'
import { NEW_NODE } from './node-turns.ts'
import { basicAuth } from './request-headers.ts'
import { NODE_OPTIONS } from './upstream-options.ts'
import { type ConnectedNode, UpstreamSender } from './upstream-sender.ts'
import { type UpstreamNode, upstreamNodes } from './upstream-value.ts'

type Options = ServerOptions & { upstream?: string | undefined; awsAuth?: boolean }

/** Returns the options with those of the only node of an upstream; unchanged when there are several, or none. */
export function withOnlyNode<T extends Options>(options: T): T {
  if (options.upstream === undefined) return options
  const [node, ...others] = upstreamNodes(options.upstream, NODE_OPTIONS)
  return node === undefined || others.length > 0
    ? options
    : { ...options, ...node.options, upstream: undefined }
}

/** Returns the connections of an output: to its server, or to the nodes of its upstream. Throws E_CONFIG_BAD_VALUE. */
export function connectionsOf(options: Options, ctx: OutputContext): Connections {
  const { upstream, awsAuth } = options
  if (upstream === undefined) return new HttpConnections(options, ctx)
  if (awsAuth === true)
    throw new ShipperError(
      'E_CONFIG_BAD_VALUE',
      'upstream has several nodes, and a signature is for one host',
      {
        option: 'upstream',
        hint: 'leave out aws_auth, or give Host and Port of one server',
      },
    )
  return new UpstreamConnections(options, upstream, ctx)
}

/** Connections to several servers that stand for each other, see UpstreamSender. */
class UpstreamConnections implements Connections {
  readonly origin: string
  readonly servers: number
  /** Passwords of the nodes, and the headers with them. */
  readonly secrets: readonly string[]
  readonly #nodes: readonly ConnectedNode[]
  readonly #ctx: OutputContext

  constructor(options: Options, upstream: string, ctx: OutputContext) {
    this.#ctx = ctx
    const secrets: string[] = []
    this.secrets = secrets
    this.#nodes = upstreamNodes(upstream, NODE_OPTIONS).map(({ name, options: own }) => {
      const user = own.httpUser as string | undefined
      const password = (own.httpPasswd as string | undefined) ?? ''
      const headers = basicAuth(user, password)
      secrets.push(password, ...Object.values(headers).map((value) => value.replace(/^Basic /, '')))
      const connections = new HttpConnections({ ...options, ...own }, ctx)
      const { origin } = connections
      return { ...NEW_NODE, name, origin, connections, headers, sender: undefined }
    })
    this.servers = this.#nodes.length
    this.origin = this.#nodes.map(({ connections }) => connections.origin).join(', ')
  }

  get responseTimeoutMs(): number {
    return this.#first.responseTimeoutMs
  }

  get readTimeoutMs(): number {
    return this.#first.readTimeoutMs
  }

  get closedHint(): string | undefined {
    return this.#first.closedHint
  }

  get maxRequests(): number | undefined {
    const { maxRequests } = this.#first
    return maxRequests === undefined ? undefined : maxRequests * this.#nodes.length
  }

  start(): void {
    for (const { connections } of this.#nodes) connections.start()
  }

  createSender(): HttpSender {
    return new UpstreamSender(this.#nodes, this.#ctx)
  }

  get #first(): HttpConnections {
    return (this.#nodes[0] as ConnectedNode).connections
  }
}
