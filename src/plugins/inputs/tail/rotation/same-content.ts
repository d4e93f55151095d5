import { closeSync, openSync, readSync } from 'node:fs'
import { constants, gunzipSync } from 'node:zlib'
import type { OffsetRow } from '../../../../core/offset-store.ts'
import { FINGERPRINT_BYTES, fingerprintOf, mismatch } from '../file/fingerprint.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { Sibling } from './siblings.ts'

/** Compressed bytes that are read of a file to see its first decompressed ones. */
const COMPRESSED_HEAD = 16_384

/** The first decompressed bytes of compressed siblings: asked for by every row, inflated once. */
const heads = new WeakMap<Sibling, Buffer | undefined>()

/** The same file under another name, or a compressed or plain copy of it with the same first bytes. */
export function isFileOf(row: OffsetRow, sibling: Sibling): boolean {
  if (sibling.path.endsWith('.gz')) return isCompressed(row, sibling)
  if (BigInt.asIntN(64, sibling.inode) !== row.inode && !row.fingerprintSize) return false
  const fd = openQuietly(sibling.path)
  if (fd === undefined) return false
  try {
    return mismatch(row, fd, sibling.size, sibling.path, false) === undefined
  } finally {
    closeSync(fd)
  }
}

/** What is compressed there begins as the file did. */
export function isCompressed(
  { fingerprint, fingerprintSize }: Pick<OffsetRow, 'fingerprint' | 'fingerprintSize'>,
  sibling: Sibling,
): boolean {
  if (!fingerprintSize) return false
  const head = headOf(sibling)
  if (head === undefined || head.length < fingerprintSize) return false
  return fingerprintOf(head.subarray(0, fingerprintSize)) === fingerprint
}

/** Nothing is compressed there. */
export function isEmpty(sibling: Sibling): boolean {
  return headOf(sibling)?.length === 0
}

/** A compressed copy is known by its first decompressed bytes, as the file was of which it is one. */
export function rememberHead(file: TailFile, sibling: Sibling): void {
  const head = headOf(sibling)
  if (head === undefined || head.length === 0) return
  file.stored.setFingerprint(head)
}

function headOf(sibling: Sibling): Buffer | undefined {
  if (!heads.has(sibling)) heads.set(sibling, inflatedHead(sibling))
  return heads.get(sibling)
}

function inflatedHead(sibling: Sibling): Buffer | undefined {
  const fd = openQuietly(sibling.path)
  if (fd === undefined) return undefined
  try {
    const raw = Buffer.alloc(Math.min(COMPRESSED_HEAD, sibling.size))
    const n = readSync(fd, raw, 0, raw.length, 0)
    const head = gunzipSync(raw.subarray(0, n), { finishFlush: constants.Z_SYNC_FLUSH })
    return Buffer.from(head.subarray(0, FINGERPRINT_BYTES))
  } catch {
    // Not gzip after all, or damaged: not a copy of anything.
    return undefined
  } finally {
    closeSync(fd)
  }
}

function openQuietly(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch {
    // Not readable: it is then reported as gone with its path.
    return undefined
  }
}
