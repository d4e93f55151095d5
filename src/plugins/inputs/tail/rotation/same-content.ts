import type { BigIntStats } from 'node:fs'
import { basename } from 'node:path'
import { constants, gunzipSync } from 'node:zlib'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { close, FsFailure, openFile, read } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from '../file/compression.ts'
import {
  FINGERPRINT_BYTES,
  fingerprintOf,
  isAllHole,
  isHole,
  MIN_DISTINCT_BYTES,
  markerOf,
  mismatch,
  peek,
} from '../file/fingerprint.ts'
import type { KnownContent } from '../file/rotation-state.ts'
import { isOfOtherBirth } from '../file/stored-row.ts'
import type { TailFile } from '../file/tail-file.ts'
import { maskDigits, uncompressedName } from './names.ts'
import type { Sibling } from './siblings.ts'

/** Compressed bytes read of a .gz to get its first decompressed ones. */
const COMPRESSED_HEAD_BYTES = 16_384
/** Size of the decompressed content, at the end of a .gz. */
const TRAILER_BYTES = 4
/** Bytes compared at both ends of two plain files, and at places in between. */
const END_BYTES = 65_536
const PROBE_BYTES = 4096
const PROBES = 8

/** Compressed bytes read of a .gz whose content begins with a hole. */
const MAX_HOLE_GZIP_BYTES = 2 ** 20
/** Bytes decompressed at most to find out what is behind a hole. */
const MAX_INFLATED_BYTES = 2 ** 25

/** First decompressed bytes of compressed siblings: compared with every row, inflated once. */
const heads = new WeakMap<Sibling, Buffer | undefined>()

/** True when the sibling is the file of the row under another name, or a copy of it, compressed or not. */
export function isFileOf(row: OffsetRow, sibling: Sibling): boolean {
  const hasInode = BigInt.asIntN(64, sibling.inode) === row.inode
  if (!hasInode && isAllHole(row)) return false
  if (isGzipName(sibling.path)) {
    // The offset and the marker of the row of a .gz are of the bytes on disk.
    const isOfGzip = isGzipName(row.name) || row.streamOffset !== undefined
    if (!isOfGzip) return isCompressedCopy(row, sibling)
    if (!hasInode || isOfOtherBirth(row, sibling.birthMs))
      return isCompressedCopy({ ...row, offset: 0, markerSize: 0 }, sibling)
    if (row.fingerprintSize && !isCompressedCopy({ ...row, offset: 0, markerSize: 0 }, sibling)) return false
    const onDisk = { ...row, fingerprint: undefined }
    return (
      withFile(sibling, (fd) => mismatch(onDisk, fd, sibling.size, sibling.path, false) === undefined) ??
      false
    )
  }
  if (hasInode ? isOfOtherBirth(row, sibling.birthMs) : !row.fingerprintSize) return false
  return (
    withFile(sibling, (fd) => mismatch(row, fd, sibling.size, sibling.path, false) === undefined) ?? false
  )
}

/**
 * True when the sibling begins with a content that was read, also if it is a copy of only a part of it. A short content must be all of
 * it, as programs often begin a new log with the same words, unless it was read a moment ago (`isRecent`).
 */
export function isCopyOfContent(content: KnownContent, sibling: Sibling, isRecent = false): boolean {
  if (!isDistinct(content, isRecent)) return false
  if (content.untilMs !== undefined && !isGzipName(sibling.path) && sibling.birthMs > content.untilMs)
    return false
  if (isGzipName(sibling.path))
    return isCompressedCopy(content, sibling) || isPartOfHead(content.head, headOf(sibling))
  return withFile(sibling, (fd) => hasContent(fd, sibling.size, content, isRecent)) ?? false
}

/** Does the same for an open file, which may have been deleted. */
export function isOpenCopyOfContent(
  content: KnownContent,
  { handle, cursor, stored }: TailFile,
  isRecent: boolean,
): boolean {
  if (!isDistinct(content, isRecent)) return false
  if (handle.isCompressed)
    return (
      stored.fingerprint === content.fingerprint && (!isHole(content) || isInflatedTo(content, handle.fd))
    )
  return hasContent(handle.fd, cursor.size, content, isRecent)
}

