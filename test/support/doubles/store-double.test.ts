import { expect, test } from 'bun:test'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { Authority } from '../certs.ts'
import { until } from '../until.ts'
import { EsApi } from './es.ts'
import { JsonLogsApi } from './json-logs.ts'
import { FAULTS, type Fault } from './plan.ts'
import { type DoubleInit, StoreDouble } from './store-double.ts'

const record = (n: number): string => JSON.stringify({ n })
const plain = (init?: DoubleInit) => StoreDouble.start(new JsonLogsApi(), init)

/** Sends a request over a connection of its own. */
function send(url: string, body: string | Uint8Array, more: RequestInit = {}): Promise<Response> {
  return fetch(url, { method: 'POST', body, keepalive: false, redirect: 'manual', ...more })
}

/** Returns the status and text of the answer, or nothing where there is none. */
async function answerTo(
  url: string,
  body: string,
  more: RequestInit = {},
): Promise<[number, string] | undefined> {
  try {
    const answer = await send(url, body, more)
    return [answer.status, await answer.text()]
  } catch {
    return undefined
  }
}

/** Writes bytes to the double and returns what came until the end of the connection. */
async function exchange(port: number, ...parts: string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let isClosed = false
  socket.on('data', (bytes: Buffer) => {
    text += bytes
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    isClosed = true
  })
  for (const part of parts) socket.write(part)
  await until(() => isClosed)
  return text
}

/** What a client sees of each fault, and whether the record is kept; the hang has a test of its own. */
const SEEN: Record<Exclude<Fault, 'hang' | '400' | '413'>, [status: number | undefined, kept: number]> = {
  'close-after-head': [undefined, 0],
  'close-in-body': [undefined, 0],
  'close-unkept': [undefined, 0],
  'close-kept': [undefined, 1],
  'reset-kept': [undefined, 1],
  '429': [429, 0],
  '429-seconds': [429, 0],
  '500': [500, 0],
  '502': [502, 0],
  '503': [503, 0],
  '503-date': [503, 0],
  '401': [401, 0],
  '403': [403, 0],
  '404': [404, 0],
  redirect: [301, 0],
  html: [502, 0],
  'html-200': [200, 0],
  'cut-kept': [undefined, 1],
  'huge-kept': [200, 1],
  'slow-kept': [200, 1],
  'chunked-kept': [200, 1],
  'gzip-kept': [200, 1],
  'http10-kept': [200, 1],
  'continue-kept': [200, 1],
  'close-later-kept': [200, 1],
}

for (const [fault, [status, kept]] of Object.entries(SEEN)) {
  test(`${fault}: the client sees ${status ?? 'no answer'}, and the record is kept ${kept} times`, async () => {
    const double = await plain()
    double.plan.next(fault as Fault)
    const seen = await answerTo(double.url, record(7))
    expect(seen?.[0]).toBe(status)
    expect(double.ledger.timesKept(7)).toBe(kept)
    expect(double.plan.injected).toEqual({ [fault]: 1 })
    expect(await answerTo(double.url, record(8))).toEqual([200, '{}'])
    expect(double.bad).toEqual([])
  })
}

test('every fault has a row in the table of what a client sees', () => {
  expect(Object.keys(SEEN).concat('hang').sort()).toEqual([...FAULTS].sort())
})

test('a request that hangs is never answered, and not kept', async () => {
  const double = await plain()
  double.plan.always('hang')
  const stop = new AbortController()
  const answer = answerTo(double.url, record(1), { signal: stop.signal })
  await until(() => double.requests.length === 1)
  stop.abort()
  expect(await answer).toBeUndefined()
  expect(double.ledger.records).toBe(0)
  double.plan.always()
  expect(await answerTo(double.url, record(1))).toEqual([200, '{}'])
})

test('Retry-After comes as seconds and as a date', async () => {
  const double = await plain()
  double.plan.next('429-seconds', '503-date')
  expect((await send(double.url, record(1))).headers.get('retry-after')).toBe('1')
  const date = (await send(double.url, record(1))).headers.get('retry-after') ?? ''
  expect(date).toMatch(/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/)
  expect(Date.parse(date)).toBeGreaterThan(Date.now() - 60_000)
})

