import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { HttpClient } from '../../../src/lib/http/client.ts'
import { parseProxy } from '../../../src/lib/http/proxy.ts'
import { PROXY_TLS_OPTIONS, readProxyTls } from '../../../src/lib/http/proxy-tls.ts'
import { Authority } from '../../support/certs.ts'
import { TestProxy } from '../../support/http/proxy.ts'
import { always, RawServer, responseOf } from '../../support/http/raw-server.ts'
import { atEnd, tmp } from '../../support/tmp.ts'

const none = (): void => {}
const ctx = { clock: systemClock, log: { error: none, warn: none, info: none, debug: none } }
const authority = new Authority()

/** Resolves with the status of a request through a proxy with a certificate for `name`, or with the error. */
async function through(name: string, texts: Record<string, string>): Promise<string> {
  const server = await RawServer.start(always(responseOf(200)))
  const proxy = await TestProxy.start({ tls: authority.issue(name, [name]) })
  const client = new HttpClient({
    origin: `http://127.0.0.1:${server.port}`,
    proxy: parseProxy(`https://localhost:${proxy.port}`, 'proxy'),
    proxyTls: readProxyTls(parseOptions(PROXY_TLS_OPTIONS, texts), ctx),
  })
  atEnd(() => client.close())
  atEnd(() => server.close())
  atEnd(() => proxy.close())
  const { signal } = new AbortController()
  const request = { path: '/', headers: {}, signal, headTimeoutMs: 60_000, bodyTimeoutMs: 60_000 }
  return client.send(request).then(
    ({ status }) => String(status),
    ({ message }) => message,
  )
}

test('a proxy with https is verified by tls.proxy.ca_file and its name, unless that is off', async () => {
  const file = `${tmp()}/ca.pem`
  writeFileSync(file, authority.cert)
  const ca = { 'tls.proxy.ca_file': file }
  expect(await through('localhost', ca)).toBe('200')
  expect(await through('localhost', {})).toMatch(/^cannot connect to the proxy localhost:\d+: .*certificate/)
  expect(await through('localhost', { 'tls.proxy.verify': 'off' })).toBe('200')
  expect(await through('other', ca)).toMatch(/^cannot connect to the proxy localhost:\d+: /)
  expect(await through('other', { ...ca, 'tls.proxy.verify_hostname': 'off' })).toBe('200')
})

test('a file that is not there is named by its option', () => {
  const options = parseOptions(PROXY_TLS_OPTIONS, { 'tls.proxy.ca_file': '/none/ca.pem' })
  expect(() => readProxyTls(options, ctx)).toThrow('tls.proxy.ca_file /none/ca.pem cannot be read')
})
