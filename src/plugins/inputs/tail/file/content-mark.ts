import type { ContentMark, OffsetRow } from '../../../../core/offset-store.ts'
import { FsFailure } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from './compression.ts'
import type { FileHandle } from './file-handle.ts'
import { FINGERPRINT_BYTES, fingerprintOf, mismatchOfMark, peek } from './fingerprint.ts'
import type { ReadCursor } from './read-cursor.ts'

const NEWLINE = 10

interface Marked {
  readonly cursor: ReadCursor
  readonly handle: FileHandle
}

/**
 * Returns the mark of what a file has: of all of it if that ends with a line, as then a backlog needs one mark, else of what was read.
 * Others may replace what follows the last line, and the NUL bytes of a file that was made larger than its content.
 */
export function markOf({ cursor, handle }: Marked): ContentMark | undefined {
  if (handle.isCompressed) {
    const found = handle.stat()
    return found instanceof FsFailure ? undefined : markAt(handle.fd, Number(found.size))
  }
  const { offset, size } = cursor
  for (const end of size > offset ? [size, offset] : [offset]) {
    const mark = markAt(handle.fd, end, end > offset)
    // Compared last, so that the bytes of the mark were there before.
    if (mark !== undefined && cursor.lastBytesMatch(handle)) return mark
  }
  const bytes = cursor.lastBytes
  return bytes.length === 0
    ? undefined
    : { size: cursor.lastBytesEnd, hash: fingerprintOf(bytes), hashed: bytes.length }
}

/** Returns the mark of the first `size` bytes of a file; undefined if they cannot be read, or end within a line and must not. */
function markAt(fd: number, size: number, isLine = false): ContentMark | undefined {
  const hashed = Math.min(FINGERPRINT_BYTES, size)
  const bytes = hashed === 0 ? undefined : peek(fd, size - hashed, hashed)
  if (bytes === undefined || (isLine && bytes.at(-1) !== NEWLINE)) return undefined
  return { size, hash: fingerprintOf(bytes), hashed }
}

/** True when the row is of a file that was read compressed. */
export function isOfCompressed({ name, streamOffset }: OffsetRow): boolean {
  return isGzipName(name) || streamOffset !== undefined
}

/**
 * True when the content of a row goes on in a file that has `size` bytes and is compressed or not as that was, as far as can be known,
 * so that its records have the places that they had. False for a copy of only a part of it: then records may come twice, but none is
 * taken for another.
 */
export function hasMarkedContent(row: OffsetRow, { fd, isCompressed }: Opened, size: number): boolean {
  const { placeMark: mark } = row
  if (mark === undefined) return true
  return isOfCompressed(row) === isCompressed && mismatchOfMark(mark, fd, size) === undefined
}

export interface Opened {
  fd: number
  isCompressed: boolean
}
