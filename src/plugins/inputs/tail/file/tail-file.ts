import type { BigIntStats } from 'node:fs'
import type { Places } from '../../../../core/places.ts'
import type { ClosedRange, Contributor, FileStatus } from '../../../../core/plugin.ts'
import { FsFailure } from '../../../../lib/fs/file-system.ts'
import type { LinePlace } from '../../../../lib/multiline/held-lines.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import { AckTracker, type SettlementListener } from './ack-tracker.ts'
import { markOf } from './content-mark.ts'
import type { DescriptorOwner } from './descriptor.ts'
import type { EntryEncoder } from './entry-encoder.ts'
import type { FileHandle } from './file-handle.ts'
import type { FileIdentity } from './identity.ts'
import { LineFailures } from './line-failures.ts'
import { ReadCursor, type Truncation } from './read-cursor.ts'
import { type KnownContent, RotationState } from './rotation-state.ts'
import type { StoredRow } from './stored-row.ts'

/**
 * waiting: another file has to be read first, or a filter is not ready · reading: there may be bytes to read
 * · idle: at the end · closed: the descriptor is closed.
 */
type FileState = 'waiting' | 'reading' | 'idle' | 'closed'

interface TailFileInit {
  path: string
  identity: FileIdentity
  handle: FileHandle
  stored: StoredRow
  encoder: EntryEncoder
  offset: number
  size: number
  isSkipping: boolean
  /** Properties of the file when it was opened. */
  stat: BigIntStats
  /** Its first bytes then; empty if they could not be read. */
  head: Buffer
  openedMs: number
  contentSinceMs: number
  /** Agent and input, as the first part of the identity of its ranges. */
  origin: string
  /** Agent, as the first part of the places of its records; undefined when no output wants them. */
  placeOrigin?: string | undefined
  /** See `Positions.storeMark`; called before records of the file are handed on. */
  storeMark?: (file: TailFile) => boolean
  /** Called when the content gets another source: what was read of it, and is in no chunk yet, gets that too. */
  onSourceLeft?: ((before: string, after: string) => void) | undefined
  /** The acknowledged position moved over this many bytes. */
  onSettled: (file: TailFile, bytes: number) => void
  /** Called when a truncation or rewrite is detected. */
  onTruncated: (file: TailFile, truncation: Truncation) => void
}

/**
 * One open file and the state of reading it.
 *
 * ```
 *   0 ....... acked ........ offset ......... size
 *     settled      in chunks        not read
 * ```
 * Each part owns its fields and changes them by its own methods: `cursor` has offset and size, `acks` the
 * acknowledged position, `rotation` the times of rename and rewrite, `stored` the database row, and
 * `failures` the number of unparsed lines. Names may change; `identity` does not.
 */
export class TailFile implements Contributor, DescriptorOwner, SettlementListener {
  readonly identity: FileIdentity
  readonly handle: FileHandle
  readonly encoder: EntryEncoder
  readonly cursor: ReadCursor
  readonly acks: AckTracker
  readonly rotation: RotationState
  readonly stored: StoredRow
  /**
   * Set on an unknown file within Path until it is clear whether it is a copy of a file that is read anyway.
   * `before`: the previous file at its path.
   */
  newAt: { before: TailFile | undefined } | undefined
  #failures: LineFailures | undefined
  #path: string
  #target: string
  #linkTarget: string | undefined
  #state: FileState = 'reading'
  #predecessor: TailFile | undefined
  #isTied = false
  #inChunk = false
  /** Modification time in nanoseconds of a file that was empty when it was last looked at. */
  #emptySinceNs: bigint | undefined
  readonly #origin: string
  readonly #placeOrigin: string | undefined
  /** Text of the content of which it was made, and the source made of it. */
  #placeSource: { contentId: string; text: string } | undefined
  readonly #storeMark: TailFileInit['storeMark']
  readonly #onSourceLeft: TailFileInit['onSourceLeft']
  readonly #onSettled: TailFileInit['onSettled']
  readonly #onTruncated: (file: TailFile, truncation: Truncation) => void

