import { describe, expect, spyOn, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { ShipperError } from '../../../../src/core/error.ts'
import { spec } from '../../../../src/plugins/inputs/http/index.ts'
import { Authority } from '../../../support/certs.ts'
import { HttpClient, listeningInput, post } from '../../../support/http/listening-input.ts'
import { snappyFrames } from '../../../support/http/snappy-frames.ts'
import { tmp } from '../../../support/tmp.ts'
import { until, untilReaches } from '../../../support/until.ts'

const SUCCESS = 'HTTP/1.1 201 Created'
const records = (from: number, to: number): object[] =>
  Array.from({ length: to - from }, (_, i) => ({ n: from + i, text: `record ${from + i} of many` }))
const lines = (from: number, to: number): string =>
  records(from, to)
    .map((r) => JSON.stringify(r))
    .join('\n')

async function statusOf(port: number, ...parts: (string | Buffer)[]): Promise<number> {
  const client = new HttpClient(port)
  client.send(...parts)
  const { status } = await client.answer()
  client.socket.destroy()
  return status
}

describe('a body', () => {
  const one = [{ a: 1, b: 'x' }]
  test.each([
    ['an object', 'application/json', '{"a":1,"b":"x"}', one],
    [
      'objects one after the other',
      'application/json',
      '{"a":1}{"b":2}\r\n {"c":3}\n',
      [{ a: 1 }, { b: 2 }, { c: 3 }],
    ],
    ['a list', 'application/json', ' [ {"a":1} , {"b":2} ] ', [{ a: 1 }, { b: 2 }]],
    ['lists and objects', 'Application/JSON ; charset=utf-8', '[{"a":1}]{"b":2}[]', [{ a: 1 }, { b: 2 }]],
    ['an empty list', 'application/json', '[]', []],
    ['lines of JSON', 'application/x-ndjson', '{"a":1}\n{"b":2}\n', [{ a: 1 }, { b: 2 }]],
    ['lines of text', 'text/plain', 'one\r\n\ntwo', [{ log: 'one' }, { log: 'two' }]],
    ['a form', 'application/x-www-form-urlencoded', 'a=1&b=x+y%21&c&=d&e=', [{ a: '1', b: 'x y!', e: '' }]],
    [
      'a form with a bad escape',
      'application/x-www-form-urlencoded',
      ' a =%zz&b=%4',
      [{ a: '%zz', b: '%4' }],
    ],
    ['a form with a key twice', 'application/x-www-form-urlencoded', 'a=1&a=2', [{ a: '2' }]],
  ])('with %s becomes records', async (_, type, body, expected) => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(post('/app/web.1?x=y', body, { 'Content-Type': type }))
    expect((await client.answer()).head).toStartWith(SUCCESS)
    expect(run.records()).toEqual(expected.map((record) => ['app_web.1', record]))
  })

  test.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['zstd', zstdCompressSync],
    ['snappy', snappyFrames],
    ['identity', (bytes: Buffer) => bytes],
  ] as [string, (bytes: Buffer) => Buffer][])('compressed with %s is read', async (coding, compress) => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(post('/t', compress(Buffer.from(lines(0, 5000))), { 'Content-Encoding': coding }))
    expect((await client.answer()).status).toBe(201)
    expect(run.records().map(([, record]) => record)).toEqual(records(0, 5000))
  })

  test('in chunks, cut anywhere, is read', async () => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    const text = lines(0, 500)
    client.send(
      'POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    for (let at = 0; at < text.length; at += 700) {
      const part = text.slice(at, at + 700)
      client.send(`${part.length.toString(16)};ext=1\r\n`, part, '\r\n')
      await new Promise(setImmediate)
    }
    client.send('0\r\nTrailer: x\r\n\r\n')
    expect((await client.answer()).status).toBe(201)
    expect(run.records().map(([, record]) => record)).toEqual(records(0, 500))
  })

  test.each([
    ['{"a":1}{"b":', 400],
    ['{"a":1},{"b":2}', 400],
    ['[{"a":1},{"b":2}', 400],
    ['[{"a":1} {"b":2}]', 400],
    ['[{"a":1},]', 400],
    ['[{"a":1},5]', 400],
    ['[[{"a":1}]]', 400],
    ['{"a":1}]', 400],
    ['{"a":1}x', 400],
    ['   ', 400],
    ['', 400],
    [`${'{"a":'.repeat(300)}1${'}'.repeat(300)}`, 400],
  ])('%p is refused, and nothing of it is kept', async (body, status) => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(post('/t', body), post('/t', '{"next":1}'))
    expect((await client.answer()).status).toBe(status)
    expect((await client.answer(2)).status).toBe(201)
    expect(run.records()).toEqual([['t', { next: 1 }]])
    expect(run.counter('refused_requests')).toBe(1)
  })

  test('of which a late record cannot be read is refused as a whole, however large it is', async () => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(post('/t', `${lines(0, 40_000)}\n{"a":tru}`))
    expect((await client.answer()).status).toBe(400)
    expect(run.records()).toEqual([])
    client.send(post('/t', lines(0, 40_000)))
    expect((await client.answer(2)).status).toBe(201)
    expect(run.records()).toHaveLength(40_000)
  })

  test('may have one record as large as Buffer_Max_Size', async () => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    const text = 'y'.repeat(3_900_000)
    client.send(post('/t', JSON.stringify({ text })))
    expect((await client.answer()).status).toBe(201)
    expect(run.records()).toEqual([['t', { text }]])
  })
})

