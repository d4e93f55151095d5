import { type ErrorCode, messageOf, ShipperError } from '../../../../core/error.ts'
import type { OffsetRow, OffsetStore } from '../../../../core/offset-store.ts'
import type { Clock, Logger, TimerHandle } from '../../../../core/services.ts'
import { growFingerprint, lastBytesMatch, markerAt } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'

/** Acknowledged bytes wait at most this long, or until there are this many, before they are written to the database. */
const COMMIT_MS = 250
const COMMIT_BYTES = 4_000_000
/** After a failed write: a disk that is full or a database that is locked is not asked at every tick. */
const RETRY_MS = 2000

/**
 * The stored positions of the files: which rows are whose, and when they are written. What is not written when the
 * process dies is sent again: at most COMMIT_BYTES beyond what was in flight.
 */
export class Positions {
  readonly #store: OffsetStore
  readonly #clock: Clock
  readonly #log: Logger
  /** Rows nobody has claimed yet, newest last, by inode. */
  readonly #rows = new Map<bigint, OffsetRow[]>()
  readonly #dirty = new Set<TailFile>()
  #removed: OffsetRow[] = []
  /** Of all files of the input: in a run before, and in this one. */
  readonly #lookedBefore: number | undefined
  readonly #paths: string
  #looked: { paths: string; ms: number } | undefined
  #uncommitted = 0
  #committing = false
  #closed = false
  /** Why the last write failed: said when it begins and when it changes, not at every attempt. */
  #trouble: ErrorCode | undefined
  #timer: TimerHandle | undefined

  constructor(store: OffsetStore, paths: string, clock: Clock, log: Logger) {
    this.#store = store
    this.#clock = clock
    this.#log = log
    this.#paths = paths
    this.#lookedBefore = store.lastScanMs(paths)
    for (const row of store.rows()) {
      const same = this.#rows.get(row.inode)
      if (same === undefined) this.#rows.set(row.inode, [row])
      else same.push(row)
    }
  }

  get damaged(): boolean {
    return this.#store.damaged
  }

  /** Whether a file was created (milliseconds, 0: not known) after a run before this one had its last look at files. */
  createdSinceLastScan(bornMs: number): boolean {
    return this.#lookedBefore !== undefined && bornMs > this.#lookedBefore
  }

  /** When the run before this one was last heard of, in milliseconds; 0: there was none. */
  get lastWriteMs(): number {
    return this.#store.lastWriteMs ?? 0
  }

  /**
   * Everything that was there at this time, by the file system's clock, has been looked at; stored with what that found.
   * Not stored for itself: an agent that has nothing to do writes nothing.
   */
  recordScan(ms: number): void {
    this.#looked = { paths: this.#paths, ms }
  }

  /** The newest row of this inode, of this device where a device is known. */
  find(device: bigint, inode: bigint): OffsetRow | undefined {
    const rows = this.#rows.get(asStored(inode))
    if (rows === undefined) return undefined
    for (let i = rows.length - 1; i >= 0; i--) {
      const row = rows[i] as OffsetRow
      if (row.device === undefined || row.device === asStored(device)) return row
    }
    // Device numbers may change with a reboot; the content is verified in any case.
    return rows[rows.length - 1]
  }

  /** The row is this file's from now on: no other file takes it up. */
  claim(row: OffsetRow): void {
    const rows = this.#rows.get(row.inode)
    if (rows === undefined) return
    const rest = rows.filter((r) => r !== row)
    if (rest.length === 0) this.#rows.delete(row.inode)
    else this.#rows.set(row.inode, rest)
  }

  isUnclaimed(row: OffsetRow): boolean {
    return this.#rows.get(row.inode)?.includes(row) ?? false
  }

