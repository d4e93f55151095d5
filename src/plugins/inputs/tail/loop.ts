import { FsFailure } from '../../../lib/fs/file-system.ts'
import type { TailParts } from './build.ts'
import type { TailContext } from './counters.ts'
import type { ProgressCheck } from './discovery/progress-check.ts'
import type { Reconciler } from './discovery/reconciler.ts'
import { COMPRESSED } from './file/compression.ts'
import { FINGERPRINT_BYTES, TICK_MS } from './file/fingerprint.ts'
import type { TailFile } from './file/tail-file.ts'
import { FirstScan } from './first-scan.ts'
import type { Joiner } from './multiline/joiner.ts'
import { MAX_TURN_BYTES, type TailOptions } from './options.ts'
import type { Passes } from './reading/passes.ts'
import type { FileReader, TurnResult } from './reading/reader.ts'
import type { Scheduler } from './reading/scheduler.ts'
import type { Slices } from './reading/slices.ts'
import type { ClosedFiles } from './rotation/closed-files.ts'
import type { IdentitySearch } from './rotation/identity-search.ts'
import type { RotatedFiles } from './rotation/rotated-files.ts'
import type { SkippedWatch } from './rotation/skipped-watch.ts'
import type { OpenFiles } from './tracking/open-files.ts'
import type { Positions } from './tracking/positions.ts'
import type { ReadErrors } from './tracking/read-errors.ts'

/** Files examined in one progress check. */
const MAX_CHECKED_FILES = 500
/**
 * Most files with lines in the chunks that are being filled: those of one are sealed, settled and stored in one turn of the
 * event loop, at some 50 microseconds each.
 */
const MAX_FILES_IN_CHUNKS = 500
/** Interval at which changing files are examined while reading is paused. */
const LOOK_MS = 100

/**
 * Reads files in turns. The reconciler schedules files, a turn finds out what was written to one; the
 * progress check and Refresh_Interval find what no event reported.
 */
export class TailLoop {
  readonly #options: TailOptions
  readonly #ctx: TailContext
  readonly #reconciler: Reconciler
  readonly #progressCheck: ProgressCheck
  readonly #files: OpenFiles
  readonly #rotated: RotatedFiles
  readonly #closed: ClosedFiles
  readonly #skipped: SkippedWatch
  readonly #search: IdentitySearch
  readonly #positions: Positions
  readonly #readErrors: ReadErrors
  readonly #scheduler: Scheduler
  readonly #reader: FileReader
  readonly #joiner: Joiner | undefined
  /** Files that wait for a filter. */
  readonly #awaiting = new WeakSet<TailFile>()
  readonly #firstScan: FirstScan
  readonly #slices: Slices
  readonly #passes: Passes
  #isRefreshing = false
  #isChecking = false
  /** True while reading is paused because memory is full. */
  #isStopped = false
  /** Number of files that were added to chunks since the last were sealed here. */
  #filesInChunks = 0
  /** Index of the file examined last by the progress check. */
  #checkedIndex = 0

  constructor(options: TailOptions, ctx: TailContext, parts: TailParts) {
    this.#options = options
    this.#ctx = ctx
    this.#reconciler = parts.reconciler
    this.#progressCheck = parts.progressCheck
    this.#files = parts.files
    this.#rotated = parts.rotated
    this.#closed = parts.closed
    this.#skipped = parts.skipped
    this.#search = parts.search
    this.#positions = parts.positions
    this.#readErrors = parts.readErrors
    this.#scheduler = parts.scheduler
    this.#reader = parts.reader
    this.#joiner = parts.joiner
    if (this.#joiner !== undefined) this.#joiner.isBehind = (file, isLate) => this.#isBehind(file, isLate)
    this.#slices = parts.slices
    this.#passes = parts.passes
    this.#firstScan = new FirstScan(options, ctx, parts, () => this.#runSearch())
  }

  /** Files and bytes that the first scan found, for people. */
  get found(): string | undefined {
    return this.#firstScan.found
  }

  /** Runs until `signal` is aborted or, with Exit_On_Eof, until everything found at the start was read. */
  async run(signal: AbortSignal): Promise<void> {
    const isReady = this.#firstScan.start(signal)
    const repeat = (ms: number, fn: () => void) => this.#scheduler.every(ms, fn, signal)
    repeat(this.#options.refreshInterval, () => this.#refresh())
    this.#progressCheck.start(() => this.#check(), signal)
    await isReady
    while (!signal.aborted) {
      if (this.#options.exitOnEof && this.#isFirstScanRead()) {
        this.#ctx.sealAll()
        this.#ctx.finished(this.#readErrors.incomplete ?? this.#firstScan.missing)
        break
      }
      const file = this.#scheduler.take()
      if (file === undefined) await this.#scheduler.wake(signal)
      else {
        await this.#turn(file, signal)
        await this.#scheduler.pace()
      }
    }
    if (signal.aborted) await this.#firstScan.stop()
  }

  /** Starts the work of each Refresh_Interval, unless that of the last one is not done yet. */
  #refresh(): void {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    this.#slices.run(this.#refreshSteps())
  }

  *#refreshSteps(): Generator<void> {
    yield* this.#reconciler.scanSteps(this.#lateSteps())
    this.#isRefreshing = false
    void this.#runSearch()
  }

