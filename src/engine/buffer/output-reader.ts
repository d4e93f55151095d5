import { Chunk, headRoom } from '../../core/chunk.ts'
import type { Outcome } from '../../core/plugin.ts'
import type { BufferedOutput } from '../../core/snapshot.ts'
import { compare, isSame, isSameState } from '../../lib/segments/position.ts'
import {
  type Backlog,
  isStoredChunk,
  type OutputState,
  type Position,
  type SegmentLog,
  type StoredChunk,
} from '../../lib/segments/types.ts'
import type { Account } from '../budget.ts'
import type { OutputQueue } from '../queue.ts'
import type { Loaded } from '../receipt.ts'
import { type Behind, BehindWatch } from './behind.ts'
import type { BufferedChunk, BufferedRoute, ChunkReader } from './buffered-chunk.ts'
import { EntryLoader } from './entry-loader.ts'
import { FailingChunks } from './failing-chunks.ts'
import { LogCursor } from './log-cursor.ts'
import { type Content, type OpenChunk, type QueuedChunk, ReadRoute } from './open-chunk.ts'
import { ParkedChunks } from './parked-chunks.ts'
import { QueuedChunks } from './queued-chunks.ts'
import { isReadFailure, type ReadTrouble } from './read-trouble.ts'

/** Bytes that are read in one turn of the event loop. */
const TURN_BYTES = 1_000_000
/**
 * Maximum number of chunks of failing tags that wait on disk, for all tags of an output: the state of the
 * output names each of them, and has room for somewhat more.
 */
const MAX_PASSED_OVER = 3500
/** Number of chunks of a failing tag that its output gets at once when it looks for more of them. */
const MORE_CHUNKS = 32
/** What passing over a chunk counts as, in bytes. */
const PASSED_BYTES = 4096

/** What a reader needs of the buffer. */
export interface ReaderHost {
  /** True when a chunk in memory may be given to one more queue: the memory is not full of what outputs have. */
  mayHold(buffered: BufferedChunk, reader: OutputReader): boolean
  /** Counts a chunk as held by a queue. */
  hold(buffered: BufferedChunk): void
  /** True while chunks cannot be written. */
  readonly isFailing: boolean
  /** False when the agent stops: what is only on disk stays there. */
  readonly mayRead: boolean
  readonly nowMs: number
  /** Called when the state of an output has changed. */
  changed(): void
  /** Called with chunks that were dropped because of the limit. */
  dropped(reader: OutputReader, input: string, records: number): void
  /** Called when an output waits for those of its tags whose destinations fail, as no more of their chunks can be passed over. */
  crowded(reader: OutputReader): void
  /** Called when everything that an output was behind with was settled. */
  caughtUp(reader: OutputReader, behind: Behind): void
  /** Failures to read: a reader that has one waits until it is pumped. */
  readonly trouble: Pick<ReadTrouble, 'holds' | 'failed' | 'succeeded'>
}

interface ReaderOptions {
  name: string
  queue: OutputQueue
  /** Memory for chunks that are read back. */
  account: Account
  maxChunks: number
  limitBytes: number | undefined
  host: ReaderHost
}

/**
 * Gives one output its chunks. As long as the output keeps up, its queue gets them straight from memory; what the
 * queue has no room for is read back from disk later, in order.
 *
 * ```
 *   log   | settled | open: in the queue, or parked | behind: only on disk | in memory, not synced | end
 *                                                   ^ #cursor               ^ #waiting
 * ```
 * Whatever waits is woken by one of these: the output has answered, a sync has ended, writing begins to fail. With nothing
 * in its queue it may always read one chunk, whatever else uses up the window of the output and the memory: so it needs no
 * other call.
 */
