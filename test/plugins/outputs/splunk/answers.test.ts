import { expect, test } from 'bun:test'
import type { Acks } from '../../../support/doubles/splunk.ts'
import { SCRIPTED_FAULTS } from '../../../support/http-output/scripted-store.ts'
import { fc } from '../../../support/property.ts'
import { SplunkBench } from './bench.ts'

const answer = (status: number, code: number, text: string, event?: number) => ({
  status,
  body: JSON.stringify({ text, code, ...(event === undefined ? {} : { 'invalid-event-number': event }) }),
})

test('an event that is refused goes to the dead letters; those before it are accepted, those after it are sent', async () => {
  const bench = new SplunkBench('off')
  bench.push([{ n: 100 }])
  await bench.turns()
  bench.store.plan.isRefused = (n) => n === 3 || n === 4
  const id = bench.push([1, 2, 3, 4, 5].map((n) => ({ n })))
  await bench.turns()
  expect(bench.outcomesOf(id)).toHaveLength(1)
  expect(bench.rejected.map(({ record }) => record.n)).toEqual([3, 4])
  expect(bench.rejected[0]?.reason).toContain('Invalid data format (code 6)')
  expect(bench.store.api.events.map(({ event }) => (event as { n: number }).n)).toEqual([100, 1, 2, 5])
})

test('while every request is refused no record is given up, although the answer names one', async () => {
  const bench = new SplunkBench('off')
  bench.store.before = () => answer(400, 6, 'Invalid data format', 0)
  const id = bench.push([1, 2, 3].map((n) => ({ n })))
  await bench.seconds(60)
  expect(bench.rejected).toEqual([])
  expect(bench.outcomesOf(id)).toEqual([])
  bench.store.before = undefined
  expect(await bench.drained()).toBe(true)
  expect(bench.store.ledger.report(4)).toMatchObject({ kept: 3, twice: 0 })
})

test('with acknowledgements, events in front of a refused one are sent again: nobody would acknowledge them', async () => {
  const bench = new SplunkBench(0)
  bench.push([{ n: 100 }])
  await bench.seconds(2)
  bench.store.plan.isRefused = (n) => n === 3
  bench.push([1, 2, 3, 4].map((n) => ({ n })))
  expect(await bench.drained()).toBe(true)
  expect(bench.rejected.map(({ record }) => record.n)).toEqual([3])
  expect([1, 2, 3, 4].map((n) => bench.store.ledger.timesKept(n))).toEqual([2, 2, 0, 1])
})

test('with acknowledgements, that is so from the first request on, before any id has come', async () => {
  const bench = new SplunkBench(0)
  bench.store.plan.isRefused = (n) => n === 3
  bench.push([1, 2, 3, 4].map((n) => ({ n })))
  expect(await bench.drained()).toBe(true)
  expect(bench.rejected.map(({ record }) => record.n)).toEqual([3])
  expect([1, 2, 3, 4].map((n) => bench.store.ledger.timesKept(n))).toEqual([2, 2, 0, 1])
})

test.each([401, 403, 404, 429, 500, 503])(
  'an answer %d that names an event says nothing about events, neither that one is refused nor that others are accepted',
  async (status) => {
    const bench = new SplunkBench('off')
    bench.push([{ n: 100 }])
    await bench.seconds(2)
    bench.store.before = () => answer(status, 6, 'Invalid data format', 2)
    bench.push([1, 2, 3, 4].map((n) => ({ n })))
    await bench.seconds(60)
    expect(bench.rejected).toEqual([])
    bench.store.before = undefined
    expect(await bench.drained()).toBe(true)
    expect(bench.rejected).toEqual([])
    expect([1, 2, 3, 4].map((n) => bench.store.ledger.timesKept(n))).toEqual([1, 1, 1, 1])
  },
)

test.each([
  [401, 2, 'Token is required', 'the token is missing', 'E_PEER_AUTH'],
  [401, 3, 'Invalid authorization', 'the token is refused', 'E_PEER_AUTH'],
  [403, 4, 'Invalid token', 'the token is refused', 'E_PEER_AUTH'],
  [403, 1, 'Token disabled', 'the token is disabled', 'E_PEER_AUTH'],
  [400, 7, 'Incorrect index', 'the index is refused', 'E_HTTP_ANSWER'],
  [400, 11, 'Invalid data channel', 'the channel is refused', 'E_HTTP_ANSWER'],
  [400, 14, 'ACK is disabled', 'no indexer acknowledgement', 'E_HTTP_ANSWER'],
  [500, 8, 'Internal server error', 'the collector has failed', 'E_HTTP_ANSWER'],
  [503, 9, 'Server is busy', 'overloaded', 'E_HTTP_ANSWER'],
  [429, 26, 'Queue at capacity', 'overloaded', 'E_HTTP_ANSWER'],
] as const)(
  '%d with code %d (%s) costs no record, and the log says what to do',
  async (status, code, text, words, error) => {
    const bench = new SplunkBench('off')
    bench.store.before = () => answer(status, code, text, 0)
    const id = bench.push([{ n: 1 }, { n: 2 }])
    await bench.seconds(30)
    expect(bench.outcomesOf(id)).toEqual([])
    expect(bench.rejected).toEqual([])
    expect(bench.text).toContain(words)
    expect(bench.text).toContain(`${text} (code ${code})`)
    expect(bench.text).toContain(error)
    expect(bench.text).not.toContain('secret-token')
    bench.store.before = undefined
    expect(await bench.drained()).toBe(true)
    expect(bench.store.ledger.report(3)).toMatchObject({ kept: 2, twice: 0 })
  },
)

