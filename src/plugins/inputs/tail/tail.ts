import { fstatSync } from 'node:fs'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { buildBlockEncoder, buildGlob, buildTail, logNothingFound } from './build.ts'
import { resumeRotatedFiles } from './discovery/after-downtime.ts'
import type { Glob } from './discovery/glob.ts'
import { ProgressCheck } from './discovery/progress-check.ts'
import { Reconciler } from './discovery/reconciler.ts'
import type { TailFile } from './file/tail-file.ts'
import { type Joiner, makeJoiner } from './multiline/joiner.ts'
import { MAX_TURN_BYTES, type TailOptions } from './options.ts'
import { FileReader, type TurnResult } from './reading/reader.ts'
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
    for (const file of this.#files.byKey.values()) total += Math.max(0, file.size - file.startedAt)
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
    const grouper = this.#grouper
    const parts = await buildTail(this.#options, this.#ctx, this.#tagRegex, {
      settled: (file, bytes) => this.#settled(file, bytes),
      more: (file) => this.#schedule.add(file),
      finish: (file) => this.#readLast(file),
      drained: (file) => this.#schedule.release(file),
      trouble: this.#trouble,
      groupsOf: grouper === undefined ? undefined : (names) => grouper.openRecordsFor(names),
    })
    this.#positions = parts.positions
    this.#files = parts.files
    this.#rotated = parts.rotated
    this.#lookout = new Reconciler({
      finder: this.#finder,
      files: this.#files,
      positions: this.#positions,
      rotated: this.#rotated,
      schedule: this.#schedule,
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
      finder: this.#finder,
      rotated: this.#rotated,
      counters: this.#ctx.counters,
      log: this.#ctx.log,
    })
  }

  async #turn(file: TailFile, signal: AbortSignal): Promise<void> {
    if (file.fd < 0) return
    if (file.after !== undefined) {
      if (file.after.state !== 'idle' && file.after.state !== 'closed') {
        file.state = 'waiting'
        this.#schedule.waitFor(file, file.after)
        return
      }
      this.#grouper?.handOver(file.after, file)
      file.after = undefined
    }
    if (this.#awaits(file)) return
    const limit = Math.min(
      MAX_TURN_BYTES,
      file.state === 'idle' ? this.#options.eventBatchSize : this.#options.staticBatchSize,
    )
    file.state = 'reading'
    const before = file.offset
    const turn = this.#readTurn(file, limit)
    // Not for a look at a file in which nothing is new: each search makes one.
    if (turn !== 'end' || !file.isAt(before)) this.#pace.recordActivity()
    if (file.offset !== before) {
      file.activeMs = this.#ctx.clock.nowMs()
      // So that it is known by its first bytes, should it be rotated and compressed before the first ack.
      if (file.fingerprintSize === 0) this.#positions.touch(file)
    }
    if (turn === 'full') {
      this.#schedule.addFirst(file)
      this.#ctx.sealAll()
      await this.#ctx.room(signal)
      await this.#schedule.yield()
    } else if (turn === 'more') {
      this.#schedule.add(file)
      await this.#schedule.yield()
    } else if (turn === 'rewritten') {
      this.#rewritten(file)
      this.#schedule.add(file)
    } else if (file.source.complete) {
      file.state = 'idle'
      this.#schedule.release(file)
      if (file.rotatedMs !== undefined) this.#rotated.closeIfDone(file)
    }
  }

  /** A filter is not ready for its lines: they wait in the file. */
  #awaits(file: TailFile): boolean {
    const wait = this.#ctx.ready?.(file.tag, file.openedAs)
    if (wait === undefined) return false
    file.state = 'waiting'
    if (this.#awaited.has(file)) return true
    this.#awaited.add(file)
    void wait.then(() => {
      this.#awaited.delete(file)
      this.#schedule.add(file)
    })
    return true
  }

  #readTurn(file: TailFile, limit: number): TurnResult {
    try {
      const last = this.#options.exitOnEof
      const out = this.#ctx.appender(file.tag)
      const turn = this.#reader.readTurn(file, out, limit, last)
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
    for (const other of this.#files.byKey.values()) if (other.after === file) return true
    return false
  }

  /**
   * The last line of a file that is about to be closed has no newline and will never get one. False: it is not read now;
   * one that cannot be read is held until Hold_Time, and then counted as lost.
   */
  #readLast(file: TailFile): boolean {
    try {
      return this.#reader.readTurn(file, this.#ctx.appender(file.tag), MAX_TURN_BYTES, true) !== 'full'
    } catch (error) {
      this.#trouble.record(file.path, error)
      return false
    }
  }

  /** Truncated, or another content was written over it: what was not read of the old content is gone. */
  #rewritten(file: TailFile): void {
    const unread = Math.max(0, file.size - file.offset)
    const stat = fstatSync(file.fd, { bigint: true })
    this.#ctx.counters.add('files_truncated')
    this.#ctx.counters.add('lost_bytes', unread)
    file.lostBytes += unread
    this.#ctx.log.warn(`${file.path} was truncated: reading it from the start`, {
      offset: file.offset,
      size: Number(stat.size),
      ...(unread > 0 ? { lost_bytes: unread, reason: 'truncated before it was read' } : {}),
    })
    this.#ctx.appender(file.tag).seal()
    file.restart(this.#ctx.clock.nowMs())
    file.size = Number(stat.size)
    // Its copy was made before, or in the same tick of the system's clock.
    file.sinceMs = Number(stat.mtimeNs) / 1e6 + 0.001
    this.#positions.touch(file)
  }

  /** Looks at some open files without an event: size, name, links. */
  #check(): void {
    const files = [...this.#files.byKey.values()]
    for (let n = Math.min(files.length, CHECKED_AT_ONCE); n > 0; n--) {
      this.#checkAt = (this.#checkAt + 1) % files.length
      const file = files[this.#checkAt] as TailFile
      this.#measure(file)
      if (file.rotatedMs === undefined) this.#lookout.reconcile(file.path, false, true)
      else if (file.size !== file.offset) this.#schedule.add(file)
    }
    this.#rotated.check()
    if (this.#rotated.holding) this.#pace.recordActivity()
  }

  #measure(file: TailFile): void {
    if (file.fd < 0) return
    const stat = fstatSync(file.fd, { bigint: true })
    if (!file.compressed) file.size = Number(stat.size)
    if (stat.nlink === 0n) file.deleted = true
  }

  #settled(file: TailFile, bytes: number): void {
    this.#positions.touch(file, bytes)
    if (file.rotatedMs !== undefined) this.#rotated.closeIfDone(file)
  }

  #allRead(): boolean {
    for (const file of this.#firstScan) {
      if (file.state === 'idle' || file.state === 'closed') this.#firstScan.delete(file)
      else return false
    }
    return true
  }
}
