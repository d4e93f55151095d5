import { describe, expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputContext } from '../../../src/core/plugin.ts'
import { BulkApi } from '../../../src/lib/bulk/api.ts'
import { BULK_OPTIONS, type BulkOptions } from '../../../src/lib/bulk/options.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { LinesApi, linesOf, outputOf } from '../../support/http-output/lines-api.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import {
  type Script,
  type ScriptedAnswer,
  ScriptedServer,
} from '../../support/http-output/scripted-server.ts'

const TAGS = 200

/** Pushes a chunk of each tag and lets seconds pass, in steps of 50 ms. */
async function pass(bench: OutputBench, seconds: number): Promise<void> {
  for (let i = 0; i < seconds * 20; i++) {
    bench.clock.advance(50)
    await bench.turns(8)
  }
}

function bulkBench(script: Script) {
  const server = new ScriptedServer(script)
  const bench = new OutputBench(
    (ctx: OutputContext) => {
      const options = parseOptions(BULK_OPTIONS, {}) as BulkOptions
      return new HttpOutput(
        { api: new BulkApi(options, server.origin, ctx), connections: server, headers: {} },
        ctx,
      )
    },
    { inFlight: TAGS },
  )
  return { server, bench }
}

/** An answer to a bulk request in which every document has this outcome. */
function allItems(body: Buffer, status: number, type: string, headers: Record<string, string> = {}) {
  const count = body.toString().split('\n').length >> 1
  const item = { create: { status, error: { type, reason: 'r' } } }
  return { status: 200, headers, body: JSON.stringify({ errors: true, items: Array(count).fill(item) }) }
}

describe('a server that takes nothing', () => {
  const FAULTS: Record<string, (body: Buffer) => ScriptedAnswer> = {
    'every item 429': (body) => allItems(body, 429, 'es_rejected_execution_exception'),
    'every item 403': (body) => allItems(body, 403, 'cluster_block_exception'),
    'every request 400': () => ({ status: 400, body: '{"error":{"type":"x","reason":"bad"},"status":400}' }),
  }
  for (const [name, answer] of Object.entries(FAULTS))
    test(`with 200 tags, ${name}: at most a few requests a second, and all is delivered when it takes them`, async () => {
      let isWell = false
      const { server, bench } = bulkBench(({ body }) => {
        if (!isWell) return answer(body)
        const count = body.toString().split('\n').length >> 1
        return {
          status: 200,
          body: JSON.stringify({ errors: false, items: Array(count).fill({ create: { status: 201 } }) }),
        }
      })
      for (let t = 0; t < TAGS; t++) bench.push([{ n: t }, { n: t }], `t${t}`)
      await pass(bench, 10)
      const before = server.seen.length
      await pass(bench, 30)
      expect(server.seen.length - before).toBeLessThan(150)
      expect(server.seen.length).toBeGreaterThan(before)
      isWell = true
      expect(await bench.drained(60)).toBe(true)
      expect(new Set([...bench.outcomes.values()].flat())).toEqual(new Set(['delivered']))
      expect(bench.rejected).toEqual([])
    })

  test('a Retry-After of an answer with 429 for every item is kept', async () => {
    const { server, bench } = bulkBench(({ body }) =>
      allItems(body, 429, 'es_rejected_execution_exception', { 'retry-after': '60' }),
    )
    for (let t = 0; t < TAGS; t++) bench.push([{ n: t }], `t${t}`)
    await pass(bench, 2)
    const before = server.seen.length
    await pass(bench, 50)
    expect(server.seen.length).toBe(before)
    await pass(bench, 20)
    expect(server.seen.length).toBeGreaterThan(before)
  })
})

test('with one key of records in 200 tags that is refused, it has a few requests a second, and the others go as fast as before', async () => {
  const server = new ScriptedServer(({ headers }) =>
    headers['x-key'] === 'bad' ? { status: 429, body: 'tenant' } : { status: 200 },
  )
  const bench = new OutputBench((ctx) => outputOf(server, new LinesApi({ keys: true }), ctx), {
    inFlight: 2 * TAGS,
  })
  for (let t = 0; t < TAGS; t++) bench.push([{ n: t, key: 'bad' }], `t${t}`)
  await pass(bench, 10)
  const before = server.seen.length
  await pass(bench, 20)
  expect(server.seen.length - before).toBeLessThan(100)
  for (let t = 0; t < TAGS; t++) bench.push([{ n: t, key: `good${t % 20}` }], `other${t}`)
  await bench.turns(1000)
  expect([...bench.outcomes.values()].flat()).toHaveLength(TAGS)
})

test('while one tag of many is refused, the others go as fast as before', async () => {
  const api = new LinesApi({ records: 1 })
  const server = new ScriptedServer(({ body }) =>
    linesOf(body)[0]?.key === 'bad' ? { status: 507, body: 'full' } : { status: 200 },
  )
  const bench = new OutputBench((ctx) => outputOf(server, api, ctx), { inFlight: 400 })
  for (let n = 0; n < 10; n++) bench.push([{ n, key: 'bad' }], `bad${n % 2}`)
  for (let n = 0; n < 300; n++) bench.push([{ n, key: 'good' }], `t${n}`)
  await bench.turns(2000)
  // No time has passed.
  expect([...bench.outcomes.values()].flat()).toHaveLength(300)
})
