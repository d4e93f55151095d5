import { decodeMulti } from '@msgpack/msgpack'
import type { Chunk } from '../../../src/core/chunk.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Ack, Input, InputSpec, Outcome } from '../../../src/core/plugin.ts'
import { RECORD_ID_BYTES, recordIds } from '../../../src/core/record-ids.ts'
import { type Account, Budget } from '../../../src/engine/budget.ts'
import { InputStage } from '../../../src/engine/input-stage.ts'
import type { Pipeline } from '../../../src/engine/pipeline.ts'
import { newRunId } from '../../../src/lib/plugin/run-id.ts'
import { listLog, turn } from '../../support/engine/chunks.ts'
import { inputContext } from '../../support/engine/input-context.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { atEnd } from '../../support/tmp.ts'
import { HANG_MS } from '../../support/until.ts'
import type { Source } from './source.ts'
import { StrictCounters, watched } from './watched.ts'

/** A spec with any options. */
export type AnySpec = InputSpec<OptionTable>

export interface MadeRecord {
  tag: string
  /** Unix time in seconds. */
  seconds: number
  record: Record<string, unknown>
  /** Id of its place; undefined for a record of a chunk without places. */
  id?: string | undefined
}

/** A chunk that the input has made and that has not settled. */
interface Open {
  chunk: Chunk
  ack: Ack
  records: MadeRecord[]
}

const CHUNK_BYTES = 65_536
/** Space that is reserved for a record which was not encoded yet, as a multiple of its size: what is left takes further records. */
const RESERVED = 2
/** A step of the clock; after a few of them a pause, in which programs have their turn. */
const STEP_MS = 5
const PAUSE_MS = 1
const STEPS_PER_PAUSE = 4

/**
 * Runs one input with the engine's stage, account and appenders, a manual clock and chunks that the test settles. Every chunk is
 * checked: its entries are well-formed, as many as it says, and it is not larger than allowed.
 */
export class InputBench {
  readonly clock = new ManualClock()
  readonly input: Input
  readonly account: Account
  readonly counters: StrictCounters
  readonly lines: string[]
  readonly options: Record<string, unknown>
  /** Chunks that have not settled, in order. */
  readonly open: Open[] = []
  readonly made: MadeRecord[] = []
  /** Waits for memory or room that have not ended. */
  waiting = 0
  hasFinished = false
  isOver = false
  /** Largest size of a record so far. */
  largest = 0
  readonly stage: InputStage
  readonly #chunkBytes: number
  readonly #stop = new AbortController()
  readonly #budget: Budget
  #hasStarted = false
  #error: unknown
  #wantsPlaces = false
  #isClosed = false
  #steps = 0

  constructor(spec: AnySpec, source: Source, limit = 4_000_000) {
    const { lines, log } = listLog()
    this.lines = lines
    this.counters = new StrictCounters(spec.counters)
    this.#budget = new Budget(64_000_000, CHUNK_BYTES)
    this.account = this.#budget.account(limit)
    this.#chunkBytes = Math.min(CHUNK_BYTES, Math.floor(limit / 4))
    this.stage = this.#stageFor()
    this.#wantsPlaces = source.services?.wantsPlaces === true
    const { stage, account, clock, counters } = this
    const ctx = inputContext({
      tag: source.tag ?? 't',
      configuredTag: source.tag ?? 't',
      clock,
      log,
      counters,
      buffers: account,
      appender: (tag) => stage.appender(tag),
      sealAll: () => stage.sealAll(),
      room: (tag, unsettled, wanted) => stage.room(tag, unsettled, wanted),
      waitForRoom: () => this.#counted(stage.waitForRoom()),
      waitForMemory: (signal) => this.#counted(account.waitForMemory(signal)),
      finished: () => {
        this.hasFinished = true
      },
      ...source.services,
    })
    this.options = watched(
      spec.name,
      parseOptions(spec.options, source.texts as never) as Record<string, unknown>,
    )
    const create = source.create ?? ((options, context) => spec.create(options as never, context))
    this.input = create(this.options as never, ctx)
    // A failed test leaves nothing behind that the next one would see.
    atEnd(() => this.close('aborted'))
  }

  start(): this {
    this.#hasStarted = true
    void this.input.run(this.#stop.signal).then(
      () => {
        this.isOver = true
      },
      (error: unknown) => {
        this.isOver = true
        this.#error = error
      },
    )
    return this
  }

  /** Gives the signal to stop. */
  abort(): void {
    this.#stop.abort()
  }

  /** Gives the signal to stop, and waits until the run has ended: within `limitMs` of the clock, which stands still from then on. */
  async stop(limitMs = 1000): Promise<void> {
    this.abort()
    const endMs = this.clock.nowMs() + limitMs
    const giveUpMs = performance.now() + HANG_MS
    while (!this.isOver) {
      if (performance.now() > giveUpMs) throw new Error(`the run does not end: ${this.#state}`)
      await this.pass(this.clock.nowMs() < endMs ? STEP_MS : 0)
    }
    this.#throwError()
  }

