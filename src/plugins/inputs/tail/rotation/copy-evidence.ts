import type { BigIntStats } from 'node:fs'
import { basename } from 'node:path'
import { FsFailure } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import { isGzipName } from '../file/compression.ts'
import { MIN_DISTINCT_BYTES } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import { contentSizeOf, contentSizeOfOpen } from './decompressed.ts'
import { isRotatedName, maskDigits, uncompressedName } from './names.ts'
import { hasRepeatedLines, hasRepeatedLinesOpen } from './repeated-lines.ts'
import { beginsWithAllOf, contentOf, haveCommonContent, isCopyOfContent } from './same-content.ts'
import type { Sibling } from './siblings.ts'

/*
 * Equal content alone does not make a file a copy, since a program may write the same lines again. These
 * functions tell from names, sizes and times whether one of two files with a common content was made of the
 * other.
 */

/** Maximum time in which a small file is copied, and minimum number of bytes copied per millisecond. */
const COPY_MS = 20
const COPY_BYTES_PER_MS = 100_000
/** Maximum time in which a small backup is made on a busy machine. It is long because the name counts too. */
const BACKUP_MS = 500

/**
 * True when a sibling, which has the content of the file at `path`, was made of that file: it is its .gz, it
 * was completed before the last write to the file, or it is a backup of the file.
 */
export function wasMadeOf(sibling: Sibling, path: string, stat: BigIntStats): boolean {
  const isCompressed = isGzipName(sibling.path)
  const own = {
    isCompressed,
    birthNs: BigInt(Math.round(sibling.birthMs * 1e6)),
    mtimeNs: BigInt(Math.round(sibling.mtimeMs * 1e6)),
  }
  if (!isYounger(own, stat)) return false
  if (isCompressed && uncompressedName(sibling.path) === path) return true
  if (isWithin(own.mtimeNs, stat) && (!isCompressed || hasTimesSet(own))) return true
  return isBackupOf(sibling, path) && !hasRepeatedLines(sibling)
}

/**
 * True when a file with the content of `original` was completed while `original` was still being written to,
 * and so is a copy of it: a program that writes the same lines again does so after the previous log was
 * rotated. False when the times are not available, or do not tell, as within one clock tick.
 */
export function wasCopiedFrom(file: TailFile, original: TailFile): boolean {
  const { isDeleted, isReplaced } = original.rotation
  if ((isDeleted || isReplaced) && !mayBeGeneration(file, original)) return true
  const [own, last] = [timesOf(file), timesOf(original)]
  if (own === undefined || last === undefined) return false
  // Of a compressed file no time tells when it was written, but that it was before the last one.
  if (original.handle.isCompressed)
    return !own.isCompressed && hasTimesSet(own) && own.mtimeNs <= last.mtimeNs
  if (!isYounger(own, last)) return false
  if (own.isCompressed && uncompressedName(file.path) === original.path) return true
  return isWithin(own.mtimeNs, last) && (!own.isCompressed || hasTimesSet(own))
}

/**
 * True when a file with the content of a deleted one was made of that. Where lines repeat, it has to be the one .gz that
 * has taken its place, or to have been completed while the other was written to, or to have its time: the next log with the
 * same lines may be rotated before the previous one is deleted.
 */
export function isCopyOfDeleted(file: TailFile, original: TailFile): boolean {
  if (!original.rotation.isDeleted) return false
  if (!mayBeGeneration(file, original)) return true
  const [own, last] = [timesOf(file), timesOf(original)]
  if (own === undefined || last === undefined || !isYounger(own, last)) return false
  if (file.handle.isCompressed)
    return (
      own.birthNs <= last.ctimeNs &&
      contentSizeOfOpen(file) === original.cursor.size &&
      isSuccessor(file.identity.key, original)
    )
  return isWithin(own.mtimeNs, last) || (hasTimesSet(own) && own.mtimeNs === last.mtimeNs)
}

/**
 * True when a file with the content of the original may be another generation with the same lines: one line alone, as the original
 * begins with, tells as little as many equal ones.
 */
