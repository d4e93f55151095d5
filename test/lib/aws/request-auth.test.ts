import { describe, expect, test } from 'bun:test'
import type { OutputSpec } from '../../../src/core/plugin.ts'
import { spec as http } from '../../../src/plugins/outputs/http/index.ts'
import { spec as opentelemetry } from '../../../src/plugins/outputs/opentelemetry/index.ts'
import { benchOf } from '../../support/aws/kinesis-run.ts'
import { JsonLogsApi } from '../../support/doubles/json-logs.ts'
import { OtlpApi } from '../../support/doubles/otlp.ts'
import { type StoreApi, StoreDouble } from '../../support/doubles/store-double.ts'
import { startTokens } from '../../support/http-output/token-server.ts'
import { until } from '../../support/until.ts'

const OUTPUTS: [OutputSpec, () => StoreApi][] = [
  [http as unknown as OutputSpec, () => new JsonLogsApi()],
  [opentelemetry as unknown as OutputSpec, () => new OtlpApi()],
]

describe.each(OUTPUTS)('an output', (spec, api) => {
  async function sentWith(texts: Record<string, string>) {
    const store = await StoreDouble.start(api())
    const bench = benchOf(spec, { port: String(store.port), 'net.proxy_env_ignore': 'on', ...texts })
    await bench.output.start?.()
    bench.push([{ n: 0 }])
    await until(() => bench.queue.empty)
    return { credentials: store.requests.map((request) => request.header('authorization')), bench }
  }

  test(`${spec.name} sends a token of the client credentials grant, and says what it does not send`, async () => {
    const { url, asked } = await startTokens()
    const { credentials, bench } = await sentWith({
      'oauth2.enable': 'on',
      'oauth2.token_url': url,
      'oauth2.client_id': 'me',
      'oauth2.client_secret': 'secret',
      bearer_token: 'own',
    })
    expect(asked.map(({ form }) => form.get('grant_type'))).toEqual(['client_credentials'])
    expect(credentials).toEqual(['Bearer token-1'])
    expect(bench.logged.lines.join('\n')).toContain('Bearer_Token is not sent, because oauth2.enable is on')
  })

  test(`${spec.name} sends the token of the configuration`, async () => {
    const { credentials } = await sentWith({ bearer_token: 'own' })
    expect(credentials).toEqual(['Bearer own'])
  })

  test(`${spec.name} cannot sign requests and send tokens`, () => {
    const texts = { aws_auth: 'on', aws_region: 'eu-west-1', 'oauth2.enable': 'on' }
    expect(() => benchOf(spec, texts)).toThrow('aws_auth and oauth2.enable are both on')
  })
})
