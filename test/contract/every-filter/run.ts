import { expect, spyOn } from 'bun:test'
import { Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import type { ShipperError } from '../../../src/core/error.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { entryMap } from '../../../src/core/msgpack/record.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Ack, Deferral, Filter, FilterContext, FilterSpec } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { registry } from '../../../src/registry.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { listLog } from '../../support/engine/chunks.ts'
import type { Texts } from '../../support/engine/filter-run.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { pairsOf, type RawPair } from '../../support/records/raw-record.ts'
import type { FilterCase } from './cases.ts'

/** An entry as bytes, and what it consists of if it is a record. */
export interface SeenEntry {
  bytes: string
  /** Bytes before the map. */
  head: string
  pairs: RawPair[] | undefined
}

/** Takes the entries of a chunk apart; checks that they end at its end, and its count and space. */
export function entriesOf(
  chunk: Pick<Chunk, 'buf' | 'start' | 'end' | 'count' | 'tag' | 'hasMetadata'>,
): SeenEntry[] {
  const { buf, start, end, count, tag, hasMetadata } = chunk
  const entries: SeenEntry[] = []
  for (let at = start; at < end; ) {
    const next = skip(buf, at, end)
    if (next <= at) throw new Error(`the entry ${entries.length} is not complete`)
    const map = entryMap(buf, at, next)
    const pairs = map < 0 ? undefined : pairsOf(Buffer.from(buf.subarray(map, next)))
    const head = map < 0 ? '' : buf.toString('hex', at, map)
    if (pairs !== undefined && head.startsWith('9292') && !hasMetadata)
      throw new Error('an entry has metadata, and hasMetadata is false')
    entries.push({ bytes: buf.toString('hex', at, next), head, pairs })
    at = next
  }
  expect(entries.length).toBe(count)
  if (count > 0) {
    expect(start).toBeGreaterThanOrEqual(headRoom(tag))
    expect(buf.length - end).toBeGreaterThanOrEqual(TAIL_ROOM)
  }
  return entries
}

export interface Rejected {
  entry: SeenEntry
  reason: ShipperError
}

/** Deferral of a chunk that counts how often each ack is called. */
class CountedDeferral implements Deferral {
  readonly buffers: LooseBuffers
  readonly calls: number[] = []
  readonly listeners: Ack[] = []

  constructor(buffers: LooseBuffers) {
    this.buffers = buffers
  }

  defer(): Ack {
    const at = this.calls.push(0) - 1
    return () => {
      this.calls[at] = (this.calls[at] as number) + 1
    }
  }

  onSettled(ack: Ack): void {
    this.listeners.push(ack)
  }
}

/** A filter of the registry with a complete context, in which everything that happens to records is recorded. */
export class ContractRun {
  readonly spec: FilterSpec
  readonly buffers = new LooseBuffers()
  readonly clock = new ManualClock()
  readonly counters: CounterMap
  readonly logged = listLog()
  readonly rejected: Rejected[] = []
  readonly emitted: SeenEntry[] = []
  readonly rerouted: SeenEntry[] = []
  filter: Filter
  readonly #deferrals: CountedDeferral[] = []
  /** Acks of records that the filter has sent on, and of chunks: called when everything settles. */
  readonly #waiting: Ack[] = []

  private constructor(spec: FilterSpec, texts: Texts, more: Partial<FilterContext>) {
    this.spec = spec
    this.counters = new CounterMap(spec.counters)
    const ctx: FilterContext = {
      name: `${spec.name}.0`,
      log: this.logged.log,
      counters: this.counters,
      clock: this.clock,
      agent: { version: '1.2.3', id: 'agent-1', hostname: 'host-1' },
      buffers: this.buffers,
      multiline: () => undefined,
      multilineBytes: 1_000_000,
      parser: (name) => {
        throw new Error(`there is no parser ${name}`)
      },
      regexLimit: { stepsPerByte: 1000, reached() {} },
      emit: (init, buffers, ack) => this.#send(init, buffers as LooseBuffers, ack, this.emitted),
      reroute: (init, buffers, ack) => this.#send(init, buffers as LooseBuffers, ack, this.rerouted),
      reject: (chunk, start, end, reason) => {
        const { buf, tag } = chunk
        const one = { buf, start, end, count: 1, tag, hasMetadata: true }
        const room = Buffer.alloc(headRoom(tag) + end - start + TAIL_ROOM)
        const at = headRoom(tag)
        buf.copy(room, at, start, end)
        const [entry] = entriesOf({ ...one, buf: room, start: at, end: at + end - start })
        this.rejected.push({ entry: entry as SeenEntry, reason })
      },
      endRun() {},
      readerClosed() {},
      ...more,
    }
    this.filter = spec.create(parseOptions(spec.options as never, texts as never) as never, ctx)
  }

  /** Creates the filter with this name through its option table, and starts it. */
  static async start(filter: string, texts: Texts, more: Partial<FilterContext> = {}): Promise<ContractRun> {
    const spec = await registry.find('filter', filter)
    const run = new ContractRun(spec as FilterSpec, texts, more)
    await run.filter.start?.()
    return run
  }

  /** Applies the filter to a chunk, gives the chunk back, and returns the entries that are left of it. */
  apply(chunk: Chunk): SeenEntry[] {
    const deferral = new CountedDeferral(this.buffers)
    this.#deferrals.push(deferral)
    this.filter.apply(chunk, deferral)
    const left = entriesOf(chunk)
    chunk.release()
    this.#waiting.push((outcome) => {
      for (const ack of deferral.listeners) ack(outcome)
    })
    return left
  }

  /** Applies the filter to a chunk whose result does not matter. */
  applyOnly(chunk: Chunk): void {
    this.filter.apply(chunk, new CountedDeferral(this.buffers))
  }

  /**
   * Lets the timers of the filter run out, settles everything that it has sent on, and closes it. Checks that each ack was then
   * called once and that every buffer was given back.
   */
  async finish(): Promise<void> {
    this.#settle()
    this.clock.advance(3_600_000)
    await this.close()
  }

  /** Settles what was sent on, closes the filter, and checks as `finish` does. */
  async close(): Promise<void> {
    this.#settle()
    await this.filter.close?.()
    this.#settle()
    expect(this.#deferrals.flatMap(({ calls }) => calls).filter((calls) => calls !== 1)).toEqual([])
    expect(this.buffers.out.size).toBe(0)
    expect(this.clock.waiting).toBe(0)
  }

  #settle(): void {
    for (const ack of this.#waiting.splice(0)) ack('delivered')
  }

  #send(init: ChunkInit, buffers: LooseBuffers, ack: Ack, to: SeenEntry[]): void {
    const chunk = new Chunk(init, buffers)
    to.push(...entriesOf(chunk))
    chunk.release()
    this.#waiting.push(ack)
  }
}

/** Starts the filter with a configuration of the table. */
export async function startCase({ filter, texts, context }: FilterCase): Promise<ContractRun> {
  return ContractRun.start(filter, typeof texts === 'function' ? await texts() : texts, context)
}

/** Largest number of bytes that standard output takes at a time. */
const TAKEN_BYTES = 5000

/** Keeps what a filter prints from the output of the tests. Every third call finds the pipe full. */
export function quiet(): void {
  let calls = 0
  const take = (_fd: number, bytes: Buffer, at = 0): number =>
    ++calls % 3 === 0 ? 0 : Math.min(bytes.length - at, TAKEN_BYTES)
  spyOn(systemCalls, 'writeSync').mockImplementation(take as never)
}
