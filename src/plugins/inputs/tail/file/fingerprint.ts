import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { ContentMark, OffsetRow } from '../../../../core/offset-store.ts'
import { FsFailure, read } from '../../../../lib/fs/file-system.ts'
import { xxh3 } from '../../../../lib/hash/xxh3.ts'

/**
 * First bytes of a file that distinguish it from another one with its inode; fewer while the file is shorter.
 */
export const FINGERPRINT_BYTES = 1024

/**
 * Shorter contents do not distinguish files: many logs begin with the same words, or at least the same date.
 */
export const MIN_DISTINCT_BYTES = 64

/** Bytes before an offset that are compared; the size of fluent-bit's marker. */
export const MARKER_BYTES = 32

/** Resolution of file times: the kernel stamps files with its last clock tick, which may be this old. */
export const TICK_MS = 20

const scratch = Buffer.alloc(FINGERPRINT_BYTES)

/**
 * Returns `size` bytes from `at`, in a buffer that the next call overwrites. Undefined when the file has
 * fewer or they cannot be read: there is nothing to compare then, and the read that follows reports the
 * reason.
 */
export function peek(fd: number, at: number, size: number): Buffer | undefined {
  const bytes = tryPeek(fd, at, size)
  return bytes instanceof FsFailure ? undefined : bytes
}

/** Does the same, but returns the failure when the bytes cannot be read. */
function tryPeek(fd: number, at: number, size: number): Buffer | FsFailure | undefined {
  if (size > scratch.length || at < 0) return undefined
  return peekInto(scratch, fd, at, size)
}

function peekInto(buf: Buffer, fd: number, at: number, size: number): Buffer | FsFailure | undefined {
  let n = 0
  while (n < size) {
    const got = read(fd, buf, n, size - n, at + n)
    if (got instanceof FsFailure) return got
    if (got === 0) return undefined
    n += got
  }
  return buf.subarray(0, size)
}

const openedScratch = Buffer.alloc(FINGERPRINT_BYTES)

/**
 * Returns the first bytes of a file that is being opened and has `size` bytes, as many as a fingerprint covers, in a buffer that
 * only the next call overwrites. Empty when they cannot be read: see `peek`.
 */
export function headOf(fd: number, size: number): Buffer {
  const bytes = peekInto(openedScratch, fd, 0, Math.min(FINGERPRINT_BYTES, size))
  return bytes === undefined || bytes instanceof FsFailure ? NO_BYTES : bytes
}

const NO_BYTES = Buffer.alloc(0)

/** Returns the first 16 hex digits of the SHA-1 of the bytes. */
export function fingerprintOf(bytes: Buffer): string {
  // A part of the text of all digits would keep those in memory.
  return createHash('sha1').update(bytes).digest().toString('hex', 0, 8)
}

/** Fingerprints of NUL bytes, by their number. */
const holes = new Map<number, string>()

/**
 * True when the known first bytes of a content are NUL and identify nothing: after copytruncate, a program
 * without O_APPEND continues at its old position.
 */
export function isHole({
  fingerprint,
  fingerprintSize = 0,
}: Pick<OffsetRow, 'fingerprint' | 'fingerprintSize'>): boolean {
  if (fingerprint === undefined || fingerprintSize > FINGERPRINT_BYTES) return false
  let hole = holes.get(fingerprintSize)
  if (hole === undefined) {
    hole = fingerprintOf(Buffer.alloc(fingerprintSize))
    holes.set(fingerprintSize, hole)
  }
  return fingerprint === hole
}

/**
 * True when all known bytes of a content are NUL, so that neither its first bytes nor those before the offset
 * identify it.
 */
export function isAllHole(
  content: Pick<OffsetRow, 'fingerprint' | 'fingerprintSize' | 'marker' | 'markerSize'>,
): boolean {
  if (!isHole(content)) return false
  return content.markerSize === 0 || content.marker === markerOf(Buffer.alloc(content.markerSize)).marker
}

/**
 * Returns why a stored row does not belong to the file; undefined when it does. A failure: its bytes cannot be
 * read, so that it may or may not.
 */
export function mismatch(
  row: OffsetRow,
  fd: number,
  size: number,
  path: string,
  compareName: boolean,
): string | FsFailure | undefined {
  if (compareName && basename(row.name) !== basename(path)) return `the stored name is ${row.name}`
  if (row.offset > size) return `the stored offset ${row.offset} is beyond its size ${size}`
  if (row.markerSize > 0 && row.markerSize <= MARKER_BYTES) {
    const before = tryPeek(fd, row.offset - row.markerSize, row.markerSize)
    if (before instanceof FsFailure) return before
    if (before === undefined || xxh3(before) !== row.marker)
      return 'the bytes before the stored offset differ'
  }
  if (row.fingerprint !== undefined && row.fingerprintSize) {
    const head = tryPeek(fd, 0, row.fingerprintSize)
    if (head instanceof FsFailure) return head
    if (head === undefined || fingerprintOf(head) !== row.fingerprint) return 'its first bytes differ'
  }
  return row.placeMark === undefined ? undefined : mismatchOfMark(row.placeMark, fd, size)
}

/** Does the same for the mark of a content. */
export function mismatchOfMark(
  { size: marked, hash, hashed }: ContentMark,
  fd: number,
  size: number,
): string | FsFailure | undefined {
  if (size < marked) return `its size ${size} is less than the ${marked} bytes that were read or seen`
  const bytes = tryPeek(fd, marked - hashed, hashed)
  if (bytes instanceof FsFailure) return bytes
  return bytes === undefined || fingerprintOf(bytes) !== hash
    ? `the bytes before ${marked}, where it ended when records were sent, differ`
    : undefined
}

/**
 * Returns the marker as fluent-bit stores it: XXH3-64 of the last bytes before the offset; zeros if they
 * cannot be read.
 */
export function markerAt(fd: number, offset: number): { marker: bigint; markerSize: number } {
  const size = Math.min(MARKER_BYTES, offset)
  const bytes = size === 0 ? undefined : peek(fd, offset - size, size)
  return bytes === undefined ? { marker: 0n, markerSize: 0 } : markerOf(bytes)
}

/** Returns the marker of the bytes before an offset. */
export function markerOf(bytes: Buffer): { marker: bigint; markerSize: number } {
  return bytes.length === 0
    ? { marker: 0n, markerSize: 0 }
    : { marker: xxh3(bytes), markerSize: bytes.length }
}