describe('a tag', () => {
  test('is the path in which others than letters, digits, dots and underscores are replaced, byte by byte', async () => {
    const run = await listeningInput(spec, {})
    const client = new HttpClient(run.port)
    for (const path of ['/', '/a%20b/c//d/', '/ä-1', '/_.A9']) client.send(post(path, '{}'))
    await client.answer(4)
    expect(
      run
        .records()
        .map(([tag]) => tag)
        .toSorted(),
    ).toEqual(['http.0', 'a_20b_c__d_', '___1', '_.A9'].toSorted())
  })

  test('of a record under Tag_Key goes before it', async () => {
    const run = await listeningInput(spec, { tag_key: "$k['tag']" })
    const client = new HttpClient(run.port)
    client.send(post('/p', '[{"k":{"tag":"a/b"}},{"k":{"tag":"a/b"},"n":1},{"k":{"tag":5}},{"k":1},{}]'))
    expect((await client.answer()).status).toBe(201)
    expect(
      run
        .records()
        .map(([tag]) => tag)
        .toSorted(),
    ).toEqual(['a_b', 'a_b', 'p', 'p', 'p'])
  })

  test('with which a client could forge the records of others is refused, as path and as key', async () => {
    const run = await listeningInput(spec, { tag_key: 'tag' }, { identityTags: 'kube.*' })
    expect(await statusOf(run.port, post('/kube.x', '{}'))).toBe(403)
    expect(await statusOf(run.port, post('/x', '{"a":1}{"tag":"kube.y"}'))).toBe(403)
    expect(run.records()).toEqual([])
  })

  test('is not longer than 1,024 characters', async () => {
    const run = await listeningInput(spec)
    expect(await statusOf(run.port, post(`/${'a'.repeat(1025)}`, '{}'))).toBe(414)
  })
})

test('the address of a client of IPv4 is added as such when the input listens on all addresses', async () => {
  const run = await listeningInput(spec, { listen: '::', add_remote_addr: 'on' })
  const client = new HttpClient(run.port)
  client.send(post('/t', '{}'))
  await client.answer(1)
  expect(run.records().map(([, record]) => record)).toEqual([{ REMOTE_ADDR: '127.0.0.1' }])
})

test('the address of the client is added to records that do not have its key', async () => {
  const run = await listeningInput(spec, { add_remote_addr: 'on', remote_addr_key: 'ip' })
  const client = new HttpClient(run.port)
  const forwarded = { 'X-Forwarded-For': ' 10.0.0.1 , 10.0.0.2' }
  client.send(post('/t', '[{"a":1},{"ip":"mine"}]', forwarded), post('/t', '{}'))
  client.send(post('/t', 'line', { ...forwarded, 'Content-Type': 'text/plain' }))
  client.send(post('/t', 'b=1', { ...forwarded, 'Content-Type': 'application/x-www-form-urlencoded' }))
  await client.answer(4)
  expect(run.records().map(([, record]) => record)).toEqual([
    { a: 1, ip: '10.0.0.1' },
    { ip: 'mine' },
    { ip: '127.0.0.1' },
    { log: 'line', ip: '10.0.0.1' },
    { b: '1', ip: '10.0.0.1' },
  ])
})

