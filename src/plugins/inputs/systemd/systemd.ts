import { setImmediate as turn } from 'node:timers/promises'
import { ShipperError } from '../../../core/error.ts'
import type { OffsetStore } from '../../../core/offset-store.ts'
import type { Input, InputContext, InputStatus } from '../../../core/plugin.ts'
import { sleep } from '../../../lib/async/sleep.ts'
import { openDatabase } from '../../../lib/plugin/offset-database.ts'
import { ExportScanner } from '../../../protocol/journal/export-scanner.ts'
import { type Cursor, isSameEntry, numberIn, parseCursor } from './cursor.ts'
import { type End, Follower, matches, readError, sourceArgs } from './journalctl.ts'
import type { SystemdOptions } from './options.ts'
import { Position } from './position.ts'
import { RecordWriter } from './record-writer.ts'
import { askEntry, beginBehind, sayGap, sayGone } from './start-cursor.ts'
import { Portions } from './unit-ranges.ts'

/** Before journalctl is started again: the first time after a success, doubled up to the second. */
const RESTART_MS = 100
const RESTART_MOST_MS = 30_000
/** A chunk that has got this much in less than a Flush is likely to get this much. */
const MUCH = 8192
const BACKLOG = 262_144
/** Of the stream: more than journalctl, the pipe and our buffers hold of before a wait. */
const BEHIND_BYTES = 4_000_000
/** Longer than any cursor of journald. */
const CURSOR_BYTES = 4096

/**
 * Follows the journal by a child, journalctl, which is the one program that knows all forms of journal files. What is
 * read goes on from the last entry read, whatever ends the child; what is stored is the last entry acknowledged.
 */
export class Systemd implements Input {
  readonly #options: SystemdOptions
  readonly #ctx: InputContext
  readonly #scan: ExportScanner
  readonly #writer: RecordWriter
  #store: OffsetStore | undefined
  #position!: Position
  #portions!: Portions
  #child: Follower | undefined
  /** Cursor of the last entry read: its bytes are copied, a string is made when it is needed. */
  readonly #cursor = Buffer.alloc(CURSOR_BYTES)
  #cursorEnd = 0
  /** The first entry of this child if it is this one: it has been read. */
  #known: Cursor | undefined
  /** Nothing of this child was looked at yet. */
  #atFirst = true
  /** The next start without a position is at the end of the journal. */
  #fromTail = false
  #taken = 0
  /** Bytes still to come in which a gap may be: journalctl has waited, and does not see files that came and went. */
  #gapBytes = 0
  #saidCut = false

  constructor(options: SystemdOptions, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
    const limits = {
      fields: options.maxFields,
      fieldBytes: options.maxFieldSize,
      entryBytes: options.maxEntrySize,
      stripUnderscore: options.stripUnderscores,
    }
    this.#scan = new ExportScanner(limits, ctx.buffers)
    this.#writer = new RecordWriter(options.lowercase)
  }

  get finite(): boolean {
    return this.#options.exitOnEof
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#start()
    let waitMs = RESTART_MS
    while (!signal.aborted) {
      const [before, startedMs] = [this.#taken, this.#ctx.clock.nowMs()]
      const ended = await this.#life(signal)
      if (signal.aborted) return
      if (ended === 'all read') {
        this.#ctx.sealAll()
        this.#ctx.finished()
        return
      }
      const worked = this.#taken > before || this.#ctx.clock.nowMs() - startedMs > RESTART_MOST_MS
      waitMs = worked ? RESTART_MS : Math.min(waitMs * 2, RESTART_MOST_MS)
      await sleep(waitMs, this.#ctx.clock, signal)
      if (signal.aborted) return
      // Only now: with Ctrl-C the signal reaches journalctl first.
      this.#ctx.counters.add('restarts')
      this.#ctx.log.warn(`${ended.message}; journalctl is started again`, {
        code: ended.code,
        hint: ended.hint,
      })
    }
  }

