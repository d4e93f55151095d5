import type { OffsetRow } from '../../../../core/offset-store.ts'
import { FsFailure, read } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from '../file/compression.ts'
import {
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
import {
  COMPRESSED_HEAD_BYTES,
  contentSizeOf,
  HEAD_BYTES,
  headOf,
  headOfFile,
  inflated,
  isNul,
  MAX_INFLATED_BYTES,
  tryWithFile,
  withFile,
} from './decompressed.ts'
import { hasMarkedCopy } from './marked-content.ts'
import { hasRepeatedLines, mayBeOtherGeneration } from './repeated-lines.ts'
import { isSameInode, type Sibling } from './siblings.ts'

/** Bytes compared at both ends of two plain files, and at places in between. */
const END_BYTES = 65_536
const PROBE_BYTES = 4096
const PROBES = 8

/** Compressed bytes read of a .gz whose content begins with a hole. */
const MAX_HOLE_GZIP_BYTES = 2 ** 20

/**
 * True when the sibling is the file of the row, whatever its name is now, or a copy of it, compressed or
 * not.
 */
export function isFileOf(row: OffsetRow, sibling: Sibling): boolean {
  return compareWithRow(row, sibling) === true
}

/**
 * True unless the sibling is known not to be the file of the row itself: one that cannot be read now may be the
 * file that has its device and inode.
 */
export function mayBeSameFile(row: OffsetRow, sibling: Sibling): boolean {
  if (!isSameInode(row, sibling)) return false
  const isIt = compareWithRow(row, sibling)
  return isIt instanceof FsFailure ? BigInt.asIntN(64, sibling.device) === row.device : isIt
}

/** Does the same as `isFileOf`; returns why the sibling cannot be read now. */
export function compareWithRow(row: OffsetRow, sibling: Sibling): boolean | FsFailure {
  // A copy of the file may have got the inode that the file had.
  const hasInode = isSameInode(row, sibling) && !isOfOtherBirth(row, sibling.birthMs)
  if (!hasInode && isAllHole(row)) return false
  if (isGzipName(sibling.path)) {
    // Offset and marker of the row of a .gz count the compressed bytes on disk.
    const isOfGzip = isGzipName(row.name) || row.streamOffset !== undefined
    if (!isOfGzip) return isCompressedCopy(row, sibling)
    if (!hasInode) return isCompressedCopy({ ...row, offset: 0, markerSize: 0 }, sibling)
    if (row.fingerprintSize && !isCompressedCopy({ ...row, offset: 0, markerSize: 0 }, sibling)) return false
    const onDisk = { ...row, fingerprint: undefined }
    return compareBytes(onDisk, sibling)
  }
  if (!hasInode && !row.fingerprintSize) return false
  if (!hasInode && mayBeOtherGeneration(row, sibling)) return false
  // What was written after a copy was made, and read, is not in it.
  const isShort = !hasInode && row.placeMark !== undefined && sibling.size < row.placeMark.size
  return compareBytes(isShort ? { ...row, placeMark: undefined } : row, sibling)
}

function compareBytes(row: OffsetRow, sibling: Sibling): boolean | FsFailure {
  const reason = tryWithFile(sibling, (fd) => mismatch(row, fd, sibling.size, sibling.path, false))
  return reason instanceof FsFailure ? reason : reason === undefined
}

/** True when the sibling is the file of the row itself, and no copy of it. */
export function isSameFile(row: OffsetRow, sibling: Sibling): boolean {
  return isSameInode(row, sibling) && isFileOf(row, sibling)
}

/** Returns the content of an open file, with a fingerprint of as many bytes as the file has. */
export function contentOf(file: TailFile): KnownContent {
  const { stored, handle, cursor } = file
  if (!handle.isCompressed) stored.growFingerprint(handle, cursor.size)
  return file.content()
}

/**
 * True when the sibling begins with a content that was read, or is a copy of the first part of it. A short
 * content must be all that the sibling has, as programs often begin a new log with the same words, unless the
 * content was read a moment ago (`isRecent`).
 */
export function isCopyOfContent(content: KnownContent, sibling: Sibling, isRecent = false): boolean {
  if (!isDistinct(content, isRecent)) return false
  if (content.untilMs !== undefined && isAfter(content.untilMs, sibling)) return false
  if (isGzipName(sibling.path))
    return isCompressedCopy(content, sibling) || isPartOfHead(content.head, headOf(sibling))
  return withFile(sibling, (fd) => hasContent(fd, sibling.size, content, isRecent)) ?? false
}

/** True when a sibling has nothing that was written until a time. A .gz may have been compressed after that. */
function isAfter(untilMs: number, sibling: Sibling): boolean {
  if (!isGzipName(sibling.path)) return sibling.birthMs > untilMs
  return sibling.mtimeMs > untilMs && hasRepeatedLines(sibling)
}

/** Does the same for an open file, which may have been deleted. */
export function isOpenCopyOfContent(
  content: KnownContent,
  { handle, cursor, stored, identity }: TailFile,
  isRecent: boolean,
): boolean {
  if (!isDistinct(content, isRecent)) return false
  if (content.untilMs !== undefined && !handle.isCompressed && identity.birthMs > content.untilMs)
    return false
  if (handle.isCompressed)
    return (
      stored.fingerprint === content.fingerprint && (!isHole(content) || isInflatedTo(content, handle.fd))
    )
  return hasContent(handle.fd, cursor.size, content, isRecent)
}

/**
 * True when enough is known of a content to recognize a copy: more than a hole, and more than a few bytes.
 */
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

/** True when the decompressed bytes of a .gz before the offset are those of the marker. */
function isInflatedTo({ offset, marker, markerSize }: Marked, fd: number): boolean {
  if (offset === 0 || markerSize === 0) return true
  const bytes = inflated(fd, MAX_HOLE_GZIP_BYTES, MAX_INFLATED_BYTES)
  if (bytes === undefined || bytes.length < offset) return false
  return markerOf(bytes.subarray(offset - markerSize, offset)).marker === marker
}

type Marked = Pick<OffsetRow, 'offset' | 'marker' | 'markerSize'>

/**
 * True when a content with these first bytes begins with `part`, which is long enough to be no other
 * content.
 */
function isPartOfHead(head: Buffer | undefined, part: Buffer | undefined): boolean {
  if (head === undefined || part === undefined || part.length > head.length) return false
  if (part.length < Math.min(MIN_DISTINCT_BYTES, head.length)) return false
  if (isNul(part)) return false
  return head.compare(part, 0, part.length, 0, part.length) === 0
}

function mismatchesMarker(content: KnownContent, fd: number): boolean {
  const row = { ...content, fingerprint: undefined, placeMark: undefined, name: '' } as unknown as OffsetRow
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

/**
 * Does the same for an offset near the start of the .gz; beyond that, only its size has to be large enough.
 */
function hasMarkerIn(sibling: Sibling, { offset, marker, markerSize }: Marked): boolean {
  const head = withFile(sibling, (fd) => inflated(fd, COMPRESSED_HEAD_BYTES, HEAD_BYTES))
  if (head === undefined) return false
  if (offset <= head.length) return markerOf(head.subarray(offset - markerSize, offset)).marker === marker
  return head.length === HEAD_BYTES || contentSizeOf(sibling) >= offset
}

/**
 * True when one of two open files begins with the content of the other, whichever of them has stopped
 * growing. Compares both ends of what they have in common and places in between, since programs often begin
 * a new log with the same words. False for an empty file, and for two compressed ones, of which only the
 * first bytes could be compared.
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
 * Does the same for two files with related names, which may both be compressed. Of a compressed file the
 * first bytes are compared.
 */
export function haveCommonContent(a: TailFile, b: TailFile): boolean {
  if (!a.handle.isCompressed && !b.handle.isCompressed) return isCopy(a, b)
  const [headA, headB] = [headOfFile(a), headOfFile(b)]
  if (headA === undefined || headB === undefined) return false
  const common = Math.min(headA.length, headB.length)
  return common > 0 && headA.compare(headB, 0, common, 0, common) === 0 && !isNul(headA.subarray(0, common))
}

/** True when an open .gz begins with all `size` bytes of a plain file; false for more than can be inflated at once. */
export function beginsWithAllOf({ handle }: TailFile, fd: number, size: number): boolean {
  if (size > MAX_INFLATED_BYTES) return false
  const stat = handle.stat()
  if (stat instanceof FsFailure || stat.size > MAX_INFLATED_BYTES) return false
  const content = inflated(handle.fd, Number(stat.size), size)
  if (content?.length !== size) return false
  for (let at = 0; at < size; at += PROBE_BYTES) {
    const length = Math.min(PROBE_BYTES, size - at)
    if (read(fd, bufferA, 0, length, at) !== length) return false
    if (bufferA.compare(content, at, at + length, 0, length) !== 0) return false
  }
  return true
}

/**
 * True when the first bytes that are known of two files tell, without reading them, that neither begins with the
 * content of the other: of many logs with one name but for a number, most are told apart so.
 */
export function differAtStart({ stored: a }: TailFile, { stored: b }: TailFile): boolean {
  const size = Math.min(a.fingerprintSize, b.fingerprintSize)
  if (size === 0) return false
  if (a.head !== undefined && b.head !== undefined) return a.head.compare(b.head, 0, size, 0, size) !== 0
  return a.fingerprintSize === b.fingerprintSize && a.fingerprint !== b.fingerprint
}

/**
 * Returns the first of the largest copies of one content: the others may be backups of its beginning. Returns
 * the first of all if the content begins with a hole, as the copies may be of different contents then.
 */
export function largestOf(copies: readonly Sibling[], beginsWithHole: boolean): Sibling | undefined {
  let largest = copies[0]
  if (beginsWithHole) return largest
  for (const copy of copies)
    if (copy !== largest && contentSizeOf(copy) > contentSizeOf(largest as Sibling)) largest = copy
  return largest
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

/** Sets the fingerprint of an open .gz to that of its decompressed content, which its original had too. */
export function setFingerprintOfCopy(file: TailFile, sibling: Sibling): void {
  const head = headOf(sibling)
  if (head === undefined || head.length === 0) return
  file.stored.setFingerprint(head)
}

/**
 * Returns the row as it applies to the sibling. In a .gz, the offset of the plain file becomes one in the
 * decompressed content.
 */
export function rowForSibling(row: OffsetRow, sibling: Sibling): OffsetRow {
  if (!isGzipName(sibling.path) || isGzipName(row.name)) return row
  const streamOffset = row.streamOffset ?? row.offset
  const hasPlaces = withFile(sibling, (fd) => hasMarkedCopy(row, { fd, isCompressed: true }, sibling.size))
  const placeId = hasPlaces === true ? row.placeId : undefined
  return { ...row, offset: 0, streamOffset, markerSize: 0, placeId, placeMark: undefined }
}
