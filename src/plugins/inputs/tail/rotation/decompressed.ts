import { close, FsFailure, openFile, read } from '../../../../lib/fs/file-system.ts'
import { isGzipName } from '../file/compression.ts'
import { FINGERPRINT_BYTES, peek } from '../file/fingerprint.ts'
import { identityKey } from '../file/identity.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { Sibling } from './siblings.ts'

/** Number of compressed bytes read to get the first decompressed ones. */
export const COMPRESSED_HEAD_BYTES = 16_384
/** Size of the field at the end of a .gz that has the size of the decompressed content. */
const TRAILER_BYTES = 4
/** Number of first bytes that are compared of an open file. */
export const HEAD_BYTES = 65_536
/** Maximum number of bytes decompressed to find out what is behind a hole. */
export const MAX_INFLATED_BYTES = 2 ** 25

/** First decompressed bytes of .gz siblings, which are inflated once and compared with every row. */
const heads = new WeakMap<Sibling, Buffer | undefined>()

/** Returns the first decompressed bytes of a .gz, as many as a fingerprint has. */
export function headOf(sibling: Sibling): Buffer | undefined {
  if (!heads.has(sibling)) heads.set(sibling, inflateHead(sibling))
  return heads.get(sibling)
}

function inflateHead(sibling: Sibling): Buffer | undefined {
  return withFile(sibling, (fd) => inflated(fd, COMPRESSED_HEAD_BYTES, FINGERPRINT_BYTES))
}

/**
 * Decompresses the first `size` bytes of a .gz; returns up to `most` bytes, undefined when it is not gzip.
 */
export function inflated(fd: number, size: number, most: number): Buffer | undefined {
  const raw = Buffer.alloc(size)
  const n = read(fd, raw, 0, raw.length, 0)
  if (n instanceof FsFailure) return undefined
  try {
    const { constants, gunzipSync } = process.getBuiltinModule('node:zlib')
    const head = gunzipSync(raw.subarray(0, n), {
      finishFlush: constants.Z_SYNC_FLUSH,
      // Deflate expands up to a thousand times: 16 KB may become 16 MB of zeros.
      maxOutputLength: MAX_INFLATED_BYTES,
    })
    return Buffer.from(head.subarray(0, most))
  } catch {
    // Not gzip in spite of its name, or damaged: the file is a copy of nothing.
    return undefined
  }
}

/** Returns the first HEAD_BYTES of the content of an open file; more if they are a hole. */
export function headOfFile({ handle, cursor }: TailFile): Buffer | undefined {
  const of = (most: number): Buffer | undefined => {
    if (handle.isCompressed) return inflated(handle.fd, COMPRESSED_HEAD_BYTES, most)
    const bytes = Buffer.alloc(Math.min(most, cursor.size))
    const n = read(handle.fd, bytes, 0, bytes.length, 0)
    return n instanceof FsFailure ? undefined : bytes.subarray(0, n)
  }
  const head = of(HEAD_BYTES)
  return head !== undefined && isNul(head) ? of(MAX_INFLATED_BYTES) : head
}

export function isNul(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0)
}

/** True when the content of the sibling begins with NUL bytes. */
export function beginsWithHole(sibling: Sibling): boolean {
  const isNulHead = (head: Buffer | undefined): boolean =>
    head !== undefined && head.length > 0 && isNul(head)
  if (isGzipName(sibling.path)) return isNulHead(headOf(sibling))
  const size = Math.min(FINGERPRINT_BYTES, sibling.size)
  return withFile(sibling, (fd) => isNulHead(peek(fd, 0, size))) ?? false
}

/** True when the sibling is a .gz without content. */
export function isEmptyGzip(sibling: Sibling): boolean {
  return headOf(sibling)?.length === 0
}

/**
 * Returns the size of the content: of a .gz the one in its trailer, modulo 2^32. Returns -1 when it is
 * unknown.
 */
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

function sizeInTrailer(fd: number, size: number): number {
  if (size < TRAILER_BYTES) return -1
  const trailer = Buffer.alloc(TRAILER_BYTES)
  return read(fd, trailer, 0, TRAILER_BYTES, size - TRAILER_BYTES) === TRAILER_BYTES
    ? trailer.readUInt32LE(0)
    : -1
}

/**
 * Calls `use` with a descriptor of the sibling. Returns undefined when the sibling cannot be opened, or when another
 * file has its path by now.
 */
export function withFile<T>(sibling: Sibling, use: (fd: number) => T): T | undefined {
  const result = tryWithFile(sibling, use)
  return result instanceof FsFailure ? undefined : result
}

/** Does the same, but returns why the sibling cannot be opened; ENOENT when another file has its path. */
export function tryWithFile<T>(sibling: Sibling, use: (fd: number) => T): T | FsFailure {
  const opened = openFile(sibling.path)
  if (opened instanceof FsFailure) return opened
  try {
    const { dev, ino } = opened.stat
    if (identityKey(dev, ino) !== sibling.key) return new FsFailure('ENOENT', 'another file is at its path')
    return use(opened.fd)
  } finally {
    close(opened.fd)
  }
}