  *#lateSteps(): Generator<void> {
    yield* this.#closed.checkSteps()
    this.#skipped.check()
  }

  /** Runs the search; with Exit_On_Eof the run may be over when it ends. */
  async #runSearch(): Promise<void> {
    const isOver = await this.#search.run()
    if (isOver) this.#positions.holdScans(false)
    if (this.#options.exitOnEof) this.#scheduler.interrupt()
  }

  async #turn(file: TailFile, signal: AbortSignal): Promise<void> {
    const { cursor, handle } = file
    if (!handle.isOpen) return
    if (file.newAt !== undefined && this.#passes.awaits(file)) {
      file.startWaiting()
      return
    }
    // While the outputs are slow, a file that has more than a little on its way waits, so that it does not delay the others.
    const room = this.#ctx.room?.(file.tag, file.unsettledBytes) ?? Number.POSITIVE_INFINITY
    const isRecheck = this.#scheduler.takeRecheck(file)
    if (room <= 0) {
      // The loss of a later truncation is computed from the last size seen.
      if (!isRecheck) file.refresh()
      file.startWaiting()
      this.#scheduler.park(file)
      return
    }
    if (file.wasEmptyBefore())
      this.#rotated.truncatedCopies.openUnseenCopies(file, file.rotation.contentSinceMs)
    const { predecessor } = file
    if (predecessor !== undefined) {
      if (!predecessor.isDrained) {
        file.startWaiting()
        this.#scheduler.waitFor(file, predecessor)
        return
      }
      if (file.newAt === undefined) this.#continueRecords(file)
    }
    const allowed = this.#awaitFilter(file)
    if (allowed === undefined) return
    const found =
      file.newAt === undefined ? 'read' : this.#rotated.copies.examine(file, this.#options.exitOnEof)
    if (found === 'wait') {
      file.startWaiting()
      return
    }
    // Only now is it known that it is no copy of a file before it, which has nothing that follows those records.
    if (file.predecessor !== undefined) {
      if (!file.predecessor.isDrained) {
        file.startWaiting()
        this.#scheduler.waitFor(file, file.predecessor)
        return
      }
      this.#continueRecords(file)
    }
    const limit = Math.min(
      MAX_TURN_BYTES,
      room,
      allowed,
      file.state === 'idle' ? this.#options.eventBatchSize : this.#options.staticBatchSize,
    )
    file.startReading()
    // Once something is read, a truncation since the last look would be taken for the loss of the end only.
    if (found === 'read' && cursor.offset === 0 && !handle.isCompressed) file.refresh()
    const before = cursor.offset
    const wasInChunk = file.isInChunk
    const wasUnknown = file.stored.fingerprintSize === 0
    const isNoted = this.#positions.beginRead(file)
    const turn = found === 'empty' ? 'end' : this.#readTurn(file, limit)
    // A turn that finds nothing new is not activity: each scan causes one.
    if (turn !== 'end' || !cursor.isAt(before)) this.#progressCheck.recordActivity()
    if (cursor.offset !== before) {
      cursor.recordRead(this.#ctx.clock.nowMs())
      // Chunks that were sealed within the turn were marked up to there.
      this.#positions.beginRead(file)
      this.#growFingerprint(file, wasUnknown)
    } else if (isNoted) this.#positions.cancelRead(file)
    if (file.isInChunk && !wasInChunk && ++this.#filesInChunks >= MAX_FILES_IN_CHUNKS) {
      this.#filesInChunks = 0
      this.#ctx.sealAll()
    }
    if (turn === 'full') {
      // A file that got something lets the others go first, or it would take all memory that is released.
      if (cursor.offset === before) this.#scheduler.addFirst(file)
      else this.#scheduler.add(file)
      this.#ctx.sealAll()
      await this.#waitForMemory(signal)
      await this.#scheduler.yield()
    } else if (turn === 'more') {
      this.#scheduler.add(file)
      await this.#scheduler.yield()
    } else if (turn === 'rewritten') {
      this.#restartTruncated(file)
      this.#scheduler.add(file)
    } else if (handle.source.complete) {
      if (handle.isOpen) file.reachEnd()
      this.#scheduler.release(file)
      if (file.rotation.isRotated) this.#rotated.held.closeIfDone(file)
    }
  }

  /**
   * Has the open records of the predecessor, which is drained, go on in the file: not in a content that was truncated,
   * which ends with this turn.
   */
  #continueRecords(file: TailFile): void {
    if (file.predecessor === undefined || file.rotation.isReplaced) return
    this.#joiner?.handOver(file.predecessor, file)
    file.readAfter(undefined)
  }

  /**
   * Extends the fingerprint over what was read; it identifies a copy after a truncation. The first
   * fingerprint (`wasUnknown`) is stored at once, in case the file is rotated and compressed before its first ack.
   */
  #growFingerprint(file: TailFile, wasUnknown: boolean): void {
    const { stored, handle, cursor } = file
    if (wasUnknown) this.#positions.touch(file)
    if (stored.fingerprintSize < FINGERPRINT_BYTES && !handle.isCompressed)
      stored.growFingerprint(handle, cursor.size)
  }

  /**
   * Waits for memory. Meanwhile the sizes of changing files are recorded, as the loss of a later truncation
   * is computed from the last size seen.
   */
  async #waitForMemory(signal: AbortSignal): Promise<void> {
    const stopLooking = this.#scheduler.lookAtAdded(LOOK_MS, (files) => {
      for (const file of files) if (file.handle.isOpen) file.refresh()
    })
    this.#isStopped = true
    await this.#ctx.waitForMemory(signal)
    this.#isStopped = false
    stopLooking()
  }

  /**
   * Returns how many bytes the filters let the file read, or undefined while one of them is not ready for its lines, or the name of its
   * content is not stored: they wait in the file, which is scheduled later.
   */
  #awaitFilter(file: TailFile): number | undefined {
    const { openedAs, openedTarget } = file.identity
    const wait = this.#positions.placeStored(file) ?? this.#ctx.ready?.(file.tag, openedAs, openedTarget)
    if (wait === undefined || typeof wait === 'number') return wait ?? Number.POSITIVE_INFINITY
    file.startWaiting()
    if (this.#awaiting.has(file)) return undefined
    this.#awaiting.add(file)
    void wait.then(() => {
      this.#awaiting.delete(file)
      this.#scheduler.add(file)
    })
    return undefined
  }

  #readTurn(file: TailFile, limit: number): TurnResult {
    const isLast = this.#options.exitOnEof
    const out = this.#ctx.appender(file.tag)
    const before = file.cursor.offset
    const followers = file.tag === this.#ctx.tag ? this.#scheduler.size : 0
    const turn = this.#reader.readTurn(file, out, limit, isLast, followers)
    if (turn instanceof FsFailure) {
      this.#readErrors.record(file.path, turn, 'read')
      if (turn.code === COMPRESSED) {
        this.#positions.forget(file)
        this.#files.close(file)
      }
      return 'end'
    }
    // Skipped lines, as of a hole or a line that is too long, may be more than the share of the file.
    if (turn === 'more' && out.pendingBytes === 0) out.seal()
    // A .gz that is being inflated has not been read yet.
    if (file.handle.source.complete || file.cursor.offset > before) this.#readErrors.clear(file.path, 'read')
    if (turn === 'rewritten') file.recordRewrite()
    if (this.#joiner?.hasOpen(file) !== true) return turn
    // Open records end with their file, unless another file continues it.
    const isOver = turn === 'rewritten' || (turn === 'end' && isLast && !this.#hasSuccessor(file))
    return isOver && !this.#joiner.flush(file, out) ? 'full' : turn
  }

  /**
   * True when there are lines in the file, or in the one that continues it, that were not read yet. `isLate`: nothing
   * could run for a while, so there may be events that were not handled yet.
   */
  #isBehind(file: TailFile, isLate: boolean): boolean {
    if (!file.isDrained || this.#isAwaited(file)) return true
    if (!isLate) return false
    const { size } = file.cursor
    if (file.handle.isOpen) file.refresh()
    if (file.cursor.size > size) {
      this.#scheduler.add(file)
      return true
    }
    this.#reconciler.reconcile(file.livePath, false, true)
    return this.#isAwaited(file)
  }

  /** True when the file now at the path of a rotated one is to be read after it, directly or not. */
  #isAwaited(file: TailFile): boolean {
    let one = file.rotation.isRotated ? this.#files.byPath.get(file.livePath) : undefined
    while (one !== undefined && one.predecessor !== file) one = one.predecessor
    return one !== undefined
  }

  #hasSuccessor(file: TailFile): boolean {
    for (const other of this.#files.byKey.values()) if (other.predecessor === file) return true
    return false
  }

  /**
   * Restarts a file that was truncated or rewritten. The loss was counted when it was detected. Copies of the
   * old content are read before the new one.
   */
  #restartTruncated(file: TailFile): void {
    // The new content may be gone already: what was seen of it is in a copy, or lost.
    file.refresh()
    const stat = file.handle.stat()
    this.#ctx.appender(file.tag).seal()
    // Another content may have come and gone since the truncation was seen, or since a copy of it was left to the file.
    this.#rotated.truncatedCopies.openUnseenCopies(
      file,
      (file.rotation.replacedMs ?? this.#ctx.clock.nowMs()) - TICK_MS,
    )
    file.restart(this.#ctx.clock.nowMs(), stat instanceof FsFailure ? undefined : stat)
    // If what it has now is gone before it is read, that is known by its size and first bytes.
    file.refresh()
    if (!file.handle.isCompressed) file.stored.growFingerprint(file.handle, file.cursor.size)
    // The new content may itself be a copy: rotation may write a copy over the previous one, which keeps its
    // inode.
    if (this.#rotated.copies.mayBeCopy(file)) file.newAt = { before: undefined }
    this.#positions.touch(file)
  }

  #check(): void {
    if (this.#isChecking) return
    this.#isChecking = true
    this.#slices.run(this.#passes.run(this.#checkSteps()))
  }

  /** Examines the size, name and links of some open files, without an event. */
  *#checkSteps(): Generator<void> {
    const files = [...this.#files.byKey.values()]
    for (let n = Math.min(files.length, MAX_CHECKED_FILES); n > 0; n--) {
      this.#checkedIndex = (this.#checkedIndex + 1) % files.length
      const file = files[this.#checkedIndex] as TailFile
      if (file.handle.isOpen) file.refresh()
      if (!file.rotation.isRotated) this.#reconciler.reconcile(file.path, false, true)
      else if (!file.cursor.isAtEnd) this.#scheduler.add(file)
      yield
    }
    yield* this.#rotated.held.checkSteps()
    this.#isChecking = false
    if (this.#rotated.held.all.size > 0 || this.#isStopped) this.#progressCheck.recordActivity()
  }

  #isFirstScanRead(): boolean {
    if (!this.#firstScan.isOver || this.#search.isPending) return false
    const { unread } = this.#firstScan
    for (const file of unread) {
      if (!file.isDrained) return false
      unread.delete(file)
    }
    // The files that the search has found are among the rotated ones.
    for (const file of this.#files.byKey.values())
      if (file.rotation.isRotated && !file.isDrained) return false
    return true
  }
}
