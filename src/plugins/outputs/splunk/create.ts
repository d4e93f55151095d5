import { ShipperError } from '../../../core/error.ts'
import type { OutputContext } from '../../../core/plugin.ts'
import type { Connections } from '../../../lib/http-output/api.ts'
import { codingOf } from '../../../lib/http-output/compress-option.ts'
import { HttpOutput, type HttpOutputOptions } from '../../../lib/http-output/http-output.ts'
import { basicAuth } from '../../../lib/http-output/request-headers.ts'
import { AckConnections } from './ack-connections.ts'
import { Acks } from './acks.ts'
import { SplunkApi } from './api.ts'
import type { SplunkOptions } from './options.ts'

/** Creates the output. Throws E_CONFIG_MISSING_OPTION and E_CONFIG_BAD_VALUE. */
export function createSplunk(options: SplunkOptions, server: Connections, ctx: OutputContext): HttpOutput {
  const { splunkToken, httpUser, httpPasswd, compress, channel } = options
  if (splunkToken === undefined && httpUser === undefined)
    throw new ShipperError('E_CONFIG_MISSING_OPTION', 'neither Splunk_Token nor HTTP_User is set', {
      hint: 'set Splunk_Token to a token of the HTTP Event Collector',
    })
  const headers = {
    'user-agent': `shipper/${ctx.agent.version}`,
    ...(splunkToken === undefined ? {} : { authorization: `Splunk ${splunkToken}` }),
    ...basicAuth(httpUser, httpPasswd),
  }
  const connections = new AckConnections(server)
  const { origin } = connections
  const acks = new Acks({ channel, origin, headers, sender: () => connections.createSender() }, ctx)
  const api = new SplunkApi(options, origin, acks, ctx)
  connections.onLost = () => api.lostAnswer()
  const settings = { api, connections, headers, authorizer: api }
  return new SplunkOutput({ ...settings, compress: codingOf(compress) }, acks, ctx)
}

class SplunkOutput extends HttpOutput {
  readonly #acks: Acks

  constructor(options: HttpOutputOptions, acks: Acks, ctx: OutputContext) {
    super(options, ctx)
    this.#acks = acks
  }

  override async close(): Promise<void> {
    this.#acks.stop()
    await super.close()
  }
}
