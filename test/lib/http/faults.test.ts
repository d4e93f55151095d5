import { describe, expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { HttpClient, type HttpClientOptions, type HttpRequest } from '../../../src/lib/http/client.ts'
import { HttpError } from '../../../src/lib/http/http-error.ts'
import { Authority } from '../../support/certs.ts'
import { always, type RawPeer, RawServer, responseOf } from '../../support/http/raw-server.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const { signal: NEVER } = new AbortController()
const LIMITS = { headTimeoutMs: 60_000, bodyTimeoutMs: 60_000, signal: NEVER, headers: {} }
const POST = { ...LIMITS, method: 'POST', path: '/x', body: Buffer.from('0123456789') }
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

type Script = (peer: RawPeer, n: number) => Promise<void> | void

async function serving(script: Script, options: Partial<HttpClientOptions> = {}) {
  const server = await RawServer.start(script)
  const client = clientFor(`http://127.0.0.1:${server.port}`, options)
  atEnd(() => server.close())
  return { server, client }
}

function clientFor(origin: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  const client = new HttpClient({ origin, ...options })
  atEnd(() => client.close())
  return client
}

/** Answers the first request with `bytes`, and then ends the connection if `ends` is true. */
const once =
  (bytes: string | Buffer, ends = false): Script =>
  async (peer) => {
    await peer.request()
    if (ends) peer.end(bytes)
    else peer.send(bytes)
  }

/** Resolves with the status and the body of the response. */
async function exchange(client: HttpClient, request: HttpRequest): Promise<string> {
  const response = await client.send(request)
  const pieces: Buffer[] = []
  for await (const piece of response.body) pieces.push(piece)
  return `${response.status} ${Buffer.concat(pieces).toString('latin1')}`
}

async function failure(work: Promise<unknown>): Promise<HttpError> {
  const error = await work.then(
    (value) => new Error(`no error, but ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(HttpError)
  return error as HttpError
}

const told = ({ code, reason, wasSent, retryable, scope }: HttpError): unknown[] => [
  code,
  reason,
  wasSent,
  retryable,
  scope,
]

describe('a request', () => {
  test('has the bytes of its body under its own Content-Length, whatever their form', async () => {
    const seen: string[] = []
    const { client } = await serving(async (peer) => {
      while (true) {
        const { head, body } = await peer.request()
        seen.push(`${/content-length: \d+/i.exec(head)?.[0]} ${body.length} ${body.indexOf(66)}`)
        expect(head).not.toMatch(/transfer-encoding|expect/i)
        peer.send(responseOf(200))
      }
    })
    async function* pieces() {
      yield Buffer.alloc(70_000, 'A')
      yield Buffer.from('B')
    }
    const a = Buffer.alloc(200_000, 'A')
    const bodies = [
      Buffer.alloc(0),
      Buffer.from('AB'),
      [Buffer.from('A'), Buffer.from('B')],
      [a, Buffer.from('B'), a],
      { length: 70_001, pieces: pieces() },
    ]
    for (const body of bodies) await exchange(client, { ...POST, body })
    expect(seen).toEqual([
      'content-length: 0 0 -1',
      'content-length: 2 2 1',
      'content-length: 2 2 1',
      'content-length: 400001 400001 200000',
      'content-length: 70001 70001 70000',
    ])
  })

  test('whose pieces are more or fewer than its length fails, and no second one follows on the connection', async () => {
    const { client, server } = await serving(always(responseOf(200)))
    async function* pieces() {
      yield Buffer.alloc(10)
    }
    for (const length of [9, 11])
      expect(
        (await failure(exchange(client, { ...POST, body: { length, pieces: pieces() } }))).message,
      ).toMatch(/length/i)
    expect(await exchange(client, POST)).toBe('200 ')
    expect(server.connections).toBe(3)
  })

  test('that HTTP does not allow fails for good, without a connection, and the server is not blamed', async () => {
    const { client, server } = await serving(() => {})
    for (const bad of [
      { headers: { 'x-a': 'b\r\nc: d' } },
      { headers: { 'x a': 'b' } },
      { path: '/a b' },
      { path: 'a' },
    ])
      expect(told(await failure(client.send({ ...POST, ...bad })))).toEqual([
        'E_PEER_PROTOCOL',
        expect.stringMatching(/^HTTP does not allow this request: /),
        ...[false, false, 'chunk'],
      ])
    expect(server.connections).toBe(0)
  })

  test('without a body has no Content-Length for GET', async () => {
    let head = ''
    const { client } = await serving(async (peer) => {
      head = await peer.head()
      peer.send(responseOf(204))
    })
    await exchange(client, { ...LIMITS, path: '/a?b=c' })
    expect(head).toStartWith('GET /a?b=c HTTP/1.1\r\n')
    expect(head).not.toMatch(/content-length/i)
  })

  test('to a server that reads slowly is made as the server reads', async () => {
    let asked = 0
    async function* pieces() {
      for (; asked < 1024; asked++) yield Buffer.alloc(65_536)
    }
    const { client } = await serving(async (peer) => {
      peer.socket.pause()
      await until(() => asked > 0)
    })
    const stop = new AbortController()
    const body = { length: 64 << 20, pieces: pieces() }
    const sent = failure(client.send({ ...POST, body, signal: stop.signal }))
    // What the kernel takes: a few MB of 64.
    let before = -1
    await until(
      () => {
        const isSame = asked > 0 && asked === before
        before = asked
        return isSame
      },
      { everyMs: 300 },
    )
    expect(asked).toBeLessThan(512)
    stop.abort()
    expect((await sent).wasSent).toBe(true)
  })

  test('of which the server takes nothing more fails after the time for a response', async () => {
    const { client } = await serving((peer) => void peer.socket.pause())
    const request = { ...POST, body: Buffer.alloc(64 << 20), headTimeoutMs: 300 }
    expect(told(await failure(client.send(request)))).toEqual([
      'E_PEER_TIMEOUT',
      'no response within 300 ms',
      true,
      true,
      'peer',
    ])
  })
})

describe('a server that fails', () => {
  test('by refusing the connection: nothing was sent', async () => {
    const { server, client } = await serving(() => {})
    const { port } = server
    server.close()
    expect(told(await failure(client.send(POST)))).toEqual([
      'E_PEER_UNREACHABLE',
      `connect ECONNREFUSED 127.0.0.1:${port}`,
      false,
      true,
      'peer',
    ])
  })

  test('by accepting and saying nothing', async () => {
    const { client } = await serving(() => {})
    const error = await failure(client.send({ ...POST, headTimeoutMs: 100 }))
    expect(told(error)).toEqual(['E_PEER_TIMEOUT', 'no response within 100 ms', true, true, 'peer'])
    expect(error.message).toStartWith('POST http://127.0.0.1:')
  })

  test('by answering byte by byte, in the head and in the body', async () => {
    const drip =
      (start: string): Script =>
      async (peer) => {
        await peer.request()
        peer.send(start)
        const timer = setInterval(() => peer.send('a'), 10)
        peer.socket.on('close', () => clearInterval(timer))
      }
    const head = await serving(drip('HTTP/1.1 200 O'))
    expect((await failure(exchange(head.client, { ...POST, headTimeoutMs: 200 }))).code).toBe(
      'E_PEER_TIMEOUT',
    )
    const body = await serving(drip('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n'))
    const error = await failure(exchange(body.client, { ...POST, totalTimeoutMs: 300 }))
    expect(error.reason).toBe('no complete response within 300 ms')
  })

  for (const [where, script, reason] of [
    ['before it has read the request', (peer) => void peer.socket.destroy(), /closed/],
    ['after the whole body', once('', true), /^the server closed the connection without a response$/],
    ['in the middle of the head', once('HTTP/1.1 200 OK\r\nContent-', true), /closed|not match/],
    [
      'after the headers',
      once('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', true),
      /^the connection was closed before the end of the response$/,
    ],
    [
      'in the middle of the body',
      once('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab', true),
      /^the connection was closed before the end of the response$/,
    ],
    ['in the middle of a chunk', once(`${CHUNKED}5\r\nab`, true), /closed before the end|not match/],
    ['before the last chunk', once(`${CHUNKED}2\r\nab\r\n`, true), /closed before the end|not match/],
  ] as [string, Script, RegExp][])
    test(`by closing the connection ${where}: whether it did the work is unknown`, async () => {
      const { client, server } = await serving(script)
      const error = await failure(exchange(client, POST))
      expect(error.reason).toMatch(reason)
      expect([error.wasSent, error.retryable, error.scope]).toEqual([true, true, 'peer'])
      // Not sent a second time by itself.
      expect(server.connections).toBe(1)
    })

  test('by resetting the connection', async () => {
    const { client } = await serving(async (peer) => {
      await peer.request()
      peer.socket.resetAndDestroy()
    })
    expect((await failure(exchange(client, POST))).wasSent).toBe(true)
  })
})

describe('a response', () => {
  test('with a redirect, an unknown status or of HTTP/1.0 is one like any other', async () => {
    const redirect = await serving(once(responseOf(301, '', 'Location: http://127.0.0.1:1/\r\n')))
    const response = await redirect.client.send(POST)
    expect([response.status, response.header('location')]).toEqual([301, 'http://127.0.0.1:1/'])
    expect(await exchange((await serving(once(responseOf(799, 'x')))).client, POST)).toBe('799 x')
    const old = await serving(once('HTTP/1.0 200 OK\r\n\r\nup to the end', true))
    expect(await exchange(old.client, POST)).toBe('200 up to the end')
  })

  test('is found behind interim responses, also those that nobody asked for, however they arrive', async () => {
    const interim = 'HTTP/1.1 100 Continue\r\n\r\n'
    const all = [
      interim + responseOf(200, 'a'),
      interim.repeat(8) + responseOf(200, 'a'),
      `HTTP/1.1 100 Continue\r\nX: y\r\n\r\n${responseOf(200, 'a')}`,
      `HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n${responseOf(200, 'a')}`,
      `HTTP/1.1 103 Early Hints\r\n\r\n${responseOf(200, 'HTTP/1.1 100 ')}`,
    ]
    for (const bytes of all)
      for (const size of [1, 3, 11, 1000]) {
        const { client } = await serving(async (peer) => {
          peer.socket.setNoDelay(true)
          await peer.request()
          for (let at = 0; at < bytes.length; at += size) {
            peer.send(bytes.slice(at, at + size))
            await new Promise((resolve) => setImmediate(resolve))
          }
        })
        expect(await exchange(client, POST)).toBe(bytes.endsWith('100 ') ? '200 HTTP/1.1 100 ' : '200 a')
        await client.close()
      }
    const { client } = await serving(once(interim.repeat(9) + responseOf(200, 'a')))
    expect((await failure(exchange(client, POST))).code).toBe('E_PEER_PROTOCOL')
  })

  test('is not asked for in gzip, and one that comes so is given as it is', async () => {
    let head = ''
    const body = gzipSync('hello')
    const { client } = await serving(async (peer) => {
      head = await peer.head()
      peer.send(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`)
      peer.send(body)
    })
    const text = await exchange(client, { ...LIMITS, path: '/' })
    expect(head).not.toMatch(/accept-encoding/i)
    expect(text).toBe(`200 ${body.toString('latin1')}`)
  })

  test('of 64 MB is given piece by piece, and read from the connection no faster than it is taken', async () => {
    let peer: RawPeer | undefined
    const { client } = await serving(async (each) => {
      peer = each
      await peer.request()
      peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${64 << 20}\r\n\r\n`)
      peer.send(Buffer.alloc(64 << 20, 'x'))
    })
    const response = await client.send(POST)
    // With nobody reading, the server keeps what the kernel does not take.
    let before = -1
    await until(
      () => {
        const left = peer?.socket.writableLength ?? 0
        const isSame = left === before
        before = left
        return isSame
      },
      { everyMs: 300 },
    )
    expect(before).toBeGreaterThan(0)
    let bytes = 0
    for await (const piece of response.body) bytes += piece.length
    expect(bytes).toBe(64 << 20)
  })

  test('larger than its limit ends the connection', async () => {
    const { client, server } = await serving(once(responseOf(200, 'x'.repeat(100))))
    const error = await failure(exchange(client, { ...POST, maxBodyBytes: 99 }))
    expect([error.code, error.reason]).toEqual(['E_PEER_PROTOCOL', 'the response is larger than 99 bytes'])
    await until(() => server.open === 0)
  })

  test.each([
    ['a chunk extension', `${CHUNKED}2;`, 'a'],
    ['a reason', 'HTTP/1.1 200 ', 'a'],
    ['blank lines before it', '', '\r\n'],
    ['header fields', 'HTTP/1.1 200 OK\r\n', 'X:\r\n'],
    ['trailers', `${CHUNKED}2\r\nab\r\n0\r\n`, 'X:\r\n'],
    ['short header fields', 'HTTP/1.1 200 OK\r\n', 'X: a\r\n'],
  ])('with %s without end ends the connection, with little read', async (_, start, endless) => {
    const piece = Buffer.from(endless.repeat(60_000 / endless.length))
    const { client, server } = await serving(async (peer) => {
      await peer.request()
      peer.send(start)
      const more = (): void => {
        while (!peer.socket.destroyed && peer.socket.write(piece));
      }
      peer.socket.on('drain', more)
      more()
    })
    expect((await failure(exchange(client, POST))).code).toBe('E_PEER_PROTOCOL')
    await until(() => server.open === 0)
  })

  test('with many small chunks, and several in a row on a connection, is read to its end', async () => {
    const { client, server } = await serving(async (peer) => {
      while (true) {
        await peer.request()
        peer.send(`${CHUNKED}${'1\r\nx\r\n'.repeat(100_000)}0\r\n\r\n`)
      }
    })
    for (let i = 0; i < 3; i++) expect(await exchange(client, POST)).toBe(`200 ${'x'.repeat(100_000)}`)
    expect(server.connections).toBe(1)
  })

  test('that is not HTTP, or has two lengths, is an error', async () => {
    const bad = [
      'SSH-2.0-OpenSSH_9.2\r\n',
      '\0\0\0\x12\x04\0\0\0\0\0',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n',
      'HTTP/1.1 200 OK\r\nX: a\r\n b\0c\r\n\r\n',
      `${CHUNKED}fffffffffffffffffffff\r\n`,
      `${CHUNKED}-1\r\n`,
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n',
    ]
    for (const bytes of bad) {
      const { client } = await serving(once(bytes))
      const error = await failure(exchange(client, { ...POST, headTimeoutMs: 2000 }))
      expect([bytes, error.code]).toEqual([bytes, 'E_PEER_PROTOCOL'])
      await client.close()
    }
  })

  test('that says success before the server has the whole request is not believed', async () => {
    const { client } = await serving(async (peer) => {
      await peer.head()
      peer.socket.pause()
      peer.send(responseOf(200, 'ok'))
    })
    const error = await failure(client.send({ ...POST, body: Buffer.alloc(64 << 20) }))
    expect(error.reason).toBe('the server answered with status 200 before it had the whole request')
  })

  test('that refuses the request before the server has all of it is given', async () => {
    let peer: RawPeer | undefined
    const { client, server } = await serving(async (each) => {
      peer = each
      await peer.head()
      peer.socket.pause()
      peer.send(responseOf(413, 'too large'))
    })
    expect(await exchange(client, { ...POST, body: Buffer.alloc(64 << 20) })).toBe('413 too large')
    peer?.drop()
    await until(() => server.open === 0)
  })

  test('that nobody asked for is given to no request', async () => {
    const { client, server } = await serving(async (peer, n) => {
      await peer.request()
      peer.send(n === 1 ? responseOf(200, 'first') + responseOf(200, 'injected') : responseOf(200, 'second'))
    })
    expect(await exchange(client, POST)).toBe('200 first')
    expect(await exchange(client, POST)).toBe('200 second')
    expect(server.connections).toBe(2)
  })
})

describe('a connection', () => {
  test('is kept for the next request, for one at a time, and no more than maxConnections are made', async () => {
    let open = 0
    let most = 0
    const { client, server } = await serving(
      async (peer) => {
        while (true) {
          await peer.request()
          most = Math.max(most, ++open)
          expect(peer.waiting().length).toBe(0)
          await new Promise((resolve) => setImmediate(resolve))
          open--
          peer.send(responseOf(200))
        }
      },
      { maxConnections: 3 },
    )
    await Promise.all(Array.from({ length: 30 }, () => exchange(client, POST)))
    expect(server.connections).toBe(3)
    expect(most).toBeLessThanOrEqual(3)
  })

  test('is not kept with keepAlive off, nor for more requests than allowed, nor longer than the idle limit', async () => {
    const off = await serving(always(responseOf(200)), { keepAlive: false })
    for (let n = 0; n < 3; n++) await exchange(off.client, POST)
    expect(off.server.connections).toBe(3)
    const few = await serving(always(responseOf(200)), { maxRequestsPerConnection: 2 })
    for (let n = 0; n < 4; n++) await exchange(few.client, POST)
    expect(few.server.connections).toBe(2)
    const idle = await serving(always(responseOf(200)), { idleTimeoutMs: 50 })
    await exchange(idle.client, POST)
    await until(() => idle.server.open === 0)
  })

  test('that the server has closed between two requests is not used', async () => {
    const { client, server } = await serving(async (peer) => {
      await peer.request()
      peer.end(responseOf(200))
    })
    for (let n = 0; n < 3; n++) {
      expect(await exchange(client, POST)).toBe('200 ')
      await until(() => server.open === 0)
    }
    expect(server.connections).toBe(3)
  })

  test('that the server closes as the next request arrives leaves its outcome unknown, and nothing is sent twice', async () => {
    const seen: number[] = []
    const { client } = await serving(async (peer, n) => {
      await peer.request()
      peer.send(responseOf(200))
      await peer.request()
      seen.push(n)
      peer.socket.destroy()
    })
    await exchange(client, POST)
    const error = await failure(exchange(client, POST))
    expect([error.code, error.wasSent]).toEqual(['E_PEER_CLOSED', true])
    expect(seen).toEqual([1])
  })

  test('to a unix socket is made by its path', async () => {
    const path = `${tmp()}/s.sock`
    const server = await RawServer.start(always(responseOf(200, 'ok')), { path })
    atEnd(() => server.close())
    expect(await exchange(clientFor('http://x', { socketPath: path }), POST)).toBe('200 ok')
  })
})

describe('an abort', () => {
  test('ends a request in every phase at once, and its connection', async () => {
    const phases: [Script, Buffer][] = [
      // While the body is sent, while it waits for the head, and within the body of the response.
      [(peer) => void peer.socket.pause(), Buffer.alloc(64 << 20)],
      [() => {}, POST.body],
      [once('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'), POST.body],
    ]
    for (const [script, body] of phases) {
      let peer: RawPeer | undefined
      const { client, server } = await serving((each) => {
        peer = each
        return script(each, 1)
      })
      const stop = new AbortController()
      const ended = failure(exchange(client, { ...POST, body, signal: stop.signal }))
      await until(() => server.open === 1)
      stop.abort()
      expect((await ended).reason).toBe('stopped')
      peer?.drop()
      await until(() => server.open === 0)
    }
  })

  test('takes a request that waits for a connection out of the queue', async () => {
    const heads: string[] = []
    let answer: (() => void) | undefined
    const { client, server } = await serving(
      async (peer) => {
        while (true) {
          const { head } = await peer.request()
          heads.push(head.split(' ')[1] ?? '')
          if (heads.length === 1)
            await new Promise<void>((resolve) => {
              answer = resolve
            })
          peer.send(responseOf(200))
        }
      },
      { maxConnections: 1 },
    )
    const first = exchange(client, { ...POST, path: '/1' })
    await until(() => answer)
    const stop = new AbortController()
    const second = failure(exchange(client, { ...POST, path: '/2', signal: stop.signal }))
    const third = exchange(client, { ...POST, path: '/3' })
    stop.abort()
    expect((await second).wasSent).toBe(false)
    answer?.()
    await Promise.all([first, third])
    expect(heads).toEqual(['/1', '/3'])
    expect(server.connections).toBe(1)
  })

  test('before the call sends nothing', async () => {
    const { client, server } = await serving(() => {})
    expect((await failure(client.send({ ...POST, signal: AbortSignal.abort() }))).wasSent).toBe(false)
    expect(server.connections).toBe(0)
  })
})

describe('TLS', () => {
  const authority = new Authority()
  const good = authority.issue('localhost', ['localhost', '127.0.0.1'])
  const tls = (ca = authority.cert, more = {}) => ({ tls: () => ({ ca, ...more }) })

  async function secure(pair = good, options: Partial<HttpClientOptions> = tls(), server = {}) {
    const started = await RawServer.start(always(responseOf(200, 'ok')), { tls: { ...pair, ...server } })
    atEnd(() => started.close())
    return clientFor(`https://localhost:${started.port}`, options)
  }

  test('with a certificate of the given authority works, and the connection is kept', async () => {
    const client = await secure()
    expect(await exchange(client, POST)).toBe('200 ok')
    expect(await exchange(client, { ...POST, body: Buffer.alloc(1_000_000) })).toBe('200 ok')
  })

  for (const [what, pair, options, reason] of [
    ['has expired', authority.issue('localhost', ['localhost'], -1), tls(), /expired/i],
    ['is for another name', authority.issue('other', ['other.example']), tls(), /altname|hostname|identity/i],
    ['is of an unknown authority', good, tls(new Authority('B').cert), /certificate|signature|issuer/i],
  ] as const)
    test(`whose certificate ${what} sends nothing, with the reason`, async () => {
      const error = await failure(exchange(await secure(pair, options), POST))
      expect([error.code, error.wasSent]).toEqual(['E_PEER_UNREACHABLE', false])
      expect(error.message).toMatch(reason)
    })

  test('shows a certificate of its own', async () => {
    const required = { requestCert: true, rejectUnauthorized: true, ca: authority.cert }
    const own = authority.issue('agent')
    expect(await exchange(await secure(good, tls(authority.cert, own), required), POST)).toBe('200 ok')
    const none = await failure(exchange(await secure(good, tls(), required), POST))
    expect([none.code, none.message, none.hint].join()).toMatch(/E_PEER_\w+,.*(?:certificate|closed)/)
  })
})

describe('a body in pieces of a few bytes', () => {
  test('its reader gets it in a few larger ones, with the same bytes', async () => {
    const text = Array.from({ length: 30_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('')
    const { client } = await serving(
      once(`${CHUNKED}${[...text].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`),
    )
    const response = await client.send({ ...LIMITS, path: '/' })
    const pieces: Buffer[] = []
    for await (const piece of response.body) pieces.push(piece)
    expect(Buffer.concat(pieces).toString()).toBe(text)
    expect(pieces.length).toBeLessThan(1000)
  })

  test('pieces of all sizes stay in order', async () => {
    const texts = Array.from({ length: 400 }, (_, i) =>
      String(i).padStart([1, 40, 700, 5000][i % 4] ?? 1, '.'),
    )
    const { client } = await serving(
      once(`${CHUNKED}${texts.map((t) => `${t.length.toString(16)}\r\n${t}\r\n`).join('')}0\r\n\r\n`),
    )
    expect(await exchange(client, { ...LIMITS, path: '/' })).toBe(`200 ${texts.join('')}`)
  })

  test('hundreds of thousands of them are an error', async () => {
    const { client } = await serving(once(`${CHUNKED}${'1\r\n.\r\n'.repeat(250_000)}0\r\n\r\n`))
    const { code, reason } = await failure(exchange(client, { ...LIMITS, path: '/' }))
    expect([code, reason]).toEqual([
      'E_PEER_PROTOCOL',
      'the response comes in more than 200000 pieces of a few bytes',
    ])
  })
})
