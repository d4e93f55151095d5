import { randomBytes } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import type { ContentMark, OffsetRow } from '../../../../core/offset-store.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import type { FileHandle } from './file-handle.ts'
import { FINGERPRINT_BYTES, fingerprintOf, isHole, MIN_DISTINCT_BYTES, peek } from './fingerprint.ts'

/** Maximum total size of the first bytes kept of contents; beyond that only hashes are kept. */
const MAX_HEAD_BYTES = 1_000_000
let headBytes = 0
const PLACE_ID_BYTES = 12

/** The database row of an open file, apart from its position. */
export class StoredRow {
  /** True when nothing, or next to nothing, was known of the file's content when it was opened. */
  readonly hasNoFingerprint: boolean
  /** True when the file continues a stored row. */
  readonly isResumed: boolean
  #id: number | undefined
  #created: number
  /** Number of truncations within the second of `created` before the last one. */
  #generation = 0
  #fingerprint: string | undefined
  #fingerprintSize = 0
  #head: Buffer | undefined
  #placeId: string | undefined
  /** The last one that was written. */
  #writtenPlaceId: string | undefined
  #placeMark: ContentMark | undefined
  #writtenMark: ContentMark | undefined

  /**
   * `row`: the stored row that the file continues; its fingerprint counts only if the file is read on from
   * its offset.
   */
  constructor(row: OffsetRow | undefined, offset: number, nowMs: number) {
    this.hasNoFingerprint = row === undefined || isBlank(row)
    this.isResumed = row !== undefined
    this.#created = row?.created ?? Math.floor(nowMs / 1000)
    this.#id = row?.id
    if (row === undefined) return
    if (offset === (row.streamOffset ?? row.offset)) this.continueRow(row)
    if (row.offset !== offset) return
    this.#fingerprint = row.fingerprint
    this.#fingerprintSize = row.fingerprintSize ?? 0
  }

  /** Row id in the database; undefined until the row is written. */
  get id(): number | undefined {
    return this.#id
  }

  /** Unix seconds at which the file was found, or truncated last. */
  get created(): number {
    return this.#created
  }

  /**
   * Distinguishes a range of this content from the same range of earlier content of this inode. Chunk ids
   * contain it; it is the same in the next run, as `created` is stored.
   */
  get contentId(): string {
    return `${this.#created}.${this.#generation}`
  }

  /**
   * Name of the content in the places of its records: another one after each truncation, in each new row, and on each machine. It is
   * chosen at random, so that it depends on no clock and no inode, and has to be stored before the first record is passed on: after a
   * crash the same record gets the same place.
   */
  get placeId(): string {
    this.#placeId ??= randomBytes(PLACE_ID_BYTES).toString('base64url')
    return this.#placeId
  }

  /** The name, if the content has one. */
  get knownPlaceId(): string | undefined {
    return this.#placeId
  }

  /** True when the next run finds the name. */
  get isPlaceStored(): boolean {
    return this.#writtenPlaceId !== undefined && this.#writtenPlaceId === this.#placeId
  }

  /** Takes the name of the content of another row, which this one continues. */
  continueRow({ placeId, placeMark }: Pick<OffsetRow, 'placeId' | 'placeMark'>): void {
    if (placeId === undefined) return
    this.#placeId = this.#writtenPlaceId = placeId
    this.#placeMark = this.#writtenMark = placeMark
  }

  /** Takes the name of the content of which this one is a copy; `mark`: of this one. */
  continuePlaces({ knownPlaceId }: Pick<StoredRow, 'knownPlaceId'>, mark: ContentMark | undefined): void {
    if (knownPlaceId === undefined) return
    this.#placeId = knownPlaceId
    this.#placeMark = mark
  }

  /** Forgets the name, so that the next one is another; `mark`: of what the content has. */
  leavePlace(mark?: ContentMark): void {
    this.#placeId = undefined
    this.#placeMark = mark
  }

  /** By what the content of that name is known again; undefined while no record of it was handed to outputs. */
  get placeMark(): ContentMark | undefined {
    return this.#placeMark
  }

  set placeMark(mark: ContentMark | undefined) {
    this.#placeMark = mark
  }

  /** True when the next run finds the mark. */
  get isMarkStored(): boolean {
    return this.isPlaceStored && this.#writtenMark === this.#placeMark
  }

  recordMarkWritten(mark: ContentMark | undefined): void {
    this.#writtenMark = mark
  }

  /** Hash of the first `fingerprintSize` bytes. */
  get fingerprint(): string | undefined {
    return this.#fingerprint
  }

  get fingerprintSize(): number {
    return this.#fingerprintSize
  }

  /**
   * Bytes of the fingerprint: a backup of the beginning of a content has fewer. Undefined when those of other files
   * already use MAX_HEAD_BYTES.
   */
  get head(): Buffer | undefined {
    return this.#head
  }

