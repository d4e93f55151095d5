import { describe, expect, test } from 'bun:test'
import snappy from 'snappyjs'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { HttpOutput } from '../../../../src/lib/http-output/http-output.ts'
import { LokiApi } from '../../../../src/plugins/outputs/loki/api.ts'
import { isJson } from '../../../../src/plugins/outputs/loki/encoder.ts'
import { LOKI_OPTIONS } from '../../../../src/plugins/outputs/loki/options.ts'
import { readRefusal } from '../../../../src/plugins/outputs/loki/refusal.ts'
import { decodePush } from '../../../support/doubles/protobuf.ts'
import { outputContext } from '../../../support/engine/output-context.ts'
import { OutputBench } from '../../../support/http-output/output-bench.ts'
import {
  type Script,
  ScriptedServer,
  type SeenRequest,
} from '../../../support/http-output/scripted-server.ts'

const OK = { status: 204 }

function optionsOf(given: Record<string, string>) {
  return parseOptions(LOKI_OPTIONS, given as never)
}

function bench(script: Script, given: Record<string, string> = {}) {
  const server = new ScriptedServer(script)
  const options = optionsOf({ format: 'json', ...given })
  const body = isJson(options) ? {} : ({ compress: 'snappy', contentEncoding: '' } as const)
  const made = new OutputBench(
    (ctx) =>
      new HttpOutput(
        { api: new LokiApi(options, server.origin, ctx), connections: server, headers: {}, ...body },
        ctx,
      ),
  )
  return { server, bench: made, options }
}

type Streams = { stream: Record<string, string>; values: [string, string, Record<string, string>?][] }[]

function streamsOf({ body }: SeenRequest): Streams {
  return (JSON.parse(body.toString()) as { streams: Streams }).streams
}

function linesOf(request: SeenRequest): string[] {
  return streamsOf(request).flatMap(({ values }) => values.map(([, line]) => line))
}

/** Returns what an ingester says of the refused entries of a stream: at most ten, and their number. */
function ingesterText(
  stream: Record<string, string>,
  refused: Streams[number]['values'],
  of: number,
): string {
  const named = refused.slice(0, 10).map(([ns]) => {
    const time = new Date(Number(BigInt(ns) / 1_000_000n))
      .toISOString()
      .replace('T', ' ')
      .replace('.000Z', ' +0000 UTC')
    return `entry with timestamp ${time} ignored, reason: 'entry too far behind, entry timestamp is: x, oldest acceptable timestamp is: y',\n`
  })
  const labels = Object.entries(stream).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return `${named.join('')}user 'fake', total ignored: ${refused.length} out of ${of} for stream: {${labels.join(', ')}}`
}

async function sent(records: object[], given: Record<string, string>): Promise<Streams> {
  const { server, bench: b } = bench(() => OK, given)
  b.push(records)
  expect(await b.drained()).toBe(true)
  return streamsOf(server.seen[0] as SeenRequest)
}

test.each(['json', 'protobuf'])(
  'a line that is far too large leaves nothing in the requests of the others (%s)',
  async (format) => {
    const { server, bench: b } = bench(() => OK, { format, line_format: 'json' })
    await b.output.start?.()
    b.push([{ n: 1 }, { text: 'x'.repeat(5_000_000) }, { n: 3 }])
    expect(await b.drained()).toBe(true)
    const lines = server.seen.flatMap((request) =>
      format === 'json'
        ? streamsOf(request).flatMap(({ values }) => values.map(([, line]) => line))
        : decodePush(request.body).flatMap(({ entries }) => entries.map(({ line }) => line)),
    )
    expect(lines).toEqual(['{"n":1}', '{"n":3}'])
    expect(b.rejected).toHaveLength(1)
    expect(b.rejected[0]?.reason).toContain('more than 4,000,000 bytes as sent')
  },
)

