import { setImmediate as nextTurn } from 'node:timers/promises'
import { ShipperError } from '../../../core/error.ts'
import type { OffsetStore } from '../../../core/offset-store.ts'
import type { InputContext } from '../../../core/plugin.ts'
import { ExportScanner } from '../../../protocol/journal/export-scanner.ts'
import { type Cursor, isSameEntry, parseCursor, seqnumAt } from './cursor.ts'
import { CursorTracker } from './cursor-tracker.ts'
import { type ExitStatus, JournalctlProcess, journalReadError, matchArgs, sourceArgs } from './journalctl.ts'
import type { SystemdOptions } from './options.ts'
import { RecordWriter } from './record-writer.ts'
import { findEntry, reportGap, reportMissingEntry, resumeAfter } from './start-point.ts'
import { UnitRanges } from './unit-ranges.ts'

/** An open chunk with more bytes than this was filled in less than a Flush, and is likely to get EXPECTED_BACKLOG_BYTES. */
const BACKLOG_THRESHOLD_BYTES = 8192
const EXPECTED_BACKLOG_BYTES = 262_144
/** Part of the stream after a pause that is checked for gaps: more than journalctl, the pipe and our buffers hold. */
const GAP_CHECK_BYTES = 4_000_000
/** Size of the cursor buffer: longer than any cursor of journald. */
const MAX_CURSOR_BYTES = 4096

/** Point at which the first journalctl starts: after the entry with this cursor, or at an end of the journal. */
type InitialPosition = { cursor: string } | 'head' | 'tail'

/** Reads the journal with one journalctl after the other, and writes its entries to chunks. */
export class JournalReader {
  readonly #options: SystemdOptions
  readonly #ctx: InputContext
  readonly #scan: ExportScanner
  readonly #writer: RecordWriter
  readonly #tracker: CursorTracker
  readonly #ranges: UnitRanges
  #child: JournalctlProcess | undefined
  /** Cursor of the last entry read. Its bytes are copied; a string is created only on demand. */
  readonly #cursor = Buffer.alloc(MAX_CURSOR_BYTES)
  #cursorEnd = 0
  /** Entry to skip if this journalctl shows it first, because it was read before. */
  #alreadyRead: Cursor | undefined
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
    const cursor = typeof position === 'string' ? undefined : position.cursor
    const services = { store, lastRead: () => this.lastRead, clock: ctx.clock, log: ctx.log }
    this.#tracker = new CursorTracker(cursor, services)
    const source = `${ctx.agent.id}:journal:${options.path ?? ''}`
    this.#ranges = new UnitRanges(ctx.tag, options.stripUnderscores, this.#tracker, source)
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
  async runJournalctl(signal: AbortSignal): Promise<'all read' | ShipperError> {
    try {
      const startArgs = await this.#startArgs(signal)
      if (signal.aborted) return 'all read'
      const mode = this.#options.exitOnEof ? ['--no-tail'] : ['--follow', '--no-tail']
      this.#scan.reset()
      this.#gapCheckBytes = 0
      this.#isFirstEntry = true
      this.#child = new JournalctlProcess(
        [...sourceArgs(this.#options.path), ...mode, ...startArgs, ...matchArgs(this.#options)],
        this.#ctx.clock,
        signal,
      )
      return await this.#readAll(this.#child, signal)
    } catch (error) {
      if (error instanceof ShipperError && error.retryable) return error
      throw error
    } finally {
      await this.#child?.stop()
      this.#child = undefined
    }
  }

  async #readAll(child: JournalctlProcess, signal: AbortSignal): Promise<'all read' | ShipperError> {
    for (;;) {
      const pieces = await child.read()
      if (pieces === undefined) break
      for (const piece of pieces) await this.#readPiece(piece, signal)
    }
    const { exitStatus } = child
    if (this.#options.exitOnEof && exitStatus?.code === 0) return 'all read'
    return journalReadError(exitReason(exitStatus))
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

  /** Returns the arguments with which journalctl starts after the last entry read. */
  async #startArgs(signal: AbortSignal): Promise<string[]> {
    this.#alreadyRead = undefined
    if (this.#startAtTail) await this.#moveToTail(signal)
    const text = this.lastRead
    const cursor = text === undefined ? undefined : parseCursor(text)
    if (cursor === undefined) return []
    const onMissing = (next: Cursor | undefined): void => reportMissingEntry(cursor, next, this.#ctx)
    const { args, alreadyRead } = await resumeAfter(cursor, this.#options.path, signal, onMissing)
    this.#alreadyRead = alreadyRead
    return args
  }

  /**
   * Moves to the last entry of the journal. Its cursor is stored at once: without it the next run would start at its own
   * end of the journal, and the entries written since would be lost.
   */
  async #moveToTail(signal: AbortSignal): Promise<void> {
    const last = await findEntry(this.#options.path, signal)
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
    if (range.isIdle) {
      range.begin(scan.buf.toString('latin1', scan.cursorStart, scan.cursorEnd), this.lastRead)
      out.addContributor(range)
    }
    range.add(scan.realtimeUs)
    this.#entriesRead++
    if (this.#gapCheckBytes > 0 || scan.followsIncomplete) this.#checkForGap()
    this.#cursorEnd = scan.buf.copy(this.#cursor, 0, scan.cursorStart, scan.cursorEnd)
    if (scan.truncatedValues + scan.droppedFields > 0) this.#recordTruncation()
    return true
  }

  #wasAlreadyRead(): boolean {
    const alreadyRead = this.#alreadyRead
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
