import { expect } from 'bun:test'
import type { Chunk } from '../../src/core/chunk.ts'
import type { ShipperError } from '../../src/core/error.ts'
import { parseOptions } from '../../src/core/options/parse.ts'
import type { FilterContext } from '../../src/core/plugin.ts'
import { spec } from '../../src/plugins/filters/redact/index.ts'
import { chunkOf, LooseBuffers, recordsOf } from './engine/chunk-of.ts'

export type Texts = Record<string, string | string[]>

export function redactOf(texts: Texts = {}, buffers = new LooseBuffers()) {
  const rejected: { bytes: string; message: string }[] = []
  const counts: Record<string, number> = {}
  const garbage: number[] = []
  const ctx = {
    buffers,
    leftGarbage: (bytes: number) => void garbage.push(bytes),
    log: { warn() {}, error() {}, info() {}, debug() {} },
    counters: {
      add(name: string, n: number, reason: string) {
        counts[`${name} ${reason}`] = (counts[`${name} ${reason}`] ?? 0) + n
      },
    },
    reject(chunk: Chunk, start: number, end: number, reason: ShipperError) {
      rejected.push({ bytes: chunk.buf.toString('hex', start, end), message: reason.message })
    },
  }
  const filter = spec.create(
    parseOptions(spec.options, texts as never) as never,
    ctx as unknown as FilterContext,
  )
  return { filter, rejected, counts, garbage, buffers }
}

export function through(records: object[], texts: Texts = {}): Record<string, unknown>[] {
  const chunk = chunkOf(records)
  redactOf(texts).filter.apply(chunk, undefined as never)
  return recordsOf(chunk)
}

/** Redacts a text in a small chunk, and in one so large that the module searches it; both must have the same result. */
export function redacted(text: string, texts: Texts = {}): string {
  const [small] = through([{ log: text }], texts)
  const filler = Array.from({ length: 200 }, (_, i) => ({ log: `${'nothing here '.repeat(12)}${i}` }))
  const large = through([...filler, { log: text }, ...filler], texts)
  expect(large[200]).toEqual(small as never)
  expect(large).toHaveLength(401)
  return small?.log as string
}