test('fields below others that are labels or removed are not in the line, and the rest of the map is', async () => {
  const kubernetes = { pod_name: 'p', host: 'h', labels: { app: 'a', tier: 't' }, annotations: { big: 'x' } }
  const [stream, ...others] = await sent(
    [
      { log: 'x', kubernetes, n: 1 },
      { log: 'y', kubernetes, n: 2 },
    ],
    {
      labels: "pod=$kubernetes['pod_name'], $kubernetes['labels']['app']",
      remove_keys: "n,$kubernetes['annotations'],$kubernetes['missing']['key']",
    },
  )
  expect(others).toEqual([])
  expect(stream?.stream).toEqual({ pod: 'p', kubernetes_labels_app: 'a' })
  expect(stream?.values.map(([, line]) => JSON.parse(line))).toEqual([
    { log: 'x', kubernetes: { host: 'h', labels: { tier: 't' } } },
    { log: 'y', kubernetes: { host: 'h', labels: { tier: 't' } } },
  ])
})

test('structured metadata have fields, fixed values and the pairs of maps, as texts', async () => {
  const [stream] = await sent([{ log: 'x', id: 7, m: { 'a.b': 'c', n: { k: [1] } } }], {
    structured_metadata: 'trace=$id,env=prod',
    structured_metadata_map_keys: '$m',
  })
  expect(stream?.values).toEqual([
    ['1000500000000', '{"log":"x"}', { env: 'prod', trace: '7', a_b: 'c', n: '{"k":[1]}' }],
  ])
})

test('the tag and its parts are labels', async () => {
  const [stream] = await sent([{ log: 'x' }], { labels: 'tag=$TAG,part=$TAG[0],none=$TAG[9]' })
  expect(stream?.stream).toEqual({ tag: 'app', part: 'app' })
})

test('requests are protobuf in a block of snappy unless JSON is asked for', async () => {
  const { server, bench: b } = bench(() => OK, {
    format: 'protobuf',
    labels: 'job=a,$level',
    structured_metadata: 'id=$id',
  })
  await b.output.start?.()
  b.push([
    { log: 'x', level: 'info', id: 'i1' },
    { log: 'ä', level: 'warn' },
  ])
  expect(await b.drained()).toBe(true)
  const [{ headers, body }] = server.seen as [SeenRequest]
  expect(headers['content-type']).toBe('application/x-protobuf')
  expect(headers['content-encoding']).toBeUndefined()
  expect(snappy.uncompress(body).length).toBeGreaterThan(0)
  const streams = decodePush(body).map(({ labels, entries }) => [
    labels,
    entries.map(({ line, structuredMetadata }) => [line, structuredMetadata]),
  ])
  expect(streams).toEqual([
    ['{job="a", level="info"}', [['{"log":"x"}', [{ name: 'id', value: 'i1' }]]]],
    ['{job="a", level="warn"}', [['{"log":"ä"}', []]]],
  ])
})

test('a value of labels without name, a tenant with a line feed and gzip with protobuf are refused', () => {
  for (const bad of [
    { labels: 'job' },
    { labels: 'job=' },
    { label_keys: 'level' },
    { tenant_id: 'a\r\nx: y' },
  ])
    expect(() => optionsOf(bad as never)).toThrow()
  expect(() => isJson(optionsOf({ format: 'protobuf', compress: 'gzip' }))).toThrow('needs Format json')
  expect(isJson(optionsOf({ compress: 'gzip' }))).toBe(true)
  expect(isJson(optionsOf({}))).toBe(false)
})

