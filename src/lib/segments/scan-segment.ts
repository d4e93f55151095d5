import { close, FsFailure, openToUpdate, syncData, truncate } from '../fs/file-system.ts'
import { regionsOf } from './damage.ts'
import { HEAD_BYTES } from './entry-codec.ts'
import { ENTRY, type EntryReader, NOTHING } from './entry-reader.ts'
import type { Segment } from './segment.ts'
import { footerSize } from './segment-codec.ts'
import { footerOf } from './segment-writer.ts'
import { writeAll } from './write-all.ts'

const BLOCK_BYTES = 65_536
/** Bytes at the end of a file that are zero after a power failure, when its size was on the disk before its content. */
const ZERO_BYTES = 512

interface ScanInit {
  segment: Segment
  reader: EntryReader
  fileBytes: number
  /** True when it is the last one: an incomplete end of it was never acknowledged. */
  isLast: boolean
  /** False when the file is left as it is. */
  seals: boolean
}

/**
 * Finds out what is in a segment without a footer. A torn end of the last one is cut off; what else cannot be
 * read is in `regions`. Then the segment gets its footer, unless it is damaged or the disk does not take it:
 * the next run looks again.
 */
export function scan({ segment, reader, fileBytes, isLast, seals }: ScanInit): void {
  segment.end = Math.max(segment.first, fileBytes)
  const whole = endOfWhole(segment, reader, fileBytes)
  const isCut =
    whole < fileBytes &&
    segment.failures === 0 &&
    ((isLast && isTorn(segment, reader, whole, fileBytes)) || isFooter(segment, reader, whole, fileBytes))
  if (isCut) segment.end = whole
  countEntries(segment, reader)
  const regions = regionsOf(reader, segment)
  if (regions.length === 0 && segment.records === undefined) segment.records = segment.readRecords
  segment.isCounted = regions.length === 0
  // What the disk did not read is neither missing nor torn.
  if (regions.length > 0 || segment.failures > 0 || !seals) return
  seal(segment)
  reader.forget(segment)
}

/** Returns the end of the last entry that is whole. */
function endOfWhole(segment: Segment, reader: EntryReader, fileBytes: number): number {
  const buf = Buffer.allocUnsafe(BLOCK_BYTES)
  let whole = segment.first
  for (let offset = segment.first; offset < fileBytes; ) {
    const found = reader.load(segment, offset, fileBytes)
    if (found === NOTHING) {
      offset = reader.search(segment, offset, fileBytes)
      if (offset < 0) break
      continue
    }
    offset = reader.next
    if (found === ENTRY && reader.isDataWhole(segment, buf)) whole = offset
  }
  return whole
}

/** Counts what can be read. */
function countEntries(segment: Segment, reader: EntryReader): void {
  let records = 0
  for (let offset = segment.first; offset < segment.end; ) {
    const found = reader.load(segment, offset, segment.end)
    if (found === NOTHING) {
      offset = reader.search(segment, offset, segment.end)
      if (offset < 0) break
      continue
    }
    if (found === ENTRY) reader.countIn(segment)
    records = reader.head.before + reader.head.count - segment.head.before
    offset = reader.next
  }
  segment.readRecords = Math.max(0, records)
}

/** True when [from, fileBytes) is what a process leaves that was killed while it wrote, or a power failure. */
function isTorn(segment: Segment, reader: EntryReader, from: number, fileBytes: number): boolean {
  const left = fileBytes - from
  if (reader.loadHead(segment, from, fileBytes)) {
    const { metaBytes, dataBytes } = reader.head
    if (from + metaBytes + dataBytes > fileBytes - HEAD_BYTES) return true
  } else if (left < HEAD_BYTES) return true
  const zeros = reader.bytes(segment, fileBytes - Math.min(left, ZERO_BYTES), fileBytes)
  return zeros.every((byte) => byte === 0)
}

/** True when [from, fileBytes) is what a write has left of a footer, or a footer with damaged bytes. */
function isFooter(segment: Segment, reader: EntryReader, from: number, fileBytes: number): boolean {
  const begin = reader.bytes(segment, from, Math.min(from + 16, fileBytes))
  const { number, before } = segment.head
  if (begin.length === 16 && begin.readDoubleLE(0) === number && begin.readDoubleLE(8) === before) return true
  const end = reader.bytes(segment, Math.max(from, fileBytes - 12), fileBytes)
  return footerSize(end) === fileBytes - from
}

/** Cuts off what is after the entries, and writes the footer. */
function seal(segment: Segment): void {
  const opened = openToUpdate(segment.path)
  if (opened instanceof FsFailure) return
  const footer = footerOf(segment)
  const isCut = truncate(opened.fd, segment.end) === undefined
  if (isCut && writeAll(opened.fd, [footer], segment.end) === undefined)
    segment.fileBytes = segment.end + footer.length
  else truncate(opened.fd, segment.end)
  syncData(opened.fd)
  close(opened.fd)
}
