import type { BigIntStats } from 'node:fs'
import { messageOf } from '../../../../core/error.ts'
import type { Clock, TimerHandle } from '../../../../core/services.ts'
import { FsFailure } from '../../../../lib/fs/file-system.ts'
import type { ByteSource, ResumePoint } from './byte-source.ts'
import { ByteWindow } from './byte-window.ts'
import type { Descriptor } from './descriptor.ts'
import { GzipMembers, isPlainContent } from './gzip-members.ts'
import { RawProgress } from './raw-progress.ts'

/** Decompressed bytes buffered ahead of the reader; inflating pauses when there are more. */
const WINDOW_BYTES = 262_144
/** Compressed bytes per read. */
const RAW_BYTES = 65_536
/** Compressed bytes per read in a corrupt block, so that all data before the damage is sent. */
const FINE_BYTES = 16

/** Time without a change after which a .gz that is corrupt, or ends within a member, counts as damaged. */
export const GZIP_QUIET_MS = 10_000

/** Callbacks of `GzipSource`. None is called before its constructor has returned. */
export interface GzipEvents {
  /** Called when more was inflated, or when nothing more will come. */
  onMore(): void
  /**
   * Called when the data from the compressed position `from` on cannot be inflated; `size` is the size of the
   * file. `isSent`: the member that begins there was inflated, but its checksum is wrong.
   */
  onDamaged(reason: string, from: number, size: number, isSent: boolean): void
  /** Called when a file that counted as damaged has grown and is complete now. */
  onRepaired(): void
  /** Called for `bytes` after the last member, from `from` on, that are not another member. */
  onGarbage(from: number, bytes: number): void
  /** Called when the file is not compressed, in spite of its name. */
  onPlain(): void
}

/** Position at which reading a .gz begins. */
export interface GzipStart {
  /** Decompressed position. */
  offset: number
  /**
   * Compressed position of a member that begins at `offset`; 0 to inflate from the start and discard what is
   * before `offset`.
   */
  memberAt: number
  /** Compressed size of the existing content that is skipped; reading begins when the file is larger. */
  skipTo?: number
}

/**
 * A .gz that is inflated as it is read. A window moves over the decompressed bytes:
 *
 * ```
 *   0 ...... discarded ...... | window: buffered | .... not inflated yet
 * ```
 * Consecutive members are one stream. More may be appended at any time; inflating then continues where it
 * stopped. Data before a damaged place is delivered. Positions before the window cannot be read again.
 */
export class GzipSource implements ByteSource {
  readonly #descriptor: Descriptor
  readonly #clock: Clock
  readonly #events: GzipEvents
  #complete = false
  #isPlain = false
  #isRewritten = false
  /** Number of bytes inflated so far. */
  #inflated: number
  /** Decompressed bytes buffered ahead of the reader. */
  readonly #window: ByteWindow
  #members: GzipMembers | undefined
  /** Compressed and decompressed position at which the current member begins. */
  #member: { at: number; offset: number }
  /** Compressed position up to which data is skipped, and the number of decompressed bytes skipped so far. */
  #skipTo: number
  #skipped = 0
  /** Compressed position from which the second attempt at corrupt data reads FINE_BYTES at a time. */
  #fineFrom: number | undefined
  /** Reason why inflating stopped, and the compressed position. `member`: that of a member with a wrong trailer. */
  #damage: { reason: string; at: number; member?: number | undefined } | undefined
  #isReported = false
  /** Read failure that has not been returned to the reader yet. */
  #failure: FsFailure | undefined
  /** End of the window at the time the reader last had all of it. */
  #offered = -1
  /** Compressed position up to which bytes after the last member were reported. */
  #garbageEnd = 0
  readonly #raw: RawProgress
  /** Size and modification time when inflating stopped. */
  #seen = { size: 0, mtimeNs: 0n }
  #isPumping = false
  #isClosed = false
  #quiet: TimerHandle | undefined

