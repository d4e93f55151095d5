import { ByteReader, ByteWriter, checksum, MAX_SEGMENT } from './bytes.ts'
import type { Backlog } from './types.ts'

/**
 * Format of a segment file. Numbers are little-endian; a `whole` is a float64, a `text` is its length (u32) and UTF-8.
 *
 * ```
 * segment = header header entry* [footer]
 * header  = "shipseg\n" version:u16 0:u16 size:u32 crc:u32 number:whole before:whole created:whole mark:u32 seed:u32 table
 * table   = length:u32 (text before:whole)*
 * entry   = see entry-codec.ts
 * footer  = number:whole before:whole records:whole end:u32 mark:u32 seed:u32 length:u32 total* trailer
 * total   = text before:whole chunks:whole records:whole bytes:whole
 * trailer = size:u32 "fin\n" crc:u32
 * ```
 * - The header is written twice: without its table nobody knows which outputs the entries are for.
 * - `before` is the number of records that were written to the log before the segment, and tells how many a damaged part had. In the
 *   table it is the number of those for the output: that of a missing segment is what they leave out.
 * - `mark` and `seed` are random: an entry begins with `mark`, and its checksums start from `seed`, so that bytes which a sender has
 *   chosen are never taken for an entry when the next one is searched for, nor are those of another segment.
 * - The table names all outputs of the run. The footer repeats it, with what is in the segment for each of them. `end` is
 *   the offset at which the entries end and the footer begins; its trailer is at the end of the file.
 * - The checksum of the header covers its bytes before and after itself; that of the footer all that is before it.
 * - A later version keeps the fields up to `crc`, so that an older program can tell a newer segment from a damaged one.
 */
const VERSION = 1

const MAGIC = Buffer.from('shipseg\n')
const CRC_AT = 16
/** Size of the fields before the table. */
const FIXED_BYTES = 56
/** Size of the fields beside a name in the table. */
const NAMED_BYTES = 12
const MAX_HEADER_BYTES = 4 << 20
/** Longest name of an output in bytes. */
export const MAX_NAME_BYTES = 4096
const TRAILER_BYTES = 12
const TRAILER_MAGIC = 0x0a6e6966

export interface SegmentHead {
  readonly number: number
  /** Number of records that were written to the log before the segment. */
  readonly before: number
  readonly mark: number
  readonly seed: number
  /** Names of the outputs, which entries name by their index. */
  readonly table: readonly string[]
  /** Number of records for each output of the table that were written to the log before the segment. */
  readonly beforeOf: readonly number[]
}

/** What a footer says. */
export interface Footer {
  readonly head: SegmentHead
  /** Offset at which the entries end. */
  readonly end: number
  readonly records: number
  /** What is in the segment, by the index of the output. */
  readonly totals: readonly Backlog[]
}

export function encodeHeader(head: SegmentHead, createdMs: number): Buffer {
  const out = new ByteWriter(FIXED_BYTES + 64)
  out.at = MAGIC.copy(out.buf)
  out.u16(VERSION)
  out.u16(0)
  out.u32(0)
  out.u32(0)
  out.whole(head.number)
  out.whole(head.before)
  out.whole(createdMs)
  out.u32(head.mark)
  out.u32(head.seed)
  out.u32(head.table.length)
  head.table.forEach((name, i) => {
    out.text(name)
    out.whole(head.beforeOf[i] as number)
  })
  const { buf, at } = out
  buf.writeUInt32LE(at, 12)
  buf.writeUInt32LE(headerChecksum(buf, 0, at), CRC_AT)
  return buf.subarray(0, at)
}

/** Returns the size of one header with this table. */
export function headerBytes(table: readonly string[]): number {
  return table.reduce((sum, name) => sum + NAMED_BYTES + Buffer.byteLength(name), FIXED_BYTES)
}

/** True when a header with this table may be written. */
export function fitsHeader(table: readonly string[]): boolean {
  return headerBytes(table) <= MAX_HEADER_BYTES
}

function headerChecksum(buf: Buffer, at: number, end: number): number {
  return checksum(buf, at + CRC_AT + 4, end, checksum(buf, at, at + CRC_AT))
}

/** A header that a newer version of the program has written. */
interface NewerHeader {
  readonly version: number
}

