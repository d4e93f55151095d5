import type { Chunk } from '../../../src/core/chunk.ts'
import type { BufferPlan } from '../../../src/core/plan.ts'
import type { Outcome } from '../../../src/core/plugin.ts'
import { type Account, Budget } from '../../../src/engine/budget.ts'
import { DiskBuffer } from '../../../src/engine/buffer/disk-buffer.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { DEAD_LETTER_COUNTERS } from '../../../src/engine/dead-letters/dead-letters.ts'
import { OutputQueue } from '../../../src/engine/queue.ts'
import { listLog, makeChunk, turn } from './chunks.ts'
import { givingUp } from './giving-up.ts'
import { ManualClock } from './manual-clock.ts'
import type { BenchDisk, BenchLog, MemoryDisk, MemorySegments } from './memory-segments.ts'

export interface BufferCall {
  chunk: Chunk
  tag: string
  id: string
  resolve(): void
  reject(error: unknown): void
}

/** An output of the bench: its queue, and the flushes that were not answered. */
export class BenchOutput {
  readonly calls: BufferCall[] = []
  /** Ids in the order of acknowledgement. */
  readonly delivered: string[] = []
  readonly queue: OutputQueue
  readonly name: string
  #isOver = false
  /** By tag, the chunk that failed and was not sent again: what comes before it fails as well, as on one connection. */
  readonly #broken = new Map<string, { id: string; error: unknown }>()

  constructor(
    name: string,
    clock: ManualClock,
    log: ReturnType<typeof listLog>,
    signal: AbortSignal,
    keepsChunks = false,
  ) {
    this.name = name
    const counters = new CounterMap(DEAD_LETTER_COUNTERS)
    this.queue = new OutputQueue({
      name,
      output: {
        flush: (chunk) => this.#flush(chunk, signal),
        forget: ({ tag, id }) => {
          if (this.#broken.get(tag)?.id === id) this.#broken.delete(tag)
        },
        close: async () => {},
        keepsChunks,
      },
      inFlight: 3,
      retry: { baseMs: 1000, capMs: 5000, limit: Number.POSITIVE_INFINITY },
      ...givingUp('off', { clock, log: log.log, counters }),
      clock,
      log: log.log,
    })
  }

  /** Ids of the flushes that were not answered. */
  get inFlight(): string {
    return this.calls.map(({ id }) => id).join(' ')
  }

  /** Nothing that happens from now on counts: the process has ended. */
  kill(): void {
    this.#isOver = true
  }

  /** Acknowledges the first flush, or that of a chunk. */
  ok(id?: string): void {
    const call = this.#take(id)
    if (call === undefined) return
    this.delivered.push(call.id)
    call.resolve()
  }

  /** Answers the first flush with an error, and with it those of its tag that came after it. */
  fail(error: unknown, id?: string): void {
    const call = this.#take(id)
    if (call === undefined) return
    const later = this.calls.filter(({ tag }) => tag === call.tag)
    for (const one of later) this.calls.splice(this.calls.indexOf(one), 1)
    if (!this.#broken.has(call.tag)) this.#broken.set(call.tag, { id: call.id, error })
    for (const one of [call, ...later]) one.reject(error)
  }

  /** Answers the first flush with an error that gives up its chunk. */
  reject(error: unknown): string | undefined {
    const call = this.#take()
    call?.reject(error)
    return call?.id
  }

  #take(id?: string): BufferCall | undefined {
    const at = id === undefined ? 0 : this.calls.findIndex((call) => call.id === id)
    if (id !== undefined && at < 0) throw new Error(`${id} is not in flight: ${this.inFlight}`)
    return this.calls.splice(at, 1)[0]
  }

  #flush(chunk: Chunk, signal: AbortSignal): Promise<void> {
    const { id, tag } = chunk
    if (this.#isOver) return new Promise(() => {})
    checkEntries(chunk, id)
    const broken = this.#broken.get(tag)
    if (broken?.id === id) this.#broken.delete(tag)
    else if (broken !== undefined) return Promise.reject(broken.error)
    // An output may write around the entries.
    if (chunk.claimFrameSpace()) {
      chunk.buf.fill(0xff, 0, chunk.start)
      chunk.buf.fill(0xff, chunk.end, Math.min(chunk.buf.length, chunk.end + 64))
    }
    return new Promise((resolve, reject) => {
      const checked = (end: () => void) => () => {
        checkEntries(chunk, id)
        end()
      }
      this.calls.push({ chunk, tag, id, resolve: checked(resolve), reject })
      signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
    })
  }
}

function checkEntries(chunk: Chunk, id: string): void {
  const text = chunk.entries().toString('latin1')
  if (text !== id.padEnd(text.length, '.')) throw new Error(`the entries of ${id} are ${text}`)
}

interface BenchOptions {
  outputs?: string[]
  memoryBytes?: number
  maxChunks?: number
  limits?: Record<string, number>
  flushesAtStop?: boolean
  /** Whether outputs need the entries of what has failed: see Output. */
  keepsChunks?: boolean
  /** Default: 0, chunks are written at once. */
  promptMs?: number
  /** Memory of the process, of which an input has a quarter. */
  budgetBytes?: number
}

/** One run of a buffer on a disk, with outputs that answer when the test tells them to. */
export class BufferBench<D extends BenchDisk = MemoryDisk> {
  readonly clock: ManualClock
  readonly logged = listLog()
  readonly outputs: BenchOutput[]
  readonly buffer: DiskBuffer
  readonly budget: Budget
  readonly account: Account
  readonly disk: D
  segments!: D extends MemoryDisk ? MemorySegments : BenchLog
  /** Outcomes of each chunk, of which there should be one. */
  readonly outcomes = new Map<string, Outcome[]>()
  readonly dropped = new Map<string, number>()
  readonly flushes = new AbortController()