describe('an answer', () => {
  test('comes when the records are delivered, and not before', async () => {
    const run = await listeningInput(spec)
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/t', '{"a":1}'))
    await until(() => run.output.waiting === 1)
    expect(client.answers).toEqual([])
    expect(run.input.status?.()).toMatchObject({ connections: 1, waitingRequests: 1 })
    run.output.open()
    expect((await client.answer()).head).toBe(
      'HTTP/1.1 201 Created\r\nserver: Fluent Bit\r\nx-http-engine: Monkey heritage\r\ncontent-length: 0',
    )
    expect(run.counter('requests')).toBe(1)
  })

  test('to pipelined requests comes in their order, each after its delivery', async () => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(Buffer.concat([post('/a', '{"n":1}'), post('/b', 'x'), post('/c', '{"n":2}')]))
    await client.answer(3)
    expect(client.answers.map(({ status }) => status)).toEqual([201, 400, 201])
    expect(run.records()).toEqual([
      ['a', { n: 1 }],
      ['c', { n: 2 }],
    ])
  })

  test('is 503 with Retry-After when records are dropped', async () => {
    const run = await listeningInput(
      spec,
      {},
      { outputCommon: { retry_limit: 'no_retries', dead_letter_file: 'off' } },
    )
    run.output.failure = new ShipperError('E_OUTPUT_WRITE', 'refused', { retryable: false })
    const client = new HttpClient(run.port)
    client.send(post('/t', '{"a":1}'))
    expect(await client.answer()).toMatchObject({
      status: 503,
      head: expect.stringContaining('retry-after: 1'),
    })
  })

  test('is 503 when the agent stops before the records are delivered', async () => {
    const run = await listeningInput(spec)
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/t', '{"a":1}'))
    await until(() => run.output.waiting === 1)
    await run.close()
    expect(client.answers[0]?.status).toBe(503)
    await until(() => client.closed || client.ended)
  })

  test('is 503 after Max_Wait, and the records are delivered all the same', async () => {
    const run = await listeningInput(spec, { max_wait: '1' })
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/t', '{"a":1}'))
    expect(await client.answer()).toMatchObject({ status: 503, body: expect.stringContaining('Max_Wait') })
    run.output.open()
    await until(() => run.records().length === 1)
    client.send(post('/t', '{"a":2}'))
    expect((await client.answer(2)).status).toBe(201)
  })

  test('has the configured status and headers', async () => {
    const run = await listeningInput(spec, {
      successful_response_code: '204',
      success_header: ['X-A b c', 'X-D e'],
    })
    const client = new HttpClient(run.port)
    client.send(post('/t', '{}'), post('/t', 'x'))
    await client.answer(2)
    expect(client.answers[0]?.head).toStartWith('HTTP/1.1 204 No Content')
    expect(client.answers[0]?.head).toContain('\r\nx-a: b c\r\nx-d: e\r\n')
    expect(client.answers[1]?.head).not.toContain('x-a')
  })

  test('to GET /health comes only with Enable_Health_Endpoint', async () => {
    const health = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n'
    const on = await listeningInput(spec, { enable_health_endpoint: 'on' })
    const off = await listeningInput(spec)
    expect([await statusOf(on.port, health), await statusOf(off.port, health)]).toEqual([200, 400])
  })
})

describe('memory', () => {
  const full = { common: { mem_buf_limit: '300k' } }
  const sendAll = (port: number): HttpClient[] =>
    Array.from({ length: 60 }, (_, i) => {
      const client = new HttpClient(port)
      client.send(post('/t', lines(i * 1000, i * 1000 + 200)))
      return client
    })

  test('at its limit makes the answer 503, and nothing of the request is kept', async () => {
    const run = await listeningInput(spec, { max_wait: '1' }, full)
    run.output.blocked = true
    const clients = sendAll(run.port)
    const answers = await Promise.all(clients.map((client) => client.answer()))
    for (const { status, head } of answers)
      expect([status, head.includes('retry-after')]).toEqual([503, true])
    const isRefused = answers.map(({ body }) => body.includes('memory limit'))
    expect(new Set(isRefused)).toEqual(new Set([true, false]))
    // A request has waited in vain: others are told so at once.
    const next = new HttpClient(run.port)
    next.send(post('/t', lines(0, 200), { Expect: '100-continue' }).subarray(0, 150))
    expect((await next.answer()).status).toBe(503)
    run.output.open()
    // The connections serve what is sent again.
    for (const client of clients) client.send(post('/t', '{"n":0}'))
    for (const client of clients) expect((await client.answer(2)).status).toBe(201)
    const kept = new Set(run.records().map(([, record]) => Math.floor((record as { n: number }).n / 1000)))
    for (const [i, refused] of isRefused.entries()) if (i > 0) expect(kept.has(i)).toBe(!refused)
  })

  test('that outputs release soon is waited for', async () => {
    const run = await listeningInput(spec, {}, full)
    run.output.blocked = true
    const clients = sendAll(run.port)
    await until(() => run.input.status?.().waitingRequests === 60)
    run.output.open()
    for (const client of clients) expect((await client.answer()).status).toBe(201)
    expect(run.records().length).toBe(60 * 200)
  })
})

