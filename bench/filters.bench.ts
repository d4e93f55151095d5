import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Decoder, Encoder } from '@msgpack/msgpack'

import type { BufferSource } from '../src/core/buffer-source.ts'
import { Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../src/core/chunk.ts'
import { skip, writeEntryHead } from '../src/core/msgpack/encode.ts'
import { findOption, parseOptions } from '../src/core/options/parse.ts'
import type { Parser } from '../src/core/parser.ts'
import type { Ack, Deferral, Filter, FilterContext } from '../src/core/plugin.ts'
import { systemCalls } from '../src/lib/fs/system-calls.ts'
import { spec as json } from '../src/plugins/parsers/json.ts'
import { registry } from '../src/registry.ts'
import { ROWS, type Row, typical, writeFiles } from './filter-rows.ts'
import { builtin, parserOf } from './parser-of.ts'

/**
 * Measures the CPU time that a filter takes for a record, beside that of walking over the entries (`none`) and of decoding and
 * encoding them with @msgpack/msgpack (`decode+encode`): `bun bench/filters.bench.ts [name ...]`. A name ending with `*` stands for
 * all that begin with the text before it.
 */
const RECORDS = 1000
const CPU_SECONDS = 0.2
/** The best of several runs is printed: another process may disturb one. */
const RUNS = 5

/** Unlimited buffers. Those given back are used again, as by the engine. */
class Buffers implements BufferSource {
  readonly #free: Buffer[] = []

  take(bytes: number): Buffer {
    return this.force(bytes)
  }

  force(bytes: number): Buffer {
    const at = this.#free.findIndex((buf) => buf.length >= bytes)
    return at < 0 ? Buffer.allocUnsafeSlow(bytes) : (this.#free.splice(at, 1)[0] as Buffer)
  }

  takeLongLived(bytes: number): Buffer {
    return this.force(bytes)
  }

  give(buf: Buffer): void {
    if (this.#free.length < 8) this.#free.push(buf)
  }
}

const TAG = 'kube.web'
const encoder = new Encoder()
const decoder = new Decoder()
const buffers = new Buffers()
const SILENT = { error() {}, warn() {}, info() {}, debug() {} }
const CLOCK = { nowMs: () => Date.now(), after: () => undefined as never, cancel() {} }

/** Returns the entries of a chunk with its head room. */
function entriesOf(record: (i: number) => object): Buffer {
  const parts = Array.from({ length: RECORDS }, (_, i) => {
    const head = Buffer.alloc(11)
    writeEntryHead(head, 0, 1_790_000_000 + i, 123_456_789)
    return Buffer.concat([head, encoder.encode(record(i))])
  })
  return Buffer.concat([Buffer.alloc(headRoom(TAG)), ...parts])
}

/** Copies the entries into a chunk: what an input does, so the time of it counts for no filter. */
function chunkOf(entries: Buffer): Chunk {
  const buf = buffers.force(entries.length + TAIL_ROOM)
  entries.copy(buf)
  const [start, end] = [headRoom(TAG), entries.length]
  const init = {
    tag: TAG,
    input: 'bench.0',
    buf,
    start,
    end,
    count: RECORDS,
    id: '',
    inputBytes: end - start,
  }
  return new Chunk(init, buffers)
}

const PARSERS: Record<string, () => Parser> = { json: () => parserOf(json), nginx: () => builtin('nginx') }

async function filterOf(text: string, given: Row['given']): Promise<Filter> {
  const pairs = text.split('\n').map((line) => {
    const [, key = '', value = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
    return { key, value }
  })
  const name = pairs.find(({ key }) => key.toLowerCase() === 'name')?.value ?? ''
  const spec = await registry.find('filter', name)
  if (spec?.kind !== 'filter') throw new Error(`there is no filter ${name}`)
  const texts: Record<string, string[]> = {}
  for (const { key, value } of pairs) {
    const option = findOption(spec.options, key)
    if (option === undefined) continue
    const isNamed = spec.options[option]?.named === true
    texts[option] = [...(texts[option] ?? []), isNamed ? `${key.toLowerCase()} ${value}` : value]
  }
  const options = parseOptions(spec.options, texts) as never
  const ctx = contextOf(name)
  const filter = given === undefined ? spec.create(options, ctx) : spec.trial?.create(options, ctx, given)
  if (filter === undefined) throw new Error(`${name} takes no given object`)
  await filter.start?.()
  return filter
}

function contextOf(name: string): FilterContext {
  const ctx = {
    ...{ name: `${name}.0`, log: SILENT, clock: CLOCK, buffers, multilineBytes: 2_000_000 },
    counters: { add() {}, addTo() {}, set() {} },
    agent: { version: '0', id: 'bench', hostname: 'bench' },
    parser: (parser: string) => PARSERS[parser]?.(),
    multiline: () => undefined,
    emit: settle,
    reroute: settle,
    reject() {
      throw new Error(`${name} rejects a record`)
    },
  }
  return ctx as unknown as FilterContext
}

function settle(records: ChunkInit, source: BufferSource, ack: Ack): void {
  source.give(records.buf)
  ack('delivered')
}

const DEFERRAL: Deferral = { buffers, defer: () => () => {}, onSettled() {} }

type Pass = (chunk: Chunk) => void

function walk(chunk: Chunk): void {
  let count = 0
  for (let at = chunk.start; at < chunk.end; at = skip(chunk.buf, at, chunk.end)) count++
  if (count !== RECORDS) throw new Error('entries are missing')
}

function decodeAndEncode(chunk: Chunk): void {
  let bytes = 0
  for (const entry of decoder.decodeMulti(chunk.entries())) bytes += encoder.encodeSharedRef(entry).length
  if (bytes < chunk.size / 2) throw new Error('entries are missing')
}

/** Returns the nanoseconds of CPU per record: those of a pass over copied entries without those of the copies. */
function measure(entries: Buffer, pass: Pass): number {
  let best = Number.POSITIVE_INFINITY
  let copy = Number.POSITIVE_INFINITY
  for (let i = 0; i < RUNS; i++) {
    copy = Math.min(
      copy,
      nanosOf(entries, () => {}),
    )
    best = Math.min(best, nanosOf(entries, pass))
  }
  return best - copy
}

function nanosOf(entries: Buffer, pass: Pass): number {
  let passes = 0
  let micros = 0
  const before = process.cpuUsage()
  while (micros < CPU_SECONDS * 1e6) {
    for (let i = 0; i < 10; i++) {
      const chunk = chunkOf(entries)
      pass(chunk)
      chunk.release()
    }
    passes += 10
    const used = process.cpuUsage(before)
    micros = used.user + used.system
  }
  return (micros * 1000) / (passes * RECORDS)
}

function print(name: string, nanos: number, bytes: number, whole: number): void {
  const rate = Math.round((bytes / nanos) * 1000)
  const figures = `${nanos.toFixed(0).padStart(7)} ns/record ${String(rate).padStart(7)} MB/CPU-s`
  console.log(`${name.padEnd(24)} ${figures}   1/${(whole / nanos).toFixed(1)} of decode+encode`)
}

async function passOf({ name, options, given }: Row, folder: string): Promise<Pass> {
  if (options === undefined) return name === 'none' ? walk : decodeAndEncode
  const filter = await filterOf(options(folder), given)
  return (chunk) => filter.apply(chunk, DEFERRAL)
}

function isWanted(name: string, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true
  return wanted.some((text) => (text.endsWith('*') ? name.startsWith(text.slice(0, -1)) : name === text))
}

async function run(wanted: readonly string[], folder: string): Promise<void> {
  writeFiles(folder)
  // What the filter stdout prints is formatted, but not written.
  systemCalls.writeSync = ((_fd: number, bytes: Buffer, at: number) => bytes.length - at) as never
  for (const row of ROWS) {
    if (!isWanted(row.name, wanted)) continue
    const entries = entriesOf(row.record ?? typical)
    const bytes = (entries.length - headRoom(TAG)) / RECORDS
    const pass = await passOf(row, folder)
    print(row.name, measure(entries, pass), bytes, measure(entries, decodeAndEncode))
  }
}

const folder = mkdtempSync(join(tmpdir(), 'shipper-bench-'))
try {
  await run(process.argv.slice(2), folder)
} finally {
  rmSync(folder, { recursive: true })
}
