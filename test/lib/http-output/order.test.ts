import { expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { LinesApi, linesOf, outputOf, type TestRecord } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { RandomApi } from '../../support/http-output/random-store.ts'
import { type Script, ScriptedServer } from '../../support/http-output/scripted-server.ts'

function bench(api: LinesApi, script: Script) {
  const server = new ScriptedServer(script)
  const made = new OutputBench((ctx) => outputOf(server, api, ctx))
  return { b: made, server, numbers: () => server.seen.map(({ body }) => linesOf(body).map(({ n }) => n)) }
}

const records = (from: number, count: number): TestRecord[] =>
  Array.from({ length: count }, (_, i) => ({ n: from + i }))

test('what an answer leaves of a half is sent before the other half', async () => {
  const { b, numbers } = bench(new RandomApi(), (_, index) => {
    if (index === 0) return { status: 400 }
    return index === 1 ? { status: 207, body: 'ok,next,next' } : { status: 200 }
  })
  b.push(records(1, 6))
  expect(await b.drained()).toBe(true)
  expect(numbers().slice(0, 2)).toEqual([
    [1, 2, 3, 4, 5, 6],
    [1, 2, 3],
  ])
  expect(numbers().slice(2).flat()).toEqual([2, 3, 4, 5, 6])
})

test('a chunk with a record that cannot be kept now is not overtaken by those behind it', async () => {
  const api = new LinesApi({ keys: true })
  const keyOf = api.keyOf
  let isFull = true
  api.keyOf = (chunk, start, end) => {
    const key = keyOf?.(chunk, start, end) ?? ''
    if (key === 'none') throw new ShipperError('E_OUTPUT_REJECTED', 'no stream')
    return key
  }
  const { b, numbers } = bench(api, () => ({ status: 200 }))
  const { reject } = b.ctx
  Object.assign(b.ctx, {
    reject: (...args: Parameters<typeof reject>) => {
      if (isFull) throw new ShipperError('E_DEAD_LETTERS', 'full', { retryable: true })
      reject(...args)
    },
  })
  b.push([{ n: 1, key: 'a' }])
  b.push([
    { n: 2, key: 'none' },
    { n: 3, key: 'a' },
  ])
  b.push([{ n: 4, key: 'a' }])
  await b.drained(3)
  isFull = false
  expect(await b.drained()).toBe(true)
  expect(numbers().flat()).toEqual([1, 3, 4])
})

test('a record in doubt is not sent without end while records with another key fail', async () => {
  const { b, server } = bench(new LinesApi({ keys: true }), ({ headers, body }) => {
    if (headers['x-key'] === 'down') return { status: 503 }
    return linesOf(body).some(({ text }) => text === 'poison') ? { status: 400 } : { status: 200 }
  })
  b.push([
    { n: 1, key: 'down' },
    { n: 2, key: 'a' },
    { n: 3, key: 'a', text: 'poison' },
  ])
  await b.drained(60)
  expect(server.seen.length).toBeLessThan(200)
  expect(b.rejected.map(({ record }) => record.n)).toEqual([3])
})

test('a record between two that are refused shows that these are at fault', async () => {
  const { b } = bench(new LinesApi(), ({ body }) =>
    linesOf(body).some(({ text }) => text === 'poison') ? { status: 400 } : { status: 200 },
  )
  b.push([{ n: 1, text: 'poison' }, { n: 2 }, { n: 3, text: 'poison' }])
  expect(await b.drained(120)).toBe(true)
  expect(b.rejected.map(({ record }) => record.n)).toEqual([1, 3])
})