describe('answers', () => {
  // As the ingester and the distributor of Loki write them.
  const INGESTER =
    "entry with timestamp 1970-01-01 00:16:41.5 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: x, oldest acceptable timestamp is: y', user 'fake', total ignored: 1 out of 3 for stream: {job=\"fluent-bit\"}"

  test('the record that an answer names goes to the dead letters, all others are delivered and not sent again', async () => {
    const { server, bench: b } = bench(() => ({ status: 400, body: INGESTER.replace(', user', ',\nuser') }))
    b.push([{ n: 0 }, { n: 1 }, { n: 2 }])
    expect(await b.drained()).toBe(true)
    expect(server.seen).toHaveLength(1)
    expect(b.rejected.map(({ record }) => record)).toEqual([{ n: 1 }])
    expect(b.rejected[0]?.reason).toContain('entry too far behind')
  })

  test('lines that are longer than the answer says are refused, others are sent again until all are taken', async () => {
    const text =
      "max entry size '20' bytes exceeded for stream '{job=\"fluent-bit\"}' while adding an entry with length '40' bytes"
    const { server, bench: b } = bench((_, index) => (index === 0 ? { status: 400, body: text } : OK))
    b.push([{ a: 'short' }, { a: 'long'.repeat(10) }, { a: 'long'.repeat(11) }])
    expect(await b.drained()).toBe(true)
    expect(server.seen.map((request) => linesOf(request).length)).toEqual([3, 1])
    expect(b.rejected).toHaveLength(2)
  })

  test.each([
    ['the last stream only, as Loki does', 20, (errors: string[]) => errors.slice(-1).join('')],
    ['the last stream only, and some of its entries', 24, (errors: string[]) => errors.slice(-1).join('')],
    ['all streams, in 20 KB', 20, (errors: string[]) => errors.join('\n')],
    ['all streams, cut off', 20, (errors: string[]) => errors.join('\n').slice(0, 5000)],
  ] as const)(
    'records that are refused in several streams are all dead letters when the answer describes %s',
    async (_, perStream, described) => {
      const stored = new Map<number, number>()
      const { bench: b } = bench(
        (request) => {
          const errors = streamsOf(request).flatMap(({ stream, values }) => {
            const numbers = values.map(([, line]) => JSON.parse(line).n as number)
            for (const n of numbers) if (n % 2 === 0) stored.set(n, (stored.get(n) ?? 0) + 1)
            const refused = values.filter((_, i) => (numbers[i] as number) % 2 === 1)
            return refused.length === 0 ? [] : [ingesterText(stream, refused, values.length)]
          })
          return errors.length === 0 ? OK : { status: 400, body: described(errors) }
        },
        { labels: '$app' },
      )
      const all = Array.from({ length: 10 * perStream }, (_, n) => n)
      b.push(
        all.map((n) => ({ n, app: `a${Math.floor(n / perStream)}` })),
        'app',
        (n) => n * 1000,
      )
      expect(await b.drained()).toBe(true)
      expect(b.rejected.map(({ record }) => record.n as number).toSorted((x, y) => x - y)).toEqual(
        all.filter((n) => n % 2 === 1),
      )
      expect([...stored.keys()].toSorted((x, y) => x - y)).toEqual(all.filter((n) => n % 2 === 0))
    },
  )

  const ENTRY_OF_1970 =
    "entry with timestamp 1970-01-01 00:16:40 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: x, oldest acceptable timestamp is: y'"
  const LINE_OF_A =
    "max entry size '20' bytes exceeded for stream '{app=\"a\"}' while adding an entry with length '40' bytes"
  const EVIL = [
    "max entry size '1' bytes exceeded for stream '{app=\"a\"}' while adding an entry with length '9' bytes",
    "max entry size '1' bytes exceeded",
    'entry for stream \'{app="a"}\' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: 2099-01-01T00:00:00Z',
    'has timestamp too old: 2020, oldest acceptable timestamp is: 2099-01-01T00:00:00Z',
    `', ${ENTRY_OF_1970}, user 'fake', total ignored: 4 out of 4 for stream: {app="a"}`,
    `"}, ${ENTRY_OF_1970}, user 'fake', total ignored: 4 out of 4 for stream: {app="a"}`,
  ]

  test.each(
    EVIL.flatMap((evil) =>
      [
        // As an ingester and a distributor quote labels, and what is wrong with their values or with JSON.
        `${ENTRY_OF_1970}, user 'fake', total ignored: 1 out of 1 for stream: {app=${JSON.stringify(evil)}}`,
        `1 errors like: entry for stream '{app=${JSON.stringify(evil)}}' has timestamp too new: 2099-01-01T00:00:00Z`,
        `entry with timestamp 1970-01-01 00:16:40 +0000 UTC ignored, reason: 'Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{app=${JSON.stringify(evil)}}' totaling 1kB', user 'fake', total ignored: 1 out of 1 for stream: {app=${JSON.stringify(evil)}}`,
        `stream '{app=${JSON.stringify(evil)}}' has label value too long: '${evil}'`,
        `error found in #10 byte of ...|x|..., bigger context ...|{"streams":[{"stream":{"app":"${evil}`,
      ].map((body) => [body, evil] as const),
    ),
  )('%s: what is quoted of a record decides nothing about others', async (body, evil) => {
    const { bench: b, server } = bench((_, index) => (index === 0 ? { status: 400, body } : OK), {
      label_keys: '$app',
    })
    b.push(
      [
        { n: 0, app: 'a' },
        { n: 1, app: 'a' },
        { n: 2, app: evil },
        { n: 3, app: 'a' },
        { n: 4, app: 'a' },
      ],
      'app',
      () => 1000,
    )
    expect(await b.drained()).toBe(true)
    expect(b.rejected.filter(({ record }) => record.app === 'a')).toEqual([])
    const sentAgain = server.seen
      .slice(1)
      .flatMap(linesOf)
      .map((line) => JSON.parse(line).n as number)
    expect(sentAgain.filter((n) => n !== 2).toSorted()).toEqual([0, 1, 3, 4])
  })

  test('a limit that an answer tells holds for the stream that it names, and others are sent again', async () => {
    const named = (rule: (stream: string) => string) => rule('{app="b"}')
    for (const body of [
      named(
        (stream) =>
          `Max entry size '20' bytes exceeded for stream '${stream}' while adding an entry with length '47' bytes`,
      ),
      named(
        (stream) =>
          `2 errors like: entry for stream '${stream}' has timestamp too old: 1970-01-01T00:16:40Z, oldest acceptable timestamp is: 2001-01-01T00:00:00Z`,
      ),
    ]) {
      const { bench: b, server } = bench((_, index) => (index === 0 ? { status: 400, body } : OK), {
        label_keys: '$app',
      })
      const text = 'x'.repeat(40)
      b.push([
        { text, app: 'a' },
        { text, app: 'b' },
        { text, app: 'b' },
      ])
      expect(await b.drained()).toBe(true)
      expect(b.rejected.map(({ record }) => record.app)).toEqual(['b', 'b'])
      expect(server.seen.slice(1).flatMap(linesOf)).toHaveLength(1)
    }
  })

  test('an answer with all forms of messages is read to its end', () => {
    const text = `2 errors like: ${LINE_OF_A}; 1 errors like: entry for stream '{app="a"}' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-01-01T00:00:00Z; ${ENTRY_OF_1970}, user 'x', total ignored: 1 out of 2 for stream: {app="c"} rpc error: code = Code(400) desc = ${LINE_OF_A.replace('"a"', '"d"')}`
    const refusal = readRefusal(text)
    expect([...(refusal?.rules ?? [])].map(([labels, rules]) => [labels, Object.keys(rules)])).toEqual([
      ['{app="a"}', ['maxLineBytes', 'oldest']],
      ['{app="d"}', ['maxLineBytes']],
    ])
    expect([...(refusal?.streams.keys() ?? [])]).toEqual(['{app="c"}'])
  })

  test.each([
    'total ignored: 0 out of 2 for stream: {job="fluent-bit"}',
    'total ignored: 2',
    'total ignored: 1 out of 2 for stream: {job="other"}',
  ])('an answer that names an entry of no request and "%s" counts as no delivery', async (total) => {
    const body = `entry with timestamp 2001-01-01 00:00:00 +0000 UTC ignored, reason: 'entry too far behind',\nuser 'fake', ${total}`
    const { server, bench: b } = bench((_, index) => (index === 0 ? { status: 400, body } : OK))
    b.push([{ n: 0 }, { n: 1 }])
    expect(await b.drained()).toBe(true)
    expect(server.seen.slice(1).flatMap(linesOf)).toEqual(['{"n":0}', '{"n":1}'])
    expect(b.rejected).toEqual([])
  })

  test('all entries of a stream are refused when the answer says so, though it names ten of them', async () => {
    const { server, bench: b } = bench((request) => {
      const [{ stream, values }] = streamsOf(request) as [Streams[number]]
      return { status: 400, body: ingesterText(stream, values, values.length) }
    })
    b.push(Array.from({ length: 50 }, (_, n) => ({ n })))
    expect(await b.drained()).toBe(true)
    expect(server.seen).toHaveLength(1)
    expect(b.rejected).toHaveLength(50)
  })

  test('of two entries with the time that the answer names once, the one at fault is found by itself', async () => {
    const { bench: b } = bench((request) => {
      const [{ stream, values }] = streamsOf(request) as [Streams[number]]
      const refused = values.filter(([, line]) => line === '{"n":1}')
      return refused.length === 0 ? OK : { status: 400, body: ingesterText(stream, refused, values.length) }
    })
    b.push([{ n: 0 }, { n: 1 }, { n: 2 }], 'app', (i) => (i < 2 ? 1000 : 2000))
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record }) => record)).toEqual([{ n: 1 }])
  })

  test('an answer that does not name all of them leads to halves, until each is found', async () => {
    const bad = new Set(['1', '5', '6'])
    const script: Script = (request) => {
      const lines = streamsOf(request).flatMap(({ values }) =>
        values.map(([, line]) => JSON.parse(line).n as string),
      )
      return lines.some((n) => bad.has(n)) ? { status: 400, body: 'something is wrong' } : OK
    }
    const { bench: b } = bench(script)
    b.push(Array.from({ length: 8 }, (_, i) => ({ n: String(i) })))
    expect(await b.drained()).toBe(true)
    expect(b.rejected.map(({ record }) => record.n).toSorted()).toEqual([...bad])
  })

  test.each([
    [260, 'ingestion is blocked'],
    [200, 'a page'],
    [429, 'Ingestion rate limit exceeded for user fake (limit: 1 bytes/sec)'],
    [401, 'no org id'],
    [500, 'internal'],
  ])('%d costs no record: it is sent again', async (status, body) => {
    const { bench: b, server } = bench((_, index) => (index < 3 ? { status, body } : OK))
    b.push([{ n: 1 }])
    expect(await b.drained()).toBe(true)
    expect(server.seen).toHaveLength(4)
    expect(b.rejected).toEqual([])
    expect([...b.outcomes.values()].flat()).toEqual(['delivered'])
  })

  test('the wait that Loki asks for with a limit is told', async () => {
    const { bench: b } = bench(() => ({ status: 429, body: 'slow', headers: { 'retry-after': '31536000' } }))
    b.push([{ n: 1 }])
    await b.drained(3)
    expect(b.logged.lines.join('\n')).toContain(
      'a limit is reached: 429 slow; nothing is sent for 5 min, as Retry-After asks',
    )
  })

  test('requests become smaller when they are above the burst of the tenant', async () => {
    const burst = 100_000
    const { bench: b, server } = bench(({ body }) =>
      body.length > burst ? { status: 429, body: 'Ingestion rate limit exceeded' } : OK,
    )
    b.push(Array.from({ length: 1000 }, (_, n) => ({ n, text: 'x'.repeat(1000) })))
    expect(await b.drained()).toBe(true)
    const taken = server.seen.filter(({ body }) => body.length <= burst).flatMap(streamsOf)
    const numbers = taken.flatMap(({ values }) => values.map(([, line]) => JSON.parse(line).n as number))
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, n) => n))
  })

  test('the text of an answer is read, of each stream its own', () => {
    const second = INGESTER.replaceAll('fluent-bit', 'other "} x').replace('"other "} x"', '"other \\"} x"')
    const refusal = readRefusal(`${INGESTER} ${second}`)
    expect(
      [...(refusal?.streams ?? [])].map(([labels, { entries, total, of }]) => [
        labels,
        [...entries.keys()],
        total,
        of,
      ]),
    ).toEqual([
      ['{job="fluent-bit"}', [1_001_500_000_000n], 1, 3],
      ['{job="other \\"} x"}', [1_001_500_000_000n], 1, 3],
    ])
    expect(readRefusal('error parsing labels')).toBeUndefined()
  })
})

