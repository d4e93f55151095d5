import { type ErrorCode, messageOf, ShipperError } from '../../../../core/error.ts'
import type { OffsetRow, OffsetStore, PlaceRow, SkippedFile } from '../../../../core/offset-store.ts'
import type { Clock, Logger, TimerHandle } from '../../../../core/services.ts'
import { markOf } from '../file/content-mark.ts'
import { MARKER_BYTES, markerAt } from '../file/fingerprint.ts'
import { isBlank } from '../file/stored-row.ts'
import type { TailFile } from '../file/tail-file.ts'
import { append } from '../groups.ts'
import { SLICE_MS } from '../reading/slices.ts'
import { rowOfSkipped, SkippedFiles } from './skipped-files.ts'

/** Acknowledged positions are written after at most this long, or this many acknowledged bytes. */
const COMMIT_MS = 250
const COMMIT_BYTES = 4_000_000
/** Files with acknowledged bytes after which positions are written. */
const COMMIT_FILES = 1000
/**
 * Most rows in one write, and the time in milliseconds to compare their files with what was read after which there are at most
 * MIN_ROWS; the others follow in the next turns of the event loop. A row takes 20 microseconds where the disk is fast.
 */
const MAX_ROWS = 200
const MAX_COMPARE_MS = SLICE_MS / 2
const MIN_ROWS = 8
/** Objects that writing a row leaves, in bytes: the row, its numbers as SQLite takes them, and texts. */
const ROW_GARBAGE_BYTES = 8192
/** Delay after a failed write, so that a full disk or a locked database is not tried at every tick. */
const RETRY_MS = 2000

/**
 * The stored positions of the files: which row belongs to which file, and when rows are written. What is not
 * written when the process dies is sent again: at most COMMIT_BYTES beyond what was in flight.
 */
export class Positions {
  readonly #store: OffsetStore
  readonly #clock: Clock
  readonly #log: Logger
  readonly #leftGarbage: ((bytes: number) => void) | undefined
  /** Rows that no file has claimed yet, by inode; the newest last. */
  readonly #unclaimed = new Map<bigint, OffsetRow[]>()
  /** Files whose rows are to be written. */
  readonly #dirty = new Set<TailFile>()
  /** Files of which no row can be written now: they are tried again when all others are written. */
  readonly #unready = new Set<TailFile>()
  #hasRest = false
  /** Files that continue a row and were opened since the last write, with their row. */
  readonly #resumed = new Map<TailFile, OffsetRow>()
  /** Files of which the database has what is known: their rows are written again in any order, some at a time. */
  readonly #unchanged = new Set<TailFile>()
  /** New files that concern no other, whose rows are written some at a time before the scan is. */
  readonly #fresh = new Set<TailFile>()
  /** Files of which more happened than that they were opened, while nothing was written. */
  readonly #touchedWhileHeld = new Set<TailFile>()
  /** Rows to be removed with the next write. */
  #removed: OffsetRow[] = []
  /** Rows of closed files that have to be written. */
  readonly #closed = new Set<OffsetRow>()
  /** Rows of files that earlier runs closed after reading them to their end. */
  readonly closedBefore: OffsetRow[] = []
  /** Files that were found but are not open. */
  readonly skipped: SkippedFiles
  /** Time in milliseconds of the previous run's last full scan; the earliest one if patterns differ. */
  readonly #previousScanMs: number | undefined
  /** Patterns of Path, for which scans are recorded. */
  readonly #patterns: readonly string[]
  /** Patterns that an earlier run has scanned. */
  readonly scannedBefore: readonly string[]
  /** True when the database has the list of files that the earlier scans did not open. */
  readonly #knowsSkipped: boolean
  /** Last full scan of this run, to be written with the rows of what it found. */
  #scanned: { patterns: readonly string[]; ms: number } | undefined
  /** Time of the last full scan of this run, or else of the previous one, in milliseconds; undefined at the very first. */
  #lastScanMs: number | undefined
  /** Files that are closed, or about to be. */
  readonly #released = new WeakSet<TailFile>()
  /** Files that wait until their row is written, see `placeStored`. */
  readonly #placeWaiters = new Map<TailFile, () => void>()
  /** Files that were read since their mark was stored. */
  readonly #unmarked = new Set<TailFile>()
  /** Start of the first scan of this run, in milliseconds. */
  #firstScanMs = Number.POSITIVE_INFINITY
  #hasScanned = false
  #isScanHeld = false
  /** True while nothing is written. */
  areWritesHeld = false
  /** Bytes acknowledged since the last write. */
  #uncommittedBytes = 0
  #isCommitQueued = false
  #isClosed = false
  /** Code of the error of the last write: logged when it begins and when it changes, not at every attempt. */
  #failure: ErrorCode | undefined
  #timer: TimerHandle | undefined

