import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { BULK_OPTIONS } from '../../../lib/bulk/options.ts'
import { checkHeaderValue } from '../../../lib/http-output/checks.ts'
import { upstreamOptions } from '../../../lib/http-output/upstream-options.ts'
import { checkCloudId } from './cloud-id.ts'

/** Options of what is sent to one server, and of how: those that a node of an upstream may have of its own. */
export const ES_NODE_OPTIONS = defineOptions({
  ...BULK_OPTIONS,
  http_api_key: {
    type: 'string',
    secret: true,
    check: checkHeaderValue,
    help: 'API key, in its encoded form, for the header `Authorization: ApiKey`. It is sent instead of HTTP_User and Cloud_Auth.',
  },
  cloud_auth: {
    type: 'string',
    secret: true,
    check: (text) =>
      typeof text === 'string' && !text.includes(':')
        ? { must: 'a user and a password: USER:PASSWORD' }
        : undefined,
    help: 'User and password for the deployment, as `user:password`, instead of HTTP_User and HTTP_Passwd.',
  },
})

export const ES_OPTIONS = defineOptions({
  ...ES_NODE_OPTIONS,
  host: { ...ES_NODE_OPTIONS.host, needs: { cloud_id: 'unset' } },
  port: { ...ES_NODE_OPTIONS.port, needs: { cloud_id: 'unset' } },
  cloud_id: {
    type: 'string',
    check: checkCloudId,
    help: 'Cloud ID of a deployment in Elastic Cloud, instead of Host, Port and tls. Cannot be combined with Upstream.',
  },
  ...upstreamOptions(
    'A node may override any option except Cloud_ID and Upstream. If a node sets more than `tls`, `tls.*`, HTTP_User and HTTP_Passwd, or with `aws_auth`, requests are built per node: a chunk goes to one node as a whole, and records already accepted or refused there are not sent to another. The ids prevent duplicates only within an index: where nodes belong to several clusters, or have an Index each, a request without an answer may be in two of them.',
  ),
})

export type EsNodeOptions = OptionsOf<typeof ES_NODE_OPTIONS>
export type EsOptions = OptionsOf<typeof ES_OPTIONS>
