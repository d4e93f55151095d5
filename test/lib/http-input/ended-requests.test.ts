import { expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import type { HttpInput } from '../../../src/lib/http-input/http-input.ts'
import type { ConnectionBudget, ReceiveBudget } from '../../../src/lib/net/receive-budget.ts'
import { spec } from '../../../src/plugins/inputs/http/index.ts'
import { HttpClient, type ListeningRun, listeningInput, post } from '../../support/http/listening-input.ts'
import { until } from '../../support/until.ts'

const ALL_BYTES = 16_000_000
const CLIENTS = 20
const body = JSON.stringify({ text: 'x'.repeat(100_000) })

const budgetOf = ({ input }: ListeningRun): ReceiveBudget => (input as HttpInput).receiveBudget

/** Uses up the memory for what clients have sent, or other memory. */
function holdAll(run: ListeningRun, budget = budgetOf(run)): ConnectionBudget {
  const other = budget.connection()
  other.hold(ALL_BYTES)
  return other
}

const waitingIn = ({ input }: ListeningRun): number => Number(input.status?.().waitingRequests)

test('clients that go away while no memory is released leave no waiter and no request', async () => {
  const run = await listeningInput(spec)
  const other = holdAll(run)
  // A part of a body needs memory of its own.
  const request = post('/t', body).subarray(0, 50_000)
  for (let round = 0; round < 3; round++) {
    const clients = Array.from({ length: CLIENTS }, () => new HttpClient(run.port))
    for (const client of clients) client.send(request)
    await until(() => waitingIn(run) === CLIENTS)
    expect(budgetOf(run).hasWaiters).toBe(true)
    for (const { socket } of clients) socket.resetAndDestroy()
    await until(() => waitingIn(run) === 0)
    expect(budgetOf(run).hasWaiters).toBe(false)
  }
  other.release(ALL_BYTES)
  const client = new HttpClient(run.port)
  client.send(post('/t', body))
  expect((await client.answer()).status).toBe(201)
})

test('a client that goes away while its complete body waits for memory to be decompressed leaves nothing', async () => {
  const run = await listeningInput(spec)
  const { readBudget } = run.input as HttpInput
  holdAll(run, readBudget)
  const client = new HttpClient(run.port)
  client.send(post('/t', gzipSync(body), { 'Content-Encoding': 'gzip' }))
  await until(() => readBudget.hasWaiters)
  client.socket.resetAndDestroy()
  await until(() => !readBudget.hasWaiters)
  expect(waitingIn(run)).toBe(0)
})

test('a client that goes away while its records wait for an output leaves them to be delivered', async () => {
  const run = await listeningInput(spec)
  run.output.blocked = true
  const client = new HttpClient(run.port)
  client.send(post('/t', '{"a":1}'))
  await until(() => run.output.waiting === 1)
  client.socket.resetAndDestroy()
  await until(() => waitingIn(run) === 0)
  run.output.open()
  await until(() => run.records().length === 1)
  expect(run.counter('requests')).toBe(1)
  expect(run.counter('refused_requests')).toBe(0)
})

test('requests that wait for memory when the agent stops are told so at once', async () => {
  const run = await listeningInput(spec)
  holdAll(run)
  const clients = Array.from({ length: CLIENTS }, () => new HttpClient(run.port))
  for (const client of clients) client.send(post('/t', body).subarray(0, 50_000))
  await until(() => waitingIn(run) === CLIENTS)
  await run.stopReading()
  for (const client of clients)
    expect(await client.answer()).toMatchObject({ status: 503, body: 'error: the agent is stopping\n' })
  expect(budgetOf(run).hasWaiters).toBe(false)
  expect(run.counter('refused_requests')).toBe(CLIENTS)
})