function mayBeGeneration(file: TailFile, original: TailFile): boolean {
  return hasRepeatedLinesOpen(file) || hasRepeatedLinesOpen(original)
}

/** True when no other .gz has taken the place of the file, which this one does then. */
function isSuccessor(key: string, { rotation }: TailFile): boolean {
  rotation.successor.key ??= key
  return rotation.successor.key === key
}

/** True when a file is younger than its last change, as one that gzip or a move from another file system has made. */
function hasTimesSet({ birthNs, mtimeNs }: Pick<Times, 'birthNs' | 'mtimeNs'>): boolean {
  return birthNs > mtimeNs
}

interface Times {
  isCompressed: boolean
  birthNs: bigint
  mtimeNs: bigint
  ctimeNs: bigint
}

function timesOf({ handle }: TailFile): Times | undefined {
  const stat = handle.stat()
  if (stat instanceof FsFailure) return undefined
  const { birthtimeNs: birthNs, mtimeNs, ctimeNs } = stat
  return { isCompressed: handle.isCompressed, birthNs, mtimeNs, ctimeNs }
}

/**
 * True when a file was made after `original`, as every copy of it is. What was rotated away from the path of a log is
 * older than the log. The birth of a .gz is that of its compression: what it has may be no older than the original
 * either.
 */
function isYounger(
  own: Omit<Times, 'ctimeNs'>,
  original: { birthNs?: bigint; birthtimeNs?: bigint },
): boolean {
  const birthNs = original.birthNs ?? original.birthtimeNs ?? 0n
  if (birthNs === 0n) return false
  return own.isCompressed ? own.birthNs >= birthNs && own.mtimeNs >= birthNs : own.birthNs > birthNs
}

/**
 * True when a file was created after the last change of a log and has the size of the log. If it has the same
 * content, it is a copy: what was rotated away from the path of the log is older than the log, or older than
 * its truncation. False for a .gz, whose birth is that of its compression.
 */
function wasMadeAfter(file: TailFile, log: TailFile): boolean {
  if (file.handle.isCompressed || log.handle.isCompressed) return false
  const [own, last] = [file.handle.stat(), log.handle.stat()]
  if (own instanceof FsFailure || last instanceof FsFailure || own.size !== last.size) return false
  return own.birthtimeNs > last.birthtimeNs && own.birthtimeNs >= last.mtimeNs
}

/** True when `ns` is between the creation of a file and the last write to it. */
function isWithin(
  ns: bigint,
  { birthNs, birthtimeNs, mtimeNs }: { birthNs?: bigint; birthtimeNs?: bigint; mtimeNs: bigint },
): boolean {
  return (birthNs ?? birthtimeNs ?? 0n) < ns && ns < mtimeNs
}

/**
 * True when a file was put in its place with all of its content, as when a file is restored or edited in
 * place: it was moved there, had its times set after it was written, or was written at once, as by cp. Most
 * programs take longer to write their lines.
 */
export function wasPutInPlace(stat: BigIntStats): boolean {
  return stat.ctimeNs > stat.mtimeNs || wasWrittenAtOnce(stat)
}

/** Does the same for an open file. */
export function wasRestored({ handle }: TailFile): boolean {
  const stat = handle.stat()
  return !(stat instanceof FsFailure) && wasPutInPlace(stat)
}

/**
 * True when a file was written in the time that a copy of its size takes. `mostMs`: the time for a small
 * file.
 */
function wasWrittenAtOnce({ birthtimeNs, mtimeNs, size }: BigIntStats, mostMs = COPY_MS): boolean {
  return Number(mtimeNs - birthtimeNs) / 1e6 <= mostMs + Number(size) / COPY_BYTES_PER_MS
}

/**
 * True when `file`, which has a common content with `other`, is a backup: the names differ in more than
 * digits, so they were not made by the same rotation, and one of the files was written at once. When a
 * program writes the same lines again, both files are rotated to names that differ in digits only.
 */