  async close(): Promise<void> {
    this.#scan.close()
    if (this.#store !== undefined) this.#position.close()
  }

  status(): InputStatus {
    return {
      journal: this.#options.path ?? 'default',
      journalctl: this.#child?.pid,
      read: this.#lastRead(),
      acked: this.#store === undefined ? undefined : this.#position.acked,
    }
  }

  async #start(): Promise<void> {
    const o = this.#options
    const store = await openDatabase(this.#ctx, o)
    const found = store.claimCursor()
    const stored = this.#usable(found, store.path)
    const parts = { store, lastRead: () => this.#lastRead(), clock: this.#ctx.clock, log: this.#ctx.log }
    this.#position = new Position(stored, parts)
    this.#store = store
    this.#portions = new Portions(
      this.#ctx.tag,
      o.stripUnderscores,
      this.#position,
      `${this.#ctx.agent.id}:journal:${o.path ?? ''}`,
    )
    if (stored !== undefined) this.#setCursor(stored)
    else this.#fromTail = o.readFromTail && found === undefined && !store.damaged
  }

  #usable(stored: string | undefined, path: string | undefined): string | undefined {
    if (stored === undefined || parseCursor(stored) !== undefined) return stored
    this.#ctx.log.error(`the cursor in ${path} is not one of journald: the journal is read from its start`, {
      code: 'E_JOURNAL_CURSOR',
      cursor: stored.slice(0, 200),
    })
    return undefined
  }

  /** Stored at once: a next run that knew nothing of it would begin at its own end, and what came since would be lost. */
  async #goToTail(signal: AbortSignal): Promise<void> {
    const last = await askEntry(this.#options.path, signal)
    if (signal.aborted) return
    this.#fromTail = false
    if (last === undefined) return
    this.#setCursor(last.text)
    this.#position.moveTo(last.text)
    this.#position.commit()
  }

  /** From the start of a child to its end. Rejects when it cannot be started at all. */
  async #life(signal: AbortSignal): Promise<'all read' | ShipperError> {
    try {
      const from = await this.#resume(signal)
      if (signal.aborted) return 'all read'
      const mode = this.#options.exitOnEof ? ['--no-tail'] : ['--follow', '--no-tail']
      this.#scan.reset()
      this.#gapBytes = 0
      this.#atFirst = true
      this.#child = new Follower(
        [...sourceArgs(this.#options.path), ...mode, ...from, ...matches(this.#options)],
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

  async #readAll(child: Follower, signal: AbortSignal): Promise<'all read' | ShipperError> {
    for (;;) {
      const pieces = await child.read()
      if (pieces === undefined) break
      for (const piece of pieces) await this.#piece(piece, signal)
    }
    return this.#options.exitOnEof && child.end?.code === 0 ? 'all read' : readError(howItEnded(child.end))
  }

  async #piece(piece: Buffer, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < piece.length && !signal.aborted; ) {
      at = this.#scan.push(piece, at)
      await this.#entries(signal)
    }
  }

  /** Takes the entries that are whole; while there is no room for one nothing is read, and journalctl waits. */
  async #entries(signal: AbortSignal): Promise<void> {
    while (this.#scan.next()) {
      while (!this.#take()) {
        this.#ctx.sealAll()
        await this.#ctx.waitForMemory(signal)
        if (signal.aborted) return
        this.#gapBytes = BEHIND_BYTES
      }
      if (this.#taken % this.#options.maxEntries === 0) await turn()
    }
  }

  /** Arguments that make the child begin behind the last entry read. */
  async #resume(signal: AbortSignal): Promise<string[]> {
    this.#known = undefined
    if (this.#fromTail) await this.#goToTail(signal)
    const text = this.#lastRead()
    const cursor = text === undefined ? undefined : parseCursor(text)
    if (cursor === undefined) return []
    const gone = (next: Cursor | undefined): void => sayGone(cursor, next, this.#ctx)
    const { args, known } = await beginBehind(cursor, this.#options.path, signal, gone)
    this.#known = known
    return args
  }

  /** Puts the entry that was found into its chunk; false: there is no room. */
  #take(): boolean {
    const scan = this.#scan
    if (this.#atFirst) {
      this.#atFirst = false
      if (this.#isKnown()) return true
    }
    const portion = this.#portions.of(scan)
    const out = this.#ctx.appender(portion.tag)
    if (!out.reserve(this.#writer.bound(scan), out.pendingBytes > MUCH ? BACKLOG : 0)) return false
    out.end = this.#writer.write(scan, out.buf, out.end)
    out.commit(1, scan.entryBytes)
    if (portion.idle) {
      portion.begin(scan.buf.toString('latin1', scan.cursor, scan.cursorEnd), this.#lastRead())
      out.addContributor(portion)
    }
    portion.add(scan.realtimeUs)
    this.#taken++
    if (this.#gapBytes > 0) this.#lookForGap()
    this.#cursorEnd = scan.buf.copy(this.#cursor, 0, scan.cursor, scan.cursorEnd)
    if (scan.cutValues + scan.leftOut > 0) this.#noteCut()
    return true
  }

  #isKnown(): boolean {
    const known = this.#known
    if (known === undefined) return false
    const first = parseCursor(this.#scan.buf.toString('latin1', this.#scan.cursor, this.#scan.cursorEnd))
    return first !== undefined && isSameEntry(known, first)
  }

  /** By the numbers of the entry and the one before it; filters leave such gaps by themselves. */
  #lookForGap(): void {
    const scan = this.#scan
    this.#gapBytes -= scan.entryBytes
    const before = numberIn(this.#cursor, 0)
    // Nearly always: nothing is made of their texts.
    if (numberIn(scan.buf, scan.cursor) === before + 1) return
    const text = this.#lastRead()
    if (text === undefined || this.#options.systemdFilter.length > 0) return
    sayGap(text, scan.buf.toString('latin1', scan.cursor, scan.cursorEnd), this.#ctx)
  }

  #noteCut(): void {
    this.#ctx.counters.add('values_cut', this.#scan.cutValues)
    this.#ctx.counters.add('fields_left_out', this.#scan.leftOut)
    if (this.#saidCut) return
    this.#saidCut = true
    this.#ctx.log.warn(
      'an entry is larger than Max_Field_Size, Max_Entry_Size or Max_Fields: it is cut and marked as truncated, like those that follow',
      { cursor: this.#lastRead() },
    )
  }

  #lastRead(): string | undefined {
    return this.#cursorEnd === 0 ? undefined : this.#cursor.toString('latin1', 0, this.#cursorEnd)
  }

  #setCursor(text: string): void {
    this.#cursorEnd = this.#cursor.write(text, 'latin1')
  }
}

function howItEnded(end: End | undefined): string {
  if (end === undefined) return 'journalctl is gone'
  const how = end.signal === null ? `status ${end.code}` : end.signal
  return `journalctl ended with ${how}${end.said === '' ? '' : `: ${end.said}`}`
}
