import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { buildBlockEncoder, buildGlob, buildTail, logNothingFound } from './build.ts'
import { resumeRotatedFiles } from './discovery/after-downtime.ts'
import type { Glob } from './discovery/glob.ts'
import { ProgressCheck } from './discovery/progress-check.ts'
import { Reconciler } from './discovery/reconciler.ts'
import type { TailFile } from './file/tail-file.ts'
import { type Joiner, makeJoiner } from './multiline/joiner.ts'
import { type TailOptions, TURN_BYTES } from './options.ts'
import { FileReader, type Turn } from './reading/reader.ts'
import { Scheduler } from './reading/scheduler.ts'
import type { RotatedFiles } from './rotation/rotated-files.ts'
import type { OpenFiles } from './tracking/open-files.ts'
import type { Positions } from './tracking/positions.ts'
import { ReadErrors } from './tracking/read-errors.ts'

/** Files looked at in one progress check. */
const CHECKED_AT_ONCE = 500
/** Appends to a file that keep coming are joined for this long, or a quarter of Flush. */
const COALESCE_MS = 5
const BLOCK_BYTES = 262_144

/**
 * Follows files. The lookout puts files on the schedule, a turn of the reader finds out what was written; the progress
 * check and Refresh_Interval find what no event told.
 */
export class Tail implements Input {
  readonly #options: TailOptions
  readonly #ctx: InputContext
  readonly #finder: Glob
  readonly #tagRegex: RegExp | undefined
  readonly #schedule: Scheduler
  readonly #pace: ProgressCheck
  readonly #reader: FileReader
  readonly #grouper: Joiner | undefined
  readonly #trouble: ReadErrors
  readonly #awaited = new WeakSet<TailFile>()
  #files!: OpenFiles
  #positions!: Positions
  #rotated!: RotatedFiles
  #lookout!: Reconciler
  #firstScan = new Set<TailFile>()
  #checkAt = 0
  #started = false

