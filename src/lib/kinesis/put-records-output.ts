import type { OptionsOf } from '../../core/options/option.ts'
import type { OutputContext } from '../../core/plugin.ts'
import { connectTo } from '../aws/connections.ts'
import { chainOf, endpointOf } from '../aws/options.ts'
import { HttpOutput, type HttpOutputOptions } from '../http-output/http-output.ts'
import type { GO_PLUGIN_OPTIONS, PUT_RECORDS_OPTIONS } from './options.ts'
import { PutRecordsApi, type PutRecordsOptions } from './put-records-api.ts'
import { loadDataCompression } from './record-data.ts'

/** Options of a plugin that sends with PutRecords or PutRecordBatch. */
export type PutRecordsPluginOptions = OptionsOf<typeof PUT_RECORDS_OPTIONS> &
  Partial<OptionsOf<typeof GO_PLUGIN_OPTIONS>>

/** Properties of one of the services. */
interface PutRecordsService
  extends Pick<
    PutRecordsOptions,
    'target' | 'open' | 'list' | 'limits' | 'maxRecordBytes' | 'keys' | 'missingHint' | 'overloadHint'
  > {
  /** Name in host names and signatures. */
  readonly service: string
  /** Maximum size of a record that was joined from several. */
  readonly joinBytes: number
  /** See RecordDataOptions. */
  readonly isLine?: boolean
}

/** Returns an output to PutRecords or PutRecordBatch. Throws E_CONFIG_BAD_VALUE. */
export function createPutRecords(
  service: PutRecordsService,
  options: PutRecordsPluginOptions,
  ctx: OutputContext,
): HttpOutput {
  const endpoint = endpointOf(options, service.service)
  const target = { service: service.service, endpoint, chain: chainOf(options) }
  const { connections, authorizer } = connectTo(target, options, ctx)
  const { logKey, timeKey, timeKeyFormat, simpleAggregation, dataKeys, replaceDots } = options
  const { isLine = true } = service
  const api = new PutRecordsApi({
    ...service,
    joinBytes: simpleAggregation ? service.joinBytes : undefined,
    data: { logKey, timeKey, timeKeyFormat, dataKeys, replacesDots: replaceDots !== undefined, isLine },
    path: `${endpoint.basePath}/`,
    peer: connections.origin,
    nowMs: () => ctx.clock.nowMs(),
  })
  const headers = { 'user-agent': `shipper/${ctx.agent.version}` }
  return new PutRecordsOutput({ api, connections, authorizer, headers }, api, options.compression, ctx)
}

class PutRecordsOutput extends HttpOutput {
  readonly #api: PutRecordsApi
  readonly #compression: PutRecordsPluginOptions['compression']

  constructor(
    options: HttpOutputOptions,
    api: PutRecordsApi,
    compression: PutRecordsPluginOptions['compression'],
    ctx: OutputContext,
  ) {
    super(options, ctx)
    this.#api = api
    this.#compression = compression
  }

  override async start(): Promise<void> {
    if (this.#compression !== undefined) this.#api.compress = await loadDataCompression(this.#compression)
    await super.start()
  }
}
