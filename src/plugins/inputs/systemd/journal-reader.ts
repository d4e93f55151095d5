import { setImmediate as nextTurn } from 'node:timers/promises'
import { ShipperError } from '../../../core/error.ts'
import type { OffsetStore } from '../../../core/offset-store.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { ExportScanner } from '../../../protocol/journal/export-scanner.ts'
import { BootWatch } from './boot-watch.ts'
import { Complaints, isHarmless } from './complaints.ts'
import { bootOffset, isSameEntry, parseCursor, seqnumAt } from './cursor.ts'
import { CursorTracker } from './cursor-tracker.ts'
import { JournalFiles } from './journal-files.ts'
import { type ExitStatus, JournalctlProcess, journalReadError, matchArgs, sourceArgs } from './journalctl.ts'
import type { SystemdOptions } from './options.ts'
import { JournalQueries } from './queries.ts'
import { ReadingPlan, type Segment } from './reading-plan.ts'
import { RecordWriter } from './record-writer.ts'
import { reportGap } from './start-point.ts'
import { UnitRanges } from './unit-ranges.ts'

/** An open chunk with more bytes than this was filled in less than a Flush, and is likely to get EXPECTED_BACKLOG_BYTES. */
const BACKLOG_THRESHOLD_BYTES = 8192
const EXPECTED_BACKLOG_BYTES = 262_144
/** Part of the stream after a pause that is checked for gaps: more than journalctl, the pipe and our buffers hold. */
const GAP_CHECK_BYTES = 4_000_000
/** Digits of the id of a boot that tell two boots of a journal apart. */
const COMPARED_BOOT_DIGITS = 12
/** Size of the cursor buffer: longer than any cursor of journald. */
const MAX_CURSOR_BYTES = 4096

/** Point at which the first journalctl starts: after the entry with this cursor, or at an end of the journal. */
type InitialPosition = { cursor: string; finishedBoots: readonly string[] | undefined } | 'head' | 'tail'

/** Reason why a journalctl has ended: the next one reads the next boot, or everything was read but `unread`, a clause. */
type Ended = 'next boot' | { unread: string | undefined }

/** Reads the journal with one journalctl after the other, and writes its entries to chunks. */
export class JournalReader {
  readonly #options: SystemdOptions
  readonly #ctx: InputContext
  readonly #scan: ExportScanner
  readonly #writer: RecordWriter
  readonly #tracker: CursorTracker
  readonly #ranges: UnitRanges
  readonly #plan: ReadingPlan
  readonly #files: JournalFiles
  readonly #complaints: Complaints
  /** First thing that journalctl said about missing entries when it was last asked something. */
  #complaint: string | undefined
  #segment: Segment | undefined
  /** True when the running journalctl was ended because there is a boot that it does not show. */
  #isSwitching = false
  #child: JournalctlProcess | undefined
  /** Cursor of the last entry read. Its bytes are copied; a string is created only on demand. */
  readonly #cursor = Buffer.alloc(MAX_CURSOR_BYTES)
  #cursorEnd = 0
  /** True until the first entry of this journalctl was read. */
  #isFirstEntry = true
  /** True when the next journalctl is to start at the end of the journal. */
  #startAtTail = false
  #entriesRead = 0
  /** Bytes still to check for gaps: journalctl had to wait, and misses files that were created and deleted meanwhile. */
  #gapCheckBytes = 0
  #hasLoggedTruncation = false

