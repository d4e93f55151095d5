import { closeSync, openSync, readSync } from 'node:fs'
import { constants, gunzipSync } from 'node:zlib'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { FINGERPRINT_BYTES, fingerprintOf, mismatch, peek } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { Sibling } from './siblings.ts'

/** Compressed bytes read of a .gz to get its first decompressed ones. */
const COMPRESSED_HEAD_BYTES = 16_384

/** First decompressed bytes of compressed siblings: compared with every row, inflated once. */
const heads = new WeakMap<Sibling, Buffer | undefined>()

/** True when the sibling is the file of the row under another name, or a copy of it, compressed or not. */
export function isFileOf(row: OffsetRow, sibling: Sibling): boolean {
  if (sibling.path.endsWith('.gz')) return isCompressedCopy(row, sibling)
  if (BigInt.asIntN(64, sibling.inode) !== row.inode && !row.fingerprintSize) return false
  const fd = tryOpen(sibling.path)
  if (fd === undefined) return false
  try {
    return mismatch(row, fd, sibling.size, sibling.path, false) === undefined
  } finally {
    closeSync(fd)
  }
}

/** True when the decompressed content of the sibling begins with the bytes of the fingerprint. */
export function isCompressedCopy(
  { fingerprint, fingerprintSize }: Pick<OffsetRow, 'fingerprint' | 'fingerprintSize'>,
  sibling: Sibling,
): boolean {
  if (!fingerprintSize) return false
  const head = headOf(sibling)
  if (head === undefined || head.length < fingerprintSize) return false
  return fingerprintOf(head.subarray(0, fingerprintSize)) === fingerprint
}

/** True when the sibling is a compressed empty file. */
export function isEmptyGzip(sibling: Sibling): boolean {
  return headOf(sibling)?.length === 0
}

/** True when two open files have the same size, the same first and the same last bytes. */
export function isCopy(file: TailFile, original: TailFile): boolean {
  const fileSize = file.cursor.size
  if (fileSize === 0 || fileSize !== original.cursor.size) return false
  const size = Math.min(FINGERPRINT_BYTES, fileSize)
  // Both ends: programs often begin a new log with the same words.
  return [0, fileSize - size].every((at) => {
    const hash = hashAt(file.handle.fd, at, size)
    return hash !== undefined && hash === hashAt(original.handle.fd, at, size)
  })
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
  const fd = tryOpen(sibling.path)
  if (fd === undefined) return undefined
  try {
    const raw = Buffer.alloc(Math.min(COMPRESSED_HEAD_BYTES, sibling.size))
    const n = readSync(fd, raw, 0, raw.length, 0)
    const head = gunzipSync(raw.subarray(0, n), { finishFlush: constants.Z_SYNC_FLUSH })
    return Buffer.from(head.subarray(0, FINGERPRINT_BYTES))
  } catch {
    // Not gzip in spite of its name, or damaged: not a copy of anything.
    return undefined
  } finally {
    closeSync(fd)
  }
}

function hashAt(fd: number, at: number, size: number): string | undefined {
  const bytes = peek(fd, at, size)
  return bytes === undefined ? undefined : fingerprintOf(bytes)
}

function tryOpen(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch {
    // Deleted meanwhile, or not readable: not a copy of anything as far as we can tell.
    return undefined
  }
}