  /** Rows that no open file has claimed. */
  unclaimed(): OffsetRow[] {
    return [...this.#rows.values()].flat()
  }

  remove(row: OffsetRow): void {
    this.claim(row)
    this.#removed.push(row)
    this.#arm()
  }

  /** The file is closed for good. */
  forget(file: TailFile): void {
    this.#dirty.delete(file)
    if (file.rowId === undefined) return
    this.#removed.push(rowOf(file))
    this.#arm()
  }

  /**
   * A file is followed from now on. Stored at once, with those found beside it: a next run that knew nothing of it would
   * begin at its end, and what was written since now would be lost.
   */
  adopt(file: TailFile): void {
    this.#dirty.add(file)
    if (this.#trouble === undefined) {
      this.#clock.cancel(this.#timer)
      this.#timer = undefined
    }
    this.#arm(0)
  }

  /** Something of the file has changed; `bytes` of it were acknowledged. */
  touch(file: TailFile, bytes = 0): void {
    this.#dirty.add(file)
    this.#uncommitted += bytes
    if (this.#uncommitted >= COMMIT_BYTES && this.#trouble === undefined) this.#commitBehind()
    else this.#arm()
  }

  /**
   * Behind everything that settles in the same go: what two files have in one chunk (a line that was split by a rotation)
   * is stored together, or a crash would leave one of them past it.
   */
  #commitBehind(): void {
    if (this.#committing) return
    this.#committing = true
    queueMicrotask(() => {
      this.#committing = false
      if (this.#trouble === undefined && !this.#closed) this.commit()
    })
  }

  /** Writes what has changed, in one transaction. On failure everything stays to be written and is tried again. */
  commit(): boolean {
    this.#clock.cancel(this.#timer)
    this.#timer = undefined
    this.#uncommitted = 0
    if (this.#dirty.size === 0 && this.#removed.length === 0) return true
    const files: TailFile[] = []
    const rows: OffsetRow[] = []
    for (const file of this.#dirty) {
      const row = storedRow(file)
      if (row === undefined) continue
      files.push(file)
      rows.push(row)
    }
    try {
      this.#store.write({ upsert: rows, remove: this.#removed, scanned: this.#looked })
    } catch (error) {
      this.#failed(error)
      this.#arm(RETRY_MS)
      return false
    }
    if (this.#trouble !== undefined) this.#log.info('positions are stored again')
    this.#trouble = undefined
    for (const [i, file] of files.entries()) {
      file.rowId = rows[i]?.id
      file.dirty = false
    }
    for (const file of files) this.#dirty.delete(file)
    this.#removed = []
    this.#looked = undefined
    return true
  }

  close(): void {
    this.commit()
    this.#closed = true
    this.#clock.cancel(this.#timer)
    this.#store.close()
  }

  #failed(error: unknown): void {
    const { code, hint } =
      error instanceof ShipperError ? error : new ShipperError('E_INTERNAL', messageOf(error))
    if (code !== this.#trouble)
      this.#log.warn(`positions are not stored, tried again: ${messageOf(error)}`, { code, hint })
    this.#trouble = code
  }

  #arm(ms = COMMIT_MS): void {
    this.#timer ??= this.#clock.after(ms, () => this.commit())
  }
}

/** SQLite's integers are signed. */
function asStored(inode: bigint): bigint {
  return BigInt.asIntN(64, inode)
}

/**
 * Undefined: it was truncated and we have not come to it yet. Its row stays, by which a copy of what was in it is found;
 * the position of before with marks of what is in it now would be taken for that of the new content.
 */
function storedRow(file: TailFile): OffsetRow | undefined {
  const row = rowOf(file)
  // Last, so that what the row was made of was there before.
  if (lastBytesMatch(file)) return row
  if (file.rowId !== undefined) return undefined
  return { ...row, offset: 0, marker: 0n, markerSize: 0, fingerprint: undefined, fingerprintSize: 0 }
}

function rowOf(file: TailFile): OffsetRow {
  // What is hashed is what is on disk: not for a .gz, whose offsets count decompressed bytes.
  const open = file.fd >= 0 && !file.compressed
  if (open) growFingerprint(file)
  // Not by its size, which is 0 until its first turn.
  const read = file.source.endsAt(file.acked)
  // fluent-bit's column holds the compressed position of a .gz; it can only go on from the end.
  const offset = file.compressedBytes === undefined ? file.acked : read ? file.compressedBytes : 0
  return {
    id: file.rowId,
    name: file.path,
    offset,
    inode: asStored(file.inode),
    created: file.created,
    rotated: file.rotatedMs !== undefined,
    ...(open ? markerAt(file.fd, offset) : { marker: 0n, markerSize: 0 }),
    openedAs: file.openedAs,
    device: asStored(file.device),
    fingerprint: file.fingerprint,
    fingerprintSize: file.fingerprintSize,
    streamOffset: file.compressed && !read ? file.acked : undefined,
    skipping: file.ackedSkipping,
  }
}