describe('a client', () => {
  test('that asks whether its body is wanted is told so, or gets the refusal instead', async () => {
    const run = await listeningInput(spec)
    const expectation = { Expect: '100-continue' }
    const client = new HttpClient(run.port)
    const request = post('/t', '{"a":1}', expectation)
    const head = request.indexOf('\r\n\r\n') + 4
    client.send(request.subarray(0, head))
    expect((await client.answer()).status).toBe(100)
    client.send(request.subarray(head))
    expect((await client.answer(2)).status).toBe(201)
    const refused = new HttpClient(run.port)
    refused.send(post('/t', 'x'.repeat(10), { ...expectation, 'Content-Type': 'image/png' }).subarray(0, -10))
    expect((await refused.answer()).status).toBe(415)
    await until(() => refused.ended)
    const other = new HttpClient(run.port)
    other.send(post('/t', 'x', { Expect: 'x' }).subarray(0, -1))
    expect((await other.answer()).status).toBe(417)
  })

  test.each([
    ['another method', 'PUT /t HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}', 400],
    ['no Content-Type', 'POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}', 400],
    ['another Content-Type', post('/t', '{}', { 'Content-Type': 'text/html' }), 415],
    ['another Content-Encoding', post('/t', '{}', { 'Content-Encoding': 'br' }), 415],
    ['two Content-Encodings', post('/t', '{}', { 'Content-Encoding': 'gzip, gzip' }), 415],
    ['bytes that are no gzip', post('/t', '{}', { 'Content-Encoding': 'gzip' }), 400],
    [
      'gzip that is cut off',
      post('/t', gzipSync(lines(0, 100)).subarray(0, -9), { 'Content-Encoding': 'gzip' }),
      400,
    ],
    ['a path of a proxy', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ])('with %s is told so, and may send another request', async (_, request, status) => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(request, post('/t', '{"next":1}'))
    expect((await client.answer()).status).toBe(status)
    expect((await client.answer(2)).status).toBe(201)
    expect(run.records()).toEqual([['t', { next: 1 }]])
  })

  test.each([
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET ', 400],
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\n', 400],
    ['another coding', 'Transfer-Encoding: chunked, identity\r\n\r\n', 501],
    ['a malformed chunk', 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":1}\r\n0\r\n\r\n', 400],
    ['a chunk whose line ends with LF', 'Transfer-Encoding: chunked\r\n\r\n7\n{"a":1}\r\n0\r\n\r\n', 400],
    ['a chunk of 4 GB', 'Transfer-Encoding: chunked\r\n\r\nffffffff\r\n', undefined],
    ['a header of 1 MB', `X: ${'a'.repeat(1_000_000)}\r\n\r\n`, 431],
    ['10,000 headers', `${'A: b\r\n'.repeat(10_000)}\r\n`, 431],
  ])('with %s is refused, and what follows is no request', async (_, rest, status) => {
    const run = await listeningInput(spec, { 'http_server.idle_timeout': '1' })
    const client = new HttpClient(run.port)
    client.send(`POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${rest}`)
    client.send(post('/t', '{"smuggled":1}'))
    await until(() => client.closed || client.ended)
    expect(client.answers.map((answer) => answer.status)).toEqual([status ?? client.answers[0]?.status ?? 0])
    expect(run.records()).toEqual([])
  })

  test('that announces more than Buffer_Max_Size, or sends it in chunks, gets 413', async () => {
    const run = await listeningInput(spec, { buffer_max_size: '10k' })
    const announced = new HttpClient(run.port)
    announced.send(post('/t', '', { 'Content-Length': '99999999999' }))
    expect((await announced.answer()).status).toBe(413)
    const client = new HttpClient(run.port)
    client.send(
      'POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    client.send(`2ee0\r\n${'x'.repeat(12_000)}`)
    expect((await client.answer()).status).toBe(413)
    await until(() => client.ended)
  })

  test('that ends before its length is told so', async () => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(post('/t', '{"a":1}', { 'Content-Length': '1000' }))
    client.socket.end()
    expect((await client.answer()).status).toBe(400)
    expect(run.records()).toEqual([])
  })

  test('that stops within its header or its body gets 408', async () => {
    const run = await listeningInput(spec, { 'http_server.idle_timeout': '1' })
    const body = new HttpClient(run.port)
    body.send(post('/t', '{"a":1}', { 'Content-Length': '1000' }))
    const header = new HttpClient(run.port)
    header.send('POST /t HTTP/1.1\r\nHost')
    expect([(await body.answer()).status, (await header.answer()).status]).toEqual([408, 408])
    const idle = new HttpClient(run.port)
    await until(() => idle.ended || idle.closed)
    expect(idle.received).toBe('')
  })

  test('of HTTP/1.0 gets the end of the connection with its answer, unless it asks to keep it', async () => {
    const run = await listeningInput(spec)
    const old = (more: string) =>
      `POST /t HTTP/1.0\r\nContent-Type: application/json\r\n${more}Content-Length: 2\r\n\r\n{}`
    const client = new HttpClient(run.port)
    client.send(old(''))
    await client.answer()
    await until(() => client.ended)
    const keeping = new HttpClient(run.port)
    keeping.send(old('Connection: keep-alive\r\n'))
    expect((await keeping.answer()).head).toContain('connection: keep-alive')
    keeping.send(old(''))
    expect((await keeping.answer(2)).status).toBe(201)
  })

  test('that goes away before its answer changes nothing', async () => {
    const run = await listeningInput(spec)
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/t', '{"a":1}'))
    await until(() => run.output.waiting === 1)
    client.socket.destroy()
    run.output.open()
    await until(() => run.records().length === 1)
    expect(await statusOf(run.port, post('/t', '{}'))).toBe(201)
  })
})

describe('connections', () => {
  test('beyond Max_Connections take the place of the one that has been idle longest', async () => {
    const run = await listeningInput(spec, { max_connections: '2' })
    const [first, second] = [new HttpClient(run.port), new HttpClient(run.port)]
    for (const client of [first, second]) {
      client.send(post('/t', '{}'))
      await client.answer()
    }
    expect(await statusOf(run.port, post('/t', '{}'))).toBe(201)
    await until(() => first.closed || first.ended)
    expect(second.ended).toBe(false)
    expect(run.counter('evicted_connections')).toBe(1)
  })

  test('of an address that takes all of them with slow requests do not keep other clients out', async () => {
    const run = await listeningInput(spec, { max_connections: '2', 'http_server.idle_timeout': '1h' })
    const head = 'POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{'
    const slow = ['POST /t HTTP/1.1\r\nHo', head].map((text) => {
      const client = new HttpClient(connect({ port: run.port, host: '127.0.0.1', localAddress: '127.0.0.2' }))
      client.send(text)
      return client
    })
    await until(() => run.counter('connections') === 2)
    const other = new HttpClient(run.port)
    other.send(post('/t', '{"n":1}'))
    await until(() => run.counter('waiting_connections') === 1)
    const now = performance.now.bind(performance)
    const clock = spyOn(performance, 'now').mockImplementation(() => now() + 10_500)
    try {
      // They go on all the time.
      await until(() => {
        slow[0]?.send('s')
        slow[1]?.send(' ')
        return other.answers.length > 0
      })
    } finally {
      clock.mockRestore()
    }
    expect((await other.answer()).status).toBe(201)
    // The one that gave way was told so.
    await until(() => slow.some(({ answers }) => answers[0]?.status === 408))
    expect(run.counter('evicted_connections')).toBe(1)
  })

  test('that wait for their answers are not displaced: others have to wait', async () => {
    const run = await listeningInput(spec, { max_connections: '1' })
    run.output.blocked = true
    const client = new HttpClient(run.port)
    client.send(post('/t', '{}'))
    await until(() => run.output.waiting === 1)
    const other = new HttpClient(run.port)
    other.send(post('/t', '{}'))
    await until(() => run.counter('waiting_connections') === 1)
    run.output.open()
    expect((await client.answer()).status).toBe(201)
    expect((await other.answer()).status).toBe(201)
    expect(run.counter('refused_connections')).toBe(0)
  })
})

describe('a bomb', () => {
  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as [string, (bytes: Buffer) => Buffer][])(
    'of %s is refused with 413 before it is decompressed',
    async (coding, compress) => {
      const run = await listeningInput(spec)
      const bomb = compress(Buffer.alloc(200_000_000, ' '))
      const client = new HttpClient(run.port)
      client.send(post('/t', bomb, { 'Content-Encoding': coding }), post('/t', '{"next":1}'))
      expect((await client.answer()).status).toBe(413)
      expect((await client.answer(2)).status).toBe(201)
    },
  )

  test('of snappy is refused as well', async () => {
    const run = await listeningInput(spec, { buffer_max_size: '64k' })
    const client = new HttpClient(run.port)
    client.send(post('/t', snappyFrames(Buffer.alloc(900_000, ' ')), { 'Content-Encoding': 'snappy' }))
    expect((await client.answer()).status).toBe(413)
  })
})