  constructor(init: TailFileInit) {
    const { offset, size, isSkipping } = init
    this.identity = init.identity
    this.handle = init.handle
    this.encoder = init.encoder
    this.stored = init.stored
    this.cursor = new ReadCursor(offset, size, isSkipping, init.openedMs)
    this.acks = new AckTracker(offset, isSkipping, this)
    this.rotation = new RotationState(init.contentSinceMs)
    this.#path = this.#target = init.path
    this.#origin = init.origin
    this.#placeOrigin = init.placeOrigin
    this.#storeMark = init.storeMark
    this.#onSourceLeft = init.onSourceLeft
    this.#onSettled = init.onSettled
    this.#onTruncated = init.onTruncated
    this.handle.descriptor.belongTo(this)
    if (size === 0 && offset === 0) this.#recordEmpty(init.stat)
    else if (offset === 0 && !this.handle.isCompressed) this.#keepOpened(init.head)
  }

  /** Keeps by what the content is recognized of which nothing was read; `head`: its first bytes. */
  #keepOpened(head: Buffer): void {
    if (this.stored.fingerprintSize === 0 && head.length > 0) this.stored.setFingerprint(head)
    this.cursor.keepSeenBytes(this.handle, head)
  }

  /** Numbers of its lines that were not parsed; most files have none. */
  get failures(): LineFailures {
    this.#failures ??= new LineFailures()
    return this.#failures
  }

  /** Current path; changes with a rename. */
  get path(): string {
    return this.#path
  }

  /** Path at which the file is followed, or was until it was rotated: copies of it are named after that. */
  get livePath(): string {
    return this.rotation.leftPath ?? this.#path
  }

  get tag(): string {
    return this.identity.tag
  }

  get state(): FileState {
    return this.#state
  }

  get size(): number {
    return this.cursor.size
  }

  /**
   * First those that are read to their end and acknowledged, then those without unread bytes. A rotated file may
   * be compressed or deleted at any time, and is released last.
   */
  get releaseRank(): number | undefined {
    const { isRotated, isDeleted, isReplaced } = this.rotation
    if (isDeleted) return undefined
    if (isRotated || isReplaced) return 3
    const isRead = this.#state === 'idle' && this.handle.source.complete
    if (!isRead || (this.cursor.unread > 0 && !this.handle.isCompressed)) return 2
    return this.isUnsettled || this.handle.isCompressed ? 1 : 0
  }

  /** File that has to be read to its end before this one; undefined: there is none. */
  get predecessor(): TailFile | undefined {
    return this.#predecessor
  }

  /** True once the file was one that another continues, or has continued one: a record may have bytes of both. */
  get isTied(): boolean {
    return this.#isTied
  }

  /**
   * True while bytes of the file are in a chunk that is being filled or has not settled, or in an open
   * record.
   */
  get isUnsettled(): boolean {
    return this.#inChunk || this.acks.isPending
  }

  /** True while lines of the file are in a chunk that is being filled. */
  get isInChunk(): boolean {
    return this.#inChunk
  }

  /**
   * Bytes that were read and are not acknowledged. 0 when none of them are in a chunk: an open record waits for its next
   * lines, and for no output.
   */
  get unsettledBytes(): number {
    return this.#inChunk || this.acks.hasPendingChunks ? this.cursor.offset - this.acks.position : 0
  }

  /** True when nothing more can be read from the file now. */
  get isDrained(): boolean {
    return this.#state === 'idle' || this.#state === 'closed'
  }

  /** Path of the file itself when `path` is a link; otherwise `path`. */
  get target(): string {
    return this.#target
  }

  /**
   * Last target of the link under which the file was followed; undefined if it was never followed through a
   * link.
   */
  get linkTarget(): string | undefined {
    return this.#linkTarget
  }

  rename(path: string, target: string): void {
    this.#path = path
    this.#target = target
    if (target !== path) this.#linkTarget = target
  }

  /**
   * Makes this file wait until `file` is drained; undefined removes the wait. Does nothing if `file` already
   * waits for this one, directly or not: otherwise neither would ever be read.
   */
  readAfter(file: TailFile | undefined): void {
    for (let one = file; one !== undefined; one = one.#predecessor) if (one === this) return
    this.#predecessor = file
    if (file !== undefined) this.#tieTo(file)
  }

  #tieTo(file: TailFile): void {
    this.#isTied = file.#isTied = true
  }

  startWaiting(): void {
    this.#state = 'waiting'
  }

  startReading(): void {
    this.#state = 'reading'
  }

  /** Records that the file was read to its end. */
  reachEnd(): void {
    this.#state = 'idle'
  }

  close(): void {
    this.handle.close()
    this.stored.close()
    this.#state = 'closed'
  }

  /**
   * Updates the size, except of a .gz, and marks the file deleted when it has no name left. If `fstat` fails,
   * nothing changes, and the failure is returned: the size is that of an earlier look.
   */
  refresh(): FsFailure | undefined {
    const { isCompressed, descriptor, source } = this.handle
    if (isCompressed) {
      const stat = descriptor.stat()
      if (stat instanceof FsFailure) return stat
      source.look(stat)
      if (stat.nlink === 0n) this.rotation.markDeleted()
    } else {
      const found = descriptor.look()
      if (found instanceof FsFailure) return found
      this.#observeSize(found.size)
      if (found.nlink === 0) this.rotation.markDeleted()
    }
    return undefined
  }

  /**
   * Returns true once when a file that was empty has been written to. It may have been truncated since: what it had
   * meanwhile is only in a copy of it, as with a second copytruncate while the agent got no CPU.
   */
  wasEmptyBefore(): boolean {
    if (this.#emptySinceNs === undefined) return false
    const stat = this.handle.stat()
    if (stat instanceof FsFailure || stat.mtimeNs === this.#emptySinceNs) return false
    this.#recordEmpty(stat)
    return true
  }

  #recordEmpty(stat: BigIntStats | FsFailure | undefined): void {
    const isEmpty = stat !== undefined && !(stat instanceof FsFailure) && stat.size === 0n
    this.#emptySinceNs = isEmpty && !this.handle.isCompressed ? stat.mtimeNs : undefined
  }

  /** Like `refresh`, but also detects a rewrite that left the size unchanged. */
  refreshContent(): void {
    this.refresh()
    if (!this.handle.isCompressed && this.#hasOtherBytes()) this.recordRewrite()
  }

  /** Records that the content was replaced; `restart` then begins at the start of the file. */
  recordRewrite(): void {
    if (this.cursor.isRewritten) return
    const stat = this.handle.stat()
    this.#recordTruncation(stat instanceof FsFailure ? 0 : Number(stat.size), true)
  }

  /** Compares the size, and if it changed the bytes around the offset, to detect a truncation. */
  #observeSize(size: number): void {
    const { greatestSize, isRewritten, offset } = this.cursor
    if (size === greatestSize) return
    // A larger file may have been truncated and have grown again. If nothing was read yet, its first bytes
    // are compared.
    if (size > greatestSize) {
      if (isRewritten || !this.#hasOtherBytes()) {
        this.cursor.recordGrowth(size)
        if (offset === 0) this.cursor.keepSeenBytes(this.handle)
      } else this.#recordTruncation(size, true)
    } else this.#recordTruncation(size, size < offset || this.#isCutShort(size) || this.#hasOtherBytes())
  }

  /** True when nothing was read of a file that shrank, and what it has cannot be compared with what it had. */
  #isCutShort(size: number): boolean {
    const { fingerprintSize } = this.stored
    return this.cursor.offset === 0 && (fingerprintSize === 0 || size < fingerprintSize)
  }

  #hasOtherBytes(): boolean {
    const { cursor, handle } = this
    return (
      cursor.lastBytesDiffer(handle) || this.stored.firstBytesDiffer(handle) || cursor.seenBytesDiffer(handle)
    )
  }

  #recordTruncation(size: number, isRewritten: boolean): void {
    const { greatestSize, presentOffset, isRewritten: wasRewritten } = this.cursor
    const isLost = isRewritten || wasRewritten
    this.cursor.recordTruncation(size, isRewritten)
    if (!isLost && this.stored.placeMark !== undefined) this.stored.placeMark = markOf(this)
    this.#onTruncated(this, {
      from: isLost ? presentOffset : size,
      to: greatestSize,
      size,
      isRewritten: isLost,
    })
  }

  /**
   * Restarts at the beginning of a truncated or rewritten file. `stat` describes the new content; undefined
   * if it is not available.
   */
  restart(nowMs: number, stat: BigIntStats | undefined): void {
    const before = this.content()
    this.stored.restart(nowMs)
    this.handle.source.restart()
    this.cursor.restart(this.handle.isCompressed ? 0 : Number(stat?.size ?? 0))
    if (!this.handle.isCompressed) this.cursor.keepSeenBytes(this.handle)
    this.acks.restart()
    this.#recordEmpty(stat)
    // A copy of the old content was made before this time, or in the same tick of the system's clock.
    this.rotation.recordRewrite(stat === undefined ? nowMs : millisecondsOf(stat.mtimeNs) + 0.001, before)
  }

  /**
   * Makes `heir`, an unread copy of the content, continue at `offset`, up to which this file was read. The position of
   * the copy follows the acks of what was read here, up to `settles`: the rest is in records that the copy completes.
   */
  handOver(heir: TailFile, offset = this.cursor.offset, settles = offset): void {
    heir.cursor.startAt(offset, heir.handle)
    // What is read of the copy now was perhaps read here. Nothing is added to this content any more, or both would have more.
    if (this.rotation.isReplaced || this.rotation.isDeleted)
      heir.stored.continuePlaces(this.stored, markOf(heir))
    this.#tieTo(heir)
    this.acks.handOver(heir.acks, settles)
  }

  /** Returns the properties by which a copy of the content is recognized. */
  content(): KnownContent {
    const { fingerprint, fingerprintSize, head } = this.stored
    return {
      offset: this.cursor.offset,
      ...this.cursor.lastBytesMarker(),
      fingerprint,
      fingerprintSize,
      head,
    }
  }

  /** True while nothing of the file has been read in this run. */
  get isUnread(): boolean {
    return !this.#inChunk && !this.acks.hasRanges && this.cursor.offset === this.cursor.startedAt
  }

  /**
   * Moves the start to `offset`, because another file had the bytes before it. Only while the file is unread.
   */
  startAt(offset: number): void {
    this.cursor.startAt(offset, this.handle)
    this.acks.startAt(offset)
  }

  /** Implements `SettlementListener`. */
  onSettled(bytes: number): void {
    this.#onSettled(this, bytes)
  }

  /** True when the places of its records are wanted. */
  get hasPlaces(): boolean {
    return this.#placeOrigin !== undefined
  }

  /** Returns the index in `places` of the present content. */
  sourceIn(places: Places): number {
    return places.sourceIndex(this.placeSource)
  }

  /** Returns the place of a line at `offset`, or of a part of one with `extent` bytes; undefined where none is wanted. */
  placeOf(offset: number, extent: number): LinePlace | undefined {
    if (!this.hasPlaces) return undefined
    return extent === 0 ? { source: this.placeSource, offset } : { source: this.placeSource, offset, extent }
  }

  /** Text that names its present content in places. */
  get placeSource(): string {
    const { placeId: contentId } = this.stored
    if (this.#placeSource?.contentId !== contentId)
      this.#placeSource = { contentId, text: `${this.#placeOrigin} ${contentId}` }
    return this.#placeSource.text
  }

  /** Returns true once per chunk: the caller then joins the file to the chunk. */
  needsJoin(): boolean {
    if (this.#inChunk) return false
    this.#inChunk = true
    return true
  }

  closeRange(places?: Places): ClosedRange | undefined {
    this.#inChunk = false
    if (places !== undefined && this.hasPlaces && this.#storeMark?.(this) === false) this.#leavePlace(places)
    const range = this.acks.endRange(this.cursor.offset, this.cursor.isSkipping)
    if (range === undefined) return undefined
    const { text, start, end, settle } = range
    const identity = `${this.#origin}:${this.identity.key}:${this.stored.contentId}:${text}`
    return { identity, settle, origin: { file: this.#path, offset: start, end } }
  }

  /** Gives what goes into a chunk, and what follows it, a name that the database does not have: see `Positions.storeMark`. */
  #leavePlace(places: Places): void {
    const before = this.placeSource
    this.stored.leavePlace(this.stored.placeMark)
    places.renameSource(before, this.placeSource)
    this.#onSourceLeft?.(before, this.placeSource)
  }

  status(): FileStatus {
    const { identity, cursor, acks, rotation } = this
    const acked = cursor.isRewritten ? 0 : acks.position
    const state = !rotation.isRotated ? this.#state : rotation.isDeleted ? 'deleted' : 'rotated'
    return {
      path: this.#path,
      device: identity.device.toString(),
      inode: identity.inode.toString(),
      size: cursor.size,
      read: cursor.presentOffset,
      acked,
      lag: Math.max(0, cursor.size - acked),
      state,
      parseFailed: this.#failures?.unparsed ?? 0,
      timeFailed: this.#failures?.untimed ?? 0,
    }
  }
}
