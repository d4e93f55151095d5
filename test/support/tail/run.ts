import { decodeMulti } from '@msgpack/msgpack'
import type { Chunk } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import type { OffsetChanges, OffsetRow, OffsetStore, SkippedFile } from '../../../src/core/offset-store.ts'
import { INPUT_OPTIONS } from '../../../src/core/options/common.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Plan } from '../../../src/core/plan.ts'
import { defineFilter, type Filter, type OutputSpec } from '../../../src/core/plugin.ts'
import { RECORD_ID_BYTES, recordIds } from '../../../src/core/record-ids.ts'
import type { Logger } from '../../../src/core/services.ts'
import { Assembly } from '../../../src/engine/assembly.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { spec as tail } from '../../../src/plugins/inputs/tail/index.ts'
import { TAIL_OPTIONS } from '../../../src/plugins/inputs/tail/options.ts'
import { atEnd } from '../tmp.ts'
import { until } from '../until.ts'

export interface Received {
  tag: string
  seconds: number
  record: Record<string, unknown>
  /** Its id, if the output wants them. */
  id?: string
}

/** Offset store in memory that outlives a run, so that the next one can resume from it. */
export class MemoryStore implements OffsetStore {
  table: OffsetRow[] = []
  writes = 0
  damaged = false
  /** Time of the last scan of a previous run; set by a test to simulate one. */
  lastScan: number | undefined
  lastWriteMs: number | undefined
  skipped: SkippedFile[] | undefined
  path: string | undefined
  failing: Error | undefined
  #nextId = 1

  rows(): OffsetRow[] {
    return this.table.map((r) => ({ ...r }))
  }

  lastScanMs(): number | undefined {
    return this.lastScan
  }

  skippedFiles(): SkippedFile[] | undefined {
    return this.skipped
  }

  write(changes: OffsetChanges): void {
    if (this.failing !== undefined) throw this.failing
    this.writes++
    this.lastScan = changes.scanned?.ms ?? this.lastScan
    this.skipped = changes.skipped === undefined ? this.skipped : [...changes.skipped.files]
    for (const row of changes.upsert) {
      row.id ??= this.#nextId++
      this.table = [...this.table.filter((r) => r.id !== row.id), { ...row }]
    }
    for (const { id, placeId, placeMark } of changes.marks ?? [])
      this.table = this.table.map((r) => (r.id === id ? { ...r, placeId, placeMark } : r))
    for (const row of changes.remove) this.table = this.table.filter((r) => r.id !== row.id)
  }

  claimCursor(): undefined {}

  finishedBoots(): undefined {}

  close(): void {}
}

export interface TailRunOptions {
  /** Options in fluent-bit's spelling, values as text. */
  tail: Record<string, string>
  tag?: string
  /** Name of the input. */
  name?: string
  store?: OffsetStore
  service?: Partial<Plan['service']>
  memBufLimit?: number
  parsers?: Plan['parsers']
  multilines?: Plan['multilines']
  /** Filters that apply to all tags. */
  filters?: Filter[]
  /** True when the output wants ids of records. */
  ids?: boolean
}

const LOCATION = { file: 'test', line: 1 }

function filterPlan(filter: Filter, i: number): object {
  const about = { summary: '', description: '', options: {}, example: '' }
  const spec = defineFilter({ ...about, kind: 'filter', name: 'test', create: () => filter })
  return { spec, name: `test.${i}`, options: {}, common: { match: '*' }, location: LOCATION }
}

/**
 * Runs the tail input in a real engine, with an output that keeps all records and acknowledges on request.
 */
export class TailRun {
  readonly received: Received[] = []
  readonly logs: { level: string; message: string; fields: Record<string, unknown> }[] = []
  readonly store: OffsetStore
  readonly assembly: Assembly
  /** While true, chunks are only settled by `ack()`. */
  hold = false
  /** Number of records after which `hold` becomes true, whatever the turn of the event loop in which they come. */
  holdAfter = Number.POSITIVE_INFINITY
  failing = false
  /** Called with each chunk that the output gets. */
  onFlush: ((chunk: Chunk) => void) | undefined
  /** Chunks of these tags are refused, as by a destination that does not take them. */
  refused: RegExp | undefined
  finished = false
  /** Reason why the input finished with unread files; undefined if it has read all of them. */
  incomplete: string | undefined
  readonly chunks: { id: string; tag: string; count: number }[] = []
  #held: (() => void)[] = []
  readonly #inputs = new AbortController()
  readonly #flushes = new AbortController()
  #run: Promise<void> | undefined

