import { expect, test } from 'bun:test'
import protobuf from 'protobufjs'
import snappy from 'snappyjs'
import type { Chunk } from '../../../src/core/chunk.ts'
import { compressSnappyBlock } from '../../../src/lib/compression/snappy-block.ts'
import { JsonPushRequest } from '../../../src/lib/loki/json-push.ts'
import { LogLines } from '../../../src/lib/loki/log-lines.ts'
import { RecordLabels } from '../../../src/lib/loki/record-labels.ts'
import { RecordAccessor } from '../../../src/lib/records/accessor.ts'
import { Entry } from '../../../src/lib/records/entry.ts'
import { encodeMetadata, labelName, labelsText } from '../../../src/protocol/loki/labels.ts'
import { PushRequest } from '../../../src/protocol/loki/push-request.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { fc } from '../../support/property.ts'
import { chunkOfEntries, entries } from '../../support/records/given-entries.ts'

// grafana/loki, pkg/push/push.proto, with the Timestamp of google.protobuf.
const Push = protobuf
  .parse(
    `syntax = "proto3";
     message PushRequest { repeated Stream streams = 1; }
     message Stream { string labels = 1; repeated Entry entries = 2; uint64 hash = 3; }
     message Entry { Timestamp timestamp = 1; string line = 2; repeated LabelPair structuredMetadata = 3; }
     message LabelPair { string name = 1; string value = 2; }
     message Timestamp { int64 seconds = 1; int32 nanos = 2; }`,
    { keepCase: true },
  )
  .root.lookupType('PushRequest')

const read = (request: PushRequest): object => {
  const body = Buffer.from(snappy.uncompress(compressSnappyBlock(request.bytes())))
  expect(body.length).toBe(request.size)
  return Push.toObject(Push.decode(body), { longs: String })
}

const FORMS = [
  { format: 'json', omitted: ['log'], single: 'off' },
  { format: 'json', omitted: ['n', 'a'], single: 'on' },
  { format: 'key_value', omitted: [], single: 'raw' },
] as const

/** Returns the lines of a chunk, which are written in parts. */
function linesOf(lines: LogLines, chunk: Chunk, maxBytes = Infinity): string[] {
  const found: string[] = []
  for (let at = chunk.start; at < chunk.end; ) {
    at = lines.write(chunk, at, maxBytes)
    for (let i = 0; i < lines.ends.count; i++)
      found.push(
        lines.text.buf.toString('utf8', i === 0 ? 0 : lines.ends.textEnd(i - 1), lines.ends.textEnd(i)),
      )
    expect(lines.ends.entryEnd(lines.ends.count - 1)).toBe(at)
  }
  return found
}

const records = [
  { log: 'hello', level: 'info', n: 5 },
  { log: 'a "b"\n', m: { k: 'v' } },
  { log: 'only' },
  { n: 5 },
  {},
]

test.each([
  [
    { format: 'json', omitted: ['level'], single: 'off' },
    ['{"log":"hello","n":5}', '{"log":"a \\"b\\"\\n","m":{"k":"v"}}', '{"log":"only"}', '{"n":5}', '{}'],
  ],
  [
    { format: 'json', omitted: ['n', 'level', 'm'], single: 'on' },
    ['"hello"', '"a \\"b\\"\\n"', '"only"', '{}', '{}'],
  ],
  [
    { format: 'json', omitted: ['level', 'm'], single: 'raw' },
    ['{"log":"hello","n":5}', 'a "b"\n', 'only', '5', '{}'],
  ],
  [
    { format: 'key_value', omitted: ['n'], single: 'off' },
    ['log="hello" level="info"', 'log="a \\"b\\"\\n" m="{\\"k\\":\\"v\\"}"', 'log="only"', '', ''],
  ],
] as const)('lines of %j', (form, expected) => {
  expect(linesOf(new LogLines(form), chunkOf(records))).toEqual([...expected])
  expect(linesOf(new LogLines(form), chunkOf(records), 10)).toEqual([...expected])
})

