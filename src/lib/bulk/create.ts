import type { OutputContext } from '../../core/plugin.ts'
import { authorizerOf } from '../aws/auth-option.ts'
import type { Connections } from '../http-output/api.ts'
import { codingOf } from '../http-output/compress-option.ts'
import { HttpOutput } from '../http-output/http-output.ts'
import { basicAuth } from '../http-output/request-headers.ts'
import { BulkApi } from './api.ts'
import { generatesIds } from './encoder.ts'
import { indexNameFault } from './index-fault.ts'
import type { BulkOptions } from './options.ts'

/** Creates an output to a server with the bulk API. `headers`: those of its authentication. */
export function createBulkOutput(
  options: BulkOptions,
  connections: Connections,
  ctx: OutputContext,
  headers: Record<string, string> = {},
): HttpOutput {
  if (options.writeOperation === 'create' && options.idKey === undefined && !generatesIds(options))
    ctx.log.warn(
      'Generate_ID is off: a document whose request gets no answer is sent again, and may be duplicated',
      {},
      'no ids',
    )
  if (options.type !== undefined && options.suppressTypeName === undefined)
    ctx.log.warn(
      'Type is sent as `_type`, which Elasticsearch 8 and OpenSearch 2 refuse: remove Type; for an older server, set Suppress_Type_Name off',
      {},
      'type',
    )
  const fault = indexNameFault(options)
  if (fault !== undefined)
    ctx.log.warn(
      `the name of the index ${fault}: Elasticsearch and OpenSearch refuse it, and the records wait`,
      { hint: 'write names of indexes in lower case' },
      'index name',
    )
  return new HttpOutput(
    {
      api: new BulkApi(options, connections.origin, ctx),
      connections,
      headers: {
        'user-agent': `shipper/${ctx.agent.version}`,
        ...basicAuth(options.httpUser, options.httpPasswd),
        ...headers,
      },
      compress: codingOf(options.compress),
      authorizer: authorizerOf(options, 'es', ctx),
    },
    ctx,
  )
}