/** False when nothing but its first bytes is known of a content that was not read: that is not enough. */
function isDistinct(content: KnownContent, isRecent: boolean): boolean {
  const { offset, fingerprintSize } = content
  if (!fingerprintSize || isAllHole(content)) return false
  return isRecent || offset >= Math.min(MIN_DISTINCT_BYTES, fingerprintSize)
}

/** True when a plain file of `size` bytes begins with the content. */
function hasContent(fd: number, size: number, content: KnownContent, isRecent: boolean): boolean {
  const { offset, head: known, fingerprint, fingerprintSize = 0 } = content
  if (known !== undefined && size < fingerprintSize) return isPartOfHead(known, peek(fd, 0, size))
  if (!isRecent && fingerprintSize < MIN_DISTINCT_BYTES && size !== offset) return false
  const head = peek(fd, 0, fingerprintSize)
  if (head === undefined || fingerprintOf(head) !== fingerprint) return false
  if (size < offset) return !isHole(content)
  return !mismatchesMarker(content, fd)
}

/** True when a .gz has, before the offset up to which the content was read, the bytes of that content. */
function isInflatedTo({ offset, marker, markerSize }: Marked, fd: number): boolean {
  if (offset === 0 || markerSize === 0) return true
  const bytes = inflated(fd, MAX_HOLE_GZIP_BYTES, MAX_INFLATED_BYTES)
  if (bytes === undefined || bytes.length < offset) return false
  return markerOf(bytes.subarray(offset - markerSize, offset)).marker === marker
}

type Marked = Pick<OffsetRow, 'offset' | 'marker' | 'markerSize'>

function isNul(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0)
}

/** True when `part` is the beginning of the first bytes of a content, and long enough not to be that of the next one. */
function isPartOfHead(head: Buffer | undefined, part: Buffer | undefined): boolean {
  if (head === undefined || part === undefined || part.length > head.length) return false
  if (part.length < Math.min(MIN_DISTINCT_BYTES, head.length)) return false
  if (isNul(part)) return false
  return head.compare(part, 0, part.length, 0, part.length) === 0
}

function mismatchesMarker(content: KnownContent, fd: number): boolean {
  const row = { ...content, fingerprint: undefined, name: '' } as unknown as OffsetRow
  return mismatch(row, fd, Number.MAX_SAFE_INTEGER, '', false) !== undefined
}

/** True when the decompressed content of the sibling begins with the bytes of the fingerprint. */
export function isCompressedCopy(
  content: Pick<OffsetRow, 'fingerprint' | 'fingerprintSize'> & Partial<Marked>,
  sibling: Sibling,
): boolean {
  const { fingerprint, fingerprintSize, offset = 0, marker = 0n, markerSize = 0 } = content
  if (!fingerprintSize) return false
  const head = headOf(sibling)
  if (head === undefined || head.length < fingerprintSize) return false
  if (fingerprintOf(head.subarray(0, fingerprintSize)) !== fingerprint) return false
  if (!isHole(content))
    return offset === 0 || markerSize === 0 || hasMarkerIn(sibling, { offset, marker, markerSize })
  return withFile(sibling, (fd) => isInflatedTo({ offset, marker, markerSize }, fd)) ?? false
}

/** True when a .gz has the bytes of the marker before the offset, as far as that is near enough to its start to be looked at. */
function hasMarkerIn(sibling: Sibling, { offset, marker, markerSize }: Marked): boolean {
  const head = withFile(sibling, (fd) => inflated(fd, COMPRESSED_HEAD_BYTES, END_BYTES))
  if (head === undefined) return false
  if (offset <= head.length) return markerOf(head.subarray(offset - markerSize, offset)).marker === marker
  return head.length === END_BYTES || contentSizeOf(sibling) >= offset
}