function isBackup(file: TailFile, other: TailFile): boolean {
  if (haveNamesOfOneKind(file.path, other.path) || hasRepeatedLinesOpen(file)) return false
  if (contentSizeOfOpen(file) > contentSizeOfOpen(other)) return false
  if (file.handle.isCompressed && other.handle.isCompressed) return true
  return [file, other].some(({ handle }) => {
    const stat = handle.isCompressed ? undefined : handle.stat()
    return stat !== undefined && !(stat instanceof FsFailure) && wasWrittenAtOnce(stat, BACKUP_MS)
  })
}

/** Does the same for a sibling that has the content of a file which was rotated to the path `original`. */
function isBackupOf({ path, birthMs, mtimeMs, size }: Sibling, original: string): boolean {
  if (haveNamesOfOneKind(path, original)) return false
  return isGzipName(path) || (birthMs > 0 && mtimeMs - birthMs <= BACKUP_MS + size / COPY_BYTES_PER_MS)
}

/**
 * True when two names differ only in digits and in the suffix of a compression. What kind of name a file got that was
 * deleted before that was seen is not known: `live` may be the path that it has left.
 */
function haveNamesOfOneKind(path: string, live: string): boolean {
  const [a, b] = [basename(path), basename(live)]
  return maskDigits(a) === maskDigits(b) || isRotatedName(a, b)
}

/**
 * True when the name of a younger file begins with the complete name of its original: `x.log.1`, but not
 * `x1.log`, which another program may write. False once the original was rotated: then a file with such a
 * name may be the next rotated one, with the same lines. So may a .gz be, whatever its age.
 */
export function isNamedAfter(file: TailFile, original: TailFile): boolean {
  if (hasLeft(original)) return false
  const [own, last] = [timesOf(file), timesOf(original)]
  if (own === undefined || last === undefined || !isYounger(own, last)) return false
  if (file.handle.isCompressed && hasRepeatedLinesOpen(file)) return false
  return [original.livePath, original.identity.openedAs].some((path) =>
    basename(file.path).startsWith(basename(path)),
  )
}

/** True when a log is no longer at the path of its log, even if Path matches its rotated name as well. */
function hasLeft({ rotation, path, identity }: TailFile): boolean {
  return rotation.isRotated || isRotatedName(basename(path), basename(identity.openedAs))
}

/** True when the original is still at its path and has not changed since the file was created. */
export function isMadeAfter(file: TailFile, original: TailFile): boolean {
  return !hasLeft(original) && wasMadeAfter(file, original)
}

/** True when a file is smaller than the other and too short to be recognized by its content. */
export function isShortPart(file: TailFile, other: TailFile): boolean {
  const size = contentSizeOfOpen(file)
  return size < MIN_DISTINCT_BYTES && size < contentSizeOfOpen(other)
}

/** True when the sibling is a backup of what was read of a held file. */
export function isBackupOfHeld(sibling: Sibling, held: TailFile): boolean {
  const { cursor, path, handle } = held
  if (handle.isCompressed || !isBackupOf(sibling, path) || hasRepeatedLines(sibling)) return false
  return contentSizeOf(sibling) <= cursor.offset && isCopyOfContent(held.content(), sibling)
}

/**
 * True when the sibling is the .gz into which a held file was compressed: it has its content, and was made before the
 * file was deleted. A .gz of the next file may have the same name and the same lines, but is made later. Without the
 * name, as that of a file that was deleted before its new name was seen, the size has to be the same.
 */
export function isGzipOfHeld(sibling: Sibling, held: TailFile): boolean {
  const { handle, path, livePath, identity, cursor } = held
  if (handle.isCompressed || !isGzipName(sibling.path) || sibling.birthMs === 0) return false
  const isNamed = uncompressedName(sibling.path) === path
  if (!isNamed && path !== livePath) return false
  held.refresh()
  const stat = held.rotation.isDeleted ? handle.stat() : undefined
  if (stat === undefined || stat instanceof FsFailure) return false
  if (sibling.birthMs < identity.birthMs || sibling.birthMs > millisecondsOf(stat.ctimeNs)) return false
  const size = contentSizeOf(sibling)
  if (isNamed ? size > cursor.size : size !== cursor.size) return false
  return isCopyOfContent(contentOf(held), sibling, true) && isSuccessor(sibling.key, held)
}