  constructor(options: SystemdOptions, ctx: InputContext, store: OffsetStore, position: InitialPosition) {
    this.#options = options
    this.#ctx = ctx
    const limits = {
      maxFields: options.maxFields,
      maxFieldBytes: options.maxFieldSize,
      maxEntryBytes: options.maxEntrySize,
      stripUnderscore: options.stripUnderscores,
    }
    this.#scan = new ExportScanner(limits, ctx.buffers)
    this.#writer = new RecordWriter(options.lowercase)
    this.#files = new JournalFiles(options.path)
    this.#complaints = new Complaints(ctx)
    const { cursor, finishedBoots } =
      typeof position === 'string' ? { cursor: undefined, finishedBoots: [] } : position
    const queries = new JournalQueries(options.path, (line) => this.#complain(line))
    this.#plan = new ReadingPlan(queries, finishedBoots, ctx)
    const finishedBefore = (text: string): string[] =>
      this.#plan.boots.finishedBefore(parseCursor(text)?.boot ?? '')
    const services = { store, lastRead: () => this.lastRead, finishedBefore, clock: ctx.clock, log: ctx.log }
    this.#tracker = new CursorTracker(cursor, services)
    const origin = { agent: ctx.agent.id, path: options.path ?? '' }
    this.#ranges = new UnitRanges(ctx.tag, options.stripUnderscores, this.#tracker, origin)
    if (cursor !== undefined) this.#setCursor(cursor)
    this.#startAtTail = position === 'tail'
  }

  /** Number of entries read, without those read twice. */
  get entriesRead(): number {
    return this.#entriesRead
  }

  /** Process id of the running journalctl. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Cursor of the last entry read. */
  get lastRead(): string | undefined {
    return this.#cursorEnd === 0 ? undefined : this.#cursor.toString('latin1', 0, this.#cursorEnd)
  }

  /** Cursor of the last entry acknowledged. */
  get acked(): string | undefined {
    return this.#tracker.acked
  }

  close(): void {
    this.#scan.close()
    this.#tracker.close()
  }

  /**
   * Runs one journalctl, from after the last entry read until it exits, and resolves with the reason. Rejects when
   * journalctl cannot be started at all.
   */
  async runJournalctl(signal: AbortSignal): Promise<Ended | ShipperError> {
    try {
      const segment = await this.#nextSegment(signal)
      if (segment === undefined || signal.aborted) return { unread: this.#complaint }
      return await this.#run(segment, signal)
    } catch (error) {
      if (error instanceof ShipperError && error.retryable) return error
      throw error
    } finally {
      await this.#child?.stop()
      this.#child = undefined
    }
  }

  /** Returns what to read next; undefined when everything was read. */
  async #nextSegment(signal: AbortSignal): Promise<Segment | undefined> {
    if (this.#startAtTail) await this.#moveToTail(signal)
    this.#complaint = undefined
    await this.#files.reportUnreadable((line) => this.#complain(line))
    const text = this.lastRead
    const cursor = text === undefined ? undefined : parseCursor(text)
    return this.#plan.next(cursor, !this.#options.exitOnEof, signal)
  }

  async #run(segment: Segment, signal: AbortSignal): Promise<Ended | ShipperError> {
    this.#segment = segment
    this.#isSwitching = false
    this.#scan.reset()
    this.#gapCheckBytes = 0
    this.#isFirstEntry = true
    const mode = segment.follow ? ['--follow', '--no-tail'] : ['--no-tail']
    const child = new JournalctlProcess(
      [
        ...sourceArgs(this.#options.path),
        ...mode,
        ...segment.start,
        ...matchArgs(this.#options, segment.boot),
      ],
      this.#ctx.clock,
      signal,
      (line) => this.#complaints.report(line),
    )
    this.#child = child
    const watch = segment.follow ? this.#watchBoots(segment, child, signal) : undefined
    try {
      if (segment.isGuess === true && !(await this.#plan.isWhole(signal))) return 'next boot'
      return await this.#readAll(child, segment, signal)
    } finally {
      watch?.stop()
    }
  }

  /** Ends journalctl when there is a boot that it does not show. */
  #watchBoots(segment: Segment, child: JournalctlProcess, signal: AbortSignal): BootWatch {
    const services = {
      files: this.#files,
      clock: this.#ctx.clock,
      hasNewBoot: () => this.#plan.hasNewBoot(signal),
      onNewBoot: () => {
        this.#isSwitching = true
        child.terminate()
      },
    }
    return new BootWatch(services, segment.boot !== undefined)
  }

  async #readAll(
    child: JournalctlProcess,
    segment: Segment,
    signal: AbortSignal,
  ): Promise<Ended | ShipperError> {
    for (;;) {
      const pieces = await child.read()
      if (pieces === undefined) break
      for (const piece of pieces) await this.#readPiece(piece, signal)
    }
    const { exitStatus } = child
    const isComplete = !segment.follow && exitStatus?.code === 0
    this.#plan.ended(isComplete)
    return isComplete || this.#isSwitching ? 'next boot' : journalReadError(exitReason(exitStatus))
  }

  #complain(line: string): void {
    if (!isHarmless(line)) this.#complaint ??= line
    this.#complaints.report(line)
  }

  async #readPiece(piece: Buffer, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < piece.length && !signal.aborted; ) {
      at = this.#scan.push(piece, at)
      await this.#appendEntries(signal)
    }
  }

  /** Appends all complete entries. While there is no memory for an entry nothing is read, and journalctl waits. */
  async #appendEntries(signal: AbortSignal): Promise<void> {
    while (this.#scan.next()) {
      while (!this.#appendEntry()) {
        this.#ctx.sealAll()
        await this.#ctx.waitForMemory(signal)
        if (signal.aborted) return
        this.#gapCheckBytes = GAP_CHECK_BYTES
      }
      if (this.#entriesRead % this.#options.maxEntries === 0) await nextTurn()
    }
  }

