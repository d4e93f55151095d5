import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import type { Chunk } from '../../../../src/core/chunk.ts'
import { encodeStr } from '../../../../src/core/msgpack.ts'
import { MergeKernel } from '../../../../src/lib/kernel/merge-kernel.ts'
import { Entries, type Meta } from '../../../../src/plugins/filters/kubernetes/entries.ts'
import { pairsOf } from '../../../../src/plugins/filters/kubernetes/metadata.ts'
import { chunkOf, LooseBuffers } from '../../../support/chunk-of.ts'
import { fc } from '../../../support/property.ts'

const POD = Buffer.from(encode({ pod_name: 'web', labels: { app: 'web' }, host: 'n' }))
const NAMESPACE = Buffer.from(encode({ name: 'shop' }))
const METAS: Record<string, Meta> = {
  'a pod': { pairs: pairsOf(POD, undefined), streams: undefined },
  'a pod and a namespace': { pairs: pairsOf(POD, NAMESPACE), streams: undefined },
}
const OPTIONS = {
  'with Merge_Log': { merge: true, keepLog: true, trim: true },
  'with Merge_Log, without Keep_Log': { merge: true, keepLog: false, trim: true },
  'with Merge_Log, without Merge_Log_Trim': { merge: true, keepLog: false, trim: false },
  'without Merge_Log': { merge: false, keepLog: true, trim: true },
}
type Choice = (typeof OPTIONS)[keyof typeof OPTIONS]

/** Chunks of less than 8 KB go without the kernel: so one way each record by itself, the other way all together. */
function entriesOf(choice: Choice, buffers: LooseBuffers): Entries {
  return new Entries({
    logKey: encodeStr('log'),
    mergeKey: undefined,
    parser: undefined,
    buffers,
    ...choice,
  })
}

function apply(choice: Choice, meta: Meta, records: object[]): Chunk {
  const buffers = new LooseBuffers()
  const chunk = chunkOf(records, 'k', buffers)
  entriesOf(choice, buffers).apply(chunk, meta)
  return chunk
}

/** By the way of small chunks, each record by itself. */
function oneByOne(choice: Choice, meta: Meta, records: object[]): Buffer {
  const buffers = new LooseBuffers()
  const entries = entriesOf(choice, buffers)
  return Buffer.concat(
    records.map((record, i) => {
      const chunk = chunkOf([record], 'k', buffers)
      chunk.buf.writeUInt32BE(1000 + i, chunk.start + 3)
      entries.apply(chunk, meta)
      return chunk.entries()
    }),
  )
}

const name = fc.constantFrom(
  'a',
  'b',
  '',
  'level',
  'msg',
  'log',
  'stream',
  'kubernetes',
  'message',
  'logtag',
  'kubernetes_namespace',
  'é',
  'x'.repeat(33),
)
const number = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(fc.nat(10 ** 9), fc.nat(10 ** 6)).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '127',
    '128',
    '255',
    '256',
    '65535',
    '65536',
    '4294967295',
    '4294967296',
  ),
  fc.constantFrom('-1', '-32', '-33', '-128', '-129', '-32768', '-32769', '-2147483648', '-2147483649'),
  fc.constantFrom('9007199254740991', '9007199254740993', '9999999999999999999', '18446744073709551616'),
  fc.constantFrom(
    '-9223372036854775808',
    '-999999999999999999',
    '0.1',
    '123456789012.345',
    '12345678901234.56',
  ),
  fc.constantFrom('01', '1.', '.5', '-', '+1', '1e5', '1E-3', '1.5e300', '1e400', '0x1', 'NaN'),
)
const piece = fc.oneof(
  fc.stringMatching(/^[a-z ]{0,20}$/),
  fc.constantFrom(
    '\\n',
    '\\r\\n',
    '\\t',
    '\\"',
    '\\\\',
    '\\/',
    '\\b',
    '\\f',
    '\\u00e9',
    '\\u20ac',
    '\\u0000',
    '\\u000a',
  ),
  fc.constantFrom('\\ud83d\\ude00', '\\ud83d', '\\x', '\\u12', '\\', '"', '\t', '\u0001', 'é', '\u{1f600}'),
  fc.constantFrom('x'.repeat(14), 'x'.repeat(31), 'x'.repeat(32), 'y'.repeat(255), 'z'.repeat(300)),
)
const text = fc.array(piece, { maxLength: 4 }).map((parts) => `"${parts.join('')}"`)
const blank = fc.constantFrom('', '', '', ' ', '\n', '\t ', '\r\n', '\v')
const { value } = fc.letrec<{ value: string; object: string }>((tie) => ({
  object: fc
    .array(fc.tuple(blank, name, blank, tie('value'), blank), { maxLength: 18 })
    .map((pairs) => `{${pairs.map(([a, key, b, each, c]) => `${a}"${key}"${b}:${a}${each}${c}`).join(',')}}`),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text,
    number,
    fc.constantFrom(
      'true',
      'false',
      'null',
      'tru',
      'nulll',
      '',
      'fals',
      '{}',
      '[]',
      '[ ]',
      '{"a":1,"a":2}',
      '[1,]',
      '{,}',
    ),
    fc.array(tie('value'), { maxLength: 20 }).map((items) => `[${items.join(',')}]`),
    tie('object'),
  ),
}))
/** Names that are nearly always different, so that most lines are for the kernel. */
const usual = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.nat(99).map((n) => `key_${n}`),
        name,
      ),
      value,
      blank,
    ),
    { maxLength: 20 },
  )
  .map((pairs) => `{${pairs.map(([key, each, b]) => `"${key}":${b}${each}`).join(',')}}`)