/** True when the first bytes of the content of the sibling are NUL. */
export function beginsWithHole(sibling: Sibling): boolean {
  const isNulHead = (head: Buffer | undefined): boolean =>
    head !== undefined && head.length > 0 && isNul(head)
  if (isGzipName(sibling.path)) return isNulHead(headOf(sibling))
  const size = Math.min(FINGERPRINT_BYTES, sibling.size)
  return withFile(sibling, (fd) => isNulHead(peek(fd, 0, size))) ?? false
}

/** True when the sibling is a compressed empty file. */
export function isEmptyGzip(sibling: Sibling): boolean {
  return headOf(sibling)?.length === 0
}

/**
 * True when one of two open files begins with the content of the other, whatever their sizes are now: a copy stops growing, or the
 * original does. Compares both ends of what they have in common and places in between, since programs often begin a new log with
 * the same words. An empty file is a copy of nothing, and a compressed one none of another: of both only the first bytes could be compared.
 */
export function isCopy(file: TailFile, original: TailFile): boolean {
  if (file.handle.isCompressed && original.handle.isCompressed) return false
  if (file.handle.isCompressed || original.handle.isCompressed) return haveCommonContent(file, original)
  const [a, b] = [file.handle.fd, original.handle.fd]
  const common = Math.min(file.cursor.size, original.cursor.size)
  if (common === 0) return false
  return placesToCompare(common).every(([at, size]) => areEqual(a, b, at, size))
}

/**
 * True when one of two files that were opened for their names begins with the content of the other, compressed or not. Of a compressed
 * one the first bytes count.
 */
export function haveCommonContent(a: TailFile, b: TailFile): boolean {
  if (!a.handle.isCompressed && !b.handle.isCompressed) return isCopy(a, b)
  const [headA, headB] = [headOfFile(a), headOfFile(b)]
  if (headA === undefined || headB === undefined) return false
  const common = Math.min(headA.length, headB.length)
  return common > 0 && headA.compare(headB, 0, common, 0, common) === 0 && !isNul(headA.subarray(0, common))
}

/**
 * True when a file with the content of `original` was completed while that was being written, and so is a copy of it: a program that writes
 * the same lines again does so after the log of before was rotated away. False where it cannot be told.
 */
export function wasCopiedFrom(file: TailFile, original: TailFile): boolean {
  if (original.rotation.isDeleted || original.rotation.isReplaced) return true
  const [own, later] = [file.handle.stat(), original.handle.stat()]
  if (own instanceof FsFailure || later instanceof FsFailure) return false
  // gzip keeps the time of the file that it compresses.
  if (file.handle.isCompressed && uncompressedName(file.path) === original.path) return true
  const birthtimeNs = original.handle.isCompressed ? 0n : later.birthtimeNs
  // Times are those of clock ticks: what has less than the original, and the time of its last write, is a copy all the same.
  if (contentSizeOfOpen(file) < contentSizeOfOpen(original))
    return birthtimeNs <= own.mtimeNs && own.mtimeNs <= later.mtimeNs
  return isWithin(own.mtimeNs, { birthtimeNs, mtimeNs: later.mtimeNs })
}

/**
 * True when a file was created after the last change of a log, and has the size of that: with the same content it is a copy, as what was
 * rotated away from the path of the log is older than that, or than its truncation. The birth of a .gz says nothing.
 */
export function wasMadeAfter(file: TailFile, log: TailFile): boolean {
  if (file.handle.isCompressed || log.handle.isCompressed) return false
  const [own, last] = [file.handle.stat(), log.handle.stat()]
  if (own instanceof FsFailure || last instanceof FsFailure || own.size !== last.size) return false
  return own.birthtimeNs > last.birthtimeNs && own.birthtimeNs >= last.mtimeNs
}

/** True when a file was completed at `ns`, between the creation of another and the last write to that. */
export function isWithin(
  ns: bigint,
  { birthtimeNs, mtimeNs }: Pick<BigIntStats, 'birthtimeNs' | 'mtimeNs'>,
): boolean {
  return birthtimeNs < ns && ns < mtimeNs
}

