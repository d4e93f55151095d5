import { encode } from '@msgpack/msgpack'
import type { BufferSource } from '../src/core/buffer-source.ts'
import { Chunk, headRoom } from '../src/core/chunk.ts'
import { encodeStr, writeEntryHead } from '../src/core/msgpack/encode.ts'
import type { Parser } from '../src/core/parser.ts'
import { Enricher } from '../src/plugins/filters/kubernetes/enrich/enricher.ts'
import { metadataPairs } from '../src/plugins/filters/kubernetes/enrich/metadata.ts'
import { spec as criSpec } from '../src/plugins/parsers/cri.ts'
import { spec as regexSpec } from '../src/plugins/parsers/regex.ts'
import { parserSections } from '../test/support/tail/built-in-parsers.ts'
import { JSON_LOGS } from '../test/support/tail/json-logs.ts'
import { Random } from '../test/support/tail/log-lines.ts'
import { parserOf } from '../test/support/tail/parse-line.ts'

/**
 * Measures ns per record of Merge_Log alone, in chunks of 1 MB, without files and output: `bun bench/merge.bench.ts [name ...]`. Names
 * are those of test/support/tail/json-logs.ts; `bench` are the lines of the workload kube, `nginx` and `cri` those of parsers that
 * annotations name.
 */
const CPU_SECONDS = 0.5
const CHUNK_BYTES = 1 << 20
const METADATA = {
  pod_name: 'checkout-api-7d9c5b8f00-x0000',
  labels: {
    'app.kubernetes.io/name': 'checkout-api',
    'app.kubernetes.io/managed-by': 'Helm',
    team: 'checkout',
  },
  annotations: { 'checksum/config': '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
  host: 'bench-node-1',
  docker_id: 'c'.repeat(64),
  container_hash: `registry.example.com/shop/checkout@sha256:${'a'.repeat(64)}`,
}

const LINES: Record<string, (r: Random) => string> = {
  bench: (r) =>
    `{"level":"info","msg":"id=${r.hex(10)} batch flushed to the queue by worker","status":200,"duration_ms":${r.below(9e8) / 3e7},"cached":true}`,
  nginx: (r) =>
    `10.0.0.${r.below(256)} - - [21/Nov/2026:06:00:${10 + r.below(50)} +0000] "GET /api/v1/items?id=${r.hex(10)}&lang=en HTTP/1.1" 200 ${r.below(100_000)} "https://shop.example.com/start?from=mail" "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"`,
  cri: (r) =>
    `2026-11-21T06:00:${10 + r.below(50)}.${r.below(1e6) + 1e6}Z stdout F id=${r.hex(10)} the batch was flushed`,
  ...JSON_LOGS,
}

function builtIn(name: string): Record<string, string> {
  const {
    name: _name,
    format: _format,
    ...options
  } = parserSections().find((each) => each.name === name) ?? {}
  return options as Record<string, string>
}

const PARSERS: Record<string, Parser> = {
  nginx: parserOf(regexSpec, builtIn('nginx')),
  cri: parserOf(criSpec),
}

/** Two buffers in turn, as a pool would give them. */
class TwoBuffers implements BufferSource {
  readonly #buffers = [Buffer.alloc(16 << 20), Buffer.alloc(16 << 20)]
  #next = 0

  take(): Buffer {
    return this.force()
  }
  force(): Buffer {
    this.#next ^= 1
    return this.#buffers[this.#next] as Buffer
  }
  takeLongLived(): Buffer {
    return this.force()
  }
  give(): void {}
}

const buffers = new TwoBuffers()
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(LINES)
for (const name of names) {
  const r = new Random(1)
  const line = LINES[name] as (r: Random) => string
  const source = Buffer.alloc(CHUNK_BYTES + (1 << 16))
  let end = headRoom('k')
  let count = 0
  for (; end < CHUNK_BYTES; count++) {
    end = writeEntryHead(source, end, 1000 + count, 0)
    end += source.write(
      Buffer.from(encode({ stream: 'stdout', logtag: 'F', message: line(r) })).toString('latin1'),
      end,
      'latin1',
    )
  }
  const enricher = new Enricher({
    logKey: encodeStr('log'),
    mergeKey: undefined,
    parser: PARSERS[name],
    merge: true,
    keepLog: false,
    trim: true,
    buffers,
  })
  const meta = { pairs: metadataPairs(Buffer.from(encode(METADATA)), undefined), streams: undefined }
  const once = (): number => {
    const init = {
      tag: 'k',
      input: 'b',
      buf: source,
      start: headRoom('k'),
      end,
      count,
      id: 'i',
      inputBytes: end,
    }
    const chunk = new Chunk(init, buffers)
    enricher.apply(chunk, meta)
    return chunk.size
  }
  for (let i = 0; i < 20; i++) once()
  const began = process.cpuUsage()
  let rounds = 0
  let size = 0
  let cpu = 0
  while (cpu < CPU_SECONDS * 1e6) {
    size = once()
    rounds++
    const used = process.cpuUsage(began)
    cpu = used.user + used.system
  }
  const ns = (cpu * 1000) / rounds / count
  const bytes = (n: number): string => `${Math.round(n / count)} bytes`
  process.stdout.write(
    `${name.padEnd(28)} ${ns.toFixed(0).padStart(6)} ns a record, ${bytes(end)} in, ${bytes(size)} out\n`,
  )
}
