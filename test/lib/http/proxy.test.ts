import { describe, expect, test } from 'bun:test'
import { HttpClient, type HttpClientOptions } from '../../../src/lib/http/client.ts'
import { HttpError } from '../../../src/lib/http/http-error.ts'
import { isExcepted, parseProxy, proxyFor } from '../../../src/lib/http/proxy.ts'
import { Authority } from '../../support/certs.ts'
import { TestProxy } from '../../support/http/proxy.ts'
import { always, RawServer, responseOf } from '../../support/http/raw-server.ts'
import { atEnd } from '../../support/tmp.ts'

const { signal } = new AbortController()
const POST = { method: 'POST', path: '/x?y', headers: {}, body: Buffer.from('abc'), signal }
const REQUEST = { ...POST, headTimeoutMs: 60_000, bodyTimeoutMs: 60_000 }
const authority = new Authority()
const pair = authority.issue('localhost', ['localhost', '127.0.0.1'])
const tls = () => ({ ca: authority.cert })

type Made = Parameters<typeof TestProxy.start>[0]

/** Starts a server, and a proxy before it; returns a client that goes through the proxy. */
async function through(made: Made, { secure = false, user = '', proxy = {} } = {}) {
  const server = await RawServer.start(always(responseOf(200, 'ok')), secure ? { tls: pair } : {})
  const between = await TestProxy.start(made)
  atEnd(() => server.close())
  atEnd(() => between.close())
  const scheme = made?.tls === undefined ? 'http' : 'https'
  const client = clientFor(`${secure ? 'https' : 'http'}://localhost:${server.port}`, {
    ...{ tls, proxyTls: tls, ...proxy },
    proxy: parseProxy(`${scheme}://${user}localhost:${between.port}`, 'proxy'),
  })
  return { server, between, client }
}

function clientFor(origin: string, options: Partial<HttpClientOptions>): HttpClient {
  const client = new HttpClient({ origin, ...options })
  atEnd(() => client.close())
  return client
}

async function text(client: HttpClient): Promise<string> {
  const response = await client.send(REQUEST)
  let all = `${response.status} `
  for await (const piece of response.body) all += piece.toString()
  return all
}