  /** Ends the run as the agent does: what has not settled settles with `outcome`, then the input is closed. */
  async close(outcome: Outcome = 'delivered'): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#hasStarted) await this.stop()
    this.stage.sealAll()
    this.settleAll(outcome)
    this.stage.stop()
    await this.until(
      this.input.close().then(() => true),
      'the input to close',
    )
  }

  /** Lets the clock, sockets and processes go on a little. */
  async pass(ms = STEP_MS): Promise<void> {
    this.clock.advance(ms)
    await turn()
    if (++this.#steps % STEPS_PER_PAUSE === 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }

  /** Lets time pass until the condition is true, or the promise has resolved. */
  async until(condition: (() => boolean) | Promise<unknown>, what: string): Promise<void> {
    let isDone = false
    if (typeof condition !== 'function')
      void condition.then(() => {
        isDone = true
      })
    const endMs = performance.now() + HANG_MS
    while (!(typeof condition === 'function' ? condition() : isDone)) {
      this.#throwError()
      if (performance.now() > endMs) throw new Error(`waited in vain for ${what}: ${this.#state}`)
      await this.pass()
    }
  }

  /** Throws what has ended the run, once. */
  #throwError(): void {
    const error = this.#error
    this.#error = undefined
    if (error !== undefined) throw error
  }

  get #state(): string {
    const { made, open, waiting, lines } = this
    return `${made.length} records, ${open.length} chunks, ${waiting} waiting\n${lines.slice(-20).join('\n')}`
  }

  /** Waits until so many records were made; they are in chunks that have not settled. */
  async has(count: number): Promise<MadeRecord[]> {
    const enough = (): boolean => {
      this.stage.sealAll()
      return this.made.length >= count
    }
    await this.until(enough, `${count} records`)
    return this.made
  }

  /** Lets time pass until nothing has happened for many turns although the source has more: the input waits. */
  async stands(): Promise<void> {
    let still = 0
    let before = -1
    const isStill = (): boolean => {
      const now = this.stage.records + this.account.used
      const isHeld = this.waiting > 0 || this.stage.isHeldBack
      still = now === before && isHeld ? still + 1 : 0
      before = now
      return still > 30
    }
    await this.until(isStill, 'the input to wait for memory')
  }

  settle(open: Open, outcome: Outcome): void {
    this.open.splice(this.open.indexOf(open), 1)
    open.chunk.release()
    open.ack(outcome)
  }

  settleAll(outcome: Outcome, isReversed = false): void {
    while (this.open.length > 0) this.settle((isReversed ? this.open.at(-1) : this.open[0]) as Open, outcome)
  }

  async #counted(wait: Promise<void>): Promise<void> {
    this.waiting++
    await wait
    this.waiting--
  }

  #stageFor(): InputStage {
    const { account } = this
    const path = { allFilters: [], allOutputs: [], copies: 0, addedBytes: 0 }
    const pipeline = {
      accept: (chunk: Chunk, _: unknown, ack: Ack) => this.#accept(chunk, ack),
      path: () => path,
      outputsOf: () => [],
      isFailing: () => false,
      hasFailing: false,
      hasReachable: true,
      wantsPlacesOf: () => this.#wantsPlaces,
    }
    return new InputStage({
      name: 'in.0',
      runId: newRunId(),
      chunkBytes: this.#chunkBytes,
      filteredBytes: this.#budget.sizeWithin(account.limitBytes / 2),
      sizeWithin: (bytes) => this.#budget.sizeWithin(bytes),
      flushMs: 1e9,
      account,
      clock: this.clock,
      pipeline: pipeline as unknown as Pipeline,
      routable: true,
    })
  }

  #accept(chunk: Chunk, ack: Ack): void {
    const records = recordsOf(chunk)
    for (const size of sizesOf(chunk)) this.largest = Math.max(this.largest, size)
    if (records.length !== chunk.count)
      throw new Error(`${chunk.count} records, but ${records.length} entries`)
    if (chunk.size > this.#chunkBytes + RESERVED * this.largest)
      throw new Error(`a chunk of ${chunk.size} bytes, although ${this.#chunkBytes} are allowed`)
    this.made.push(...records)
    this.open.push({ chunk, ack, records })
  }
}

/** Returns the sizes of the entries; they end where the chunk does. */
function sizesOf({ buf, start, end }: Chunk): number[] {
  const sizes: number[] = []
  for (let at = start; at < end; ) {
    const next = skip(buf, at, end)
    if (next <= at || next > end) throw new Error('a chunk whose entries are not well-formed')
    sizes.push(next - at)
    at = next
  }
  return sizes
}

function recordsOf(chunk: Chunk): MadeRecord[] {
  const ids = chunk.places === undefined ? undefined : recordIds(chunk).toString('latin1')
  return [...decodeMulti(chunk.entries())].map((entry, i) => {
    const [head, record] = entry as [unknown, MadeRecord['record']]
    const time = (Array.isArray(head) ? head[0] : head) as { data: Uint8Array }
    const seconds = Buffer.from(time.data)
    const id = ids?.slice(i * RECORD_ID_BYTES, (i + 1) * RECORD_ID_BYTES)
    return { tag: chunk.tag, seconds: seconds.readUInt32BE(0) + seconds.readUInt32BE(4) / 1e9, record, id }
  })
}
