import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../src/core/chunk.ts'
import { writeEntryHead } from '../src/core/msgpack/encode.ts'
import { parseOptions } from '../src/core/options/parse.ts'
import { compressSnappyBlock } from '../src/lib/compression/snappy-block.ts'
import { JsonText } from '../src/lib/json/msgpack-to-json.ts'
import { LogLines } from '../src/lib/loki/log-lines.ts'
import { Entry } from '../src/lib/records/entry.ts'
import { JsonLines } from '../src/lib/records/json-lines.ts'
import { JsonRecords } from '../src/lib/records/json-records.ts'
import { strftimeForm } from '../src/lib/records/json-time.ts'
import { RecordEncoder } from '../src/lib/wasm/record-encoder.ts'
import { FileFormat } from '../src/plugins/outputs/file/format.ts'
import { FILE_OPTIONS } from '../src/plugins/outputs/file/options.ts'
import { PushRequest } from '../src/protocol/loki/push-request.ts'
import { LogRecord } from '../src/protocol/otlp/log-record.ts'
import { EMPTY_PART, LogsRequest } from '../src/protocol/otlp/logs-request.ts'

/** Measures MB of MessagePack per CPU-second of each writer of JSON, the best of several runs: `bun bench/json.bench.ts`. */
const RECORDS = 2000
const CPU_SECONDS = 0.25
const RUNS = 7
const TEXT = 'the quick request of client 10.1.2.3 was handled by node seven within limits '

const SHAPES: Record<string, (i: number) => object> = {
  line: (i) => ({ log: `${i} ${TEXT}` }),
  parsed: (i) => ({
    level: 'info',
    ts: `2026-11-21T06:00:00.${100_000_000 + i}`,
    msg: TEXT.slice(0, 60),
    status: 200 + (i % 5),
    took: i / 8 + 0.125,
    http: { path: `/a/${i}`, ok: true, tags: ['a', 'b', i] },
    user: null,
  }),
  pod: (i) => ({
    log: `${i} ${TEXT}`,
    stream: 'stdout',
    kubernetes: {
      pod_name: 'cart-5d4f9c7b8-abcde',
      namespace_name: 'shop',
      pod_id: 'c2f5a8f0-6f9c-4a67-9b2c-1a2b3c4d5e6f',
      labels: { app: 'cart', 'app.kubernetes.io/name': 'cart', 'pod-template-hash': '5d4f9c7b8' },
      host: 'node-7',
      container_name: 'cart',
      container_hash: 'registry/cart@sha256:0123456789abcdef',
    },
  }),
  wide: (i) => Object.fromEntries(Array.from({ length: 64 }, (_, k) => [`field_${k}`, i + k])),
}

function chunkOf(shape: (i: number) => object): Chunk {
  const bodies = Array.from({ length: RECORDS }, (_, i) => Buffer.from(encode(shape(i))))
  const size = bodies.reduce((n, body) => n + body.length + 11, 0)
  const start = headRoom('t')
  const buf = Buffer.alloc(start + size + TAIL_ROOM)
  let at = start
  for (const [i, body] of bodies.entries()) {
    at = writeEntryHead(buf, at, 1_700_000_000 + i, 500_000_000)
    at += body.copy(buf, at)
  }
  const buffers = { take: () => buf, force: () => buf, takeLongLived: () => buf, give() {} }
  return new Chunk(
    { tag: 't', input: 'i', buf, start, end: at, count: RECORDS, id: 'id', inputBytes: size },
    buffers,
  )
}

const text = new JsonText()
text.escapesControls = true
const lines = new JsonRecords('json_lines', { jsonDateKey: 'date', jsonDateFormat: 'double' }, text)
const file = new FileFormat(parseOptions(FILE_OPTIONS, {}))
const encoder = new RecordEncoder()
const head = Buffer.from('"@timestamp":')

const bulk = new JsonLines({
  hasIds: true,
  infix: '"}}\n',
  time: strftimeForm('%Y-%m-%dT%H:%M:%S', 3),
  pairs: [{ key: '@timestamp', value: 'time' }],
  suffix: '\n',
})
bulk.prefix = Buffer.from('{"create":{"_index":"fluent-bit","_id":"')
const ids = Buffer.alloc(26 * RECORDS, 'i')
const logLines = new LogLines({ format: 'json', omitted: [], single: 'off' })
const entry = new Entry()
const log = Buffer.from('log')
const record = new LogRecord()

/** Encodes a push request of Loki, and compresses it. */
function push(chunk: Chunk): void {
  const request = new PushRequest()
  const { ends } = logLines
  logLines.write(chunk, chunk.start)
  let [at, from] = [chunk.start, 0]
  for (let i = 0; i < ends.count; i++) {
    entry.read(chunk, at)
    const { sec, nsec } = entry.time
    request
      .stream('{job="fluent-bit"}', 2 * chunk.size)
      .add(sec, nsec, logLines.text.buf, from, ends.textEnd(i))
    from = ends.textEnd(i)
    at = ends.entryEnd(i)
  }
  compressSnappyBlock(request.bytes())
}

/** Encodes a request of OTLP; the body is the field `log`, or the whole record. */
function exportLogs(chunk: Chunk, isWhole: boolean): void {
  const request = new LogsRequest()
  const records = request.recordsOf(EMPTY_PART, EMPTY_PART, 2 * chunk.size)
  for (let at = chunk.start; at < chunk.end; at = entry.end) {
    entry.read(chunk, at, log)
    record.reset(chunk.buf)
    record.setTime(entry.time.sec, entry.time.nsec)
    record.setBody(isWhole || entry.value < 0 ? entry.map : entry.value)
    record.append(records)
  }
  request.pieces()
}

const WRITERS: Record<string, (chunk: Chunk) => void> = {
  'stdout json_lines': (chunk) => {
    text.reset()
    lines.append(chunk)
  },
  'es bulk': (chunk) => {
    text.reset()
    bulk.append(text, chunk, chunk.start, { ids })
  },
  'loki protobuf and snappy': push,
  'otlp, the field log': (chunk) => exportLogs(chunk, false),
  'otlp, the record': (chunk) => exportLogs(chunk, true),
  'file out_file': (chunk) => file.write(chunk, false),
  'kafka json': (chunk) => {
    encoder.use({ format: 'json', head }, undefined)
    const batch = { count: 1, baseMs: 1_700_000_000_000, maxMs: 0 }
    for (let at = chunk.start; at < chunk.end; at = encoder.consumed) {
      encoder.run(chunk.buf, at, chunk.end, 1e9, batch)
      if (encoder.records === 0) throw new Error(`the encoder stops at ${at}`)
    }
  },
}

function speedOf(write: (chunk: Chunk) => void, chunk: Chunk): number {
  let best = 0
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage()
    let bytes = 0
    let seconds = 0
    while (seconds < CPU_SECONDS) {
      write(chunk)
      bytes += chunk.size
      const { user, system } = process.cpuUsage(before)
      seconds = (user + system) / 1e6
    }
    best = Math.max(best, bytes / seconds / 1e6)
  }
  return best
}

for (const [name, write] of Object.entries(WRITERS)) {
  const speeds = Object.entries(SHAPES).map(
    ([shape, of]) => `${shape} ${speedOf(write, chunkOf(of)).toFixed(0)}`,
  )
  process.stdout.write(`${name}: ${speeds.join(', ')} MB/s of CPU\n`)
}
