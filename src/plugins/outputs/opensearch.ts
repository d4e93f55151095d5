import { defineOutput } from '../../core/plugin.ts'
import { BULK_COUNTERS } from '../../lib/bulk/counters.ts'
import { createBulkOutput } from '../../lib/bulk/create.ts'
import { BULK_DESCRIPTION } from '../../lib/bulk/description.ts'
import { generatesIds } from '../../lib/bulk/encoder.ts'
import { BULK_OPTIONS } from '../../lib/bulk/options.ts'
import { HttpConnections } from '../../lib/http-output/connect.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'opensearch',
  summary: 'Sends records to OpenSearch.',
  description: BULK_DESCRIPTION,
  options: BULK_OPTIONS,
  example:
    '[OUTPUT]\n    Name            opensearch\n    Match           *\n    Host            127.0.0.1\n    Port            9200\n    Logstash_Format on\n',
  connectsTo: ({ host, port }) => ({ host, port }),
  addressParts: ['index', 'type'],
  counters: BULK_COUNTERS,
  usesRecordIds: (options) => generatesIds(options),
  inFlight: 32,
  create: (options, ctx) => createBulkOutput(options, new HttpConnections(options, ctx), ctx),
})