  constructor(options: TailOptions, ctx: InputContext, tagRegex: RegExp | undefined) {
    this.#options = options
    this.#ctx = ctx
    this.#tagRegex = tagRegex
    this.#trouble = new ReadErrors(ctx.counters, ctx.log)
    this.#finder = buildGlob(options, this.#trouble)
    this.#schedule = new Scheduler(ctx.clock, Math.min(COALESCE_MS, ctx.flushMs / 4))
    this.#pace = new ProgressCheck(
      ctx.clock,
      Math.min(options.progressCheckInterval, options.watcherInterval),
    )
    this.#grouper = makeJoiner(options, ctx)
    this.#reader = new FileReader({
      blockBytes: BLOCK_BYTES,
      maxLineBytes: options.bufferMaxSize,
      buffers: ctx.buffers,
      clock: ctx.clock,
      lines: buildBlockEncoder(options, ctx, this.#grouper),
    })
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#start()
    this.#lookout.scan(true)
    const away = this.#positions.unclaimed().length > 0 || this.#files.createdSinceLastScan().length > 0
    // In one go with the search: a row stored in between says that all of its log is known.
    if (away) this.#finishRotated()
    // Before the first read, which may take a while.
    this.#positions.commit()
    this.#firstScan = new Set(this.#files.byKey.values())
    for (const file of this.#firstScan) this.#schedule.add(file)
    if (this.#files.byKey.size === 0) logNothingFound(this.#options, this.#ctx.log)
    const repeat = (ms: number, fn: () => void) => this.#schedule.every(ms, fn, signal)
    repeat(this.#options.refreshInterval, () => this.#lookout.scan(false))
    this.#pace.start(() => this.#check(), signal)
    while (!signal.aborted) {
      if (this.#options.exitOnEof && this.#allRead()) {
        this.#ctx.sealAll()
        this.#ctx.finished(this.#trouble.incomplete)
        break
      }
      const file = this.#schedule.take()
      if (file === undefined) await this.#schedule.wake(signal)
      else await this.#turn(file, signal)
    }
  }

  get finite(): boolean {
    return this.#options.exitOnEof
  }

  totalBytes(): number {
    if (!this.#started) return 0
    let total = 0
    for (const file of this.#files.byKey.values())
      total += Math.max(0, file.cursor.size - file.cursor.startedAt)
    return total
  }

  async close(): Promise<void> {
    this.#schedule.stop()
    this.#pace.stop()
    if (!this.#started) return
    await this.#lookout.close()
    this.#grouper?.close()
    this.#positions.close()
    this.#files.closeAll()
  }

  status(): InputStatus {
    if (!this.#started) return { files: [] }
    const files = [...this.#files.byKey.values()]
    for (const file of files) this.#measure(file)
    return { files: files.map((f) => f.status()) }
  }

  async #start(): Promise<void> {
    const parts = await buildTail(this.#options, this.#ctx, this.#tagRegex, {
      settled: (file, bytes) => this.#settled(file, bytes),
      more: (file) => this.#schedule.add(file),
      finish: (file) => this.#readLast(file),
      drained: (file) => this.#schedule.release(file),
      readErrors: this.#trouble,
    })
    this.#positions = parts.positions
    this.#files = parts.files
    this.#rotated = parts.rotated
    this.#lookout = new Reconciler({
      glob: this.#finder,
      files: this.#files,
      positions: this.#positions,
      rotated: this.#rotated,
      scheduler: this.#schedule,
      clock: this.#ctx.clock,
      events: this.#options.inotifyWatcher,
      log: this.#ctx.log,
    })
    this.#started = true
  }

  #finishRotated(): void {
    resumeRotatedFiles({
      files: this.#files,
      positions: this.#positions,
      glob: this.#finder,
      rotated: this.#rotated,
      counters: this.#ctx.counters,
      log: this.#ctx.log,
    })
  }

  async #turn(file: TailFile, signal: AbortSignal): Promise<void> {
    const { cursor, handle, predecessor } = file
    if (!handle.isOpen) return
    if (predecessor !== undefined) {
      if (!predecessor.isDrained) {
        file.startWaiting()
        this.#schedule.hold(file, predecessor)
        return
      }
      this.#grouper?.handOver(predecessor, file)
      file.readAfter(undefined)
    }
    if (this.#awaits(file)) return
    const limit = Math.min(
      TURN_BYTES,
      file.state === 'idle' ? this.#options.eventBatchSize : this.#options.staticBatchSize,
    )
    file.startReading()
    const before = cursor.offset
    const turn = this.#readTurn(file, limit)
    // Not for a look at a file in which nothing is new: each search makes one.
    if (turn !== 'end' || !cursor.isAt(before)) this.#pace.recordActivity()
    if (cursor.offset !== before) {
      cursor.recordRead(this.#ctx.clock.nowMs())
      // So that it is known by its first bytes, should it be rotated and compressed before the first ack.
      if (file.stored.fingerprintSize === 0) this.#positions.touch(file)
    }
    if (turn === 'full') {
      this.#schedule.addFirst(file)
      this.#ctx.sealAll()
      await this.#ctx.waitForMemory(signal)
      await this.#schedule.yield()
    } else if (turn === 'more') {
      this.#schedule.add(file)
      await this.#schedule.yield()
    } else if (turn === 'rewritten') {
      this.#rewritten(file)
      this.#schedule.add(file)
    } else if (handle.source.complete) {
      file.reachEnd()
      this.#schedule.release(file)
      if (file.rotation.isRotated) this.#rotated.closeIfDone(file)
    }
  }

  /** A filter is not ready for its lines: they wait in the file. */
  #awaits(file: TailFile): boolean {
    const wait = this.#ctx.ready?.(file.tag, file.identity.openedAs)
    if (wait === undefined) return false
    file.startWaiting()
    if (this.#awaited.has(file)) return true
    this.#awaited.add(file)
    void wait.then(() => {
      this.#awaited.delete(file)
      this.#schedule.add(file)
    })
    return true
  }

  #readTurn(file: TailFile, limit: number): Turn {
    try {
      const last = this.#options.exitOnEof
      const out = this.#ctx.appender(file.tag)
      const turn = this.#reader.turn(file, out, limit, last)
      this.#trouble.clear(file.path)
      // What is open ends with the file that it is in, unless another one goes on with it.
      const over = turn === 'rewritten' || (turn === 'end' && last && !this.#hasNext(file))
      return over && this.#grouper?.flush(file, out) === false ? 'full' : turn
    } catch (error) {
      this.#trouble.record(file.path, error)
      return 'end'
    }
  }

  #hasNext(file: TailFile): boolean {
    for (const other of this.#files.byKey.values()) if (other.predecessor === file) return true
    return false
  }

  /**
   * The last line of a file that is about to be closed has no newline and will never get one. False: it is not read now;
   * one that cannot be read is held until Hold_Time, and then counted as lost.
   */
  #readLast(file: TailFile): boolean {
    try {
      return this.#reader.turn(file, this.#ctx.appender(file.tag), TURN_BYTES, true) !== 'full'
    } catch (error) {
      this.#trouble.record(file.path, error)
      return false
    }
  }

  /** Truncated, or another content was written over it: what was not read of the old content is gone. */
  #rewritten(file: TailFile): void {
    const { unread, offset } = file.cursor
    const stat = file.handle.stat()
    this.#ctx.counters.add('files_truncated')
    this.#ctx.counters.add('lost_bytes', unread)
    this.#ctx.log.warn(`${file.path} was truncated: reading it from the start`, {
      offset,
      size: Number(stat.size),
      ...(unread > 0 ? { lost_bytes: unread, reason: 'truncated before it was read' } : {}),
    })
    this.#ctx.appender(file.tag).seal()
    file.restart(this.#ctx.clock.nowMs(), stat)
    this.#positions.touch(file)
  }

  /** Looks at some open files without an event: size, name, links. */
  #check(): void {
    const files = [...this.#files.byKey.values()]
    for (let n = Math.min(files.length, CHECKED_AT_ONCE); n > 0; n--) {
      this.#checkAt = (this.#checkAt + 1) % files.length
      const file = files[this.#checkAt] as TailFile
      this.#measure(file)
      if (!file.rotation.isRotated) this.#lookout.reconcile(file.path, false, true)
      else if (!file.cursor.isAtEnd) this.#schedule.add(file)
    }
    this.#rotated.check()
    if (this.#rotated.holding) this.#pace.recordActivity()
  }

  #measure(file: TailFile): void {
    if (file.handle.isOpen && file.refresh().nlink === 0n) file.rotation.markDeleted()
  }

  #settled(file: TailFile, bytes: number): void {
    this.#positions.touch(file, bytes)
    if (file.rotation.isRotated) this.#rotated.closeIfDone(file)
  }

  #allRead(): boolean {
    for (const file of this.#firstScan) {
      if (file.isDrained) this.#firstScan.delete(file)
      else return false
    }
    return true
  }
}
