import type { Chunk } from '../../core/chunk.ts'
import type { BufferPlan } from '../../core/plan.ts'
import type { Clock, Logger, TimerHandle } from '../../core/services.ts'
import type { BufferSnapshot } from '../../core/snapshot.ts'
import type { Damage, OutputState, SegmentLog } from '../../lib/segments/types.ts'
import { unknownOutputText } from '../../lib/segments/unknown-outputs.ts'
import { bytesText } from '../../lib/text/bytes.ts'
import { countText, durationText } from '../../lib/text/duration.ts'
import type { Account, Budget } from '../budget.ts'
import type { OutputQueue } from '../queue.ts'
import type { Settling } from '../receipt.ts'
import type { RetryPolicy } from '../retry.ts'
import type { Behind } from './behind.ts'
import { BufferedChunk, type ChunkOwner, type ChunkReader } from './buffered-chunk.ts'
import { ChunkWriter } from './chunk-writer.ts'
import { OutputReader, type ReaderHost } from './output-reader.ts'
import { ReadTrouble } from './read-trouble.ts'

/** Opens the log of a buffer for outputs with these names; `damaged` is called with what cannot be read. */
export type OpenSegments = (
  plan: BufferPlan,
  outputs: readonly string[],
  log: Logger,
  damaged: (damage: Damage) => void,
) => Promise<SegmentLog>

interface BufferOptions {
  plan: BufferPlan
  outputs: readonly { name: string; queue: OutputQueue }[]
  budget: Budget
  retry: RetryPolicy
  clock: Clock
  log: Logger
  open: OpenSegments
  /** Default: PROMPT_MS. */
  promptMs?: number
  /** Called with the input of records that were dropped because of a limit, and their number. */
  onDropped: (input: string, records: number) => void
}

/** Time after a change at which the states of outputs are stored. */
const COMMIT_MS = 250
/** Time that outputs get to settle a chunk in memory before it is written. */
const PROMPT_MS = 50
const DAMAGE_HINT =
  'these records were acknowledged to their senders and cannot be sent: check the disk, and run shipper buffer FOLDER --check'
/** Interval at which a stop checks whether an output answers. */
const LOOK_MS = 200
/** Minimum time for which an output was behind so that the log says that it has caught up: short times are normal. */
const BEHIND_MS = 10_000
/** Part of Memory_Limit for chunks that were read back. */
const READ_SHARE = 1 / 4
/**
 * Part of it for chunks on disk that one output has from memory; with more it gets what follows from disk, later. What is not on disk yet
 * does not count: given or not, it takes the memory of its input until a sync, so that outputs which answer promptly may have all of it.
 */
const STORED_SHARE = 1 / 8
/** Part of it for all that outputs have from memory: an output that is slow leaves as much to the others as it may have. */
const GIVEN_SHARE = 1 / 4

/**
 * The buffer on disk: where the chunks of inputs with `storage.type filesystem` are kept, after the filters, until each of their
 * outputs has settled them. The input gets its acknowledgement when they are on disk.
 *
 * ```
 *   accept --ChunkWriter--> log, synced: 'stored'
 *      |                     | read back, in order
 *      +----OutputReader-----+--> queue of the output --> outcome --> state of the output, segments deleted
 *        straight from memory
 * ```
 */
export class DiskBuffer implements ChunkOwner, ReaderHost {
  readonly #options: BufferOptions
  readonly #inputs: ReadonlySet<string>
  readonly #readers: OutputReader[]
  readonly #readerOf: ReadonlyMap<OutputQueue, OutputReader>
  readonly #writer: ChunkWriter
  readonly trouble: ReadTrouble
  /** Bytes of chunks that outputs have in memory, on disk or not. */
  #givenBytes = 0
  /** What outputs have and is on disk counts here: an input never waits for an output. */
  readonly #held: Account
  #log: SegmentLog | undefined
  #sequence = 0
  #timer: TimerHandle | undefined
  #stopTimer: TimerHandle | undefined
  #isStopping = false
  #isStopped = false
  #isClosed = false
  #waiters: (() => void)[] = []
  #lostRecords = 0
  #damagedParts = 0