export class OutputReader implements ChunkReader {
  readonly name: string
  readonly queue: OutputQueue
  /** `storage.total_limit_size` of the output. */
  readonly limitBytes: number | undefined
  droppedRecords = 0
  storedBytes = 0
  /** What has not settled. */
  readonly backlog: Backlog = { chunks: 0, records: 0, bytes: 0 }
  readonly #loader: EntryLoader
  readonly #host: ReaderHost
  readonly #queued: QueuedChunks
  readonly #failing: FailingChunks
  #log: SegmentLog | undefined
  #cursor: LogCursor | undefined
  readonly #open = new Set<OpenChunk>()
  readonly #parked = new ParkedChunks()
  /** True when every parked chunk is of a tag that fails. */
  #areParkedBlocked = false
  /** Chunks in memory that have found no place in the queue, in order, until they are on disk. */
  readonly #waiting = new Set<BufferedRoute>()
  #isPumping = false
  /** True when this turn has come to the end of the log. */
  #hasRead = false
  #isPumpingSoon = false
  /** True after it was said that too many failing chunks are passed over. */
  #isCrowded = false
  #isRunning = false
  #isStopped = false
  readonly #behind = new BehindWatch()
  #stored: OutputState | undefined

  constructor({ name, queue, account, maxChunks, limitBytes, host }: ReaderOptions) {
    this.name = name
    this.queue = queue
    this.limitBytes = limitBytes
    this.#host = host
    this.#loader = new EntryLoader(account)
    this.#queued = new QueuedChunks(queue, { maxChunks, limitBytes })
    this.#failing = new FailingChunks(this.#queued, this.#loader)
  }

  /** Restores the state of the last run; later, if it cannot be read now. */
  open(log: SegmentLog): void {
    this.#log = this.#loader.log = log
    this.#reading(() => this.#takeUp(log))
  }

  /** Everything is read before anything is changed: a failure leaves nothing half done. */
  #takeUp(log: SegmentLog): void {
    const state = log.stateOf(this.name) ?? { position: log.start, open: [] }
    const waiting = log.backlogOf(this.name, state)
    const open: StoredChunk[] = []
    for (const at of state.open) {
      const found = log.find(this.name, at)
      if (isStoredChunk(found) && isSame(found.at, at)) open.push(found)
    }
    // What is written already is in the log, and counted there.
    for (const { at, chunk } of this.#waiting) if (at === undefined) addTo(waiting, chunk.count, chunk.size)
    Object.assign(this.backlog, waiting)
    this.#cursor = new LogCursor(log, this.name, state.position)
    for (const chunk of open) this.#park(chunk)
    if (waiting.chunks > 0) this.#behind.begin(this.#host.nowMs, true)
  }

