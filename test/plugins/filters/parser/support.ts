import { expect } from 'bun:test'
import type { BufferSource } from '../../../../src/core/buffer-source.ts'
import { Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../../../../src/core/chunk.ts'
import { skip } from '../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Parser } from '../../../../src/core/parser.ts'
import type { Ack, FilterContext, ParserSpec } from '../../../../src/core/plugin.ts'
import { spec } from '../../../../src/plugins/filters/parser/index.ts'
import { spec as json } from '../../../../src/plugins/parsers/json.ts'
import { spec as logfmt } from '../../../../src/plugins/parsers/logfmt.ts'
import { spec as ltsv } from '../../../../src/plugins/parsers/ltsv.ts'
import { spec as regex } from '../../../../src/plugins/parsers/regex.ts'
import { LooseBuffers } from '../../../support/engine/chunk-of.ts'
import { LaterList } from '../../../support/later.ts'
import { repeatedKeys } from '../../../support/repeated-keys.ts'

const TIME_FORMAT = '%Y-%m-%dT%H:%M:%S'
const made = (
  parser: { options: object; create(options: never, ctx: never): Parser },
  texts: object,
): Parser =>
  parser.create(
    parseOptions(parser.options as ParserSpec['options'], texts as never) as never,
    { name: 'p', log: console, clock: { nowMs: () => 0 } } as never,
  )

/** The parsers of the tests, by name. */
export function parserOf(name: string): Parser {
  if (name === 'json') return made(json, {})
  if (name === 'timed_json') return made(json, { time_key: 'ts', time_format: TIME_FORMAT })
  if (name === 'logfmt') return made(logfmt, {})
  if (name === 'ltsv') return made(ltsv, {})
  if (name === 'request') return made(regex, { regex: '^(?<verb>[A-Z]+) (?<path>\\S+)$' })
  if (name === 'letters') return made(regex, { regex: '\\A(?<word>[a-zA-Z]+)\\z' })
  if (name === 'timed') return made(regex, { regex: '^(?<time>[^ ]+) (?<msg>.*)$', time_format: TIME_FORMAT })
  throw new Error(`there is no parser ${name}`)
}

/** Returns a chunk of entries given as MessagePack. */
export function chunkOfEntries(
  entries: readonly Buffer[],
  buffers: BufferSource,
  count = entries.length,
): Chunk {
  const bytes = Buffer.concat(entries)
  const start = headRoom('app')
  const buf = buffers.force(start + bytes.length + TAIL_ROOM)
  bytes.copy(buf, start)
  const end = start + bytes.length
  return new Chunk({ tag: 'app', input: 'test.0', buf, start, end, count, id: 'id', inputBytes: 0 }, buffers)
}

export function entriesOf({ buf, start, end }: Chunk): Buffer[] {
  const entries: Buffer[] = []
  for (let at = start; at < end; ) {
    const next = skip(buf, at, end)
    expect(next).toBeGreaterThan(at)
    entries.push(Buffer.from(buf.subarray(at, next)))
    at = next
  }
  return entries
}

type Texts = Record<string, string | string[]>

/** Entries without a text after which a filter uses kernels. */
const WARMING = Array.from({ length: 600 }, () => Buffer.from('92d700000000000000000080', 'hex'))
const warmParsers = new Map<string, Parser>()

/** Returns one of the parsers, whose kernel is compiled. */
function warmParserOf(name: string): Parser {
  const parser = warmParsers.get(name) ?? parserOf(name)
  warmParsers.set(name, parser)
  parser.kernel?.(Number.POSITIVE_INFINITY)
  return parser
}

/** A filter parser with what it counts and sends. */
export class ParserRun {
  readonly buffers = new LooseBuffers()
  readonly counted: Record<string, number> = {}
  readonly emitted: { entries: Buffer[]; label: string | undefined; ack: Ack }[] = []
  readonly filter

  /** `isWarm`: the filter has had so many records that it parses those of a chunk by kernels. */
  constructor(texts: Texts, labels?: readonly string[], isWarm = false) {
    const options = parseOptions(spec.options, { key_name: 'log', parser: 'json', ...texts } as never)
    this.filter = spec.create(options, {
      buffers: this.buffers,
      parser: isWarm ? warmParserOf : parserOf,
      labels: labels === undefined ? undefined : new Set(labels),
      counters: {
        add: (name: string, n = 1, reason = '') => {
          const key = reason === '' ? name : `${name} ${reason}`
          this.counted[key] = (this.counted[key] ?? 0) + n
        },
      },
      emit: (init: ChunkInit, buffers: BufferSource, ack: Ack, label?: string) => {
        const chunk = new Chunk(init, buffers)
        expect(chunk.count).toBe(entriesOf(chunk).length)
        this.emitted.push({ entries: entriesOf(chunk), label, ack })
        chunk.release()
      },
    } as unknown as FilterContext)
    if (!isWarm) return
    this.entries(WARMING)
    for (const key of Object.keys(this.counted)) delete this.counted[key]
    this.emitted.length = 0
  }

  /** Applies the filter to a chunk and checks what holds for every filter; the chunk is released. */
  through(chunk: Chunk): { entries: Buffer[]; deferral: LaterList } {
    const deferral = new LaterList(this.buffers)
    this.filter.apply(chunk, deferral)
    const entries = entriesOf(chunk)
    expect(chunk.count).toBe(entries.length)
    expect(chunk.start).toBeGreaterThanOrEqual(headRoom(chunk.tag))
    expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
    expect([...this.buffers.out]).toEqual([chunk.buf])
    chunk.release()
    return { entries, deferral }
  }

  /** Returns the entries that come of these. */
  entries(entries: readonly Buffer[]): Buffer[] {
    return this.through(chunkOfEntries(entries, this.buffers)).entries
  }
}

/** Returns true when a map of the entry has a key twice. */
export const repeatsKeys = (entry: Buffer): boolean => repeatedKeys(entry, 0, entry.length).length > 0