/** Returns options for TLS with a certificate of the authority. */
function tlsFiles(authority: Authority): Record<string, string> {
  const folder = tmp()
  const { cert, key } = authority.issue('127.0.0.1', ['127.0.0.1'])
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
  return { tls: 'on', 'tls.crt_file': join(folder, 'cert.pem'), 'tls.key_file': join(folder, 'key.pem') }
}

describe('TLS', () => {
  test('serves clients with its certificate, and those without TLS get no answer', async () => {
    const authority = new Authority()
    const run = await listeningInput(spec, tlsFiles(authority))
    const socket = connectTls({ port: run.port, host: '127.0.0.1', ca: authority.cert })
    const client = new HttpClient(socket)
    client.send(post('/t', lines(0, 2000)), post('/t', '{"n":-1}'))
    expect((await client.answer(2)).status).toBe(201)
    expect(run.records()).toHaveLength(2001)
    const plain = new HttpClient(run.port)
    plain.send(post('/t', '{}'))
    await until(() => plain.closed || plain.ended)
    expect(plain.answers).toEqual([])
  })

  test('refuses clients without a certificate that tls.ca_file signs', async () => {
    const authority = new Authority()
    const ca = join(tmp(), 'ca.pem')
    writeFileSync(ca, authority.cert)
    const run = await listeningInput(spec, {
      ...tlsFiles(authority),
      ...{ 'tls.verify_client_cert': 'on', 'tls.ca_file': ca },
    })
    const [known, unknown] = [authority.issue('agent'), new Authority('Other').issue('agent')]
    const statuses: (number | undefined)[] = []
    for (const pair of [known, unknown, undefined]) {
      const client = new HttpClient(
        connectTls({ port: run.port, host: '127.0.0.1', ca: authority.cert, ...pair }),
      )
      client.send(post('/t', '{}'))
      await until(() => client.answers.length > 0 || client.closed || client.ended)
      statuses.push(client.answers[0]?.status)
    }
    expect(statuses).toEqual([201, undefined, undefined])
  })

  test('needs its files', async () => {
    const missing = listeningInput(spec, { tls: 'on' })
    await expect(missing).rejects.toMatchObject({ code: 'E_CONFIG_BAD_VALUE' })
    const bad = join(tmp(), 'x')
    writeFileSync(bad, '')
    const unreadable = listeningInput(spec, { tls: 'on', 'tls.crt_file': `${bad}y`, 'tls.key_file': bad })
    await expect(unreadable).rejects.toMatchObject({ code: 'E_CONFIG_BAD_VALUE' })
  })
})

test('a port in use ends the run with a hint', async () => {
  const run = await listeningInput(spec)
  await expect(listeningInput(spec, { port: String(run.port) })).rejects.toMatchObject({
    code: 'E_LISTEN',
    hint: expect.stringContaining('Port'),
  })
})

test('many clients at once lose nothing', async () => {
  const run = await listeningInput(spec)
  const clients = Array.from({ length: 50 }, () => new HttpClient(run.port))
  for (const [i, client] of clients.entries())
    for (let n = 0; n < 20; n++) client.send(post('/t', lines(i * 1000 + n * 10, i * 1000 + n * 10 + 10)))
  await untilReaches(10_000, () => run.records().length)
  await Promise.all(clients.map((client) => client.answer(20)))
  expect(new Set(run.records().map(([, record]) => (record as { n: number }).n)).size).toBe(10_000)
  expect(run.counter('requests')).toBe(1000)
})