/**
 * True when a .gz with the first bytes of a deleted file has more than that ever had, so it was not made of it, but, say, of
 * a copy that took its place and was written to.
 */
export function isMoreThanDeleted(sibling: Sibling, { handle, rotation, cursor }: TailFile): boolean {
  if (!rotation.isDeleted || !handle.isOpen || handle.isCompressed || !isGzipName(sibling.path)) return false
  return contentSizeOf(sibling) > cursor.size
}

/** True when an open .gz begins with all that a deleted file had, and has more. */
export function continuesDeleted(file: TailFile, { handle, rotation, cursor }: TailFile): boolean {
  if (!rotation.isDeleted || !handle.isOpen || handle.isCompressed || !file.handle.isCompressed) return false
  return contentSizeOfOpen(file) > cursor.size && beginsWithAllOf(file, handle.fd, cursor.size)
}

/**
 * True when the sibling is a copy of a content that the file had before a truncation, and nothing has to be
 * read from the sibling.
 */
export function hadContentOf(file: TailFile, sibling: Sibling): boolean {
  const { rotation, cursor } = file
  if (rotation.pastContents.some((content) => isCopyOfContent(content, sibling))) return true
  // Between the detection of a truncation, when copies were looked for, and the start of reading the new
  // content.
  if (!rotation.isReplaced || !(rotation.hasHeir || contentSizeOf(sibling) <= cursor.offset)) return false
  return isCopyOfContent(file.content(), sibling)
}

/** True when an unseen file is a copy of another unseen file: of the two, only `other` is read. */
export function isCopyOfUnseen(file: TailFile, other: TailFile): boolean {
  return (
    other !== file &&
    haveCommonContent(file, other) &&
    isLessThan(file, other) &&
    (isBackup(file, other) || (!file.stored.isResumed && wasCopiedFrom(file, other)))
  )
}

/** True when an unseen file is a copy of a file that is read anyway. */
export function isCopyOfKnown(file: TailFile, known: TailFile): boolean {
  return (
    known !== file &&
    !file.stored.isResumed &&
    isPartOf(file, known) &&
    (wasCopiedFrom(file, known) || isYoungerThanResumed(file, known))
  )
}

/** True when an unseen file is a backup of a file that is held open after its rotation. */
export function isCopyOfHeld(file: TailFile, held: TailFile): boolean {
  return held !== file && isPartOf(file, held) && isLessThan(file, held) && isBackup(file, held)
}

/** True when all that a file has is also at the beginning of the other, which does not make it a copy yet. */
function isPartOf(file: TailFile, other: TailFile): boolean {
  return contentSizeOfOpen(file) <= contentSizeOfOpen(other) && haveCommonContent(file, other)
}

/** True when an earlier run read some of the file. A file that was only opened then also has a row. */
export function hasPosition({ stored, cursor }: TailFile): boolean {
  return stored.isResumed && cursor.offset > 0
}

/**
 * True when a file was created after `live`, which still has the content of its row. If both have the same
 * content, the file is a copy and no earlier generation of the log.
 */
function isYoungerThanResumed(file: TailFile, live: TailFile): boolean {
  if (!hasPosition(live) || hasLeft(live)) return false
  const [own, last] = [timesOf(file), timesOf(live)]
  return own !== undefined && last !== undefined && isYounger(own, last)
}

/**
 * True when the first of two files with a common content is the one to drop: it has less, or was made
 * later.
 */
function isLessThan(file: TailFile, other: TailFile): boolean {
  if (hasPosition(file) !== hasPosition(other)) return hasPosition(other)
  const bySize = contentSizeOfOpen(other) - contentSizeOfOpen(file)
  const byBirth = file.identity.birthMs - other.identity.birthMs
  if (bySize === 0 && file.handle.isCompressed !== other.handle.isCompressed) return file.handle.isCompressed
  return bySize !== 0 ? bySize > 0 : byBirth !== 0 ? byBirth > 0 : file.path > other.path
}
