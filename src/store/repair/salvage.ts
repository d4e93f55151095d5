import type { SqlValue } from '../driver.ts'
import { salvageCursor } from '../journal-cursor.ts'
import { readWal } from './wal.ts'

/** Rows in the order of their tables' columns, id first. */
export interface Salvaged {
  files: SqlValue[][]
  extras: SqlValue[][]
  /** The position in the journal, where there was one. */
  cursor: string | undefined
}

/**
 * The rows of in_tail_files and shipper_files in a damaged database, found without its header, schema or tree: every
 * leaf page of a table is read, and a row is known by its shape.
 *
 * ```
 *   leaf  0d, u16 first free block, u16 cells, u16 start of cells, u8 free bytes, u16 place of each cell ...
 *   cell  varint length, varint rowid, record
 *   record  varint length of head, varint type of each column ..., values
 * ```
 * What is not promised: a page that SQLite had given up may still hold rows that were deleted or are older. Of two rows
 * with one id the smaller offset wins, so that at worst something is sent again; whether a row belongs to the file is
 * verified by its marker anyway. Rows longer than a page are not found. https://www.sqlite.org/fileformat2.html
 */
export function salvage(db: Buffer, log: Buffer): Salvaged {
  const wal = readWal(log)
  let best: Rows = { files: [], extras: [] }
  for (const size of pageSizes(db, wal.pageSize)) {
    const found = salvagePages(db, size, wal.pageSize === size ? wal.pages : new Map())
    if (found.files.length > best.files.length) best = found
    if (best.files.length > 0) break
  }
  return { ...best, cursor: salvageCursor(db, log) }
}

type Rows = Pick<Salvaged, 'files' | 'extras'>

const MAGIC = 'SQLite format 3\0'

export function hasHeader(db: Buffer): boolean {
  return db.toString('latin1', 0, MAGIC.length) === MAGIC
}

/** The size that the header or the log states first, then what is usual. */
function pageSizes(db: Buffer, ofLog: number): number[] {
  const stated = hasHeader(db) && db.length >= 18 ? db.readUInt16BE(16) : 0
  const sizes = [stated === 1 ? 65536 : stated, ofLog, 4096, 1024, 2048, 8192, 16384, 32768, 65536, 512]
  return [...new Set(sizes)].filter((size) => size >= 512)
}

function salvagePages(db: Buffer, size: number, newer: Map<number, Buffer>): Rows {
  const files = new Map<SqlValue, SqlValue[]>()
  const extras = new Map<SqlValue, SqlValue[]>()
  const last = Math.max(Math.ceil(db.length / size), ...newer.keys())
  for (let number = 2; number <= last; number++) {
    const page = newer.get(number) ?? db.subarray((number - 1) * size, number * size)
    for (const row of leafRows(page)) {
      if (isFile(row)) keepSmaller(files, row, 2)
      else if (isExtra(row)) keepSmaller(extras, row, 3)
    }
  }
  return { files: [...files.values()], extras: [...extras.values()] }
}

function keepSmaller(rows: Map<SqlValue, SqlValue[]>, row: SqlValue[], offset: number): void {
  const other = rows.get(row[0] as bigint)
  if (other === undefined || (row[offset] as bigint) < (other[offset] as bigint))
    rows.set(row[0] as bigint, row)
}

/** in_tail_files: id, name, offset, inode, created, rotated, offset_marker, offset_marker_size; the last may be absent. */
function isFile(row: SqlValue[]): boolean {
  const [, name, offset, ...rest] = row
  if (row.length < 5 || row.length > 8 || typeof name !== 'string' || name === '') return false
  if (typeof offset !== 'bigint' || offset < 0n || typeof rest[0] !== 'bigint') return false
  return rest.every((value) => typeof value === 'bigint' || value === null) && inRange(rest[4], 32n)
}

/** shipper_files: see schema.ts. */
function isExtra(row: SqlValue[]): boolean {
  if (row.length !== 10) return false
  const kinds = row.map((value) => (value === null ? '-' : typeof value === 'string' ? 't' : 'i')).join('')
  return EXTRA.test(kinds) && inRange(row[3], 2n ** 60n) && inRange(row[9], 1n)
}
const EXTRA = /^iiii[t-][i-][t-][i-][i-][i-]$/

function inRange(value: SqlValue | undefined, max: bigint): boolean {
  return typeof value !== 'bigint' || (value >= 0n && value <= max)
}

function leafRows(page: Buffer): SqlValue[][] {
  if (page.length < 512 || page[0] !== 0x0d) return []
  const rows: SqlValue[][] = []
  const cells = page.readUInt16BE(3)
  for (let i = 0; i < cells && 10 + 2 * i <= page.length; i++) {
    const row = readCell(page, page.readUInt16BE(8 + 2 * i))
    if (row !== undefined) rows.push(row)
  }
  return rows
}

/** Undefined for anything that is not a whole record of integers, texts and nulls. */
function readCell(page: Buffer, at: number): SqlValue[] | undefined {
  const r: PageCursor = { page, at, ok: true }
  const length = Number(varint(r))
  const id = BigInt.asIntN(64, varint(r))
  const start = r.at
  if (!r.ok || length > page.length - start) return undefined
  const headEnd = start + Number(varint(r))
  if (headEnd > start + length) return undefined
  const types: number[] = []
  while (r.ok && r.at < headEnd) types.push(Number(varint(r)))
  if (!r.ok || r.at !== headEnd || types.length < 5 || types.length > 10) return undefined
  const row = types.map((type) => value(r, type))
  if (!r.ok || r.at !== start + length || row[0] !== null) return undefined
  // The id is the row's number; its column is empty.
  row[0] = id
  return row
}

interface PageCursor {
  page: Buffer
  at: number
  /** False once it went over the edge or met what it does not know. */
  ok: boolean
}

/** Up to nine bytes, seven bits each, the high ones first; the ninth has eight. */
function varint(r: PageCursor): bigint {
  let n = 0n
  for (let i = 0; i < 9; i++) {
    const byte = r.page[r.at++]
    if (byte === undefined) {
      r.ok = false
      return 0n
    }
    if (i === 8) return (n << 8n) | BigInt(byte)
    n = (n << 7n) | BigInt(byte & 127)
    if (byte < 128) return n
  }
  return n
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8]

/** Types: 0 null, 1-6 integers, 8 and 9 the numbers 0 and 1, odd from 13 texts; others are not in these tables. */
function value(r: PageCursor, type: number): SqlValue {
  if (type === 0) return null
  if (type === 8) return 0n
  if (type === 9) return 1n
  const length =
    type < 7 ? (INTEGER_BYTES[type] as number) : type >= 13 && type % 2 === 1 ? (type - 13) / 2 : -1
  const start = r.at
  if (length < 0 || start + length > r.page.length) {
    r.ok = false
    return null
  }
  r.at += length
  if (type >= 13) return r.page.toString('utf8', start, r.at)
  return length === 8 ? r.page.readBigInt64BE(start) : BigInt(r.page.readIntBE(start, length))
}