  /**
   * Moves to the last entry of the journal. Its cursor is stored at once: without it the next run would start at its own
   * end of the journal, and the entries written since would be lost.
   */
  async #moveToTail(signal: AbortSignal): Promise<void> {
    const last = await this.#plan.tail(signal)
    if (signal.aborted) return
    this.#startAtTail = false
    if (last === undefined) return
    this.#setCursor(last.text)
    this.#tracker.advanceTo(last.text)
    this.#tracker.commit()
  }

  /** Appends the scanned entry to the chunk of its tag; false when there is no memory for it. */
  #appendEntry(): boolean {
    const scan = this.#scan
    if (this.#isFirstEntry) {
      this.#isFirstEntry = false
      if (this.#wasAlreadyRead()) return true
    }
    const range = this.#ranges.forEntry(scan)
    const out = this.#ctx.appender(range.tag)
    const expectedBytes = out.pendingBytes > BACKLOG_THRESHOLD_BYTES ? EXPECTED_BACKLOG_BYTES : 0
    if (!out.reserve(this.#writer.bound(scan), expectedBytes)) return false
    out.end = this.#writer.write(scan, out.buf, out.end)
    out.addRecords(1, scan.entryBytes)
    if (out.places !== undefined) range.addPlace(out.places, scan)
    if (range.isIdle) {
      range.begin(scan.buf.toString('latin1', scan.cursorStart, scan.cursorEnd), this.lastRead)
      out.addContributor(range)
    }
    range.add(scan.realtimeUs)
    this.#entriesRead++
    if (this.#segment?.boot === undefined && !this.#isOfLastBoot()) this.#enterBoot()
    if (this.#gapCheckBytes > 0 || scan.followsIncomplete) this.#checkForGap()
    this.#cursorEnd = scan.buf.copy(this.#cursor, 0, scan.cursorStart, scan.cursorEnd)
    if (scan.truncatedValues + scan.droppedFields > 0) this.#recordTruncation()
    return true
  }

  /** Returns true when the scanned entry is of the same boot as the last one; creates no string. */
  #isOfLastBoot(): boolean {
    const { buf, cursorStart } = this.#scan
    const [from, previous] = [bootOffset(buf, cursorStart), bootOffset(this.#cursor, 0)]
    if (this.#cursorEnd === 0) return false
    for (let i = 0; i < COMPARED_BOOT_DIGITS; i++)
      if (buf[from + i] !== this.#cursor[previous + i]) return false
    return true
  }

  #enterBoot(): void {
    const { buf, cursorStart, cursorEnd } = this.#scan
    const cursor = parseCursor(buf.toString('latin1', cursorStart, cursorEnd))
    if (cursor !== undefined) this.#plan.entered(cursor.boot)
  }

  #wasAlreadyRead(): boolean {
    const alreadyRead = this.#segment?.alreadyRead
    if (alreadyRead === undefined) return false
    const { buf, cursorStart, cursorEnd } = this.#scan
    const first = parseCursor(buf.toString('latin1', cursorStart, cursorEnd))
    return first !== undefined && isSameEntry(alreadyRead, first)
  }

  /**
   * Compares the sequence number with that of the previous entry. Not with filters, which cause such gaps themselves,
   * unless it is certain that an entry was lost.
   */
  #checkForGap(): void {
    const scan = this.#scan
    this.#gapCheckBytes -= scan.entryBytes
    const previous = seqnumAt(this.#cursor, 0)
    // Nearly always true: no string is created.
    if (seqnumAt(scan.buf, scan.cursorStart) === previous + 1) return
    const text = this.lastRead
    if (text === undefined || (this.#options.systemdFilter.length > 0 && !scan.followsIncomplete)) return
    reportGap(text, scan.buf.toString('latin1', scan.cursorStart, scan.cursorEnd), this.#ctx)
  }

  /** Counts what was cut from the entry; logs only the first such entry. */
  #recordTruncation(): void {
    this.#ctx.counters.add('values_cut', this.#scan.truncatedValues)
    this.#ctx.counters.add('fields_left_out', this.#scan.droppedFields)
    if (this.#hasLoggedTruncation) return
    this.#hasLoggedTruncation = true
    this.#ctx.log.warn(
      'an entry exceeds Max_Fields, Max_Field_Size or Max_Entry_Size: it is truncated and marked as such; further ones are only counted',
      { cursor: this.lastRead },
    )
  }

  #setCursor(text: string): void {
    this.#cursorEnd = this.#cursor.write(text, 'latin1')
  }
}

function exitReason(status: ExitStatus | undefined): string {
  if (status === undefined) return 'journalctl ended'
  const { code, signal, stderr } = status
  const how = signal === null ? `exited with status ${code}` : `was terminated by ${signal}`
  return `journalctl ${how}${stderr === '' ? '' : `: ${stderr}`}`
}
