import { expect, test } from 'bun:test'
import { LinesApi, linesOf, outputOf } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { type Script, ScriptedServer } from '../../support/http-output/scripted-server.ts'

function bench(script: Script) {
  const server = new ScriptedServer(script)
  const b = new OutputBench((ctx) => outputOf(server, new LinesApi({ keys: true }), ctx))
  const numbers = (): number[] => server.seen.flatMap(({ body }) => linesOf(body).map(({ n = 0 }) => n))
  return { b, server, numbers }
}

/** Records with as many keys. */
const records = (count: number, keyOf = (i: number) => `key-${i}`): object[] =>
  Array.from({ length: count }, (_, n) => ({ n, key: keyOf(n) }))

test.each([
  ['closes connections', undefined],
  ['answers 503', { status: 503 }],
  ['answers 401', { status: 401 }],
  ['answers 403', { status: 403 }],
  ['answers 429', { status: 429 }],
  ['answers 404', { status: 404 }],
] as const)('a server that %s gets no request for each key, but a few at each attempt', async (_, fault) => {
  let isDown = true
  const { b, server } = bench(() => (isDown ? fault : { status: 200 }))
  b.push(records(1000))
  b.push(records(1000), 'other')
  await b.turns()
  expect(server.seen.length).toBeLessThanOrEqual(16)
  const before = server.seen.length
  for (let i = 0; i < 60; i++) {
    await b.turns(20)
    b.clock.advance(1000)
  }
  // Attempts come after 1 to 5 s.
  expect(server.seen.length - before).toBeLessThan(fault === undefined ? 60 : 400)
  expect(server.seen.length - before).toBeGreaterThan(5)
  expect(b.logged.lines.filter((line) => line.startsWith('warn output'))[0]).toMatch(
    /unreachable|not accepting/,
  )
  isDown = false
  expect(await b.drained(600)).toBe(true)
  expect([...b.outcomes.values()].flat()).toEqual(['delivered', 'delivered'])
})

test.each([401, 429, 503])(
  'keys that are refused with %d, however many, hold up no others',
  async (status) => {
    const { b, server, numbers } = bench(({ headers }) => ({
      status: headers['x-key']?.startsWith('bad') === true ? status : 200,
    }))
    // The bad ones first.
    b.push(records(60, (i) => (i < 40 ? `bad-${i}` : `good-${i}`)))
    await b.drained(60)
    expect(numbers().filter((n) => n >= 40)).toEqual(Array.from({ length: 20 }, (_, i) => 40 + i))
    expect(server.seen.length).toBeLessThan(400)
  },
)

test('a key that is refused while others are accepted makes the output wait for nothing', async () => {
  const { b, server } = bench(({ headers }) => ({ status: headers['x-key'] === 'bad' ? 401 : 200 }))
  b.push(records(100, (i) => (i % 2 === 0 ? 'bad' : `good-${i}`)))
  await b.turns(400)
  expect(server.seen.filter(({ headers }) => headers['x-key'] !== 'bad')).toHaveLength(50)
  expect(b.queue.isReachable).toBe(true)
})