  constructor(disk: D, options: BenchOptions = {}, clock = new ManualClock()) {
    const { outputs = ['a', 'b'], budgetBytes = 4_000_000 } = options
    this.disk = disk
    this.clock = clock
    this.budget = new Budget(budgetBytes, 65_536)
    this.account = this.budget.account(budgetBytes / 4)
    this.outputs = outputs.map(
      (name) => new BenchOutput(name, clock, this.logged, this.flushes.signal, options.keepsChunks),
    )
    const plan: BufferPlan = {
      folder: '/buffer',
      inputs: ['in.0'],
      memoryBytes: options.memoryBytes ?? 1_000_000,
      maxChunks: options.maxChunks ?? 128,
      deletesDamaged: false,
      flushesAtStop: options.flushesAtStop ?? false,
      limits: new Map(Object.entries(options.limits ?? {})),
    }
    this.buffer = new DiskBuffer({
      plan,
      outputs: this.outputs,
      budget: this.budget,
      retry: { baseMs: 1000, capMs: 5000, limit: Number.POSITIVE_INFINITY },
      clock,
      log: this.logged.log,
      promptMs: options.promptMs ?? 0,
      open: async (_, names, __, damaged) => {
        this.segments = disk.open(names, damaged) as typeof this.segments
        return this.segments
      },
      onDropped: (input, records) => this.dropped.set(input, (this.dropped.get(input) ?? 0) + records),
    })
  }

  static async start<D extends BenchDisk>(
    disk: D,
    options?: BenchOptions,
    clock?: ManualClock,
  ): Promise<BufferBench<D>> {
    const bench = new BufferBench(disk, options, clock)
    await bench.buffer.open()
    bench.buffer.run()
    return bench
  }

  /** Accepts a chunk with the text `id` for outputs with these names, filled up to `size` bytes. */
  accept(id: string, options: { tag?: string; to?: string[]; size?: number } = {}): void {
    const { tag = 't', to, size = id.length } = options
    const chunk = makeChunk(id.padEnd(size, '.'), { tag, account: this.account, id })
    const outcomes: Outcome[] = []
    this.outcomes.set(id, outcomes)
    const outputs = this.outputs.filter(({ name }) => to === undefined || to.includes(name))
    this.buffer.accept(chunk, outputs, { settled: (outcome) => outcomes.push(outcome) })
  }

  output(name: string): BenchOutput {
    return this.outputs.find((output) => output.name === name) as BenchOutput
  }

  outcomeOf(id: string): string {
    return this.outcomes.get(id)?.join('+') || 'open'
  }

  /** Lets what is pending go on, syncs included. */
  async turns(count = 4): Promise<void> {
    for (let i = 0; i < count; i++) {
      await turn()
      if (!this.segments.holdsSyncs) await this.segments.idle()
    }
  }

  /** Lets time pass in which states are stored and waits end. */
  async pass(ms = 10_000): Promise<void> {
    this.clock.advance(ms)
    await this.turns()
  }

  /** Acknowledges everything until nothing is left; throws when that does not end. */
  async drain(): Promise<void> {
    for (let i = 0; i < 5000; i++) {
      for (const output of this.outputs) while (output.calls.length > 0) output.ok()
      await this.turns(2)
      if (this.outputs.every(({ calls }) => calls.length === 0)) {
        await this.pass()
        if (this.buffer.isDrained && this.outputs.every(({ calls }) => calls.length === 0)) return
      }
    }
    throw new Error(`not drained: ${JSON.stringify(this.buffer.snapshot())}`)
  }

  /** Ends the run as an agent does. */
  async stop(): Promise<void> {
    this.buffer.stopReading()
    this.flushes.abort()
    for (const { queue } of this.outputs) queue.stop()
    this.buffer.stop()
    await this.turns()
    await this.buffer.settled()
    await this.buffer.close()
  }

  /** Ends the run as kill -9 does: nothing of it happens any more. */
  kill(): void {
    for (const output of this.outputs) output.kill()
    this.clock.kill()
  }
}
