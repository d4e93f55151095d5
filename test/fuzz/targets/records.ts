import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { encodeStr, skip, writeEntryHead } from '../../../src/core/msgpack/encode.ts'
import { mapPairs } from '../../../src/core/msgpack/record.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Parser } from '../../../src/core/parser.ts'
import { Enricher } from '../../../src/plugins/filters/kubernetes/enrich/enricher.ts'
import { metadataPairs } from '../../../src/plugins/filters/kubernetes/enrich/metadata.ts'
import type { Topic } from '../../../src/plugins/outputs/kafka/client/cluster.ts'
import type { PartitionQueue } from '../../../src/plugins/outputs/kafka/delivery/partition-queue.ts'
import { Encoder } from '../../../src/plugins/outputs/kafka/encode/encoder.ts'
import { spec as kafkaSpec } from '../../../src/plugins/outputs/kafka/index.ts'
import { spec as criSpec } from '../../../src/plugins/parsers/cri.ts'
import { spec as dockerSpec } from '../../../src/plugins/parsers/docker.ts'
import { spec as logfmtSpec } from '../../../src/plugins/parsers/logfmt.ts'
import { spec as regexSpec } from '../../../src/plugins/parsers/regex.ts'
import { ValueScanner } from '../../../src/protocol/forward/value-scanner.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { createParser } from '../support.ts'
import { must, size, type Target } from '../target.ts'

const FORMATS: Record<string, string>[] = [
  { format: 'raw' },
  { format: 'msgpack', message_key: 'k' },
  { format: 'msgpack', timestamp_format: 'iso8601' },
  { format: 'json' },
  { format: 'json', timestamp_format: 'iso8601_ns', timestamp_key: 't"', message_key: '$TAG' },
]
const MANY = 1000

/** Maps at the beginning of the input, as far as they are MessagePack within the limits of the input forward. */
export function mapsOf(input: Buffer): Buffer[] {
  const maps: Buffer[] = []
  for (let at = 0; at < input.length; ) {
    let end: number
    try {
      end = new ValueScanner(5000).scan(input, at, input.length)
    } catch {
      break
    }
    if (end < 0) break
    if (mapPairs(input, at) >= 0) maps.push(input.subarray(at, end))
    at = end
  }
  return maps
}

/** Returns a chunk that claims `count` records: with few the fast path is not used. */
export function chunkOf(maps: readonly Buffer[], count: number, buffers: LooseBuffers): Chunk {
  const bytes = maps.reduce((n, map) => n + 11 + map.length, 0)
  const buf = buffers.force(headRoom('app') + bytes + TAIL_ROOM)
  let at = headRoom('app')
  for (const [i, map] of maps.entries()) {
    at = writeEntryHead(buf, at, 1_790_000_000 + i, (map.length * 7919) % 1e9)
    at += map.copy(buf, at)
  }
  return new Chunk(
    { tag: 'app', input: 'fuzz', buf, start: headRoom('app'), end: at, count, id: 'id', inputBytes: bytes },
    buffers,
  )
}

function kafkaEncoder(texts: Record<string, string>): (maps: readonly Buffer[], count: number) => string {
  const buffers = new LooseBuffers()
  const options = parseOptions(kafkaSpec.options, {
    topics: 'logs',
    batch_max_bytes: '4000',
    ...texts,
  }) as never
  const encoder = new Encoder(options, outputContext({ buffers }))
  const partition = { topic: 'logs', index: 0, leader: 1 } as PartitionQueue
  const topic: Topic = {
    name: 'logs',
    partitions: [partition],
    refreshedMs: 0,
    usedMs: 0,
    refreshing: undefined,
  }
  return (maps, count) => {
    const made = encoder.encode(
      chunkOf(maps, count, new LooseBuffers()),
      new Map([['logs', topic]]),
      new Map(),
    )
    buffers.out.clear()
    return made
      .map(({ buf, start, end, count: n }) => `${n} ${buf.toString('base64', start, end)}`)
      .join('\n')
  }
}

const encoders = FORMATS.map(kafkaEncoder)
export const bytes = (value: unknown): Buffer => Buffer.from(encode(value, { useBigInt64: true }))
export const RECORDS = [
  { stream: 'stdout', log: '{"level":"info","n":1.5,"list":[1,2,{"a":null}],"text":"a\\"b\\u00e9\\n"}\n' },
  { log: 'plain é€😀 \u0001\u001f "q" \\', n: 12_345_678, took: 0.25, ok: true, none: null },
  { log: `${'x'.repeat(300)}\r\n`, deep: { a: { b: [1, -1, 2n ** 63n] } }, bin: Buffer.from([1, 2, 255]) },
  { message: 'm', log: '', 'x"y': Number.NaN, date: new Date(1.79e12) },
]
export const DICTIONARY = [
  '\xa3log',
  '\x81',
  '\x82',
  '\x80',
  '\xa1a',
  '\xc0',
  '\xc4\x02\xff\xfe',
  '\xd9\x20',
  '\xda\x01\0',
  '\xcb',
  '{"',
  '":',
  '}',
  '\\u',
  '\\ud83d',
  ',',
  '1e9',
  '\n',
  '\xff',
  '\xed\xa0\x80',
]