  constructor(descriptor: Descriptor, start: GzipStart, size: number, clock: Clock, events: GzipEvents) {
    this.#descriptor = descriptor
    this.#clock = clock
    this.#events = events
    this.#skipTo = start.skipTo ?? 0
    this.#raw = new RawProgress(descriptor, start.memberAt)
    this.#inflated = start.memberAt > 0 ? start.offset : 0
    this.#member = { at: start.memberAt, offset: this.#inflated }
    this.#window = new ByteWindow(start.offset)
    const isWaiting = size <= Math.max(this.#raw.end, this.#skipTo)
    this.#complete = isWaiting
    if (!isWaiting) void this.#pump()
    else if (this.#raw.end > 0) this.#raw.loadLast()
  }

  get isCompressed(): boolean {
    return !this.#isPlain
  }

  /** False while a failure is still to be returned: the reader has not seen the end of what can be read. */
  get complete(): boolean {
    return this.#complete && this.#failure === undefined
  }

  get isRewritten(): boolean {
    return this.#isRewritten
  }

  /** Position after the existing content that is skipped. */
  get start(): number {
    return this.#skipTo > 0 ? this.#window.start : 0
  }

  read(buf: Buffer, at: number, length: number, position: number): number | FsFailure {
    if (this.#isPlain) return this.#descriptor.read(buf, at, length, position)
    this.#window.discardUpTo(position)
    if (this.#window.length < WINDOW_BYTES) this.#members?.resume()
    const copied = this.#window.copy(buf, at, length)
    if (copied === length) return copied
    const failure = this.#failure
    if (failure !== undefined) {
      // The data inflated before the failure is returned first.
      if (this.#offered === this.#window.end) {
        this.#failure = undefined
        return failure
      }
      this.#offered = this.#window.end
      this.#events.onMore()
      return copied
    }
    this.#offered = this.#window.end
    // For a line longer than the window, which then grows as far as the reader asks.
    this.#members?.resume()
    const stat = this.#isPumping ? undefined : this.#descriptor.stat()
    if (stat instanceof FsFailure) return stat
    if (stat !== undefined) this.look(stat)
    return copied
  }

  /** Resumes inflating when the file has changed. */
  look(stat: BigIntStats): void {
    if (this.#isPumping || this.#isClosed || this.#isPlain || this.#isRewritten) return
    const size = Number(stat.size)
    if (size === this.#seen.size && stat.mtimeNs === this.#seen.mtimeNs) return
    if (this.#raw.isRewritten(size)) this.#recordRewrite()
    else if (this.#damage !== undefined) {
      // Until the damage is final, the timer of `#awaitQuiet` checks the file.
      if (this.#complete) this.#awaitQuiet(stat)
    } else if (size > Math.max(this.#raw.end, this.#skipTo)) void this.#pump()
  }

  resumePoint(acked: number): ResumePoint {
    if (this.#isPlain) return { offset: acked, streamOffset: undefined }
    if (this.#skipTo > 0 && (this.#raw.end < this.#skipTo || acked < this.#skipped))
      return { offset: this.#skipTo, streamOffset: undefined }
    const isAllAcked = this.#complete && acked >= this.#inflated
    if (isAllAcked) return { offset: this.#raw.end, streamOffset: acked }
    return { offset: acked === this.#member.offset ? this.#member.at : 0, streamOffset: acked }
  }

  /** Restarts at the beginning of a rewritten file. */
  restart(): void {
    if (this.#isPlain) return
    this.#members?.close()
    this.#members = undefined
    this.#clock.cancel(this.#quiet)
    this.#isRewritten = false
    this.#isReported = false
    this.#damage = this.#fineFrom = undefined
    this.#raw.restart()
    this.#window.restart(0)
    this.#inflated = 0
    this.#skipTo = this.#skipped = this.#garbageEnd = 0
    this.#member = { at: 0, offset: 0 }
    void this.#pump()
  }

  close(): void {
    this.#isClosed = true
    this.#clock.cancel(this.#quiet)
    this.#members?.close()
    this.#descriptor.close()
  }

  #recordRewrite(): void {
    this.#isRewritten = true
    this.#complete = true
    this.#events.onMore()
  }

  /**
   * Inflates all available data. Returns at the end of the file, at damage, and when the source is closed.
   */
  async #pump(): Promise<void> {
    this.#isPumping = true
    this.#complete = false
    this.#clock.cancel(this.#quiet)
    const zlib = await import('node:zlib')
    if (this.#isClosed) return
    if (this.#raw.end === 0 && isPlainContent(this.#descriptor.fd)) return this.#becomePlain()
    const onData = (data: Buffer): void => this.#keep(data)
    this.#members ??= new GzipMembers(zlib, this.#raw.end, onData)
    const members = this.#members
    this.#raw.loadFirst()
    const raw = Buffer.allocUnsafeSlow(RAW_BYTES)
    try {
      for (;;) {
        const n = this.#descriptor.read(raw, 0, this.#rawLength(), this.#raw.end)
        if (n instanceof FsFailure) {
          this.#fail(n)
          return
        }
        if (n === 0) break
        await members.take(raw.subarray(0, n))
        if (this.#isClosed || this.#members !== members) return
        this.#raw.record(raw.subarray(0, n))
        if (members.memberEnd > this.#member.at && members.isBetween)
          this.#member = { at: members.memberEnd, offset: this.#inflated }
      }
    } catch (error) {
      if (this.#isClosed || this.#members !== members) return
      const member = members.isInTrailer ? members.memberEnd : undefined
      this.#damage = { reason: messageOf(error), at: this.#raw.end, member }
    }
    this.#settle(members)
  }

  /**
   * Returns the size of the next read, which does not cross the end of the skipped data and is small near
   * damage.
   */
  #rawLength(): number {
    const limit = this.#fineFrom !== undefined && this.#raw.end >= this.#fineFrom ? FINE_BYTES : RAW_BYTES
    return this.#raw.end < this.#skipTo ? Math.min(limit, this.#skipTo - this.#raw.end) : limit
  }

  #keep(data: Buffer): void {
    this.#inflated += data.length
    if (this.#raw.end < this.#skipTo) {
      this.#skipped = this.#inflated
      this.#window.restart(this.#inflated)
      return
    }
    if (!this.#window.append(data, this.#inflated)) return
    if (this.#window.length >= WINDOW_BYTES) this.#members?.pause()
    this.#events.onMore()
  }

  /** Handles the present end of the file, or damage. */
  #settle(members: GzipMembers): void {
    this.#isPumping = false
    const stat = this.#descriptor.stat()
    if (!(stat instanceof FsFailure)) {
      this.#seen = { size: Number(stat.size), mtimeNs: stat.mtimeNs }
      if (this.#raw.isRewritten(this.#seen.size)) {
        this.#recordRewrite()
        return
      }
      if (this.#damage === undefined && this.#seen.size > this.#raw.end) {
        void this.#pump()
        return
      }
    }
    const isWhole = this.#damage === undefined && (members.isBetween || members.isGarbage)
    if (!isWhole) {
      this.#awaitQuiet(stat instanceof FsFailure ? undefined : stat)
      return
    }
    if (members.isGarbage) this.#reportGarbage(members.memberEnd)
    if (this.#isReported) this.#events.onRepaired()
    this.#isReported = false
    // A stored position beyond the end belongs to another content.
    if (this.#inflated < this.#window.start) this.#isRewritten = true
    this.#finish()
  }

  /** Reports a read failure; the next `look` tries again. */
  #fail(failure: FsFailure): void {
    this.#isPumping = false
    this.#failure = failure
    this.#seen = { size: -1, mtimeNs: 0n }
    this.#finish()
  }

  #reportGarbage(from: number): void {
    const at = Math.max(from, this.#garbageEnd)
    this.#garbageEnd = this.#raw.end
    this.#events.onGarbage(at, this.#raw.end - at)
  }

  #finish(): void {
    this.#complete = true
    this.#events.onMore()
  }

  /** Waits until the file has been unchanged for GZIP_QUIET_MS, as it may still be being written. */
  #awaitQuiet(stat: BigIntStats | undefined): void {
    this.#seen = { size: Number(stat?.size ?? this.#raw.end), mtimeNs: stat?.mtimeNs ?? 0n }
    const quietMs = this.#clock.nowMs() - Number(this.#seen.mtimeNs) / 1e6
    const leftMs = stat === undefined ? GZIP_QUIET_MS : Math.min(GZIP_QUIET_MS, GZIP_QUIET_MS - quietMs)
    this.#clock.cancel(this.#quiet)
    this.#quiet = this.#clock.after(Math.max(0, leftMs), () => this.#judge())
  }

  /**
   * Called at the end of that time. Tries again if the file has changed; otherwise the damage counts until
   * the next change.
   */
  #judge(): void {
    const stat = this.#descriptor.stat()
    if (stat instanceof FsFailure) {
      this.#fail(stat)
      return
    }
    if (Number(stat.size) !== this.#seen.size || stat.mtimeNs !== this.#seen.mtimeNs) {
      if (this.#raw.isRewritten(Number(stat.size))) this.#recordRewrite()
      else if (this.#damage === undefined && Number(stat.size) > this.#raw.end) void this.#pump()
      else this.#awaitQuiet(stat)
      return
    }
    const { size } = this.#seen
    if (this.#damage !== undefined && this.#fineFrom === undefined) {
      this.#retryMember(this.#damage.at)
      return
    }
    const { reason, at, member } = this.#damage ?? { reason: 'it ends too early', at: this.#raw.end }
    if (!this.#isReported) this.#events.onDamaged(reason, member ?? at, size, member !== undefined)
    this.#isReported = true
    this.#fineFrom = undefined
    this.#finish()
  }

  /**
   * Inflates the damaged member again: the file may have been changed, and data before the damage is sent
   * this time.
   */
  #retryMember(damagedAt: number): void {
    this.#members?.close()
    this.#members = undefined
    this.#damage = undefined
    this.#fineFrom = damagedAt
    this.#raw.goBackTo(this.#member.at)
    this.#inflated = this.#member.offset
    void this.#pump()
  }

  #becomePlain(): void {
    this.#isPumping = false
    this.#isPlain = true
    this.#events.onPlain()
    this.#finish()
  }
}
