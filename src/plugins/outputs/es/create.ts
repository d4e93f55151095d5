import { ShipperError, type SourceLocation } from '../../../core/error.ts'
import { camelName } from '../../../core/options/option.ts'
import { secretValues } from '../../../core/options/secret-values.ts'
import type { Output, OutputContext } from '../../../core/plugin.ts'
import { createBulkOutput } from '../../../lib/bulk/create.ts'
import type { Connections } from '../../../lib/http-output/api.ts'
import { HttpConnections } from '../../../lib/http-output/connect.ts'
import type { HttpOutput } from '../../../lib/http-output/http-output.ts'
import { NodeOutputs, type OwnNode } from '../../../lib/http-output/node-outputs.ts'
import { connectionsOf } from '../../../lib/http-output/upstream.ts'
import { NODE_OPTIONS } from '../../../lib/http-output/upstream-options.ts'
import {
  type NodeLocations,
  nodeLocations,
  type UpstreamNode,
  upstreamNodes,
} from '../../../lib/http-output/upstream-value.ts'
import { addressOf } from './address.ts'
import { ES_NODE_OPTIONS, type EsNodeOptions, type EsOptions } from './options.ts'

const SHARED = new Set(Object.keys(NODE_OPTIONS).map(camelName))

/** Creates the output. Throws E_CONFIG_BAD_VALUE. */
export function createEs(options: EsOptions, ctx: OutputContext): Output {
  const { cloudId, upstream } = options
  if (upstream === undefined) {
    // A deployment in the cloud takes no request without TLS, and credentials must not go there in the clear.
    const server = cloudId === undefined ? options : { ...options, ...addressOf(options), tls: true }
    return toServer(server, new HttpConnections(server, ctx), ctx)
  }
  if (cloudId !== undefined)
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'cloud_id and upstream are both set', {
      option: 'cloud_id',
      hint: 'leave out one of them: Cloud_ID is the address of a deployment, and Upstream names the servers',
    })
  const nodes = upstreamNodes(upstream, ES_NODE_OPTIONS)
  // Their options are of the connections: any node takes any request.
  const isShared =
    nodes.length > 1 && nodes.every(({ options: own }) => Object.keys(own).every((name) => SHARED.has(name)))
  if (isShared && !options.awsAuth) return toServer(options, connectionsOf(options, ctx), ctx)
  const locations = nodeLocations(upstream)
  const created = nodes.map((node, i) => toNode(node, options, ctx, locations[i] ?? {}))
  const [only] = created
  return created.length === 1 && only !== undefined ? only.output : new NodeOutputs(created, ctx)
}

function toNode(
  { name, options: own }: UpstreamNode,
  options: EsOptions,
  ctx: OutputContext,
  at: NodeLocations,
): OwnNode {
  const server = { ...options, ...own }
  const connections = new HttpConnections(server, ctx, secretValues(ES_NODE_OPTIONS, own))
  try {
    return { name, origin: connections.origin, output: toServer(server, connections, ctx) }
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    const { code, message, hint, option } = error
    throw new ShipperError(code, `node ${name}: ${message}`, {
      hint,
      ...(option === undefined ? {} : { option }),
      ...locationIn(at, option),
    })
  }
}

/** Returns the location of an option that the node has of its own; one of the output has its own place. */
function locationIn(at: NodeLocations, option: string | undefined): { location?: SourceLocation } {
  const location = (option === undefined ? undefined : at[option]) ?? at['']
  return location === undefined ? {} : { location }
}

function toServer(options: EsNodeOptions, connections: Connections, ctx: OutputContext): HttpOutput {
  const { httpApiKey, cloudAuth, httpUser } = options
  const at = cloudAuth?.indexOf(':') ?? -1
  const login =
    cloudAuth === undefined ? {} : { httpUser: cloudAuth.slice(0, at), httpPasswd: cloudAuth.slice(at + 1) }
  if (httpApiKey !== undefined && (httpUser !== undefined || cloudAuth !== undefined))
    ctx.log.warn(
      `${cloudAuth === undefined ? 'HTTP_User and HTTP_Passwd are' : 'Cloud_Auth is'} not sent, because HTTP_API_Key is set`,
    )
  const headers: Record<string, string> =
    httpApiKey === undefined ? {} : { authorization: `ApiKey ${httpApiKey}` }
  return createBulkOutput({ ...options, ...login }, connections, ctx, headers)
}
