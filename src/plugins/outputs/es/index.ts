import { defineOutput } from '../../../core/plugin.ts'
import { BULK_COUNTERS } from '../../../lib/bulk/counters.ts'
import { BULK_DESCRIPTION } from '../../../lib/bulk/description.ts'
import { generatesIds } from '../../../lib/bulk/encoder.ts'
import { upstreamNodes } from '../../../lib/http-output/upstream-value.ts'
import { addressOf } from './address.ts'
import { createEs } from './create.ts'
import { ES_NODE_OPTIONS, ES_OPTIONS, type EsOptions } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'es',
  summary: 'Sends records to Elasticsearch.',
  description: BULK_DESCRIPTION,
  options: ES_OPTIONS,
  example:
    '[OUTPUT]\n    Name            es\n    Match           *\n    Host            127.0.0.1\n    Port            9200\n    Logstash_Format on\n',
  connectsTo: (options) => addressOf(options),
  addressParts: ['index', 'type'],
  counters: BULK_COUNTERS,
  nodeOptions: ES_NODE_OPTIONS,
  usesRecordIds: (options) => serversOf(options).some((server) => generatesIds(server)),
  inFlight: 32,
  create: (options, ctx) => createEs(options, ctx),
})

/** Returns the options for each server. */
function serversOf(options: EsOptions): EsOptions[] {
  if (options.upstream === undefined) return [options]
  return upstreamNodes(options.upstream, ES_NODE_OPTIONS).map((node) => ({ ...options, ...node.options }))
}
