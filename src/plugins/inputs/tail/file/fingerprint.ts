import { createHash } from 'node:crypto'
import { type BigIntStats, readSync } from 'node:fs'
import { basename } from 'node:path'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { xxh3 } from '../../../../lib/hash/xxh3.ts'
import { TAIL_BYTES, type TailFile } from './tail-file.ts'

/** First bytes of a file that tell it from another one with its inode; fewer as long as it is shorter. */
export const FINGERPRINT_BYTES = 1024

/** Times of files are those of the last tick of the system's clock: up to so much behind. */
export const TICK_MS = 20

const scratch = Buffer.alloc(FINGERPRINT_BYTES)

/**
 * `size` bytes from `at`, in a buffer that the next call overwrites; undefined when the file has fewer or they cannot be
 * read: then there is nothing to compare, and the read that follows reports the reason.
 */
export function peek(fd: number, at: number, size: number): Buffer | undefined {
  if (size > scratch.length || at < 0) return undefined
  let n = 0
  try {
    while (n < size) {
      const got = readSync(fd, scratch, n, size - n, at + n)
      if (got === 0) return undefined
      n += got
    }
  } catch {
    return undefined
  }
  return scratch.subarray(0, size)
}

/** 16 hex digits of the SHA-1 of the bytes. */
export function fingerprintOf(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex').slice(0, 16)
}

/** A text that is of this file alone; without the time of birth on file systems that have none. */
export function fileId({ dev, ino, birthtimeNs }: BigIntStats): string {
  return [dev, ino, birthtimeNs].map((part) => part.toString(16)).join('-')
}

/** Logs like to begin with the same words, a date at least: fewer bytes do not tell one from another. */
const TELLING_BYTES = 64

/** The row was stored when nothing was known of the content, or next to nothing. */
export function isBlank({ offset, fingerprintSize = 0 }: OffsetRow): boolean {
  return offset === 0 && fingerprintSize < TELLING_BYTES
}

/** The row of its inode, unless that was stored of an empty file and this one, created later, has but its inode. */
export function rowForFile(row: OffsetRow | undefined, stat: BigIntStats): OffsetRow | undefined {
  // A row tells to the second when its file was opened.
  const later = row !== undefined && stat.birthtimeNs / 1_000_000_000n > BigInt(row.created)
  return later && isBlank(row) ? undefined : row
}

/** Why a stored position does not belong to this file, or undefined when it does. */
export function mismatch(
  row: OffsetRow,
  fd: number,
  size: number,
  path: string,
  compareName: boolean,
): string | undefined {
  if (compareName && basename(row.name) !== basename(path)) return `the stored name is ${row.name}`
  if (row.offset > size) return `the stored offset ${row.offset} is beyond its size ${size}`
  if (row.markerSize > 0 && row.markerSize <= TAIL_BYTES) {
    const before = peek(fd, row.offset - row.markerSize, row.markerSize)
    if (before === undefined || xxh3(before) !== row.marker)
      return 'the bytes before the stored offset are others'
  }
  if (row.fingerprint !== undefined && row.fingerprintSize) {
    const head = peek(fd, 0, row.fingerprintSize)
    if (head === undefined || fingerprintOf(head) !== row.fingerprint) return 'its first bytes are others'
  }
  return undefined
}

/** The marker of fluent-bit: XXH3-64 of the last bytes before the offset; zeros when they cannot be read. */
export function markerAt(fd: number, offset: number): { marker: bigint; markerSize: number } {
  const size = Math.min(TAIL_BYTES, offset)
  const bytes = size === 0 ? undefined : peek(fd, offset - size, size)
  return bytes === undefined ? { marker: 0n, markerSize: 0 } : { marker: xxh3(bytes), markerSize: size }
}

/**
 * Lets the fingerprint grow with the file until it is whole: over bytes that are not acknowledged too, or a file that is
 * compressed before its first ack could not be told from another one.
 */
export function growFingerprint(file: TailFile): void {
  const size = Math.min(FINGERPRINT_BYTES, file.size)
  if (size <= file.fingerprintSize) return
  const head = peek(file.fd, 0, size)
  if (head === undefined) return
  file.fingerprint = fingerprintOf(head)
  file.fingerprintSize = size
}

/** Whether the bytes before the offset are those that were read: else it was truncated, or written anew. */
export function lastBytesMatch({ fd, compressed, offset, tail, tailSize }: TailFile): boolean {
  if (fd < 0 || compressed || tailSize === 0) return true
  return peek(fd, offset - tailSize, tailSize)?.equals(tail.subarray(0, tailSize)) === true
}

/** Remembers the bytes before the offset, so that the next read can check them. */
export function loadLastBytes(file: TailFile): void {
  const size = Math.min(TAIL_BYTES, file.offset)
  const bytes = size === 0 ? undefined : peek(file.fd, file.offset - size, size)
  file.tailSize = bytes === undefined ? 0 : bytes.copy(file.tail)
}
