import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { createServer as createHttp2 } from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { createServer as createTls } from 'node:tls'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { secretValues } from '../../../src/core/options/secret-values.ts'
import type { OutputSpec } from '../../../src/core/plugin.ts'
import { spec as es } from '../../../src/plugins/outputs/es/index.ts'
import { spec as http } from '../../../src/plugins/outputs/http/index.ts'
import { spec as kinesis } from '../../../src/plugins/outputs/kinesis-streams.ts'
import { spec as nrlogs } from '../../../src/plugins/outputs/nrlogs.ts'
import { spec as opentelemetry } from '../../../src/plugins/outputs/opentelemetry/index.ts'
import { spec as splunk } from '../../../src/plugins/outputs/splunk/index.ts'
import { Authority } from '../../support/certs.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { always, RawServer, responseOf } from '../../support/http/raw-server.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { freePorts } from '../../support/ports.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Sends a record to a port of this machine; returns the lines of the log with their hints. */
async function sent(
  spec: OutputSpec,
  port: number,
  more: Record<string, string> = {},
  done = (b: OutputBench) => b.logged.lines.length > 0,
): Promise<string> {
  const options = parseOptions(spec.options as OptionTable, {
    host: '127.0.0.1',
    port: String(port),
    ...more,
  })
  const b = new OutputBench((ctx) =>
    spec.create(options as never, { ...ctx, secrets: secretValues(spec.options, options) }),
  )
  await b.output.start?.()
  b.push([{ n: 1 }])
  await until(async () => {
    await b.turns(5)
    return done(b)
  })
  b.stop.abort()
  await b.output.close?.()
  const { lines, fields } = b.logged
  return lines.map((line, i) => `${line} ${fields[i]?.hint ?? ''}`).join('\n')
}

test('a port with TLS is guessed when a server closes connections without TLS', async () => {
  // Elasticsearch 8 closes the connection without a word; OpenSSL sends an alert before.
  const silent = await portOf(createServer((socket) => socket.on('data', () => socket.destroy())))
  const pair = new Authority().issue('127.0.0.1', ['127.0.0.1'])
  const tls = await portOf(createTls({ ...pair }).on('tlsClientError', () => {}))
  for (const port of [silent, tls])
    expect(await sent(es as unknown as OutputSpec, port)).toMatch(
      /the port may expect TLS; if so, set tls on/,
    )
})

test('the hint for a port with TLS names the option that turns TLS on', async () => {
  const port = await portOf(createServer((socket) => socket.on('data', () => socket.destroy())))
  const url = `http://127.0.0.1:${port}`
  process.env.AWS_ACCESS_KEY_ID = process.env.AWS_SECRET_ACCESS_KEY = 'test'
  atEnd(() => {
    delete process.env.AWS_ACCESS_KEY_ID
    delete process.env.AWS_SECRET_ACCESS_KEY
  })
  const streams = { endpoint: url, region: 'eu-west-1', stream: 's' }
  expect(await sent(kinesis as unknown as OutputSpec, port, streams)).toContain(
    'the port may expect TLS; if so, set endpoint to a URL with https://',
  )
  const keyed = { base_uri: url, license_key: 'k' }
  expect(await sent(nrlogs as unknown as OutputSpec, port, keyed)).toContain(
    'the port may expect TLS; if so, set base_uri to a URL with https://',
  )
  expect(await sent(splunk as unknown as OutputSpec, port, { splunk_token: 't' })).toContain(
    'the port may expect TLS; if so, set tls on',
  )
})

test('a host that no URL may have is a problem of the option host', () => {
  for (const host of ['256.1.1.1', 'fe80::1%eth0']) {
    const options = parseOptions(http.options as OptionTable, { host }) as never
    expect(() => http.create(options, outputContext() as never)).toThrow(
      `${host} is not a host name or address`,
    )
  }
})

test('what answers in another protocol than HTTP/1.1 is said to do so', async () => {
  const grpc = await portOf(createHttp2() as unknown as Server)
  const log = await sent(opentelemetry as unknown as OutputSpec, grpc)
  expect(log).toContain('the answer is not HTTP/1.1')
  expect(log).toContain('another protocol such as gRPC')
})

test('the address of a proxy is in the log, its user and password are not', async () => {
  const [closed = 0] = await freePorts(1)
  for (const proxy of [`http://127.0.0.1:${closed}`, `127.0.0.1:${closed}`]) {
    const log = await sent(http as unknown as OutputSpec, 1, { proxy })
    expect(log).toContain(`127.0.0.1:${closed}`)
    expect(log).not.toContain('***')
  }
  const login = `http://someone:quuux%2F1@127.0.0.1:${closed}`
  expect(await sent(http as unknown as OutputSpec, 1, { proxy: login })).toContain(`127.0.0.1:${closed}`)
  const refuses = await portOf(
    createServer((socket) => {
      socket.once('data', (head) => {
        const [, text = ''] = /proxy-authorization: Basic (\S+)/i.exec(String(head)) ?? []
        const body = `no ${text} ${Buffer.from(text, 'base64')}`
        socket.end(`HTTP/1.1 403 No\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      })
    }),
  )
  const log = await sent(http as unknown as OutputSpec, 1, {
    proxy: `http://someone:quuux%2F1@127.0.0.1:${refuses}`,
  })
  expect(log).toContain('no ******')
  expect(log).not.toContain('quuux')
  expect(log).not.toContain(Buffer.from('someone:quuux/1').toString('base64'))
})

test('an HTML page with the status 200 counts as delivered by the output http, and is logged', async () => {
  const answer = async (body: string): Promise<string> => {
    const server = await RawServer.start(always(responseOf(200, body, 'Content-Type: text/html\r\n')))
    atEnd(() => server.close())
    return sent(
      http as unknown as OutputSpec,
      server.port,
      {},
      (b) => [...b.outcomes.values()].flat().length > 0,
    )
  }
  expect(await answer('<!DOCTYPE html><title>Corporate proxy</title>')).toContain(
    'the answer is 200 with an HTML page, which counts as delivered',
  )
  // Frameworks call any text HTML.
  expect(await answer('ok')).not.toContain('HTML')
})
