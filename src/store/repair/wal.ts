/**
 * Content of SQLite's write-ahead log, read to find out whether it is intact and which pages it holds.
 *
 * ```
 *   header  magic (377f0682: checksums over little-endian words, ...83: big-endian), version, page size, sequence,
 *           salt 1, salt 2, checksum 1, checksum 2
 *   frame   page number, pages after the commit (0: not a commit), salt 1, salt 2, checksum 1, checksum 2, one page
 * ```
 * The checksums continue from the header over the first 8 bytes of each frame header and its page. The log ends at the first
 * frame whose checksum does not match; SQLite ignores the rest silently. Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
interface Wal {
  pageSize: number
  /** Newest committed content of each page. */
  pages: Map<number, Buffer>
  /** True when committed content may be missing: no valid header, or frames of this log after one that does not match. */
  damaged: boolean
}

const HEADER = 32
const FRAME_HEAD = 24
const MAGIC = 0x377f0682

/** Reads a write-ahead log; an empty one is not damaged. */
export function readWal(bytes: Buffer): Wal {
  const wal: Wal = { pageSize: 0, pages: new Map(), damaged: false }
  if (bytes.length === 0) return wal
  const bigEndian = bytes.length >= HEADER && (bytes.readUInt32BE(0) & 1) === 1
  const sum = { a: 0, b: 0 }
  if (bytes.length < HEADER || bytes.readUInt32BE(0) >>> 1 !== MAGIC >>> 1) return { ...wal, damaged: true }
  addToChecksum(sum, bytes, 0, 24, bigEndian)
  if (!matchesChecksum(sum, bytes, 24)) return { ...wal, damaged: true }
  wal.pageSize = bytes.readUInt32BE(8)
  const end = readFrames(bytes, wal, sum, bigEndian)
  wal.damaged = hasFramesAfter(bytes, end, wal.pageSize)
  return wal
}

/** Collects the committed pages; returns the offset of the first frame that does not match. */
function readFrames(bytes: Buffer, wal: Wal, sum: Checksum, bigEndian: boolean): number {
  const frame = FRAME_HEAD + wal.pageSize
  let open: [number, Buffer][] = []
  let at = HEADER
  for (; at + frame <= bytes.length; at += frame) {
    if (!isOfThisLog(bytes, at)) break
    addToChecksum(sum, bytes, at, 8, bigEndian)
    addToChecksum(sum, bytes, at + FRAME_HEAD, wal.pageSize, bigEndian)
    if (!matchesChecksum(sum, bytes, at + 16)) break
    open.push([bytes.readUInt32BE(at), bytes.subarray(at + FRAME_HEAD, at + frame)])
    if (bytes.readUInt32BE(at + 4) === 0) continue
    for (const [number, page] of open) wal.pages.set(number, page)
    open = []
  }
  return at
}

/**
 * True when complete frames of this log follow the frame at `from`. Frames left over from an earlier use of the file have other
 * salts; the last frame may have been cut off by a crash.
 */
function hasFramesAfter(bytes: Buffer, from: number, pageSize: number): boolean {
  const frame = FRAME_HEAD + pageSize
  for (let at = from + frame; at + frame <= bytes.length; at += frame) if (isOfThisLog(bytes, at)) return true
  return false
}

function isOfThisLog(bytes: Buffer, frame: number): boolean {
  return bytes.compare(bytes, 16, 24, frame + 8, frame + 16) === 0
}

interface Checksum {
  a: number
  b: number
}

function addToChecksum(sum: Checksum, bytes: Buffer, at: number, length: number, bigEndian: boolean): void {
  let { a, b } = sum
  for (let i = at; i < at + length; i += 8) {
    a = (a + (bigEndian ? bytes.readUInt32BE(i) : bytes.readUInt32LE(i)) + b) >>> 0
    b = (b + (bigEndian ? bytes.readUInt32BE(i + 4) : bytes.readUInt32LE(i + 4)) + a) >>> 0
  }
  sum.a = a
  sum.b = b
}

function matchesChecksum(sum: Checksum, bytes: Buffer, at: number): boolean {
  return bytes.readUInt32BE(at) === sum.a && bytes.readUInt32BE(at + 4) === sum.b
}