test('an answer of 10 MB is a good answer, one by HTML is none of the API', async () => {
  const double = await plain()
  double.plan.next('huge-kept', 'html-200')
  const [, huge = ''] = (await answerTo(double.url, record(1))) ?? []
  expect(huge.length).toBeGreaterThan(10_000_000)
  expect(JSON.parse(huge)).toEqual({})
  const page = await send(double.url, record(2))
  expect(page.headers.get('content-type')).toBe('text/html')
})

test('a body above the limit gets 413, a smaller one is kept', async () => {
  const double = await plain({ maxBytes: 40 })
  const long = JSON.stringify({ n: 1, text: 'x'.repeat(40) })
  expect((await answerTo(double.url, long))?.[0]).toBe(413)
  expect((await answerTo(double.url, record(2)))?.[0]).toBe(200)
  expect(double.ledger.report(3)).toMatchObject({ kept: 1, missing: 2, first: [0, 1] })
})

test('bodies are decompressed, with chunks or a length; what cannot be is told', async () => {
  const double = await plain()
  const headers = { 'content-encoding': 'gzip' }
  await send(double.url, gzipSync(record(1)), { headers })
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(record(2)))
      controller.close()
    },
  })
  await send(double.url, stream as never, { duplex: 'half' } as RequestInit)
  expect(double.ledger.report(3)).toMatchObject({ kept: 2, first: [0] })
  expect(double.bad).toEqual([])
  await send(double.url, 'no gzip', { headers })
  expect(double.bad).toHaveLength(2)
})

test.each([
  ['two lengths', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
  ['a length and chunks', 'POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a length that is no number', 'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n'],
  ['no request line', 'hello\r\n\r\n'],
  ['a header without colon', 'POST / HTTP/1.1\r\nhello\r\n\r\n'],
  [
    'a chunk that is longer than its size',
    'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n',
  ],
])('a request with %s is refused and told', async (_, text) => {
  const double = await plain()
  expect(await exchange(double.port, text)).toStartWith('HTTP/1.1 400 ')
  expect(double.bad).toHaveLength(1)
  expect(double.requests).toHaveLength(0)
})

test('a second request before the answer to the first is told', async () => {
  const double = await plain()
  const one = `POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n${record(1)}`
  await exchange(double.port, one + one)
  expect(double.bad).toEqual(['a request before the answer to the one before it'])
})

test('a store that is down refuses, and is the same store when it is up again', async () => {
  const double = await plain()
  await send(double.url, record(1))
  await double.down()
  expect(await answerTo(double.url, record(2))).toBeUndefined()
  await double.up()
  await send(double.url, record(2))
  expect(double.ledger.report(3)).toMatchObject({ kept: 2, twice: 0 })
})

test('a store with TLS speaks it with its certificate', async () => {
  const authority = new Authority()
  const double = await plain({ tls: authority.issue('store', ['127.0.0.1']) })
  const tls = { ca: authority.cert }
  expect((await answerTo(double.url, record(1), { tls } as RequestInit))?.[0]).toBe(200)
  expect(await answerTo(double.url, record(1))).toBeUndefined()
})

test('a signed request whose time is more than five minutes off is refused with the time of the store', async () => {
  const double = await plain({ skewMs: 3_600_000 })
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const answer = await send(double.url, record(1), { headers: { 'x-amz-date': stamp } })
  expect(answer.status).toBe(403)
  expect(await answer.text()).toContain('RequestTimeTooSkewed')
  expect(Date.parse(answer.headers.get('date') ?? '') - Date.now()).toBeGreaterThan(3_000_000)
})

test('the same seed gives the same faults; the same records are refused at every attempt', async () => {
  const seen: string[][] = []
  for (let i = 0; i < 2; i++) {
    const double = await StoreDouble.start(new EsApi(), { seed: 5, anyFault: 0.5, later: 0.3, refused: 0.2 })
    const faults = Array.from({ length: 50 }, () => double.plan.fault() ?? 'none')
    const fates = Array.from({ length: 50 }, (_, n) => double.plan.fate(n))
    seen.push([...faults, ...fates])
    double.plan.end()
    const after = Array.from({ length: 50 }, (_, n) => double.plan.fate(n))
    expect(after.filter((fate) => fate === 'later')).toEqual([])
    expect(after.map((fate) => fate === 'refuse')).toEqual(fates.map((fate) => fate === 'refuse'))
    expect(double.plan.fault()).toBeUndefined()
  }
  expect(seen[0]).toEqual(seen[1] ?? [])
  expect(new Set(seen[0]?.slice(50))).toEqual(new Set(['keep', 'refuse', 'later']))
})