  constructor(options: BufferOptions) {
    this.#options = options
    const { plan, outputs, budget, retry, clock, log } = options
    this.#inputs = new Set(plan.inputs)
    this.#held = budget.account(budget.limitBytes)
    const { folder } = plan
    this.trouble = new ReadTrouble({ folder, retry, clock, log, retries: () => this.#pump() })
    const share = Math.min(plan.memoryBytes, (budget.limitBytes * READ_SHARE) / Math.max(1, outputs.length))
    this.#readers = outputs.map(({ name, queue }) => {
      const limitBytes = plan.limits.get(name)
      const account = budget.account(Math.min(share, (limitBytes ?? Number.POSITIVE_INFINITY) / 2))
      return new OutputReader({ name, queue, account, maxChunks: plan.maxChunks, limitBytes, host: this })
    })
    this.#readerOf = new Map(this.#readers.map((reader) => [reader.queue, reader]))
    this.#writer = new ChunkWriter({
      folder,
      retry,
      clock,
      log,
      promptMs: options.promptMs ?? PROMPT_MS,
      onSynced: (chunks) => this.#synced(chunks),
      onFailing: () => this.#pump(),
    })
  }

  /** False when the buffer has only what an earlier run left. */
  get hasInputs(): boolean {
    return this.#inputs.size > 0
  }

  /** True when the chunks of this input are kept on disk. */
  takes(input: string): boolean {
    return this.#inputs.has(input)
  }

  /** Opens the log. Throws when it cannot be opened, or another agent has it. */
  async open(): Promise<void> {
    const { plan, open, log } = this.#options
    const names = this.#readers.map(({ name }) => name)
    this.#log = await open(plan, names, log, (damage) => this.#damaged(damage))
    for (const reader of this.#readers) reader.open(this.#log)
    this.#reportBacklog()
  }

  /** Counts a damaged part, and logs it. There may be thousands: the line that stands for several has the total. */
  #damaged({ path, offset, end, records, reason }: Damage): void {
    if (records === undefined) this.#damagedParts++
    else this.#lostRecords += records
    const lost = records === undefined ? 'an unknown number of records' : recordsText(records)
    const before = this.#damagedParts + this.#lostRecords > (records ?? 1) ? `, ${this.lostText} in all` : ''
    this.#options.log.error(
      `a part of the buffer is damaged, with the loss of ${lost}: ${path}, bytes ${offset} to ${end}: ${reason}${before}`,
      { code: 'E_BUFFER', hint: DAMAGE_HINT },
      'damaged',
    )
  }

  /** What was lost in damaged parts, for the log; undefined when nothing was. */
  get lostText(): string | undefined {
    const parts = this.#damagedParts
    const known = this.#lostRecords > 0 ? [recordsText(this.#lostRecords)] : []
    if (parts > 0) known.push(`${parts} damaged ${parts === 1 ? 'part' : 'parts'} of unknown content`)
    return known.length === 0 ? undefined : known.join(' and ')
  }

  /** Begins to send what is on disk, when the outputs have started. */
  run(): void {
    if (this.#log === undefined) return
    this.#writer.open(this.#log)
    for (const reader of this.#readers) reader.run()
  }

  /** Keeps a chunk and gives it to outputs; `waiting` is told its outcome once. The buffer owns the chunk from here on. */
  accept(chunk: Chunk, outputs: readonly { queue: OutputQueue }[], waiting: Settling): void {
    const readers = outputs.map(({ queue }) => this.#readerOf.get(queue) as OutputReader)
    const buffered = new BufferedChunk(chunk, readers, waiting, this.#sequence++, this)
    for (const route of buffered.routes) route.reader.offer(route)
    this.#writer.add(buffered)
    this.changed()
    if (this.#isStopped && buffered.stored === undefined) buffered.abandon()
  }

  #synced(chunks: readonly BufferedChunk[]): void {
    const behind = new Set<ChunkReader>()
    for (const { routes } of chunks)
      for (const route of routes) if (route.reader.synced(route)) behind.add(route.reader)
    for (const chunk of chunks) chunk.synced()
    for (const reader of behind) reader.pump()
    this.#checkSettled()
  }

  #pump(): void {
    for (const reader of this.#readers) reader.pump()
  }

  // Of ChunkOwner.

  done(buffered: BufferedChunk): void {
    this.#writer.remove(buffered)
    for (const route of buffered.routes) if (route.isOpen) route.reader.forget(route)
    this.changed()
  }

  stored({ chunk }: BufferedChunk): void {
    if (this.#options.budget.move(chunk.buf, this.#held)) chunk.changeSource(this.#held)
  }

  unloaded(buffered: BufferedChunk): void {
    this.released(buffered)
    buffered.heldBytes = 0
  }

  released({ heldBytes }: BufferedChunk): void {
    this.#givenBytes -= heldBytes
  }

  // Of ReaderHost.

  mayHold({ chunk, heldBytes }: BufferedChunk, { storedBytes }: OutputReader): boolean {
    const { limitBytes } = this.#options.budget
    const bytes = chunk.buf.length
    if (storedBytes + bytes > limitBytes * STORED_SHARE) return false
    return heldBytes > 0 || this.#givenBytes + bytes <= limitBytes * GIVEN_SHARE
  }

  hold(buffered: BufferedChunk): void {
    if (buffered.heldBytes > 0) return
    buffered.heldBytes = buffered.chunk.buf.length
    this.#givenBytes += buffered.heldBytes
  }

  get isFailing(): boolean {
    return this.#writer.isFailing
  }

  get mayRead(): boolean {
    return !this.#isStopped && (!this.#isStopping || this.#options.plan.flushesAtStop)
  }

  get nowMs(): number {
    return this.#options.clock.nowMs()
  }

  crowded({ name }: OutputReader): void {
    this.#options.log.warn(
      `${name} has stopped reading from the buffer: too many chunks wait for destinations that fail`,
      {
        output: name,
        hint: 'find out why these destinations fail; set Dead_Letter_File, so that their records go there and others are sent',
      },
      `crowded:${name}`,
    )
  }

  caughtUp({ name }: OutputReader, { sinceMs, isOfLastRun, records }: Behind): void {
    const ms = this.nowMs - sinceMs
    if (!isOfLastRun && ms < BEHIND_MS) return
    this.#options.log.info(
      `${name} has caught up: ${recordsText(records)} sent from the buffer in ${durationText(ms)}`,
    )
  }

  changed(): void {
    if (this.#log !== undefined && !this.#isClosed)
      this.#timer ??= this.#options.clock.after(COMMIT_MS, () => {
        this.#timer = undefined
        this.#commit()
      })
    this.#checkSettled()
  }

  dropped(
    { name, queue, limitBytes = 0, droppedRecords }: OutputReader,
    input: string,
    records: number,
  ): void {
    const { log, onDropped } = this.#options
    queue.stats.droppedRecords += records
    onDropped(input, records)
    const message = `dropped ${recordsText(droppedRecords)} for output ${name} so far, oldest first: more than its storage.total_limit_size (${bytesText(limitBytes)}) was waiting`
    const hint = 'raise storage.total_limit_size of the output, or find out why it is slower than its inputs'
    log.error(message, { code: 'E_BUFFER', output: name, hint }, `dropped:${name}`)
  }

  /** True when a chunk that fails is to be given up, as the buffer cannot pass over more of its kind. */
  isCrowded(queue: OutputQueue, chunk: Chunk): boolean {
    return this.#readerOf.get(queue)?.isCrowdedBy(chunk) === true
  }

  #commit(): void {
    const states = new Map<string, OutputState>()
    for (const reader of this.#readers) {
      const state = reader.changedState()
      if (state !== undefined) states.set(reader.name, state)
    }
    if (states.size > 0) this.#log?.commit(states)
  }

  /** Stops reading from disk, unless a stop has to wait for that. Outputs still get what is in memory. */
  stopReading(): void {
    this.#isStopping = true
    this.#checkSettled()
  }

  /**
   * Resolves when everything was sent; after `stopReading`, when the outputs that can be reached have settled what they have in
   * memory; after `stop`, when every output has answered.
   */
  settled(): Promise<void> {
    if (this.#isSettled) return Promise.resolve()
    const wait = new Promise<void>((resolve) => this.#waiters.push(resolve))
    this.#checkSettled()
    return wait
  }

  get #isSettled(): boolean {
    if (this.#log === undefined) return true
    if (this.#isStopped) return this.#readers.every(({ inMemory }) => inMemory === 0)
    if (this.#isStopping && !this.#options.plan.flushesAtStop)
      return this.#readers.every(
        ({ inMemory, isStopped, queue }) =>
          isStopped || inMemory === 0 || !queue.isReachable || queue.down !== undefined,
      )
    return this.isDrained
  }

  /** True when nothing is left to send. */
  get isDrained(): boolean {
    return this.#writer.isEmpty && this.#readers.every((reader) => reader.isStopped || reader.isDrained)
  }

  /** Number of records that some output has not settled, counted for each output. */
  get records(): number {
    return this.#readers.reduce((sum, { backlog }) => sum + backlog.records, 0)
  }

  #checkSettled(): void {
    if (this.#waiters.length === 0) return
    if (this.#isSettled) for (const resolve of this.#waiters.splice(0)) resolve()
    else if (this.#isStopping)
      this.#stopTimer ??= this.#options.clock.after(LOOK_MS, () => {
        this.#stopTimer = undefined
        this.#checkSettled()
      })
  }

  /** Called when the queues have stopped: gives up what cannot be written. */
  stop(): void {
    this.#isStopped = true
    for (const reader of this.#readers) reader.stop()
    this.#writer.stop()
    this.trouble.stop()
    this.#checkSettled()
  }

  /** Stores the states of the outputs, and closes the log. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#options.clock.cancel(this.#timer)
    this.#options.clock.cancel(this.#stopTimer)
    this.#commit()
    await this.#log?.close()
  }

  #reportBacklog(): void {
    const { log } = this.#options
    const waiting = this.#readers.filter(({ backlog }) => backlog.chunks > 0)
    if (waiting.length > 0) {
      const parts = waiting.map(({ name, backlog }) => `${recordsText(backlog.records)} for output ${name}`)
      log.info(`the buffer ${this.#options.plan.folder} has ${parts.join(', ')}, left by the last run`)
    }
    for (const [name, backlog] of this.#log?.unknownOutputs ?? []) {
      const { message, hint } = unknownOutputText(this.#options.plan.folder, name, backlog)
      log.warn(message, { hint })
    }
  }

  snapshot(): BufferSnapshot {
    const { chunks, bytes } = this.#writer.unwritten
    return {
      folder: this.#options.plan.folder,
      bytes: this.#log?.bytes ?? 0,
      segments: this.#log?.segments ?? 0,
      unwrittenChunks: chunks,
      unwrittenBytes: bytes,
      lostRecords: this.#lostRecords,
      damagedParts: this.#damagedParts,
      problem: this.#writer.problem,
      readProblem: this.trouble.problem,
      outputs: this.#readers.map((reader) => reader.snapshot()),
      unknownOutputs: [...(this.#log?.unknownOutputs ?? [])].map(([name, backlog]) => ({ name, ...backlog })),
    }
  }
}

function recordsText(n: number): string {
  return n === 1 ? '1 record' : `${countText(n)} records`
}
