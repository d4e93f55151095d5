import { describe, expect, test } from 'bun:test'
import { upstreamValue } from '../../../src/lib/http-output/upstream-value.ts'
import { spec as es } from '../../../src/plugins/outputs/es/index.ts'
import { benchOf } from '../../support/aws/kinesis-run.ts'
import { LinesApi, linesOf, outputOf, type TestRecord } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { ScriptedServer } from '../../support/http-output/scripted-server.ts'

/** Chunks that the queue gives the output at a time. */
const IN_FLIGHT = 32
const RECORDS = 5

/** A server that refuses requests with a record of the text `bad`, and everything while `isDown()`. */
function start(api = new LinesApi(), isDown = (): boolean => false) {
  const taken: number[] = []
  let requests = 0
  const server = new ScriptedServer(({ body }) => {
    requests++
    const records = linesOf(body)
    if (isDown() || records.some(({ text }) => text === 'bad')) return { status: 400, body: 'cannot take it' }
    taken.push(...records.map(({ n }) => n as number))
    return { status: 200 }
  })
  const bench = new OutputBench((ctx) => outputOf(server, api, ctx), { inFlight: IN_FLIGHT })
  let next = 0
  const push = (chunks: number, text: string, tag?: string): void => {
    for (let i = 0; i < chunks; i++) {
      const records = Array.from({ length: RECORDS }, (): TestRecord => ({ n: next++, text }))
      bench.push(api.keyOf === undefined ? records : records.map((one) => ({ ...one, key: 'a' })), tag)
    }
  }
  return { bench, taken, push, requests: () => requests, count: () => next }
}

const rejectedOf = (bench: OutputBench) => bench.rejected.map(({ record }) => record.n as number)
const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)
const range = (from: number, end: number) => Array.from({ length: end - from }, (_, i) => from + i)

describe('records at fault in all chunks in flight', () => {
  test.each([
    ['after others were accepted', 2, new LinesApi()],
    ['from the start on', 0, new LinesApi()],
    ['after others were accepted, with a key of their own', 2, new LinesApi({ keys: true })],
  ])('%s, are found by a record of a chunk that waits, and each has one fate', async (_, before, api) => {
    const { bench, taken, push, count } = start(api)
    push(before, 'good')
    expect(await bench.drained()).toBe(true)
    const bad = before * RECORDS
    push(IN_FLIGHT * 3, 'bad')
    const good = count()
    push(4, 'good')
    // More come while these are looked into.
    for (let i = 0; i < 30 && !bench.queue.empty; i++) {
      await bench.drained(4)
      if (i < 4) push(1, 'good')
    }
    expect(bench.queue.empty).toBe(true)
    expect(sorted(rejectedOf(bench))).toEqual(range(bad, good))
    expect(sorted(taken)).toEqual([...range(0, bad), ...range(good, count())])
    const outcomes = [...bench.outcomes.values()]
    expect(outcomes.every(({ length }) => length === 1)).toBe(true)
    expect(bench.buffers.out.size).toBe(0)
  })

  test('of several tags, none of which has anything else in flight', async () => {
    const { bench, taken, push, count } = start()
    for (const tag of ['a', 'b', 'c']) push(IN_FLIGHT, 'bad', tag)
    const good = count()
    for (const tag of ['a', 'b', 'c']) push(2, 'good', tag)
    expect(await bench.drained(300)).toBe(true)
    expect(sorted(rejectedOf(bench))).toEqual(range(0, good))
    expect(sorted(taken)).toEqual(range(good, count()))
  })

  test('keep their order with what is accepted, but for the few that show that they are at fault', async () => {
    const { bench, taken, push } = start()
    push(IN_FLIGHT * 2, 'bad')
    push(40, 'good')
    expect(await bench.drained(300)).toBe(true)
    const early = taken.filter((n, i) => taken.slice(i + 1).some((later) => later < n))
    expect(early.length).toBeLessThan(12)
    expect(taken).toHaveLength(200)
    expect(new Set(taken).size).toBe(200)
  })
})

test('a server that refuses everything gets no record refused, however many chunks wait, and few requests', async () => {
  let isDown = true
  const { bench, taken, push, requests, count } = start(new LinesApi(), () => isDown)
  push(IN_FLIGHT * 4, 'good')
  await bench.drained(120)
  expect(bench.rejected).toEqual([])
  expect(taken).toEqual([])
  expect(requests()).toBeLessThan(400)
  isDown = false
  expect(await bench.drained(120)).toBe(true)
  expect(taken).toHaveLength(count())
  expect(bench.rejected).toEqual([])
})

test('what one node has taken of a chunk that waits is not sent to another one', async () => {
  const seen = new Map<string, number[]>()
  const nodes = ['one', 'two'].map((index) => {
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        const docs = (await request.text()).split('\n').filter((line) => line.includes('"n":'))
        const records = docs.map((line) => JSON.parse(line) as TestRecord)
        if (records.some(({ text }) => text === 'bad')) return new Response('cannot take it', { status: 400 })
        seen.set(index, [...(seen.get(index) ?? []), ...records.map(({ n = -1 }) => n)])
        return Response.json({ errors: false, items: records.map(() => ({ create: { status: 201 } })) })
      },
    })
    return { index, server }
  })
  try {
    const upstream = upstreamValue(
      nodes.map(({ index, server }) => ({
        name: index,
        host: '127.0.0.1',
        port: String(server.port),
        index,
      })),
    )
    const bench = benchOf(es as never, { upstream })
    await bench.output.start?.()
    for (let i = 0; i < 60; i++)
      bench.push([
        { n: i * 2, text: 'bad' },
        { n: i * 2 + 1, text: 'bad' },
      ])
    for (let i = 60; i < 66; i++)
      bench.push([
        { n: i * 2, text: 'good' },
        { n: i * 2 + 1, text: 'good' },
      ])
    for (let i = 0; i < 2000 && !bench.queue.empty; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      bench.clock.advance(200)
    }
    expect(bench.queue.empty).toBe(true)
    expect(sorted([...seen.values()].flat())).toEqual(range(120, 132))
    expect(sorted(rejectedOf(bench))).toEqual(range(0, 120))
  } finally {
    for (const { server } of nodes) await server.stop(true)
  }
})