  constructor(options: TailRunOptions) {
    this.store = options.store ?? new MemoryStore()
    this.assembly = new Assembly(this.#plan(options), {
      parts: {},
      clock: systemClock,
      log: () => this.#logger(),
      agent: { version: 'test', id: 'agent', hostname: 'host' },
      openOffsets: async () => this.store,
      finished: (_, incomplete) => {
        this.finished = true
        this.incomplete = incomplete
      },
      signal: this.#flushes.signal,
    })
    for (const problem of this.assembly.problems) throw problem
  }

  start(): this {
    this.#run = this.assembly.inputs[0]?.input.run(this.#inputs.signal)
    return this
  }

  lines(tag?: string): string[] {
    return this.received.filter((r) => tag === undefined || r.tag === tag).map((r) => String(r.record.log))
  }

  async waitForLines(count: number, limitMs = 120_000): Promise<string[]> {
    await until(() => this.received.length >= count, {
      limitMs,
      what: () => `${count} lines, have ${this.received.length}`,
    })
    return this.lines()
  }

  /** Acknowledges all held chunks, and every later one at once. */
  ack(): void {
    this.hold = false
    this.holdAfter = Number.POSITIVE_INFINITY
    const held = this.#held
    this.#held = []
    for (const settle of held) settle()
  }

  count(name: string): number {
    return this.assembly.inputs[0]?.counters.get(name) ?? 0
  }

  get files() {
    return this.assembly.inputs[0]?.input.status?.().files ?? []
  }

  /** Stops as the agent does. */
  async stop(): Promise<void> {
    this.#inputs.abort()
    await this.#run
    await this.assembly.settled()
    await this.#close()
  }

  /** Stops without a drain: unacknowledged chunks are aborted, as at the end of Grace. */
  async abort(): Promise<void> {
    this.#inputs.abort()
    await this.#run
    await this.#close()
  }

  async #close(): Promise<void> {
    this.#flushes.abort()
    this.assembly.stop()
    await this.assembly.closeInputs()
    await this.assembly.closeOutputs()
  }

  #flush(chunk: Chunk): Promise<void> {
    this.onFlush?.(chunk)
    if (this.failing)
      return Promise.reject(
        new ShipperError('E_PEER_UNREACHABLE', 'down', { retryable: true, scope: 'peer' }),
      )
    if (this.refused?.test(chunk.tag))
      return Promise.reject(
        new ShipperError('E_OUTPUT_WRITE', `cannot write ${chunk.tag}`, { retryable: true }),
      )
    this.hold ||= this.received.length >= this.holdAfter
    this.chunks.push({ id: chunk.id, tag: chunk.tag, count: chunk.count })
    const ids = chunk.places === undefined ? '' : recordIds(chunk).toString('latin1')
    for (const [i, entry] of [...decodeMulti(chunk.entries())].entries()) {
      const [time, record] = entry as [{ type: number; data: Uint8Array }, Record<string, unknown>]
      const seconds = Buffer.from(time.data).readUInt32BE(0)
      const id = ids.slice(i * RECORD_ID_BYTES, (i + 1) * RECORD_ID_BYTES)
      this.received.push({ tag: chunk.tag, seconds, record, ...(id === '' ? {} : { id }) })
    }
    if (!this.hold) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#held.push(resolve)
      this.#flushes.signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
  }

  #plan(o: TailRunOptions): Plan {
    const options = parseOptions(TAIL_OPTIONS, o.tail)
    const output: OutputSpec = {
      kind: 'output',
      name: 'keep',
      inFlight: 8,
      summary: '',
      description: '',
      example: '',
      options: {},
      usesRecordIds: () => o.ids === true,
      create: () => ({ flush: (chunk) => this.#flush(chunk), close: async () => {} }),
    }
    return {
      service: {
        flush: 20,
        memoryLimit: 16e6,
        chunkSize: 262_144,
        schedulerBase: 20,
        schedulerCap: 100,
        ...o.service,
      },
      inputs: [
        {
          spec: tail,
          name: o.name ?? 'tail.0',
          tag: o.tag ?? 'app',
          options,
          location: LOCATION,
          optionLocations: new Map(),
          common: parseOptions(INPUT_OPTIONS, { mem_buf_limit: String(o.memBufLimit ?? 0) }),
        },
      ],
      filters: (o.filters ?? []).map(filterPlan),
      outputs: [
        {
          spec: output,
          name: 'keep.0',
          options: {},
          common: { match: '*', retryLimit: 'no_limits' },
          location: LOCATION,
        },
      ],
      parsers: o.parsers ?? [],
      multilines: o.multilines ?? [],
      warnings: [],
    } as unknown as Plan
  }

  #logger(): Logger {
    const at =
      (level: string) =>
      (message: string, fields: Record<string, unknown> = {}) => {
        this.logs.push({ level, message, fields })
      }
    return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') }
  }
}

/** Starts a run from the head of the files that ends with the test. */
export function follow(
  tail: Record<string, string>,
  more: Partial<ConstructorParameters<typeof TailRun>[0]> = {},
): TailRun {
  const run = new TailRun({ tail: { read_from_head: 'on', ...tail }, ...more }).start()
  atEnd(() => run.abort())
  return run
}

/** Starts a run with stored positions. */
export function resume(
  store: MemoryStore,
  tail: Record<string, string>,
  more: { memBufLimit?: number } = {},
): TailRun {
  return follow(tail, { store, ...more })
}

/** Reads the existing lines in one run that ends with everything acknowledged. */
export async function readAll(
  store: MemoryStore,
  tail: Record<string, string>,
  lines: number,
): Promise<string[]> {
  const run = resume(store, tail)
  await run.waitForLines(lines)
  await run.stop()
  return run.lines()
}

/** Returns true when a file is open, and read or acknowledged to its end. */
export function isAtEnd(file: TailRun['files'][number] | undefined, offset: 'read' | 'acked'): boolean {
  return file !== undefined && file[offset] === file.size
}