const line = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(blank, usual, blank).map((parts) => parts.join('')) },
  value,
  fc.tuple(usual, fc.nat(80)).map(([each, n]) => each.slice(0, n)),
  fc.tuple(usual, fc.constantFrom('x', '}', ',', '{}')).map((parts) => parts.join('')),
  fc.constantFrom(
    'plain text',
    '',
    ' ',
    '{',
    '{}',
    ' {} \n',
    'x'.repeat(300),
    'x'.repeat(70_000),
    '['.repeat(40),
  ),
  fc.integer({ min: 1, max: 300 }).map((n) => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`),
)
const record = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(line, fc.constantFrom('stdout', 'stderr'))
      .map(([log, stream]) => ({ stream, _p: 'F', log })),
  },
  fc.tuple(line, name, name).map(([log, a, b]) => ({ log, [a]: 'x'.repeat(40), [b]: 'é' })),
  fc
    .tuple(name, fc.constantFrom(1, null, [1], { a: 1 }, 'x'.repeat(300)))
    .map(([key, each]) => ({ log: '{"a":1}', [key]: each })),
  line.map((log) =>
    Object.fromEntries([...Array.from({ length: 15 }, (_, i) => [`k${i}`, '1']), ['log', log]]),
  ),
  line.map((message) => ({ stream: 'stdout', logtag: 'F', message })),
  fc.tuple(line, name).map(([message, key]) => ({ logtag: 'F', message, [key]: 'x' })),
  fc.constantFrom({}, { stream: 'stdout' }, { message: '{"a":1}' }, { logtag: 'F' }),
)
/** So that the chunk is large enough for the kernel. */
const FILL = Array.from({ length: 50 }, (_, i) => ({
  stream: 'stdout',
  log: `{"n":${i},"text":"${'f'.repeat(100)}"}`,
}))

for (const [how, choice] of Object.entries(OPTIONS)) {
  for (const [what, meta] of Object.entries(METAS)) {
    test(`${how}, ${what}: what the kernel writes is what is written without it`, () => {
      fc.assert(
        fc.property(fc.array(record, { minLength: 1, maxLength: 6 }), (records) => {
          const all = [...records, ...FILL]
          const chunk = apply(choice, meta, all)
          expect(chunk.count).toBe(all.length)
          expect(chunk.entries().equals(oneByOne(choice, meta, all))).toBe(true)
        }),
        { numRuns: 100 },
      )
    })
  }
}

/** How many of these lines the kernel does itself, one after another. */
function done(choice: Choice, lines: string[]): number {
  const records = lines.map((log) => ({ stream: 'stdout', _p: 'F', log }))
  return doneOf(choice, records)
}

function doneOf(choice: Choice, records: object[]): number {
  const kernel = new MergeKernel()
  const { bytes, starts } = (METAS['a pod'] as Meta).pairs
  expect(kernel.use({ pairs: bytes, starts, ...choice })).toBe(true)
  const chunk = chunkOf(records)
  chunk.entries().copy(kernel.input)
  kernel.run(0, chunk.size)
  return kernel.records
}

describe('the kernel', () => {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']

  test('does the usual lines itself', () => {
    const lines = [
      'plain',
      '{}',
      ' {"level":"info","ts":1732190400.25,"caller":"a/b.go:12","msg":"x\\ty \\"z\\" \\u003c\\n","n":-3,"ok":true}\n',
      `{"time":"2026-11-21T06:00:00Z","ns":1732190400000000000,"nested":{"a":[1,2,{"b":null}],"a2":{}},"long":"${'é'.repeat(200)}"}`,
      JSON.stringify(
        Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`request_header_${i}`, `${i}`])),
      ),
      `{"list":[${Array.from({ length: 100 }, (_, i) => i).join(',')}]}`,
      '{"log":"within","stream2":"x"}',
    ]
    expect(done(choice, lines)).toBe(lines.length)
  })

  test('does the records of the parser cri itself', () => {
    const cri = (message: string) => ({ stream: 'stdout', logtag: 'F', message })
    const records = [cri('{"message":"within"}'), cri('plain'), { message: '{"a":1}' }]
    expect(doneOf(choice, records)).toBe(records.length)
  })

  const odd = [
    '{"a":1,"a":2}',
    '{"stream":1}',
    '{"kubernetes":1}',
    '{"a":1e5}',
    '{"a":"\\ud83d\\ude00"}',
    '{"a":1',
    '{"a":1}x',
  ]
  for (const each of odd) test(`stops before ${each}`, () => expect(done(choice, ['{}', each, '{}'])).toBe(1))

  test('refuses pairs that are larger than its memory for them', () => {
    const { bytes, starts } = pairsOf(Buffer.from(encode({ annotations: 'x'.repeat(100_000) })), undefined)
    expect(new MergeKernel().use({ pairs: bytes, starts, ...choice })).toBe(false)
  })
})

test('a chunk of several blocks, with entries that are cut off, comes through whole', () => {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']
  const records = Array.from({ length: 3000 }, (_, i) => ({
    stream: 'stdout',
    log: i % 97 === 0 ? `{"a":1,"a":${i}}` : `{"n":${i},"text":"${'t'.repeat(i % 211)}"}`,
  }))
  const meta = METAS['a pod'] as Meta
  const chunk = apply(choice, meta, records)
  expect(chunk.entries().equals(oneByOne(choice, meta, records))).toBe(true)
})

test('a chunk of nothing that the kernel knows comes through whole', () => {
  const choice = OPTIONS['with Merge_Log, without Keep_Log']
  const records = Array.from({ length: 1000 }, (_, i) => ({ stream: 'stdout', log: `{"a":1,"a":${i}}` }))
  const meta = METAS['a pod'] as Meta
  expect(
    apply(choice, meta, records)
      .entries()
      .equals(oneByOne(choice, meta, records)),
  ).toBe(true)
})