  /** Reports, once, that nothing is left of what was only on disk. */
  #checkBehind(): void {
    const ended = this.#hasCaughtUp && this.#parked.size === 0 ? this.#behind.end() : undefined
    if (ended !== undefined) this.#host.caughtUp(this, ended)
  }

  /** Runs what reads from the log. Returns false when the disk has failed: it is tried again later. */
  #reading(run: () => void): boolean {
    try {
      run()
      return true
    } catch (error) {
      if (!isReadFailure(error)) throw error
      this.#host.trouble.failed(this.name, error)
      return false
    }
  }

  /** Begins to read. */
  run(): void {
    this.#isRunning = true
    // With a chunk in its queue that fails for long, it is woken by the answers to those of others.
    this.queue.onAnswer = () => {
      if (!this.isDrained) this.pump()
    }
    this.queue.onWanted = (tag) => this.#giveMore(tag)
    this.pump()
  }

  /** Gives the queue chunks of a failing tag that were passed over. They leave the memory when they have failed as well. */
  #giveMore(tag: string): void {
    if (this.#isStopped) return
    this.#reading(() => {
      for (let i = 0; i < MORE_CHUNKS && this.#mayRead && !this.#queued.isHalf(this.#queued.count); i++) {
        const parked = this.#parked.firstOf(tag)
        if (parked === undefined || this.#readParked(parked) === 0) break
      }
    })
  }

  /** Called when the queue was stopped: what it still answers counts. */
  stop(): void {
    this.#isStopped = true
  }

  /** Number of chunks in the queue, without those whose entries are only on disk. */
  get inMemory(): number {
    return this.#queued.count
  }

  get isNear(): boolean {
    return this.#cursor?.isAtEnd === true && !this.#isStopped && this.queue.isReachable
  }

  /** True when it gives nothing more to its queue. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /** True when nothing is left that it has to send. */
  get isDrained(): boolean {
    return this.#hasCaughtUp && this.#open.size === 0
  }

  /** True when it has been given everything that is in the log. */
  get #hasCaughtUp(): boolean {
    return this.#cursor?.isAtEnd === true && this.#waiting.size === 0
  }

  /** True when no more chunks of failing tags can be passed over, or they take half of the memory, and the chunk is in the queue. */
  isCrowdedBy(chunk: Chunk): boolean {
    if (!this.#isFull && !this.#queued.isHalf(this.#failing.kept)) return false
    for (const open of this.#open) if (open.chunk === chunk) return true
    return false
  }

  get #isFull(): boolean {
    return this.#parked.size + this.#failing.unloaded >= MAX_PASSED_OVER
  }

  wait(chunk: QueuedChunk, isUnused: boolean): void {
    this.#failing.wait(chunk, isUnused, this.#isFull)
  }

  alone(route: BufferedRoute): void {
    this.#failing.unloadKept(route, this.#isFull)
  }

  load(chunk: QueuedChunk): Loaded {
    if (!this.#failing.has(chunk)) return 'loaded'
    let loaded: Loaded = 'later'
    const { reads } = this.#loader
    if (!this.#mayRead && this.#failing.isUnloaded(chunk)) return loaded
    this.#reading(() => {
      loaded = this.#failing.load(chunk)
    })
    if (this.#loader.reads > reads) this.#host.trouble.succeeded(this.name)
    return loaded
  }

  offer(route: BufferedRoute): void {
    const { chunk } = route
    addTo(this.backlog, chunk.count, chunk.size)
    if (this.#hasCaughtUp && this.#mayGive(route)) this.#give(route)
    else this.#waiting.add(route)
  }

  written(route: BufferedRoute): void {
    const { stored } = route.buffered
    if (!route.isWaiting && stored !== undefined) this.#cursor?.pass(stored)
  }

  synced(route: BufferedRoute): boolean {
    if (!this.#waiting.delete(route) || this.#cursor === undefined) return false
    this.#cursor.isAtEnd = false
    this.#behind.begin(this.#host.nowMs, false)
    return true
  }

  forget(route: BufferedRoute): void {
    this.#waiting.delete(route)
    this.#open.delete(route)
    this.#uncount({ count: route.chunk.count, bytes: route.chunk.size })
  }

  left(open: QueuedChunk, content: Content, outcome: Outcome): void {
    this.#failing.remove(open, content)
    if (this.#parked.has(content.tag)) this.#areParkedBlocked = false
    // The output takes nothing any more.
    if (outcome === 'aborted') this.#isStopped = true
    else {
      this.#open.delete(open)
      this.#uncount(content)
    }
    this.#behind.left(open, outcome === 'delivered' ? content.count : 0)
    this.#host.changed()
    this.pump()
    this.#checkBehind()
  }

  #uncount({ count, bytes }: Pick<Content, 'count' | 'bytes'>): void {
    const { backlog } = this
    backlog.chunks = Math.max(0, backlog.chunks - 1)
    backlog.records = Math.max(0, backlog.records - count)
    backlog.bytes = Math.max(0, backlog.bytes - bytes)
    // What was damaged has never settled.
    if (this.isDrained) backlog.chunks = backlog.records = backlog.bytes = 0
  }

  /** Gives the queue what it may have, and reads back what is on disk, as much as one turn allows. */
  pump(): void {
    if (this.#isPumping || !this.#isRunning || this.#isStopped) return
    this.#isPumping = true
    try {
      this.#hasRead = false
      const { reads } = this.#loader
      if (!this.#reading(() => this.#pump())) this.#pumpWaiting()
      else if (this.#hasRead || this.#loader.reads > reads) this.#host.trouble.succeeded(this.name)
    } finally {
      this.#isPumping = false
    }
  }

  #pump(): void {
    if (this.#cursor === undefined && this.#mayRead) this.#takeUp(this.#log as SegmentLog)
    this.#dropOverLimit()
    for (let bytes = 0; ; ) {
      const done = this.#next()
      if (done === 0) break
      bytes += done
      if (bytes < TURN_BYTES) continue
      this.#pumpSoon()
      break
    }
  }

  /** Gives the queue what is in memory, when the disk has failed. */
  #pumpWaiting(): void {
    while (this.#nextWaiting() > 0);
  }

  get #mayRead(): boolean {
    return this.#host.mayRead && !this.#host.trouble.holds(this.name)
  }

  #pumpSoon(): void {
    if (this.#isPumpingSoon) return
    this.#isPumpingSoon = true
    setImmediate(() => {
      this.#isPumpingSoon = false
      this.pump()
    })
  }

  /** Does one step; returns its size in bytes, 0 when nothing can be done now. */
  #next(): number {
    if (this.#isStopped || !this.#queued.hasRoom) return 0
    if (this.#mayRead) {
      const parked = this.#nextParked()
      if (parked !== undefined) return this.#readParked(parked)
      const found = this.#findNext()
      if (found !== undefined) return this.#readNext(found)
    }
    return this.#nextWaiting()
  }

  /** Returns a chunk that was passed over and may be sent. There may be thousands of tags: they are looked at when one may have changed. */
  #nextParked(): StoredChunk | undefined {
    if (this.#areParkedBlocked && this.queue.isReachable) return undefined
    const found = this.#parked.next((tag) => !this.#queued.isBlocked(tag))
    this.#areParkedBlocked = found === undefined
    return found
  }

  /** Gives the queue the next chunk in memory, if it comes next. */
  #nextWaiting(): number {
    if (this.#cursor?.isAtEnd !== true) return 0
    const [first] = this.#waiting
    if (first === undefined || !this.#mayGive(first)) return 0
    this.#waiting.delete(first)
    this.#give(first)
    return PASSED_BYTES
  }

  #mayGive(route: BufferedRoute): boolean {
    if (!this.#isRunning || this.#isStopped || !this.#queued.hasRoom || this.#isPassedOver(route.chunk.tag))
      return false
    return this.#host.mayHold(route.buffered, this) || (this.inMemory === 0 && this.#host.isFailing)
  }

  /** True when chunks of the tag wait on disk, as their destination fails. */
  #isPassedOver(tag: string): boolean {
    return this.#parked.has(tag) || this.#queued.isBlocked(tag)
  }

  #give(route: BufferedRoute): void {
    const { chunk, buffered } = route
    if (buffered.stored !== undefined) this.#cursor?.pass(buffered.stored)
    this.#host.hold(buffered)
    route.give()
    this.#open.add(route)
    this.#queued.add({ tag: chunk.tag, bytes: chunk.size })
    this.queue.push(chunk, route)
  }

  /** Returns the next chunk on disk; undefined when there is none that is not in memory as well. */
  #findNext(): StoredChunk | undefined {
    const cursor = this.#cursor
    if (cursor === undefined || cursor.isAtEnd) return undefined
    const [first] = this.#waiting
    const found = cursor.next(first?.at)
    if (cursor.isAtEnd) {
      this.#hasRead = true
      this.#host.changed()
    }
    return found
  }

  #readNext(found: StoredChunk): number {
    if (this.#isPassedOver(found.tag)) {
      if (this.#isFull) {
        if (!this.#isCrowded) this.#host.crowded(this)
        this.#isCrowded = true
        return 0
      }
      this.#isCrowded = false
      this.#cursor?.pass(found)
      this.#park(found)
      this.#host.changed()
      return PASSED_BYTES
    }
    return this.#read(found, () => this.#cursor?.pass(found))
  }

  #readParked(parked: StoredChunk): number {
    return this.#read(parked, () => this.#unpark(parked))
  }

  #park(chunk: StoredChunk): void {
    this.#areParkedBlocked = false
    this.#open.add(this.#parked.add(chunk))
  }

  #unpark(chunk: StoredChunk): void {
    const open = this.#parked.remove(chunk)
    if (open !== undefined) this.#open.delete(open)
  }

  /** Reads a chunk and gives it to the queue; `pass` is called when that has not failed. */
  #read(stored: StoredChunk, pass: () => void): number {
    const places = this.#loader.placesOf(stored)
    const buf = this.#loader.read(stored, this.inMemory === 0)
    if (buf === 'full') return 0
    pass()
    if (buf === 'damaged') {
      this.#uncount(stored)
      this.#host.changed()
      return PASSED_BYTES
    }
    const start = headRoom(stored.tag)
    const { tag, input, id, count, bytes, hasMetadata, origins } = stored
    const end = start + bytes
    const chunk = new Chunk(
      { tag, input, buf, start, end, count, id, inputBytes: 0, origins, hasMetadata, places },
      this.#loader.account,
    )
    const route = new ReadRoute(stored, chunk, this)
    this.#behind.given()
    this.#open.add(route)
    this.#queued.add(stored)
    this.queue.push(chunk, route)
    return Math.max(bytes, PASSED_BYTES)
  }

  /**
   * Drops the oldest chunks while more than `storage.total_limit_size` is waiting. What is in flight stays, and
   * so does the newest chunk, however small the limit is: it replaces the one before it.
   */
  #dropOverLimit(): void {
    const { limitBytes = Number.POSITIVE_INFINITY, backlog } = this
    for (let passed = 0; backlog.bytes > limitBytes && this.#mayRead; passed += PASSED_BYTES) {
      if (passed > TURN_BYTES) {
        this.#pumpSoon()
        return
      }
      if (this.#dropQueued()) continue
      if (!this.#hasMoreThanNewest) return
      const parked = this.#parked.oldest()
      const oldest = parked ?? this.#findNext()
      if (oldest === undefined) return
      if (parked === undefined) this.#cursor?.pass(oldest)
      else this.#unpark(parked)
      this.#uncount(oldest)
      this.#host.changed()
      this.#countDropped(oldest)
    }
  }

  #countDropped({ input, count }: Pick<Chunk, 'input' | 'count'>): void {
    this.droppedRecords += count
    this.#host.dropped(this, input, count)
  }

  /** Drops the oldest chunk of the queue, if that is the oldest of all, and waits there because its destination fails. */
  #dropQueued(): boolean {
    if (this.#queued.all === 0 || this.backlog.chunks < 2) return false
    let oldest: OpenChunk | undefined
    for (const open of this.#open)
      if (open.at !== undefined && (oldest?.at === undefined || compare(open.at, oldest.at) < 0))
        oldest = open
    const chunk = oldest?.chunk
    if (chunk === undefined || !this.queue.isFailing(chunk.tag)) return false
    const { input, count } = chunk
    if (!this.queue.withdraw(chunk)) return false
    this.#countDropped({ input, count })
    return true
  }

  /** True when more than one chunk is left that is not in the queue. */
  get #hasMoreThanNewest(): boolean {
    return this.backlog.chunks - this.#queued.all > 1
  }

  /** Returns the state to be stored; undefined when it is the one that was returned last. */
  changedState(): OutputState | undefined {
    if (this.#cursor === undefined) return undefined
    const position = this.#waiting.size === 0 ? this.#cursor.passedPlace : this.#cursor.place
    const open: Position[] = []
    for (const { at } of this.#open) if (at !== undefined) open.push(at)
    open.sort(compare)
    const state = { position, open }
    if (this.#stored !== undefined && isSameState(this.#stored, state)) return undefined
    this.#stored = state
    return state
  }

  snapshot(): BufferedOutput {
    const { name, backlog, inMemory, droppedRecords, limitBytes } = this
    return { name, ...backlog, chunksInMemory: inMemory, droppedRecords, limitBytes }
  }
}

function addTo(backlog: Backlog, records: number, bytes: number): void {
  backlog.chunks++
  backlog.records += records
  backlog.bytes += bytes
}
