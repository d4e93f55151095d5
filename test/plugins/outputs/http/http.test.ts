import { expect, test } from 'bun:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { OutputContext } from '../../../../src/core/plugin.ts'
import { codingOf } from '../../../../src/lib/http-output/compress-option.ts'
import { HttpOutput } from '../../../../src/lib/http-output/http-output.ts'
import { HttpApi } from '../../../../src/plugins/outputs/http/api.ts'
import { HTTP_OPTIONS } from '../../../../src/plugins/outputs/http/options.ts'
import { OutputBench } from '../../../support/http-output/output-bench.ts'
import { type Script, ScriptedServer } from '../../../support/http-output/scripted-server.ts'

function benchOf(texts: Record<string, string>, script: Script = () => ({ status: 200 })) {
  const options = parseOptions(HTTP_OPTIONS, texts as never)
  const server = new ScriptedServer(script)
  const create = (ctx: OutputContext): HttpOutput =>
    new HttpOutput(
      {
        api: new HttpApi(options, ctx),
        connections: server,
        headers: {},
        compress: codingOf(options.compress),
      },
      ctx,
    )
  return { server, bench: new OutputBench(create) }
}

test('a request has one chunk, and any status from 200 to 205 delivers it', async () => {
  const { server, bench } = benchOf({ format: 'json' }, (_, i) => ({ status: 200 + i }))
  for (let i = 0; i < 6; i++) bench.push([{ n: i }])
  expect(await bench.drained()).toBe(true)
  expect(server.seen.map(({ body }) => body.toString())).toEqual(
    Array.from({ length: 6 }, (_, i) => `[{"date":1000.500000,"n":${i}}]`),
  )
  expect([...bench.outcomes.values()].flat()).toEqual(Array(6).fill('delivered'))
})

test('the key of a request is equal in each attempt, and another for other records', async () => {
  const { server, bench } = benchOf({}, (_, i) => (i < 3 ? { status: 503 } : { status: 200 }))
  bench.push([{ n: 1 }])
  bench.push([{ n: 1 }])
  expect(await bench.drained()).toBe(true)
  const seen = server.seen.map(({ headers }) => headers['idempotency-key'] as string)
  expect(new Set(seen).size).toBe(2)
  expect(seen.length).toBeGreaterThan(2)
  expect(seen.every((key) => /^[\w-]{32}$/.test(key))).toBe(true)
})

test('halves have keys of their own, which stay the same', async () => {
  const seen = new Map<string, Set<string>>()
  const { bench } = benchOf({ format: 'json_lines' }, ({ headers, body }) => {
    const key = headers['idempotency-key'] as string
    const bodies = seen.get(key) ?? new Set()
    seen.set(key, bodies.add(body.toString()))
    return { status: body.includes('bad') ? 400 : 200 }
  })
  bench.push(Array.from({ length: 16 }, (_, n) => (n === 5 ? { log: 'bad' } : { n })))
  expect(await bench.drained()).toBe(true)
  expect([...seen.values()].filter((bodies) => bodies.size > 1)).toEqual([])
  expect(bench.rejected.map(({ record }) => record.log)).toEqual(['bad'])
})

test('with Body_Key a request has the text of one record, and its headers', async () => {
  const { server, bench } = benchOf({ body_key: 'text', headers_key: '$h', header_tag: 'X-Tag' })
  bench.push(
    [
      { text: 'one', h: { 'X-A': 'b', 'content-length': '5', 'x-bad': 'a\r\nx: y', 'no name': 'x', n: 5 } },
      { other: 1 },
      { text: { k: 'v' } },
    ],
    'täg',
  )
  expect(await bench.drained()).toBe(true)
  expect(server.seen.map(({ body }) => body.toString())).toEqual(['one', '{"k":"v"}'])
  const { 'x-a': a, 'x-tag': tag, ...rest } = server.seen[0]?.headers ?? {}
  expect([a, tag]).toEqual(['b', 'täg'])
  expect(Object.keys(rest).toSorted()).toEqual(['content-type', 'idempotency-key'])
  expect(bench.rejected.map(({ record }) => record)).toEqual([{ other: 1 }])
  expect(bench.rejected[0]?.reason).toContain('the record has no field text')
})

for (const [coding, inflate] of [
  ['gzip', gunzipSync],
  ['zstd', zstdDecompressSync],
] as const)
  test(`${coding}: the body inflates to what it is without, and what was taken for it is given back`, async () => {
    const { server, bench } = benchOf({ format: 'json_lines', compress: coding })
    await bench.output.start?.()
    const records = Array.from({ length: 500 }, (_, n) => ({ n, text: 'a line of a log' }))
    bench.push(records)
    while (!bench.queue.empty) await bench.turns()
    const [request] = server.seen
    expect(request?.headers['content-encoding']).toBe(coding)
    expect(
      inflate(request?.body as Buffer)
        .toString()
        .split('\n'),
    ).toHaveLength(501)
    expect(bench.counters.get('sent_bytes')).toBe(request?.body.length as number)
    expect(bench.counters.get('body_bytes')).toBe(inflate(request?.body as Buffer).length)
    await bench.turns()
    expect(bench.buffers.out.size).toBe(0)
  })

test('without Idempotency_Key a request has several chunks, but with Header_Tag only those of one tag', async () => {
  const joined = benchOf({ format: 'json', idempotency_key: 'off' })
  for (let i = 0; i < 4; i++) joined.bench.push([{ n: i }], `t${i % 2}`)
  expect(await joined.bench.drained()).toBe(true)
  expect(joined.server.seen).toHaveLength(1)
  const records = JSON.parse(joined.server.seen[0]?.body.toString() ?? '') as { n: number }[]
  expect(records.map(({ n }) => n).toSorted()).toEqual([0, 1, 2, 3])
  const tagged = benchOf({ format: 'json_lines', idempotency_key: 'off', header_tag: 'X-Tag' })
  for (let i = 0; i < 4; i++) tagged.bench.push([{ n: i }], `t${i % 2}`)
  expect(await tagged.bench.drained()).toBe(true)
  expect(tagged.server.seen.map(({ headers }) => headers['x-tag']).toSorted()).toEqual(['t0', 't1'])
  for (const { headers, body } of tagged.server.seen)
    expect(
      body
        .toString()
        .trim()
        .split('\n')
        .map((line) => `t${(JSON.parse(line) as { n: number }).n % 2}`),
    ).toEqual([headers['x-tag'] as string, headers['x-tag'] as string])
})

test('a path without the first slash has one', async () => {
  const { server, bench } = benchOf({ uri: 'logs?a=b' })
  bench.push([{ n: 1 }])
  expect(await bench.drained()).toBe(true)
  expect(server.seen.map(({ path }) => path)).toEqual(['/logs?a=b'])
})

test('a record that is larger than a request is sent', async () => {
  const { server, bench } = benchOf({ format: 'json_lines' })
  bench.push([{ n: 1 }, { text: 'x'.repeat(9_000_000) }, { n: 3 }])
  expect(await bench.drained()).toBe(true)
  expect(bench.rejected).toEqual([])
  expect(server.seen.map(({ body }) => body.length > 8_000_000)).toEqual([false, true, false])
})
