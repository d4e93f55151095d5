import { encode } from '@msgpack/msgpack'
import type { Chunk } from '../../../../src/core/chunk.ts'
import type { ShipperError } from '../../../../src/core/error.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { FilterContext } from '../../../../src/core/plugin.ts'
import { CounterMap } from '../../../../src/engine/counters.ts'
import { spec } from '../../../../src/plugins/filters/lua/index.ts'
import { LuaFilter } from '../../../../src/plugins/filters/lua/lua-filter.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../../support/engine/chunk-of.ts'
import { listLog } from '../../../support/engine/chunks.ts'

export interface LuaRun {
  filter: LuaFilter
  counters: CounterMap
  lines: string[]
  /** Messages and entries of the records that were given up. */
  rejected: { message: string; entry: string }[]
  /** Bytes of garbage that were reported. */
  garbage: number[]
  buffers: LooseBuffers
  /** Applies the filter to a chunk and returns it. */
  apply(chunk: Chunk): Chunk
  /** Applies the filter to a chunk of these records and returns what they became. */
  records(...records: object[]): Record<string, unknown>[]
}

/** Starts the filter with a script in Code, or with the options alone. */
export async function startLua(
  code: string | undefined,
  texts: Record<string, string> = {},
  clock = { ms: 0 },
): Promise<LuaRun> {
  const { log, lines } = listLog()
  const counters = new CounterMap(spec.counters ?? {})
  const buffers = new LooseBuffers()
  const rejected: LuaRun['rejected'] = []
  const garbage: number[] = []
  const ctx = {
    log,
    counters,
    buffers,
    clock: { nowMs: () => clock.ms },
    leftGarbage: (bytes: number) => void garbage.push(bytes),
    reject: (chunk: Chunk, start: number, end: number, { message }: ShipperError) =>
      void rejected.push({ message, entry: chunk.buf.toString('hex', start, end) }),
  } as unknown as FilterContext
  const options = parseOptions(spec.options, { call: 'cb', ...(code !== undefined && { code }), ...texts })
  const filter = new LuaFilter(options as never, ctx)
  await filter.start()
  const apply = (chunk: Chunk): Chunk => {
    filter.apply(chunk)
    return chunk
  }
  const records = (...all: object[]) => recordsOf(apply(chunkOf(all, 'app.one', buffers)))
  return { filter, counters, lines, rejected, garbage, buffers, apply, records }
}

/** Returns the records that a script makes of one. */
export async function luaOf(
  code: string,
  record: object,
  texts?: Record<string, string>,
): Promise<Record<string, unknown>[]> {
  const run = await startLua(code, texts)
  const records = run.records(record)
  if (run.rejected.length > 0) throw new Error(run.rejected[0]?.message)
  return records
}

/** Returns a chunk with one entry, whose map has these bytes as hex. */
export function rawChunk(hex: string, buffers: LooseBuffers): Chunk {
  const chunk = chunkOf([{}], 'app.one', buffers)
  const map = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  const buf = buffers.force(chunk.end + map.length + 200)
  chunk.buf.copy(buf, 0, 0, chunk.end - 1)
  const start = chunk.start
  const end = chunk.end - 1 + map.copy(buf, chunk.end - 1)
  chunk.replace(buf, start, end, 1)
  return chunk
}

/** Returns the map of the only entry of a chunk as hex. */
export function mapHex(chunk: Chunk): string {
  return chunk.buf.toString('hex', chunk.start + 11, chunk.end)
}

/** Returns a value as hex. */
export function hexOf(value: unknown): string {
  return Buffer.from(encode(value)).toString('hex')
}
