/**
 * SQLite's write-ahead log, read to see whether it is whole and what it holds.
 *
 * ```
 *   header  magic (377f0682: sums over little-endian words, ...83: big-endian), version, page size, sequence,
 *           salt 1, salt 2, sum 1, sum 2
 *   frame   page number, pages after the commit (0: not a commit), salt 1, salt 2, sum 1, sum 2, one page
 * ```
 * The sums run on from the header over the first 8 bytes of each frame's head and its page. The log ends at the first
 * frame that does not fit; SQLite then says nothing. https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
interface Wal {
  pageSize: number
  /** The newest committed content of each page. */
  pages: Map<number, Buffer>
  /** Committed content may be missing: no valid header, or frames of this log behind one that does not fit. */
  damaged: boolean
}

const HEADER = 32
const FRAME_HEAD = 24
const MAGIC = 0x377f0682

export function readWal(bytes: Buffer): Wal {
  const wal: Wal = { pageSize: 0, pages: new Map(), damaged: false }
  if (bytes.length === 0) return wal
  const bigEndian = bytes.length >= HEADER && (bytes.readUInt32BE(0) & 1) === 1
  const sums = { a: 0, b: 0 }
  if (bytes.length < HEADER || bytes.readUInt32BE(0) >>> 1 !== MAGIC >>> 1) return { ...wal, damaged: true }
  addUp(sums, bytes, 0, 24, bigEndian)
  if (!fits(sums, bytes, 24)) return { ...wal, damaged: true }
  wal.pageSize = bytes.readUInt32BE(8)
  const end = readFrames(bytes, wal, sums, bigEndian)
  wal.damaged = goesOn(bytes, end, wal.pageSize)
  return wal
}

/** Takes what is committed; gives the place of the first frame that does not fit. */
function readFrames(bytes: Buffer, wal: Wal, sums: Sums, bigEndian: boolean): number {
  const frame = FRAME_HEAD + wal.pageSize
  let open: [number, Buffer][] = []
  let at = HEADER
  for (; at + frame <= bytes.length; at += frame) {
    if (!isOfThisLog(bytes, at)) break
    addUp(sums, bytes, at, 8, bigEndian)
    addUp(sums, bytes, at + FRAME_HEAD, wal.pageSize, bigEndian)
    if (!fits(sums, bytes, at + 16)) break
    open.push([bytes.readUInt32BE(at), bytes.subarray(at + FRAME_HEAD, at + frame)])
    if (bytes.readUInt32BE(at + 4) === 0) continue
    for (const [number, page] of open) wal.pages.set(number, page)
    open = []
  }
  return at
}

/** What an earlier round of the log left behind has other salts; the last frame may be cut off by a crash. */
function goesOn(bytes: Buffer, from: number, pageSize: number): boolean {
  const frame = FRAME_HEAD + pageSize
  for (let at = from + frame; at + frame <= bytes.length; at += frame) if (isOfThisLog(bytes, at)) return true
  return false
}

function isOfThisLog(bytes: Buffer, frame: number): boolean {
  return bytes.compare(bytes, 16, 24, frame + 8, frame + 16) === 0
}

interface Sums {
  a: number
  b: number
}

function addUp(sums: Sums, bytes: Buffer, at: number, length: number, bigEndian: boolean): void {
  let { a, b } = sums
  for (let i = at; i < at + length; i += 8) {
    a = (a + (bigEndian ? bytes.readUInt32BE(i) : bytes.readUInt32LE(i)) + b) >>> 0
    b = (b + (bigEndian ? bytes.readUInt32BE(i + 4) : bytes.readUInt32LE(i + 4)) + a) >>> 0
  }
  sums.a = a
  sums.b = b
}

function fits(sums: Sums, bytes: Buffer, at: number): boolean {
  return bytes.readUInt32BE(at) === sums.a && bytes.readUInt32BE(at + 4) === sums.b
}