/** Time in which a copy of a small file is made, and bytes that are copied in a millisecond at least. */
const COPY_MS = 20
const COPY_BYTES_PER_MS = 100_000
/** Time in which a small backup is made on a busy machine: its name tells as well. */
const BACKUP_MS = 500

/**
 * True when a file was put where it is with all of its content, as a restored one or one edited in place: it was moved there or had its times
 * set after it was written, or it was written in one go, as by cp. Most programs take longer for their lines.
 */
export function wasPutInPlace(stat: BigIntStats): boolean {
  return stat.ctimeNs > stat.mtimeNs || wasWrittenAtOnce(stat)
}

/** True when two names differ in digits only, or in the suffix of a compression. */
function haveNamesOfOneKind(a: string, b: string): boolean {
  return maskDigits(basename(a)) === maskDigits(basename(b))
}

function wasWrittenAtOnce({ birthtimeNs, mtimeNs, size }: BigIntStats, mostMs = COPY_MS): boolean {
  return Number(mtimeNs - birthtimeNs) / 1e6 <= mostMs + Number(size) / COPY_BYTES_PER_MS
}

/**
 * True when one of two files with a common content is a backup of the other: somebody gave it a name that differs in more than digits
 * from what rotation makes, and it was written at once. A program that writes the same lines again has them rotated to names of one kind.
 */
export function isBackup(file: TailFile, other: TailFile): boolean {
  if (haveNamesOfOneKind(file.path, other.path)) return false
  if (contentSizeOfOpen(file) > contentSizeOfOpen(other)) return false
  if (file.handle.isCompressed && other.handle.isCompressed) return true
  return [file, other].some(({ handle }) => {
    const stat = handle.isCompressed ? undefined : handle.stat()
    return stat !== undefined && !(stat instanceof FsFailure) && wasWrittenAtOnce(stat, BACKUP_MS)
  })
}

/** Does the same for a sibling with the content of a file that was rotated to `path`. */
export function isBackupOf({ path, birthMs, mtimeMs, size }: Sibling, original: string): boolean {
  if (haveNamesOfOneKind(path, original)) return false
  return isGzipName(path) || (birthMs > 0 && mtimeMs - birthMs <= BACKUP_MS + size / COPY_BYTES_PER_MS)
}

/** Returns the first bytes of a file, up to END_BYTES behind a hole. */
function headOfFile({ handle, cursor }: TailFile): Buffer | undefined {
  const of = (most: number): Buffer | undefined => {
    if (handle.isCompressed) return inflated(handle.fd, COMPRESSED_HEAD_BYTES, most)
    const bytes = Buffer.alloc(Math.min(most, cursor.size))
    const n = read(handle.fd, bytes, 0, bytes.length, 0)
    return n instanceof FsFailure ? undefined : bytes.subarray(0, n)
  }
  const head = of(END_BYTES)
  return head !== undefined && isNul(head) ? of(MAX_INFLATED_BYTES) : head
}

/** Returns the size of the content: of a compressed file what its trailer says, modulo 2^32; -1 when it cannot be found out. */
export function contentSizeOf(sibling: Sibling): number {
  if (!isGzipName(sibling.path)) return sibling.size
  return withFile(sibling, (fd) => sizeInTrailer(fd, sibling.size)) ?? -1
}

/** Does the same for an open file. */
export function contentSizeOfOpen({ handle, cursor }: TailFile): number {
  const stat = handle.isCompressed ? handle.stat() : undefined
  if (stat === undefined || stat instanceof FsFailure) return cursor.size
  return sizeInTrailer(handle.fd, Number(stat.size))
}

/**
 * Returns the first of the copies of one content that has all of it: some may be backups of its beginning. If they have only a hole in
 * common, they may be different contents: the first of all.
 */
