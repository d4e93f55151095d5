import { expect } from 'bun:test'
import { type Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Filter, FilterContext, FilterSpec } from '../../../src/core/plugin.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { LaterList } from '../later.ts'
import { chunkOf, LooseBuffers, recordsOf } from './chunk-of.ts'
import { listLog } from './chunks.ts'

export type Texts = Record<string, string | string[]>

/** A filter with a context of its own, without an agent. */
export class FilterRun {
  readonly buffers = new LooseBuffers()
  readonly counters: CounterMap
  readonly lines: string[]
  readonly fields: (Record<string, unknown> | undefined)[]
  readonly filter: Filter

  constructor(spec: FilterSpec<never>, texts: Texts, more: Partial<FilterContext> = {}) {
    const { lines, fields, log } = listLog()
    this.lines = lines
    this.fields = fields
    this.counters = new CounterMap(spec.counters)
    const agent = { version: '1.2.3', id: 'agent-1', hostname: 'host-1' }
    const ctx = {
      name: 'filter.0',
      log,
      counters: this.counters,
      clock: systemClock,
      agent,
      buffers: this.buffers,
      ...more,
    }
    const options = parseOptions(spec.options as never, texts as never)
    this.filter = spec.create(options as never, ctx as never)
  }

  /** Returns the records that come of these. */
  through(records: object[], tag = 'app'): Record<string, unknown>[] {
    return this.throughChunk(chunkOf(records, tag, this.buffers))
  }

  throughChunk(chunk: Chunk): Record<string, unknown>[] {
    this.filter.apply(chunk, new LaterList(this.buffers))
    const left = recordsOf(chunk)
    expect(chunk.count).toBe(left.length)
    expect(chunk.start).toBeGreaterThanOrEqual(headRoom(chunk.tag))
    expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
    chunk.release()
    expect(this.buffers.out.size).toBe(0)
    return left
  }
}