  /** `leftGarbage`: see `InputContext.leftGarbage`. */
  constructor(
    store: OffsetStore,
    patterns: readonly string[],
    clock: Clock,
    log: Logger,
    leftGarbage?: (bytes: number) => void,
  ) {
    this.#store = store
    this.#clock = clock
    this.#log = log
    this.#leftGarbage = leftGarbage
    this.#patterns = patterns
    // Older versions recorded one scan for all patterns together.
    const ofAll = store.lastScanMs(patterns.join(','))
    const scans = patterns.map((pattern) => ofAll ?? store.lastScanMs(pattern))
    this.scannedBefore = patterns.filter((_, i) => scans[i] !== undefined)
    const times = scans.filter((ms) => ms !== undefined)
    this.#previousScanMs = this.#lastScanMs = times.length === 0 ? undefined : Math.min(...times)
    const skipped = store.skippedFiles(patterns.join(','))
    this.#knowsSkipped = skipped !== undefined
    this.skipped = new SkippedFiles(skipped ?? [])
    for (const row of store.rows()) {
      if (row.closedAt !== undefined) {
        this.closedBefore.push(row)
        continue
      }
      append(this.#unclaimed, row.inode, row)
    }
  }

  get damaged(): boolean {
    return this.#store.damaged
  }

  /** True when a file was created (in milliseconds; 0: unknown) after the last scan of the previous run. */
  createdSinceLastScan(birthMs: number): boolean {
    return this.#previousScanMs !== undefined && birthMs > this.#previousScanMs
  }

  /**
   * True when a file without a row, which matches a scanned pattern, appeared after that scan: every file
   * that existed has a row or is in the list of skipped files. `birthMs`, its birth time in milliseconds,
   * decides only when there is no such list.
   */
  appearedSinceLastScan(birthMs: number): boolean {
    return this.#knowsSkipped ? this.#previousScanMs !== undefined : this.createdSinceLastScan(birthMs)
  }

  /** Notes when the first scan begins, in whole milliseconds. */
  beginFirstScan(ms: number): void {
    this.#firstScanMs = ms
  }

  /**
   * True when a file was created (in milliseconds; 0: unknown) after the first scan has begun. False in the millisecond in
   * which it began: our clock has no fractions. The kernel stamps some files with them, so the birth of a file that was made
   * just before would be after it.
   */
  createdSinceFirstScan(birthMs: number): boolean {
    return Math.floor(birthMs) > this.#firstScanMs
  }

  /** True when no earlier run has left anything. */
  get isFirstRun(): boolean {
    const { scannedBefore, closedBefore, skipped } = this
    return this.#unclaimed.size + scannedBefore.length + closedBefore.length + skipped.all().length === 0
  }

  /** Time of the last full scan, of the previous run during the first one, in milliseconds; 0 when there was none. */
  get lastScanMs(): number {
    return this.#lastScanMs ?? 0
  }

  /** Time of the last write of the previous run, in milliseconds; 0 when there was none. */
  get lastWriteMs(): number {
    return this.#store.lastWriteMs ?? 0
  }

  /**
   * Records that everything that existed at `ms`, by the file system's clock, was scanned. Written with the
   * rows of what was found; it causes no write by itself, so an idle agent writes nothing.
   */
  recordScan(ms: number): void {
    // The first scan is written even without rows, so that files which appear later count as new.
    if (!this.#hasScanned) this.skipped.recordScan()
    this.#hasScanned = true
    this.#scanned = { patterns: this.#patterns, ms }
    this.#lastScanMs = ms
  }

  /**
   * Writes no scan while `isHeld`: a file of the previous run is searched for, and the files that were rotated
   * after it are read only once it is found. If the agent ends before, the next run looks again for all that
   * came since the earlier scan.
   */
  holdScans(isHeld: boolean): void {
    this.#isScanHeld = isHeld
  }

  /**
   * Writes nothing while `areHeld`: rows are missing of which those that are there say that they are not needed. If the
   * agent ends before, the next run finds everything as this one did.
   */
  holdWrites(areHeld: boolean): void {
    this.areWritesHeld = areHeld
    if (areHeld) return
    // What was rotated is written in one piece: with its log, and with the rows that this replaces.
    const before = new Set([...this.#dirty].map(({ predecessor }) => predecessor))
    for (const file of this.#dirty) {
      if (this.#touchedWhileHeld.has(file) || before.has(file)) continue
      if (file.predecessor !== undefined || file.rotation.isRotated) continue
      this.#dirty.delete(file)
      this.#fresh.add(file)
    }
    this.#touchedWhileHeld.clear()
  }

  /** Returns the newest unclaimed row of this inode, of this device if one of them is. */
  find(device: bigint, inode: bigint): OffsetRow | undefined {
    const rows = this.#unclaimed.get(asStored(inode))
    if (rows === undefined) return undefined
    for (let i = rows.length - 1; i >= 0; i--) {
      const row = rows[i] as OffsetRow
      if (row.device === undefined || row.device === asStored(device)) return row
    }
    // Device numbers may change with a reboot; the content is verified in any case.
    return rows[rows.length - 1]
  }

  /** Claims the row so that no other file resumes from it. */
  claim(row: OffsetRow): void {
    const rows = this.#unclaimed.get(row.inode)
    if (rows === undefined) return
    const rest = rows.filter((r) => r !== row)
    if (rest.length === 0) this.#unclaimed.delete(row.inode)
    else this.#unclaimed.set(row.inode, rest)
  }

  isUnclaimed(row: OffsetRow): boolean {
    return this.#unclaimed.get(row.inode)?.includes(row) ?? false
  }

  /** Returns the rows that no open file has claimed. */
  unclaimed(): OffsetRow[] {
    return [...this.#unclaimed.values()].flat()
  }

  /** Adds a row for a skipped file whose present path is not known. */
  addSkipped(file: SkippedFile): OffsetRow {
    const row = rowOfSkipped(file)
    this.skipped.remove(file)
    append(this.#unclaimed, row.inode, row)
    return row
  }

  /** Removes an unclaimed row from the database. */
  remove(row: OffsetRow): void {
    this.claim(row)
    this.#removed.push(row)
    this.#arm()
  }

  /** Removes the row of a file that is closed for good. */
  forget(file: TailFile): void {
    this.#release(file)
    if (file.stored.id === undefined) return
    this.#removed.push(rowOf(file))
    this.#arm()
  }

  /** Writes nothing of the file any more: what is acknowledged later must not bring its row back, nor take that of another file. */
  #release(file: TailFile): void {
    this.#dirty.delete(file)
    this.#unready.delete(file)
    this.#resumed.delete(file)
    this.#unchanged.delete(file)
    this.#fresh.delete(file)
    this.#unmarked.delete(file)
    this.#released.add(file)
  }

  /**
   * Keeps and returns the row of a file that is about to be closed, in case more is written to it. When its descriptor is closed, its
   * inode may be used again: only the birth time tells then.
   */
  keepClosed(file: TailFile): OffsetRow {
    this.#release(file)
    const { birthMs } = file.identity
    const row = {
      ...rowOf(file),
      ...(birthMs > 0 ? { birthMs: Math.floor(birthMs) } : {}),
      closedAt: Math.floor(this.#clock.nowMs() / 1000),
    }
    this.#closed.add(row)
    this.#arm()
    return row
  }

  /** Removes the row of a closed file. */
  forgetClosed(row: OffsetRow): void {
    this.#closed.delete(row)
    if (row.id === undefined) return
    this.#removed.push(row)
    this.#arm()
  }

  /** Stops writing the row as that of a closed file, because the file is open again. */
  reopen(row: OffsetRow): void {
    this.#closed.delete(row)
  }

  /**
   * Writes the row of a newly opened file at once, together with those of other files opened now. A next run
   * without that row would begin at the file's end and lose what was written since now. `row`: the one that it continues.
   */
  adopt(file: TailFile, row?: OffsetRow): void {
    if (row === undefined) this.#dirty.add(file)
    else this.#resumed.set(file, row)
    if (this.#failure === undefined) {
      this.#clock.cancel(this.#timer)
      this.#timer = undefined
    }
    this.#arm(0)
  }

  /** Schedules a write of the file's row; `bytes` of the file were acknowledged. */
  touch(file: TailFile, bytes = 0): void {
    if (this.#released.has(file)) return
    this.#dirty.add(file)
    if (this.areWritesHeld) this.#touchedWhileHeld.add(file)
    this.#uncommittedBytes += bytes
    if (this.#uncommittedBytes >= COMMIT_BYTES || this.#dirty.size >= COMMIT_FILES) this.#queueCommit()
    else this.#arm()
  }

  /**
   * Commits after everything that settles in the same pass. What two files have in one chunk (a line that was
   * split by a rotation) is then written together; else a crash could leave only one of them past it. After a
   * failure the retry is awaited.
   */
  #queueCommit(): void {
    if (this.#isCommitQueued) return
    this.#isCommitQueued = true
    queueMicrotask(() => {
      this.#isCommitQueued = false
      if (this.#failure === undefined && !this.#isClosed) this.commit()
    })
  }

  /**
   * Writes changes in one transaction: all of them if `isLast`, when COMMIT_BYTES were acknowledged, or when a file of them shares
   * records with another one, and otherwise as many as fit into a turn of the event loop. Returns false on failure: the
   * changes are kept and the write is retried.
   */
  commit(isLast = false): boolean {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    if (this.areWritesHeld) return true
    this.#sortResumed()
    if (!this.#hasRest || isLast) {
      for (const file of this.#unready) this.#dirty.add(file)
      this.#unready.clear()
    }
    const skipped = this.skipped.changed
    if (this.#dirty.size + this.#closed.size + this.#removed.length === 0 && skipped === undefined) {
      this.#uncommittedBytes = 0
      if (this.#placeWaiters.size > 0) this.#wakePlaceWaiters(true)
      return true
    }
    const { files, rows, isAll } = this.#rowsToWrite(isLast)
    this.#hasRest = !isAll
    const closed = [...this.#closed]
    const scanned = this.#isScanHeld || this.#fresh.size > 0 || !isAll ? undefined : this.#scanned
    try {
      this.#store.write({
        upsert: [...rows, ...closed],
        remove: this.#removed,
        scanned,
        ...(skipped === undefined ? {} : { skipped: { paths: this.#patterns.join(','), files: skipped } }),
      })
    } catch (error) {
      this.#recordFailure(error)
      this.#wakePlaceWaiters(true)
      this.#arm(RETRY_MS)
      return false
    }
    this.#leftGarbage?.(rows.length * ROW_GARBAGE_BYTES)
    if (this.#failure !== undefined) this.#log.info('positions are being written again')
    this.#failure = undefined
    for (const [i, file] of files.entries()) {
      file.stored.recordWritten(rows[i] as OffsetRow)
      this.#dirty.delete(file)
    }
    if (this.#placeWaiters.size > 0) this.#wakePlaceWaiters(false)
    this.#closed.clear()
    this.#removed = []
    if (isAll) this.#uncommittedBytes = 0
    if (scanned !== undefined) this.#scanned = undefined
    if (skipped !== undefined) this.skipped.recordWritten()
    if (this.#fresh.size > 0 || !isAll) this.#arm(0)
    else if (this.#unchanged.size > 0) this.#arm()
    return true
  }

  /** Returns the rows of this write with their files; `isAll`: they are all that have changed. */
  #rowsToWrite(isLast: boolean): { files: TailFile[]; rows: OffsetRow[]; isAll: boolean } {
    const files: TailFile[] = []
    const rows: OffsetRow[] = []
    const isWhole =
      isLast ||
      this.#uncommittedBytes >= COMMIT_BYTES ||
      this.#closed.size + this.#removed.length > 0 ||
      some(this.#dirty, isTied)
    const endMs = performance.now() + MAX_COMPARE_MS
    let compared = 0
    for (const file of this.#dirty) {
      const isFull = compared >= MAX_ROWS || (compared >= MIN_ROWS && performance.now() >= endMs)
      if (isFull && !isWhole) return { files, rows, isAll: false }
      compared++
      const row = storedRow(file)
      if (row === undefined) {
        this.#dirty.delete(file)
        this.#unready.add(file)
      } else {
        files.push(file)
        rows.push(row)
      }
    }
    return { files, rows, isAll: true }
  }

  /** Chooses the files of this write: all of which the database does not have what is known, and some of the others. */
  #sortResumed(): void {
    for (const [file, row] of this.#resumed) (hasRow(file, row) ? this.#unchanged : this.#dirty).add(file)
    this.#resumed.clear()
    let left = MAX_ROWS - this.#dirty.size
    for (const waiting of [this.#fresh, this.#unchanged])
      for (const file of waiting) {
        if (left-- <= 0) return
        waiting.delete(file)
        this.#dirty.add(file)
      }
  }

  close(): void {
    for (const file of this.#fresh) this.#dirty.add(file)
    this.#fresh.clear()
    if (!this.commit(true))
      this.#log.error('positions could not be stored: the next run may send acknowledged lines again', {
        code: this.#failure,
      })
    this.#isClosed = true
    this.#clock.cancel(this.#timer)
    this.#store.close()
  }

  /**
   * Resolves when the name of the file's content is stored, or cannot be now; undefined when nothing has to be waited for. Without it
   * the records that are read now would have other places after a crash.
   */
  placeStored(file: TailFile): Promise<void> | undefined {
    if (!file.hasPlaces || file.stored.isPlaceStored) return undefined
    if (this.#failure !== undefined || this.areWritesHeld || this.#isClosed) return undefined
    if (this.#unready.has(file) || this.#released.has(file)) return undefined
    if (!this.#fresh.has(file) && !this.#resumed.has(file) && !this.#unchanged.has(file))
      this.#dirty.add(file)
    if (this.#store.path !== undefined) file.stored.placeMark ??= markOf(file)
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    this.#arm(0)
    return new Promise((resolve) => {
      this.#placeWaiters.set(file, resolve)
    })
  }

  /**
   * Notes that the file is read on: what is read is to be marked before it is handed to outputs, which may be in the midst of it. Returns
   * false if it was to be marked anyway.
   */
  beginRead(file: TailFile): boolean {
    if (!file.hasPlaces || this.#store.path === undefined || this.#unmarked.has(file)) return false
    this.#unmarked.add(file)
    return true
  }

  /** Takes back what `beginRead` has noted, as nothing was read. */
  cancelRead(file: TailFile): void {
    this.#unmarked.delete(file)
  }

  /**
   * Stores by what the content of the file is known again, and the contents of all others that were read since the last time. Has to be
   * called before records of it are handed to outputs. False if that fails: the next run may not notice another content.
   */
  storeMark(file: TailFile): boolean {
    if (!this.#unmarked.has(file)) return true
    const marked: TailFile[] = []
    for (const one of this.#failure === undefined ? this.#unmarked : [file]) {
      if (!isCovered(one)) one.stored.placeMark = markOf(one)
      // With a name that is not stored yet, the mark is written with it.
      if (!one.stored.isPlaceStored || one.stored.isMarkStored || this.#released.has(one))
        this.#unmarked.delete(one)
      else marked.push(one)
    }
    if (marked.length === 0) return true
    if (this.#failure === undefined && this.#writeMarks(marked)) this.#unmarked.clear()
    return !this.#unmarked.delete(file)
  }

  #writeMarks(files: readonly TailFile[]): boolean {
    if (this.#isClosed) return true
    try {
      this.#store.write({ upsert: [], remove: [], marks: files.map(placeRowOf) })
    } catch (error) {
      this.#recordFailure(error)
      this.#clock.cancel(this.#timer)
      this.#timer = undefined
      this.#arm(RETRY_MS)
      return false
    }
    this.#leftGarbage?.(files.length * ROW_GARBAGE_BYTES)
    for (const { stored } of files) stored.recordMarkWritten(stored.placeMark)
    return true
  }

  /** Wakes those whose file was written or cannot be, or all. */
  #wakePlaceWaiters(isFailed: boolean): void {
    for (const [file, resolve] of this.#placeWaiters) {
      const isSettled = file.stored.isPlaceStored || this.#unready.has(file) || this.#released.has(file)
      if (!isFailed && !isSettled) continue
      this.#placeWaiters.delete(file)
      resolve()
    }
  }

  #recordFailure(error: unknown): void {
    const { code, hint } =
      error instanceof ShipperError ? error : new ShipperError('E_INTERNAL', messageOf(error))
    if (code !== this.#failure)
      this.#log.warn(`cannot write positions, retrying: ${messageOf(error)}`, { code, hint })
    this.#failure = code
  }

  #arm(ms = COMMIT_MS): void {
    this.#timer ??= this.#clock.after(ms, () => this.commit())
  }
}

/** True when the mark of the content is after all that was read, and before the end of the file. */
function isCovered({ stored: { placeMark }, cursor, handle }: TailFile): boolean {
  if (placeMark === undefined || handle.isCompressed) return false
  return placeMark.size >= cursor.offset && placeMark.size <= cursor.greatestSize
}

function placeRowOf({ stored, identity }: TailFile): PlaceRow {
  const { id, created, placeId, placeMark } = stored
  return { id, inode: asStored(identity.inode), created, placeId, placeMark }
}

/** True for a file that shares records with another one: a crash between the writes of their rows would repeat a part of a record. */
function isTied({ isTied, rotation }: TailFile): boolean {
  return isTied || rotation.isRotated
}

function some<T>(all: Iterable<T>, test: (one: T) => boolean): boolean {
  for (const one of all) if (test(one)) return true
  return false
}

/** Returns the value as SQLite stores it: its integers are signed. */
function asStored(value: bigint): bigint {
  return BigInt.asIntN(64, value)
}

/** True when the stored row has what is known of the file, which continues it. */
function hasRow(file: TailFile, row: OffsetRow): boolean {
  const { identity, handle, cursor, acks, stored, rotation } = file
  return (
    row.name === file.path &&
    row.target === (file.target === file.path ? undefined : file.target) &&
    row.openedAs === identity.openedAs &&
    row.device === asStored(identity.device) &&
    row.inode === asStored(identity.inode) &&
    row.rotated === rotation.isRotated &&
    row.offset === acks.position &&
    row.size === (cursor.size > acks.position ? cursor.size : undefined) &&
    row.created === stored.created &&
    row.placeId === (file.hasPlaces ? stored.placeId : stored.knownPlaceId) &&
    row.fingerprint === stored.fingerprint &&
    row.fingerprint !== undefined &&
    !isBlank(row) &&
    !handle.isCompressed &&
    !cursor.isRewritten
  )
}

/**
 * Returns the row to be written. Undefined: the file was truncated and has not been read since. Its row stays
 * as it is, as a copy of the old content is found by it; the old position with marks of the new content would
 * be taken for a position in the new content.
 */
function storedRow(file: TailFile): OffsetRow | undefined {
  const row = rowOf(file, true)
  // Compared last, so that everything in the row was read from the file before.
  if (file.cursor.lastBytesMatch(file.handle)) return row
  if (file.stored.id !== undefined) return undefined
  return { ...row, offset: 0, marker: 0n, markerSize: 0, fingerprint: undefined, fingerprintSize: 0 }
}

/**
 * Returns the marker of the bytes before an offset; those that were read last of a file that cannot be opened again, or that is
 * compared with them after this (`isCompared`).
 */
function markerOfRow(
  { handle, cursor }: TailFile,
  offset: number,
  isCompared: boolean,
): { marker: bigint; markerSize: number } {
  const isKept =
    (isCompared ? handle.isOpen : handle.descriptor.isLost) &&
    !handle.isCompressed &&
    offset === cursor.offset
  if (isKept && (!isCompared || cursor.lastBytesLength === Math.min(MARKER_BYTES, offset)))
    return cursor.lastBytesMarker()
  return handle.isOpen ? markerAt(handle.fd, offset) : { marker: 0n, markerSize: 0 }
}

function rowOf(file: TailFile, isCompared = false): OffsetRow {
  const { identity, handle, cursor, acks, stored } = file
  // A .gz has no fingerprint of its own; its row may have that of the file that was compressed.
  const isHashed = handle.isOpen && !handle.isCompressed
  if (isHashed) stored.growFingerprint(handle, cursor.size)
  // In fluent-bit's column, a .gz has its compressed position, from which reading resumes only between
  // members.
  const { offset, streamOffset } = handle.source.resumePoint(acks.position)
  const row: OffsetRow = {
    id: stored.id,
    name: file.path,
    offset,
    inode: asStored(identity.inode),
    created: stored.created,
    rotated: file.rotation.isRotated,
    ...markerOfRow(file, offset, isCompared),
    openedAs: identity.openedAs,
    device: asStored(identity.device),
    fingerprint: stored.fingerprint,
    fingerprintSize: stored.fingerprintSize,
    streamOffset,
    skipping: acks.isSkipping,
    placeId: file.hasPlaces ? stored.placeId : stored.knownPlaceId,
    ...(stored.placeMark === undefined ? {} : { placeMark: stored.placeMark }),
  }
  if (file.target !== file.path) row.target = file.target
  // The birth time distinguishes the file from one that reuses its inode, which may have the same lines.
  if (identity.birthMs > 0) row.birthMs = Math.floor(identity.birthMs)
  if (isHashed && cursor.size > offset && !cursor.isRewritten) row.size = cursor.size
  return row
}
