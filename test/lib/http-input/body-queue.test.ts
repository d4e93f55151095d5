import { expect, test } from 'bun:test'
import { spec } from '../../../src/plugins/inputs/http/index.ts'
import { HttpClient, listeningInput, post } from '../../support/http/listening-input.ts'
import { until } from '../../support/until.ts'

const LARGE = post('/large', JSON.stringify({ text: 'x'.repeat(1_000_000) }))
const SMALL = post('/small', '{"a":"0123456789"}')
const CHUNKED =
  'POST /t HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'

/** Sends this part of a request from many clients, more than there is memory for. */
async function tooMany(count: number, part: Buffer) {
  const run = await listeningInput(spec, { 'http_server.idle_timeout': '60' })
  const clients = Array.from({ length: count }, () => new HttpClient(run.port))
  for (const client of clients) client.send(part)
  const waiting = () => Number(run.input.status?.().waitingRequests)
  await until(() => waiting() > 0)
  return { run, clients, waiting }
}

test('bodies that arrive slowly, more than there is memory for, are paused, and none is refused', async () => {
  const half = LARGE.length / 2
  const { run, clients } = await tooMany(40, LARGE.subarray(0, half))
  for (const client of clients) client.send(LARGE.subarray(half))
  for (const client of clients) expect((await client.answer()).status).toBe(201)
  expect(run.records()).toHaveLength(40)
  expect(run.counter('refused_requests')).toBe(0)
})

test('a small body does not wait for large ones', async () => {
  const { run, waiting } = await tooMany(12, LARGE.subarray(0, 30_000))
  const client = new HttpClient(run.port)
  client.send(SMALL.subarray(0, -5))
  client.send(SMALL.subarray(-5))
  expect((await client.answer()).status).toBe(201)
  expect(waiting()).toBeGreaterThan(0)
})

test('bodies of unknown length wait for the memory by which they grow, and none is refused', async () => {
  const run = await listeningInput(spec)
  const clients = Array.from({ length: 200 }, () => new HttpClient(run.port))
  const part = `186a0\r\n{"text":"${'x'.repeat(100_000 - 9)}\r\n`
  for (const client of clients) client.send(CHUNKED, part)
  await until(() => Number(run.input.status?.().waitingRequests) > 0)
  for (const client of clients) client.send('2\r\n"}\r\n0\r\n\r\n')
  for (const client of clients) expect((await client.answer()).status).toBe(201)
  expect(run.records()).toHaveLength(200)
})

test('a body that is silent while others wait for its memory is answered with 503, and the others are read', async () => {
  const { clients } = await tooMany(6, LARGE.subarray(0, 30_000))
  const other = new HttpClient(Number(clients[0]?.socket.remotePort))
  other.send(LARGE)
  expect((await other.answer()).status).toBe(201)
  const refused = clients.flatMap(({ answers }) => answers)
  expect(refused.length).toBeGreaterThan(0)
  for (const answer of refused)
    expect(answer).toMatchObject({ status: 503, body: expect.stringContaining('too slow') })
})