export function largestOf(copies: readonly Sibling[], beginsWithHole: boolean): Sibling | undefined {
  let largest = copies[0]
  if (beginsWithHole) return largest
  for (const copy of copies)
    if (copy !== largest && contentSizeOf(copy) > contentSizeOf(largest as Sibling)) largest = copy
  return largest
}

function sizeInTrailer(fd: number, size: number): number {
  if (size < TRAILER_BYTES) return -1
  const trailer = Buffer.alloc(TRAILER_BYTES)
  return read(fd, trailer, 0, TRAILER_BYTES, size - TRAILER_BYTES) === TRAILER_BYTES
    ? trailer.readUInt32LE(0)
    : -1
}

/** Returns the ranges of the first `common` bytes that are compared, as offset and size. */
function placesToCompare(common: number): [number, number][] {
  if (common <= 2 * END_BYTES) return [[0, common]]
  const places: [number, number][] = [
    [0, END_BYTES],
    [common - END_BYTES, END_BYTES],
  ]
  const step = Math.floor((common - 2 * END_BYTES) / (PROBES + 1))
  for (let n = 1; n <= PROBES; n++) places.push([END_BYTES + n * step, PROBE_BYTES])
  return places
}

const bufferA = Buffer.alloc(PROBE_BYTES)
const bufferB = Buffer.alloc(PROBE_BYTES)

function areEqual(a: number, b: number, from: number, size: number): boolean {
  for (let at = from; at < from + size; at += PROBE_BYTES) {
    const length = Math.min(PROBE_BYTES, from + size - at)
    if (read(a, bufferA, 0, length, at) !== length || read(b, bufferB, 0, length, at) !== length) return false
    if (bufferA.compare(bufferB, 0, length, 0, length) !== 0) return false
  }
  return true
}

/** Sets the fingerprint of a compressed copy to that of its decompressed content, as the original had it. */
export function setFingerprintOfCopy(file: TailFile, sibling: Sibling): void {
  const head = headOf(sibling)
  if (head === undefined || head.length === 0) return
  file.stored.setFingerprint(head)
}

function headOf(sibling: Sibling): Buffer | undefined {
  if (!heads.has(sibling)) heads.set(sibling, inflateHead(sibling))
  return heads.get(sibling)
}

function inflateHead(sibling: Sibling): Buffer | undefined {
  return withFile(sibling, (fd) => inflated(fd, COMPRESSED_HEAD_BYTES, FINGERPRINT_BYTES))
}

/** Returns up to `most` of the first decompressed bytes of a .gz, of its first `size` compressed ones. */
function inflated(fd: number, size: number, most: number): Buffer | undefined {
  const raw = Buffer.alloc(size)
  const n = read(fd, raw, 0, raw.length, 0)
  if (n instanceof FsFailure) return undefined
  try {
    const head = gunzipSync(raw.subarray(0, n), {
      finishFlush: constants.Z_SYNC_FLUSH,
      // Deflate expands up to a thousand times: 16 MB of zeros for 16 KB.
      maxOutputLength: MAX_INFLATED_BYTES,
    })
    return Buffer.from(head.subarray(0, most))
  } catch {
    // Not gzip in spite of its name, or damaged: not a copy of anything.
    return undefined
  }
}

/** Calls `use` with a descriptor of the sibling; undefined when it cannot be opened: it was deleted, or is not readable. */
function withFile<T>(sibling: Sibling, use: (fd: number) => T): T | undefined {
  const opened = openFile(sibling.path)
  if (opened instanceof FsFailure) return undefined
  try {
    return use(opened.fd)
  } finally {
    close(opened.fd)
  }
}

/**
 * Returns the row as it applies to the sibling. The offset of a plain file counts decompressed bytes of its compressed
 * copy, which has another inode; the row of a .gz has its own.
 */
export function rowForSibling(row: OffsetRow, sibling: Sibling): OffsetRow {
  if (!isGzipName(sibling.path) || isGzipName(row.name)) return row
  return { ...row, offset: 0, streamOffset: row.streamOffset ?? row.offset, markerSize: 0 }
}