test('a record that chooses an index that is refused stops its tag, and not the others', async () => {
  const bench = new SplunkBench('off', { event_index_key: 'i' })
  bench.store.before = ({ body }) => {
    const indexes = [...body.toString().matchAll(/"index":"(\w+)"/g)].map(([, index]) => index)
    const bad = indexes.indexOf('gone')
    if (bad < 0) return undefined
    for (const text of body.toString().split('}{').slice(0, bad))
      bench.store.ledger.keep(/"n":\d+/.exec(text)?.[0])
    return answer(400, 7, 'Incorrect index', bad)
  }
  const bad = bench.push(
    [
      { n: 1, i: 'main' },
      { n: 2, i: 'gone' },
      { n: 3, i: 'main' },
    ],
    'a',
  )
  const good = bench.push([{ n: 4, i: 'main' }], 'b')
  await bench.seconds(30)
  expect(bench.outcomesOf(good)).toEqual(['delivered'])
  expect(bench.outcomesOf(bad)).toEqual([])
  expect(bench.store.ledger.timesKept(1)).toBe(1)
  expect(bench.text).toContain('the index is refused')
  bench.store.before = undefined
  expect(await bench.drained()).toBe(true)
  expect(bench.store.ledger.report(5)).toMatchObject({ kept: 4, twice: 0 })
})

test.each([
  ['an HTML page', '<html><head><title>Portal</title></head></html>'],
  ['nothing', ''],
  ['JSON of something else', '{"ok":true}'],
  ['a health answer', '{"text":"HEC is healthy","code":17}'],
  ['an answer that is cut', '{"text":"Success","co'],
])('200 with %s is no delivery', async (_, body) => {
  const bench = new SplunkBench('off')
  bench.store.before = () => ({ status: 200, body })
  const id = bench.push([{ n: 1 }])
  await bench.seconds(20)
  expect(bench.outcomesOf(id)).toEqual([])
  expect(bench.text).toContain('the answer cannot be read')
})

test('an answer of many blanks in front is read with bounded memory', async () => {
  const bench = new SplunkBench('off')
  bench.store.before = () => ({ status: 200, body: `${' '.repeat(300_000)}{"text":"Success","code":0}` })
  const id = bench.push([{ n: 1 }])
  // Pieces of 37 bytes.
  await bench.turns(500)
  expect(bench.outcomesOf(id)).toEqual(['delivered'])
})

const acks = fc.constantFrom<Acks>('off', 'at once', 1, 3)
const chunks = fc.array(
  fc.record({ tag: fc.constantFrom('a', 'b', 'c'), count: fc.integer({ min: 1, max: 20 }) }),
  { minLength: 1, maxLength: 10 },
)
const faults = fc.array(fc.constantFrom('none' as const, 'none' as const, ...SCRIPTED_FAULTS), {
  maxLength: 60,
})

test('whatever the collector answers, each record is there, or in the dead letters once with the reason', async () => {
  await fc.assert(
    fc.asyncProperty(chunks, faults, acks, fc.nat(1000), async (plan, script, ack, seed) => {
      const bench = new SplunkBench(ack, {}, { seed, refused: 0.1, later: 0 })
      bench.store.plan.next(...script)
      let n = 0
      for (const { tag, count } of plan)
        bench.push(
          Array.from({ length: count }, () => ({ n: n++ })),
          tag,
        )
      // Another record shows that requests are in order; without it, a single one that is refused waits.
      for (let i = 0; i < 20 && !(await bench.drained(60)); i++)
        bench.push([{ witness: 'yes' }], `witness-${i}`)
      expect(await bench.drained()).toBe(true)
      const report = bench.store.ledger.report(n)
      expect(report).toMatchObject({ missing: 0, both: 0 })
      const rejected = bench.rejected.map(({ record }) => record.n as number).sort((a, b) => a - b)
      expect(rejected).toEqual([...Array(n).keys()].filter((each) => bench.store.ledger.isRefused(each)))
      for (const { reason } of bench.rejected) expect(reason).toContain('Invalid data format')
      const kept = ['close-kept', 'cut-kept'].some((fault) => fault in bench.store.plan.injected)
      // Without acknowledgements nothing is there twice but what was kept without an answer.
      if (!kept && ack === 'off') expect(report.twice).toBe(0)
      for (const [, outcomes] of bench.outcomes) expect(outcomes).toHaveLength(1)
      expect(bench.buffers.out.size).toBe(0)
    }),
    { numRuns: 100 },
  )
}, 120_000)
