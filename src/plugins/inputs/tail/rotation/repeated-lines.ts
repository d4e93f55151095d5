import type { OffsetRow } from '../../../../core/offset-store.ts'
import { FsFailure, read, stat as statOf } from '../../../../lib/fs/file-system.ts'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'
import { isGzipName } from '../file/compression.ts'
import { isOfOtherBirth } from '../file/stored-row.ts'
import type { TailFile } from '../file/tail-file.ts'
import { headOf, headOfFile, withFile } from './decompressed.ts'
import type { Sibling } from './siblings.ts'

/*
 * A log of few different lines, such as one of nothing but equal lines, begins as every other generation of it does.
 * Its content tells nothing about where it comes from.
 */

/** Number of first bytes that are examined. */
const EXAMINED_BYTES = 4096
const NEWLINE = 10

/** True when the first lines of a sibling repeat one another, so that its content does not identify it. */
export function hasRepeatedLines(sibling: Sibling): boolean {
  if (isGzipName(sibling.path)) return areRepeated(headOf(sibling))
  return withFile(sibling, (fd) => areRepeated(firstBytes(fd, sibling.size))) ?? false
}

/** Does the same for an open file. */
export function hasRepeatedLinesOpen(file: TailFile): boolean {
  const { handle, cursor } = file
  const head = handle.isCompressed ? headOfFile(file) : firstBytes(handle.fd, cursor.size)
  return areRepeated(head?.subarray(0, EXAMINED_BYTES))
}

function firstBytes(fd: number, size: number): Buffer | undefined {
  const bytes = Buffer.alloc(Math.min(EXAMINED_BYTES, size))
  const n = read(fd, bytes, 0, bytes.length, 0)
  return n instanceof FsFailure ? undefined : bytes.subarray(0, n)
}

/** True when at most half of the complete lines are different. */
export function areRepeated(head: Buffer | undefined): boolean {
  if (head === undefined) return false
  const lines: string[] = []
  let start = 0
  for (let end = head.indexOf(NEWLINE); end >= 0; end = head.indexOf(NEWLINE, start)) {
    lines.push(head.toString('latin1', start, end))
    start = end + 1
  }
  return lines.length >= 2 && new Set(lines).size * 2 <= lines.length
}

/**
 * True when a sibling that has the content of a row, but another inode, may be another generation of the log with the
 * same lines. It is none if the file of the row was truncated in place, as it is by copytruncate, if it is the .gz of
 * a file that is gone, or if its times were set after it was written, as by a move from another file system.
 */
export function mayBeOtherGeneration(row: OffsetRow, sibling: Sibling): boolean {
  if (isGzipName(sibling.path) || hasSetTimes(sibling) || isStillAtPath(row)) return false
  return hasRepeatedLines(sibling)
}

/** True when a file is younger than its last change: a program that writes its log itself leaves no such times. */
export function hasSetTimes({ birthMs, mtimeMs }: Pick<Sibling, 'birthMs' | 'mtimeMs'>): boolean {
  return birthMs > mtimeMs
}

function isStillAtPath(row: OffsetRow): boolean {
  const found = statOf(row.target ?? row.name)
  if (found instanceof FsFailure || BigInt.asIntN(64, found.ino) !== row.inode) return false
  return !isOfOtherBirth(row, millisecondsOf(found.birthtimeNs))
}