async function failure(work: Promise<unknown>): Promise<HttpError> {
  const error = await work.then(
    (value) => value,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(HttpError)
  return error as HttpError
}

describe('through a proxy', () => {
  test('http is asked for by its whole URL, on a connection that is kept', async () => {
    const { client, between, server } = await through({})
    expect([await text(client), await text(client)]).toEqual(['200 ok', '200 ok'])
    expect(between.heads).toHaveLength(1)
    expect(between.heads[0]).toStartWith(`POST http://localhost:${server.port}/x?y HTTP/1.1\r\n`)
    expect(between.heads[0]).toMatch(new RegExp(`^host: localhost:${server.port}\r?$`, 'im'))
  })

  test('https is asked for in a tunnel, whose inside the proxy does not see', async () => {
    const { client, between, server } = await through({}, { secure: true })
    expect([await text(client), await text(client)]).toEqual(['200 ok', '200 ok'])
    expect(between.heads).toHaveLength(1)
    expect(between.heads[0]).toStartWith(`CONNECT localhost:${server.port} HTTP/1.1\r\n`)
  })

  for (const secure of [false, true])
    test(`that is spoken to with TLS, the same for ${secure ? 'https' : 'http'}`, async () => {
      const { client } = await through({ tls: pair }, { secure })
      expect(await text(client)).toBe('200 ok')
    })

  test('that has another certificate than it should, nothing is sent', async () => {
    const proxyTls = () => ({ ca: new Authority('B').cert })
    const { client, between } = await through({ tls: pair }, { proxy: { proxyTls } })
    const error = await failure(text(client))
    expect(error.message).toMatch(/^cannot connect to the proxy localhost:\d+: /)
    expect([error.wasSent, between.heads]).toEqual([false, []])
  })

  for (const secure of [false, true])
    test(`user and password are sent with ${secure ? 'CONNECT' : 'the request'}, and appear in no message`, async () => {
      const made = { credentials: 'me:s3cret@/' }
      const good = await through(made, { secure, user: 'me:s3cret%40%2F@' })
      expect(await text(good.client)).toBe('200 ok')
      const wrong = await failure(text((await through(made, { secure, user: 'me:other-s3cret@' })).client))
      expect(wrong.message).toEndWith('the proxy does not accept the user and the password (407)')
      const none = await failure(text((await through(made, { secure })).client))
      expect(none.message).toEndWith('the proxy requires a user and a password (407)')
      for (const error of [wrong, none]) {
        expect([error.code, error.wasSent, error.retryable, error.scope]).toEqual([
          'E_PEER_AUTH',
          false,
          true,
          'peer',
        ])
        expect(Bun.inspect(error)).not.toMatch(/s3cret|bWU6/)
      }
    })

  test('that refuses CONNECT, the status is told', async () => {
    const { client, server } = await through({ refuse: 403 }, { secure: true })
    const error = await failure(text(client))
    expect(error.message).toMatch(
      /^cannot connect to localhost:\d+ through the proxy localhost:\d+: the proxy refused CONNECT with status 403$/,
    )
    expect([error.code, error.wasSent, server.connections]).toEqual(['E_PEER_UNREACHABLE', false, 0])
  })

  test('that is not there, hangs, or closes: nothing was sent', async () => {
    const server = await RawServer.start((peer, n) => {
      if (n === 1) peer.socket.destroy()
    })
    const { port } = server
    const proxy = parseProxy(`127.0.0.1:${port}`, 'proxy')
    const client = clientFor('https://localhost:1', { proxy, connectTimeoutMs: 200 })
    const errors = [await failure(text(client)), await failure(text(client))]
    expect(errors.map(({ code, wasSent }) => [code, wasSent])).toEqual([
      ['E_PEER_CLOSED', false],
      ['E_PEER_TIMEOUT', false],
    ])
    server.close()
    const gone = await failure(text(client))
    expect(gone.message).toStartWith(`cannot connect to the proxy 127.0.0.1:${port}: connect ECONNREFUSED`)
  })
})

describe('the proxy of the environment', () => {
  const chosen = (origin: string, environment: Record<string, string>): string | undefined =>
    proxyFor(new URL(origin), { ignoreEnvironment: false, environment })?.name

  test('is HTTPS_PROXY for https, otherwise HTTP_PROXY, in capitals before lower case', () => {
    expect(chosen('http://a', { HTTP_PROXY: 'http://p:1', http_proxy: 'http://q:1' })).toBe('p:1')
    expect(chosen('http://a', { http_proxy: 'q' })).toBe('q:80')
    expect(chosen('http://a', { HTTPS_PROXY: 'http://p' })).toBeUndefined()
    expect(chosen('https://a', { HTTPS_PROXY: 'https://p', HTTP_PROXY: 'http://q' })).toBe('p:443')
    expect(chosen('https://a', { HTTP_PROXY: 'http://q:3128/' })).toBe('q:3128')
    expect(chosen('https://a', { HTTP_PROXY: '' })).toBeUndefined()
  })

  test('is left alone with net.proxy_env_ignore, and by the option proxy, which NO_PROXY does not concern', () => {
    const environment = { HTTP_PROXY: 'http://p:1', NO_PROXY: '*' }
    expect(proxyFor(new URL('http://a'), { ignoreEnvironment: true, environment })).toBeUndefined()
    expect(proxyFor(new URL('http://a'), { proxy: 'q:2', ignoreEnvironment: false, environment })?.name).toBe(
      'q:2',
    )
  })

  test('is not used for what NO_PROXY names', () => {
    const table: [string, string, boolean][] = [
      ['http://a.example', '*', true],
      ['http://a.example', 'x,*', true],
      ['http://a.example', 'a.example', true],
      ['http://A.example', ' b.example , a.EXAMPLE', true],
      ['http://a.b.example', 'b.example', true],
      ['http://a.b.example', '.b.example', true],
      ['http://a.b.example', '*.b.example', true],
      ['http://ab.example', 'b.example', false],
      ['http://example', 'b.example', false],
      ['http://a.example:81', 'a.example:81', true],
      ['http://a.example:81', 'a.example:82', false],
      ['https://a.example', 'a.example:443', true],
      ['http://a.example', 'a.example:443', false],
      ['http://10.1.2.3', '10.0.0.0/8', true],
      ['http://11.1.2.3', '10.0.0.0/8', false],
      ['http://10.1.2.3', '10.1.2.3', true],
      ['http://10.1.2.3', '2.3', false],
      ['http://[fd00::1]:80', 'fd00::/8', true],
      ['http://[fd00::1]', '[fd00::1]', true],
      ['http://[fd00::1]', 'fd00::1', true],
      ['http://[fd00::1]:81', '[fd00::1]:81', true],
      ['http://a.example', '10.0.0.0/8, /, .,10.0.0.0/99', false],
      ['http://a.example', '', false],
    ]
    for (const [origin, exceptions, expected] of table)
      expect([origin, exceptions, isExcepted(new URL(origin), exceptions)]).toEqual([
        origin,
        exceptions,
        expected,
      ])
  })

  test('that is no URL of an HTTP proxy is an error that does not show it', () => {
    for (const bad of [
      'socks5://me:s3cret@p:1',
      'http://me:s3cret@',
      'http://p:99999',
      'http://p:0',
      'ht tp://s3cret',
    ]) {
      const parse = () => parseProxy(bad, 'HTTP_PROXY')
      expect(parse).toThrow('HTTP_PROXY is not the URL of an HTTP proxy')
      expect(parse).not.toThrow(/s3cret/)
    }
  })
})