describe('order', () => {
  test('two requests never run at once, whatever the tags, and records of one stream stay in order', async () => {
    const { bench: b, server } = bench(async () => {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
      return OK
    })
    for (let i = 0; i < 30; i++) {
      b.push([{ n: i }], `tag${i % 3}`)
      await b.turns(1)
    }
    expect(await b.drained()).toBe(true)
    expect(server.maxInFlight).toBe(1)
    expect(server.seen.length).toBeGreaterThan(1)
  })
})

describe('tenants', () => {
  const tenantOf = ({ headers }: SeenRequest): string => headers['x-scope-orgid'] ?? ''

  test('a tenant over its limit does not stop the records of others, of the same chunks as well', async () => {
    let isOver = true
    const { bench: b, server } = bench(
      (request) =>
        tenantOf(request) === 'a' && isOver
          ? { status: 429, body: 'rate limit', headers: { 'retry-after': '30' } }
          : OK,
      { tenant_id_key: 'tenant', tenant_id: 'rest' },
    )
    const linesOf = (tenant: string): string[] =>
      server.seen
        .filter((request) => tenantOf(request) === tenant)
        .flatMap((request) => streamsOf(request).flatMap(({ values }) => values.map(([, line]) => line)))
    for (let i = 0; i < 5; i++) b.push([{ tenant: 'a', i }, { tenant: 'b', i }, { i }])
    await b.turns(200)
    const b5 = Array.from({ length: 5 }, (_, i) => `{"tenant":"b","i":${i}}`)
    expect(linesOf('b')).toEqual(b5)
    expect(linesOf('rest')).toEqual(Array.from({ length: 5 }, (_, i) => `{"i":${i}}`))
    expect([...b.outcomes.values()].flat()).toEqual([])
    isOver = false
    const before = server.seen.length
    expect(await b.drained()).toBe(true)
    expect(server.seen.slice(before).map(tenantOf)).toEqual(server.seen.slice(before).map(() => 'a'))
    expect(linesOf('b')).toEqual(b5)
    const taken = server.seen
      .slice(before)
      .flatMap(streamsOf)
      .flatMap(({ values }) => values.map(([, line]) => line))
    expect(taken).toEqual(Array.from({ length: 5 }, (_, i) => `{"tenant":"a","i":${i}}`))
    expect([...b.outcomes.values()].flat()).toEqual(Array.from({ length: 5 }, () => 'delivered'))
    expect(b.buffers.out.size).toBe(0)
  })

  test('a text that is not a valid tenant id is refused with its record', async () => {
    const { bench: b, server } = bench(() => OK, { tenant_id_key: 'tenant' })
    b.push([{ tenant: 'a\r\nx-evil: 1' }, { tenant: 'good', n: 1 }])
    expect(await b.drained()).toBe(true)
    expect(b.rejected).toHaveLength(1)
    expect(server.seen.map(tenantOf)).toEqual(['good'])
  })
})

test('labels in the form of a selector are refused, with the form that they have here', () => {
  const { check } = LOKI_OPTIONS.labels
  for (const text of ['{job="x"}', '{job="x"', 'env="y"}'])
    expect(check([text])?.hint).toContain('job=x,env=prod')
  expect(check(['job=x', "app=$kubernetes['labels']['app']"])).toBeUndefined()
})

test('a tenant of two quotation marks is none, as where fluent-bit sends it to a Loki without tenants', () => {
  const headersOf = (tenant_id: string) =>
    new LokiApi(parseOptions(LOKI_OPTIONS, { tenant_id }), 'http://x', outputContext()).head({
      key: '',
    } as never).headers
  expect(headersOf('""')['x-scope-orgid']).toBeUndefined()
  expect(headersOf('a')['x-scope-orgid']).toBe('a')
})