  recordWritten({ id, placeId, placeMark }: Pick<OffsetRow, 'id' | 'placeId' | 'placeMark'>): void {
    this.#id = id
    this.#writtenPlaceId = placeId
    this.#writtenMark = placeMark
  }

  /** Takes the fingerprint of `head`, the first bytes of the content. */
  setFingerprint(head: Buffer): void {
    this.#fingerprint = fingerprintOf(head)
    this.#fingerprintSize = head.length
    this.#keepHead(head)
  }

  /** Releases what is only needed while the file is open. */
  close(): void {
    this.#keepHead(undefined)
  }

  #keepHead(head: Buffer | undefined): void {
    headBytes -= this.#head?.length ?? 0
    const isKept = head !== undefined && headBytes + head.length <= MAX_HEAD_BYTES
    this.#head = isKept ? Buffer.from(head) : undefined
    headBytes += this.#head?.length ?? 0
  }

  /**
   * Extends the fingerprint as the file grows, until it covers FINGERPRINT_BYTES: also over bytes that are
   * not acknowledged, or a file that is compressed before its first ack could not be told from another one.
   * It stays as it is if the file has another content by now: a copy of what it had is recognized by it.
   */
  growFingerprint(handle: FileHandle, fileSize: number): void {
    const size = Math.min(FINGERPRINT_BYTES, fileSize)
    // Of a resumed file the hash is known, and not the bytes.
    const isResumed = size > 0 && size === this.#fingerprintSize && this.#head === undefined
    if (size <= this.#fingerprintSize && !(isResumed && headBytes + size <= MAX_HEAD_BYTES)) return
    const head = peek(handle.fd, 0, size)
    if (head !== undefined && this.beginsAs(head)) this.setFingerprint(head)
  }

  /** Extends the fingerprint over `block`, the beginning of the content, of which `beginsAs` was true. */
  growFingerprintOver(block: Buffer): void {
    const size = Math.min(FINGERPRINT_BYTES, block.length)
    if (size > this.#fingerprintSize) this.setFingerprint(block.subarray(0, size))
  }

  /** True when the first bytes of the file differ from the fingerprint; false when they cannot be read. */
  firstBytesDiffer(handle: FileHandle): boolean {
    if (this.#fingerprintSize === 0 || handle.isCompressed) return false
    const head = peek(handle.fd, 0, this.#fingerprintSize)
    return head !== undefined && !this.beginsAs(head)
  }

  /**
   * True when `head`, the first bytes of a content, matches the fingerprint, or when there is no fingerprint
   * yet.
   */
  beginsAs(head: Buffer): boolean {
    const size = this.#fingerprintSize
    if (size === 0) return true
    if (head.length < size) return false
    if (this.#head?.length === size) return this.#head.compare(head, 0, size) === 0
    return fingerprintOf(head.subarray(0, size)) === this.#fingerprint
  }

  /** Forgets the previous content, because the file was truncated or rewritten. */
  restart(nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    this.#generation = second === this.#created ? this.#generation + 1 : 0
    this.#created = second
    this.#fingerprint = undefined
    this.#fingerprintSize = 0
    this.#placeId = this.#placeMark = undefined
    this.#keepHead(undefined)
  }
}

/** True when the row was stored while nothing, or next to nothing, was known of the content. */
export function isBlank(row: Pick<OffsetRow, 'offset' | 'fingerprint' | 'fingerprintSize'>): boolean {
  return row.offset === 0 && ((row.fingerprintSize ?? 0) < MIN_DISTINCT_BYTES || isHole(row))
}

/** Returns the row, unless this file is known to be a later one that only reuses the inode. */
export function rowForFile(row: OffsetRow | undefined, stat: BigIntStats): OffsetRow | undefined {
  if (row === undefined) return undefined
  const isOther = isOfOtherBirth(row, millisecondsOf(stat.birthtimeNs))
  return isOther || (isBlank(row) && isLater(row, stat.birthtimeNs)) ? undefined : row
}

/** True when both birth times are known and differ, so that the row belongs to another file. */
export function isOfOtherBirth(row: OffsetRow, birthMs: number): boolean {
  return row.birthMs !== undefined && row.birthMs > 0 && birthMs > 0 && Math.floor(birthMs) !== row.birthMs
}

/** True when a file created at `birthNs` is not the file of the row but reuses its inode. */
export function isLater({ birthMs, created }: OffsetRow, birthNs: bigint): boolean {
  if (birthMs !== undefined && birthNs > 0n) return BigInt(birthMs) !== birthNs / 1_000_000n
  // Rows of older versions have only the second in which the file was opened.
  return birthNs / 1_000_000_000n > BigInt(created)
}