/** Records that a WebAssembly module writes for Kafka have the bytes that the TypeScript path writes. */
export const wasmRecords: Target = {
  name: 'wasm-records',
  maxBytes: 4000,
  dictionary: DICTIONARY,
  seeds: () => [...RECORDS.map(bytes), Buffer.concat(RECORDS.map(bytes))],
  run(input) {
    const maps = mapsOf(input)
    if (maps.length === 0) return 'none'
    const kinds = encoders.map((encoded) => {
      const fast = encoded(maps, MANY)
      must(fast === encoded(maps, 1), 'the module writes other bytes')
      return size(fast.length)
    })
    return kinds.join()
  },
}

const META = {
  pairs: metadataPairs(
    bytes({ pod_name: 'web', labels: { app: 'web' }, host: 'n' }),
    bytes({ name: 'shop' }),
  ),
  streams: undefined,
}
const PARSED = [
  createParser(regexSpec, {
    regex: '^(?<time>\\S+) (?<stream>\\w+) (?<a>[^ ]*) ?(?<log>.*)$',
    time_format: '%s.%L',
    types: 'a:integer',
    skip_empty_values: 'off',
  }),
  createParser(criSpec),
  createParser(dockerSpec),
  createParser(logfmtSpec, { time_format: '%s', types: 'a:float', time_keep: 'on' }),
]
interface Merge {
  merge: boolean
  keepLog: boolean
  trim: boolean
  mergeKey?: Buffer
  parser?: Parser
}
const MERGES: Merge[] = [
  { merge: true, keepLog: true, trim: true },
  { merge: true, keepLog: false, trim: false },
  { merge: false, keepLog: true, trim: true },
  ...PARSED.flatMap((parser) => [
    { merge: true, keepLog: false, trim: true, parser },
    { merge: true, keepLog: true, trim: false, parser, mergeKey: encodeStr('a') },
  ]),
]
/** Enough to read for the module of an expression to be made at once. */
const BACKLOG = 1 << 30
const LINES = [
  '1795240800.123456 info -7 text \n',
  '2026-11-21T06:00:00.123456789Z stdout F a line',
  '2026-11-21 06:00:00+01:00 x FF ',
  '{"log":"a\tb\\n","stream":"stdout","time":"2026-11-21T06:00:00.123456789Z"}',
  'time=1795240800123 a=1.5 log="x\\n" kubernetes=1',
]
/** Makes the chunk large enough for the module. */
const FILL = Array.from({ length: 80 }, (_, i) =>
  bytes({ stream: 'stdout', log: `{"n":${i},"text":"${'f'.repeat(100)}"}` }),
)

function enriched(choice: Merge, maps: readonly Buffer[]): string {
  const buffers = new LooseBuffers()
  choice.parser?.kernel?.(BACKLOG)
  const fixed = { logKey: encodeStr('log'), mergeKey: undefined, parser: undefined, buffers }
  const chunk = chunkOf(maps, maps.length, buffers)
  new Enricher({ ...fixed, ...choice }).apply(chunk, META)
  const out: string[] = []
  for (let at = chunk.start; at < chunk.end; ) {
    const end = skip(chunk.buf, at, chunk.end)
    must(end > at, 'an entry is not complete')
    out.push(chunk.buf.toString('base64', at + 11, end))
    at = end
  }
  must(out.length === maps.length, () => `${maps.length} records became ${out.length}`)
  return out.join('\n')
}

/** Metadata and fields of lines that a WebAssembly module adds are those that the TypeScript path adds. */
export const wasmMerge: Target = {
  name: 'wasm-merge',
  maxBytes: 3000,
  dictionary: DICTIONARY,
  seeds: () => {
    const lines = LINES.map((log) => ({ time: 't', stream: 'stdout', log }))
    return [[...RECORDS], lines].flatMap((some) => [...some.map(bytes), Buffer.concat(some.map(bytes))])
  },
  run(input) {
    const maps = mapsOf(input)
    if (maps.length === 0) return 'none'
    const kinds = MERGES.map((choice) => {
      const together = enriched(choice, [...maps, ...FILL])
        .split('\n')
        .slice(0, maps.length)
        .join('\n')
      must(
        together === maps.map((map) => enriched(choice, [map])).join('\n'),
        'the module writes other bytes',
      )
      return size(together.length)
    })
    return kinds.join()
  },
}