/** Size of the header at `at` as its bytes say, and whether `bytes` of it are enough; undefined for what is no header. */
export function headerSizeAt(buf: Buffer, at: number): number | undefined {
  if (at + CRC_AT > buf.length || buf.compare(MAGIC, 0, MAGIC.length, at, at + MAGIC.length) !== 0)
    return undefined
  const size = buf.readUInt32LE(at + 12)
  return size >= FIXED_BYTES && size <= MAX_HEADER_BYTES ? size : undefined
}

/** Returns the header at `at`, or undefined when it is damaged. */
export function decodeHeader(buf: Buffer, at: number): SegmentHead | NewerHeader | undefined {
  const size = headerSizeAt(buf, at)
  if (size === undefined || at + size > buf.length) return undefined
  const end = at + size
  if (buf.readUInt32LE(at + CRC_AT) !== headerChecksum(buf, at, end)) return undefined
  const version = buf.readUInt16LE(at + MAGIC.length)
  if (version !== VERSION) return { version }
  const from = new ByteReader(buf, at + CRC_AT + 4, end)
  const number = from.whole()
  const before = from.whole()
  from.whole()
  const mark = from.u32()
  const seed = from.u32()
  const length = from.u32()
  const table: string[] = []
  const beforeOf: number[] = []
  for (let i = 0; i < length && from.isValid; i++) {
    table.push(from.text())
    beforeOf.push(from.whole())
  }
  return from.isDone && number < MAX_SEGMENT ? { number, before, mark, seed, table, beforeOf } : undefined
}

/** Returns the offset of the first header in the bytes that follows `from`, or -1. */
export function nextHeader(buf: Buffer, from: number): number {
  return buf.indexOf(MAGIC, from)
}

export function encodeFooter({ head, end, records, totals }: Footer): Buffer {
  const out = new ByteWriter(256)
  out.whole(head.number)
  out.whole(head.before)
  out.whole(records)
  out.u32(end)
  out.u32(head.mark)
  out.u32(head.seed)
  out.u32(head.table.length)
  head.table.forEach((name, i) => {
    const total = totals[i] as Backlog
    out.text(name)
    out.whole(head.beforeOf[i] as number)
    out.whole(total.chunks)
    out.whole(total.records)
    out.whole(total.bytes)
  })
  out.u32(out.at + TRAILER_BYTES)
  out.u32(TRAILER_MAGIC)
  out.u32(checksum(out.buf, 0, out.at))
  return out.buf.subarray(0, out.at)
}

/** Size of the footer at the end of the file whose last bytes are in `buf`; undefined when there is none. */
export function footerSize(buf: Buffer): number | undefined {
  const at = buf.length - TRAILER_BYTES
  if (at < 0 || buf.readUInt32LE(at + 4) !== TRAILER_MAGIC) return undefined
  const size = buf.readUInt32LE(at)
  return size > TRAILER_BYTES && size <= MAX_FOOTER_BYTES ? size : undefined
}

/** A name takes 12 bytes and itself in a header, and 24 more in a footer. */
const MAX_FOOTER_BYTES = 3 * MAX_HEADER_BYTES

/** Returns the footer that `buf` ends with, or undefined when it is damaged. `fileBytes`: size of the file. */
export function decodeFooter(buf: Buffer, fileBytes: number): Footer | undefined {
  const size = footerSize(buf)
  if (size === undefined || size > buf.length) return undefined
  const at = buf.length - size
  if (buf.readUInt32LE(buf.length - 4) !== checksum(buf, at, buf.length - 4)) return undefined
  const from = new ByteReader(buf, at, buf.length - TRAILER_BYTES)
  const number = from.whole()
  const before = from.whole()
  const records = from.whole()
  const end = from.u32()
  const mark = from.u32()
  const seed = from.u32()
  const length = from.u32()
  const table: string[] = []
  const beforeOf: number[] = []
  const totals: Backlog[] = []
  for (let i = 0; i < length && from.isValid; i++) {
    table.push(from.text())
    beforeOf.push(from.whole())
    totals.push({ chunks: from.whole(), records: from.whole(), bytes: from.whole() })
  }
  const isWhole = from.isDone && end + size === fileBytes && number < MAX_SEGMENT
  return isWhole ? { head: { number, before, mark, seed, table, beforeOf }, end, records, totals } : undefined
}
