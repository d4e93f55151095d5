import { expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { UniqueKeys } from '../../../src/core/msgpack/unique-keys.ts'
import { Inflaters } from '../../../src/lib/compression/inflater.ts'
import { inflate } from '../../../src/lib/http-input/content-coding.ts'
import { EntryBlocks, Scratch } from '../../../src/lib/http-input/entry-blocks.ts'
import { RefusalLog } from '../../../src/lib/http-input/refusal-log.ts'
import { RefusedRequest } from '../../../src/lib/http-input/refused-request.ts'
import { ReceiveBudget } from '../../../src/lib/net/receive-budget.ts'
import { FormReader } from '../../../src/plugins/inputs/http/form-reader.ts'
import { spec } from '../../../src/plugins/inputs/http/index.ts'
import { HttpClient, listeningInput, post } from '../../support/http/listening-input.ts'
import { until } from '../../support/until.ts'

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' }

test.each([
  [
    'JSON',
    post('/app.log', '{"a":1}, 5'),
    'POST /app.log',
    400,
    'invalid JSON at byte 7: there is no object',
  ],
  ['a list', post('/t', '[{"a":1} 5]'), 'POST /t', 400, 'at byte 9: there is neither a comma nor the end'],
  ['gzip', post('/t', 'x', { 'Content-Encoding': 'gzip' }), 'POST /t', 400, 'gzip payload that cannot be'],
  ['an encoding', post('/t', 'x', { 'Content-Encoding': 'br' }), 'POST /t', 415, 'Content-Encoding br'],
  ['a type', post('/t', 'x', { 'Content-Type': 'text/html' }), 'POST /t', 415, 'Content-Type text/html'],
  ['JSON as a form', post('/t', '{"a":1}', FORM), 'POST /t', 400, 'the form has no pair KEY=VALUE'],
  ['a method', Buffer.from('GET /t HTTP/1.1\r\nHost: x\r\n\r\n'), 'GET /t', 400, 'invalid HTTP method'],
  ['no HTTP', Buffer.from('\x00\x01abc'), 'a request', 400, 'not a request of HTTP'],
  ['a target', post(`/${'x'.repeat(9000)}`, '{}'), 'a request', 414, 'target too long'],
])(
  'a refusal of %s is logged with the request, its sender and the reason',
  async (_, bytes, what, status, why) => {
    const run = await listeningInput(spec)
    const client = new HttpClient(run.port)
    client.send(bytes)
    expect((await client.answer()).status).toBe(status)
    const line = await until(() => run.logged.find((text) => text.includes('rejected')))
    const { localPort } = client.socket
    expect(line).toContain(`rejected ${what} from 127.0.0.1:${localPort} with ${status}: `)
    expect(line).toContain(why)
  },
)

test('what does not arrive in time is logged with its sender', async () => {
  const run = await listeningInput(spec, { 'http_server.idle_timeout': '1' })
  const client = new HttpClient(run.port)
  client.send(post('/t', '{}', { 'Content-Length': '9' }))
  expect((await client.answer()).status).toBe(408)
  expect(run.logged.join('\n')).toContain(
    `rejected POST /t from 127.0.0.1:${client.socket.localPort} with 408: the body did not arrive in time`,
  )
})

test('an answer names the types and encodings that are accepted, and the limit to a client that asks before it sends', async () => {
  const run = await listeningInput(spec, { buffer_max_size: '10k' })
  const client = new HttpClient(run.port)
  client.send(post('/t', 'x', { 'Content-Type': 'text/html' }), post('/t', 'x', { 'Content-Encoding': 'br' }))
  await client.answer(2)
  expect(client.answers[0]?.body).toContain('application/json, application/x-www-form-urlencoded')
  expect(client.answers[1]?.body).toContain('gzip')
  const asking = new HttpClient(run.port)
  asking.send(post('/t', '', { Expect: '100-continue', 'Content-Length': '20000' }))
  expect(await asking.answer()).toMatchObject({
    status: 413,
    body: 'error: the body is larger than 10000 bytes\n',
  })
})

test('a body that cannot be decompressed counts as one with a bad encoding', async () => {
  const memory = { takeLongLived: (bytes: number) => Buffer.alloc(bytes), give: () => {} }
  const waits = {
    inflaters: new Inflaters(Number.POSITIVE_INFINITY),
    budget: new ReceiveBudget(memory as never, 1_000_000).connection(),
    maxBytes: 1_000_000,
    forMemory: async () => false,
    isOver: () => false,
  }
  const refused = {
    status: 400,
    reason: 'encoding',
    message: expect.stringContaining('cannot be decompressed'),
  }
  const cut = gzipSync('{"a":1}').subarray(0, -9)
  await expect(inflate(cut, 'gzip', waits)).rejects.toMatchObject(refused)
  await expect(inflate(Buffer.from('x'), 'zstd', waits)).rejects.toMatchObject(refused)
})

test.each([' {"a":1}', '[{"a":1}]'])('%p as a form is refused with what the client has to send', (text) => {
  const reader = new FormReader(
    { tag: 't', sec: 0, nsec: 0, answer: { status: 201, body: '' } },
    new UniqueKeys(),
  )
  const body = Buffer.from(text)
  reader.begin(body, 0, body.length)
  const out = new EntryBlocks(new Scratch(), 1000, {} as never)
  expect(() => reader.read(out)).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('Content-Type: application/json') }),
  )
})

test('after Max_Wait the log says that the records will still be delivered', async () => {
  const run = await listeningInput(spec, { max_wait: '1' })
  run.output.blocked = true
  const client = new HttpClient(run.port)
  client.send(post('/t', '{"a":1}'))
  expect((await client.answer()).body).toContain('they will still be, so a retry repeats them')
  expect(run.logged.join('\n')).toContain(
    `answered 503 to POST /t from 127.0.0.1:${client.socket.localPort}: `,
  )
})

test('records with a tag that no output matches are logged once', async () => {
  const run = await listeningInput(spec, {}, { outputCommon: { match: 'other' } })
  const client = new HttpClient(run.port)
  client.send(post('/lost', '{"a":1}'), post('/lost', '{"a":2}'))
  await client.answer(2)
  expect(run.logged.filter((line) => line.includes('"lost"'))).toHaveLength(1)
})

test('refusals are of one kind if only their numbers and ports differ; a client cannot make kinds without end', () => {
  const kinds: (string | undefined)[] = []
  const log = new RefusalLog({ warn: (_: string, __: unknown, kind?: string) => kinds.push(kind) } as never)
  const refuse = (detail: string, address = '192.0.2.1', port = 1): void =>
    log.write(new RefusedRequest(400, 'malformed', 'error: x', detail), {
      ...{ address, peer: `${address}:${port}`, head: undefined },
    })
  refuse('at byte 1')
  refuse('at byte 22', '192.0.2.1', 2)
  refuse('at byte 1', '192.0.2.2')
  refuse('no payload')
  expect(new Set(kinds).size).toBe(3)
  for (let i = 0; i < 500; i++) refuse('x'.repeat(i % 150), `192.0.2.${i % 250}`)
  expect(new Set(kinds).size).toBeLessThanOrEqual(65)
})