test('each record has one line, which is UTF-8, whatever it holds', () => {
  fc.assert(
    fc.property(entries, fc.constantFrom(...FORMS), (given, form) => {
      const fast = linesOf(new LogLines(form), chunkOfEntries(given, 1000))
      expect(fast.length).toBe(given.length)
      expect(linesOf(new LogLines(form), chunkOfEntries(given, 1))).toEqual(fast)
      const request = new PushRequest()
      for (const [i, line] of fast.entries())
        request.stream('{}').add(i, i * 7, Buffer.from(line), 0, Buffer.byteLength(line))
      const { streams } = read(request) as { streams: { entries: { line?: string }[] }[] }
      expect(streams.flatMap((stream) => stream.entries.map(({ line = '' }) => line))).toEqual(fast)
    }),
    { numRuns: 60 },
  )
}, 180_000)

test('a request of protobuf has each stream once, with its entries in order', () => {
  const request = new PushRequest()
  const [a, b] = [
    labelsText([
      ['job', 'a'],
      ['app', 'x "1"\\\n'],
    ]),
    labelsText([['job', 'b']]),
  ]
  const line = Buffer.from('[line é]')
  request.stream(a).add(1_700_000_000, 123_456_789, line, 1, line.length - 1)
  request.stream(b).add(0, 0, line, 0, 0)
  request.stream(a).add(
    0xffffffff,
    0,
    line,
    0,
    5,
    encodeMetadata([
      ['lv', 'info'],
      ['e', 'é'],
    ]),
  )
  expect(read(request)).toEqual({
    streams: [
      {
        labels: '{app="x \\"1\\"\\\\\\n", job="a"}',
        entries: [
          { timestamp: { seconds: '1700000000', nanos: 123456789 }, line: 'line é' },
          {
            timestamp: { seconds: '4294967295' },
            line: '[line',
            structuredMetadata: [
              { name: 'lv', value: 'info' },
              { name: 'e', value: 'é' },
            ],
          },
        ],
      },
      { labels: '{job="b"}', entries: [{ timestamp: {} }] },
    ],
  })
})

test('a request of JSON has times as text and lines as strings', () => {
  const request = new JsonPushRequest()
  const line = Buffer.from('a "b"\n')
  request.stream('{"job":"a"}').add(1_700_000_000, 5, line, 0, line.length)
  request.stream('{"job":"b"}').add(1, 0, line, 0, 1)
  request.stream('{"job":"a"}').add(1_700_000_001, 0, line, 0, 1, '{"lv":"info"}')
  const body = request.bytes()
  expect(body.length).toBeLessThanOrEqual(request.size)
  expect(JSON.parse(body.toString())).toEqual({
    streams: [
      {
        stream: { job: 'a' },
        values: [
          ['1700000000000000005', 'a "b"\n'],
          ['1700000001000000000', 'a', { lv: 'info' }],
        ],
      },
      { stream: { job: 'b' }, values: [['1000000000', 'a']] },
    ],
  })
})

test('names of labels have only the characters that Loki takes', () => {
  expect(['app.kubernetes.io/name', '9x', 'ok_1', 'é'].map(labelName)).toEqual([
    'app_kubernetes_io_name',
    '_9x',
    'ok_1',
    '_',
  ])
})

test('labels are chosen from fields, written once for each set, and left out where there is no value', () => {
  let written = 0
  const labels = new RecordLabels(
    [['job', 'a']],
    [
      { name: 'lv', from: 'field', accessor: RecordAccessor.parse('$level', 'labels') },
      { name: 'k', from: 'field', accessor: RecordAccessor.parse("$m['k']", 'labels') },
    ],
    (pairs) => {
      written++
      return labelsText(pairs)
    },
  )
  const chunk = chunkOf([
    { level: 'x', m: { k: 'y' } },
    { level: 'x', m: { k: 'y' } },
    { level: 'xy' },
    { m: { k: 'xy' } },
    { level: '', n: 1 },
    { level: 'x', m: { k: 'y' } },
    { level: 7 },
  ])
  const entry = new Entry()
  const found: string[] = []
  for (let at = chunk.start; at < chunk.end; at = entry.end) {
    entry.read(chunk, at)
    found.push(labels.of(chunk.buf, entry.map, entry.end))
  }
  const both = '{job="a", k="y", lv="x"}'
  expect(found).toEqual([
    both,
    both,
    '{job="a", lv="xy"}',
    '{job="a", k="xy"}',
    '{job="a"}',
    both,
    '{job="a", lv="7"}',
  ])
  expect(written).toBe(5)
})
