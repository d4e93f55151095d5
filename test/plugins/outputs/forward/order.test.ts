import { expect, test } from 'bun:test'
import { FluentServer } from '@fluent-org/logger'
import { systemClock } from '../../../../src/engine/clock.ts'
import { OutputQueue } from '../../../../src/engine/queue.ts'
import { listLog, receiptOf } from '../../../support/engine/chunks.ts'
import { givingUp } from '../../../support/engine/giving-up.ts'
import { entriesChunk, forwardTo, testAccount } from '../../../support/forward/output-run.ts'
import { acknowledge, ForwardPeer } from '../../../support/forward/peer.ts'
import { fc } from '../../../support/property.ts'
import { atEnd } from '../../../support/tmp.ts'
import { until, within } from '../../../support/until.ts'

const CHUNKS = 200

/** Returns a generator of pseudorandom numbers in [0, 1). */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

/** Delivers 200 chunks of five lanes while the peer cuts connections at random; returns the first arrivals of each lane. */
async function deliver(seed: number, options: Record<string, string>): Promise<Map<string, string[]>> {
  const random = seeded(seed)
  const peer = await new ForwardPeer().listen()
  let cuts = 12
  const cut = (): boolean => cuts > 0 && random() < 0.08 && cuts-- > 0
  peer.onData = (socket) => {
    if (!cut()) return false
    socket.destroy()
    return true
  }
  peer.answer = (arrival, socket) => {
    acknowledge(arrival, socket)
    // The ack may still arrive or not, or be followed in its packet by a byte that breaks the connection.
    if (cut()) random() < 0.5 ? socket.destroy() : socket.write(Buffer.of(0xc0))
  }
  const account = testAccount()
  const { output } = forwardTo(peer, options)
  const retry = { baseMs: 1, capMs: 5, limit: Number.POSITIVE_INFINITY }
  const log = listLog().log
  const queue = new OutputQueue({
    name: 'f',
    output,
    inFlight: 8,
    retry,
    ...givingUp('off'),
    clock: systemClock,
    log,
  })
  const outcomes: string[][] = []
  for (let i = 0; i < CHUNKS; i++) {
    const chunk = entriesChunk(`${i}`, [`x`.repeat(Math.floor(random() * 3000))], `lane${i % 5}`, account)
    const { receipt, outcomes: settled } = receiptOf(chunk)
    outcomes.push(settled)
    queue.push(chunk, receipt)
    if (random() < 0.1) await new Promise((resolve) => setImmediate(resolve))
  }
  await within(queue.drained(), 120_000, 'all chunks to be delivered')
  await output.close()
  await peer.close()
  expect(cuts).toBeLessThan(12)
  expect(outcomes).toEqual(outcomes.map(() => ['delivered']))
  expect(account.used).toBe(0)
  const lanes = new Map<string, string[]>()
  for (const { tag, options: o } of peer.arrivals) {
    const ids = lanes.get(tag) ?? []
    lanes.set(tag, ids)
    if (!ids.includes(String(o?.chunk))) ids.push(String(o?.chunk))
  }
  return lanes
}

for (const options of [{}, { compress: 'gzip' }, { 'net.keepalive_max_recycle': '7' }]) {
  test(`whenever the peer cuts, each lane arrives completely and in order ${JSON.stringify(options)}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const lanes = await deliver(seed, options)
        for (let lane = 0; lane < 5; lane++) {
          const expected = Array.from({ length: CHUNKS / 5 }, (_, i) => `${i * 5 + lane}`)
          expect(lanes.get(`lane${lane}`)).toEqual(expected)
        }
      }),
      { numRuns: 8 },
    )
  }, 180_000)
}

for (const compress of ['text', 'gzip']) {
  test(`a receiver of another project reads and acknowledges what is sent (compress ${compress})`, async () => {
    const server = new FluentServer({ listenOptions: { port: 0, host: '127.0.0.1' } })
    await server.listen()
    atEnd(() => server.close())
    const got: [string, unknown][] = []
    server.on('entry', (tag, _time, record) => got.push([tag, record]))
    const { output, counts } = forwardTo(undefined, { port: String(server.port), compress })
    await output.flush(entriesChunk('c1', ['one', 'zwei ü'], 'app.a'))
    await output.flush(entriesChunk('c2', ['three'], 'app.b'))
    await until(() => got.length === 3)
    expect(got).toEqual([
      ['app.a', { log: 'one' }],
      ['app.a', { log: 'zwei ü' }],
      ['app.b', { log: 'three' }],
    ])
    expect(counts.get('acks')).toBe(2)
  })
}
