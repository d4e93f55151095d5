import type { SqlValue } from '../driver.ts'
import { salvageCursor } from '../journal-cursor.ts'
import { isIntact } from '../source-position.ts'
import { readWal } from './wal.ts'

/** Rows found in a damaged database, in the order of their tables' columns, id first. */
export interface Salvaged {
  files: SqlValue[][]
  extras: SqlValue[][]
  /** Owner and value of the positions in sources that are no files; the last one of an owner. */
  positions: Map<string, string>
  /** Journal cursor, if there was one. */
  cursor: string | undefined
}

/**
 * Finds the rows of in_tail_files, shipper_files and shipper_positions in a damaged database without its header, schema or tree: it reads every
 * leaf page of a table and recognizes a row by its shape.
 *
 * ```
 *   leaf  0d, u16 first free block, u16 cells, u16 start of cells, u8 free bytes, u16 offset of each cell ...
 *   cell  varint length, varint rowid, record
 *   record  varint length of header, varint type of each column ..., values
 * ```
 * Not promised: a page that SQLite has freed may still hold deleted or older rows. Of two rows with one id the smaller offset
 * wins, so that at worst something is sent again; whether a row belongs to the file is verified by its marker anyway. A position in
 * another source counts only with its checksum, and each that was ever stored was acknowledged: the newest one, whose rowid is the
 * largest, wins. Rows
 * longer than a page are not found. Format: https://www.sqlite.org/fileformat2.html
 */
export function salvage(db: Buffer, log: Buffer): Salvaged {
  const wal = readWal(log)
  let best: Rows = { files: [], extras: [], positions: new Map() }
  for (const size of pageSizes(db, wal.pageSize)) {
    const found = salvagePages(db, size, wal.pageSize === size ? wal.pages : new Map())
    if (countOf(found) > countOf(best)) best = found
    if (countOf(best) > 0) break
  }
  return { ...best, cursor: salvageCursor(db, log) }
}

type Rows = Omit<Salvaged, 'cursor'>

function countOf({ files, positions }: Rows): number {
  return files.length + positions.size
}

const MAGIC = 'SQLite format 3\0'

/** True when the bytes begin with SQLite's magic string. */
export function hasHeader(db: Buffer): boolean {
  return db.toString('latin1', 0, MAGIC.length) === MAGIC
}

/** Returns page sizes to try: those of the header and the log first, then the common ones. */
function pageSizes(db: Buffer, ofLog: number): number[] {
  const stated = hasHeader(db) && db.length >= 18 ? db.readUInt16BE(16) : 0
  const sizes = [stated === 1 ? 65536 : stated, ofLog, 4096, 1024, 2048, 8192, 16384, 32768, 65536, 512]
  return [...new Set(sizes)].filter((size) => size >= 512)
}

function salvagePages(db: Buffer, size: number, newer: Map<number, Buffer>): Rows {
  const files = new Map<SqlValue, SqlValue[]>()
  const extras = new Map<SqlValue, SqlValue[]>()
  const positions = new Map<string, { id: bigint; value: string }>()
  const last = Math.max(Math.ceil(db.length / size), ...newer.keys())
  for (let number = 2; number <= last; number++) {
    const page = newer.get(number) ?? db.subarray((number - 1) * size, number * size)
    for (const { id, values } of leafRows(page)) {
      // The id is the rowid; a column of its own is null.
      const row = values[0] === null ? [id, ...values.slice(1)] : []
      if (isFileRow(row)) keepSmaller(files, row, 2)
      else if (isExtraRow(row)) keepSmaller(extras, row, 3)
      else keepNewer(positions, id, values)
    }
  }
  return {
    files: [...files.values()],
    extras: [...extras.values()],
    positions: new Map([...positions].map(([owner, { value }]) => [owner, value])),
  }
}

/** shipper_positions: owner, value, checksum. */
function keepNewer(
  positions: Map<string, { id: bigint; value: string }>,
  id: bigint,
  values: SqlValue[],
): void {
  const [owner, value, checksum] = values
  if (values.length !== 3 || !isIntact(owner, value, checksum)) return
  if (id > (positions.get(owner as string)?.id ?? -1n))
    positions.set(owner as string, { id, value: value as string })
}

function keepSmaller(rows: Map<SqlValue, SqlValue[]>, row: SqlValue[], offset: number): void {
  const other = rows.get(row[0] as bigint)
  if (other === undefined || (row[offset] as bigint) < (other[offset] as bigint))
    rows.set(row[0] as bigint, row)
}

/** in_tail_files: id, name, offset, inode, created, rotated, offset_marker, offset_marker_size; the last may be absent. */
function isFileRow(row: SqlValue[]): boolean {
  const [, name, offset, ...rest] = row
  if (row.length < 5 || row.length > 8 || typeof name !== 'string' || name === '') return false
  if (typeof offset !== 'bigint' || offset < 0n || typeof rest[0] !== 'bigint') return false
  return rest.every((value) => typeof value === 'bigint' || value === null) && inRange(rest[4], 32n)
}

/** shipper_files: see schema.ts. */
function isExtraRow(row: SqlValue[]): boolean {
  if (row.length !== 10) return false
  const kinds = row.map((value) => (value === null ? '-' : typeof value === 'string' ? 't' : 'i')).join('')
  return EXTRA_ROW.test(kinds) && inRange(row[3], 2n ** 60n) && inRange(row[9], 1n)
}
const EXTRA_ROW = /^iiii[t-][i-][t-][i-][i-][i-]$/

function inRange(value: SqlValue | undefined, max: bigint): boolean {
  return typeof value !== 'bigint' || (value >= 0n && value <= max)
}

/** A record of a table and its rowid. */
interface LeafRow {
  id: bigint
  values: SqlValue[]
}

function leafRows(page: Buffer): LeafRow[] {
  if (page.length < 512 || page[0] !== 0x0d) return []
  const rows: LeafRow[] = []
  const cells = page.readUInt16BE(3)
  for (let i = 0; i < cells && 10 + 2 * i <= page.length; i++) {
    const row = readCell(page, page.readUInt16BE(8 + 2 * i))
    if (row !== undefined) rows.push(row)
  }
  return rows
}

/** Reads a cell; undefined for anything but a complete record of integers, texts and nulls. */
function readCell(page: Buffer, at: number): LeafRow | undefined {
  const cursor: PageCursor = { page, at, ok: true }
  const length = Number(varint(cursor))
  const id = BigInt.asIntN(64, varint(cursor))
  const start = cursor.at
  if (!cursor.ok || length > page.length - start) return undefined
  const headEnd = start + Number(varint(cursor))
  if (headEnd > start + length) return undefined
  const types: number[] = []
  while (cursor.ok && cursor.at < headEnd) types.push(Number(varint(cursor)))
  if (!cursor.ok || cursor.at !== headEnd || types.length < 3 || types.length > 10) return undefined
  const values = types.map((type) => value(cursor, type))
  return cursor.ok && cursor.at === start + length ? { id, values } : undefined
}

interface PageCursor {
  page: Buffer
  at: number
  /** False after reading past the end or an unknown type. */
  ok: boolean
}

/** Reads a varint: up to nine bytes of seven bits, high bits first; the ninth has eight bits. */
function varint(cursor: PageCursor): bigint {
  let n = 0n
  for (let i = 0; i < 9; i++) {
    const byte = cursor.page[cursor.at++]
    if (byte === undefined) {
      cursor.ok = false
      return 0n
    }
    if (i === 8) return (n << 8n) | BigInt(byte)
    n = (n << 7n) | BigInt(byte & 127)
    if (byte < 128) return n
  }
  return n
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8]

/** Reads a value. Types: 0 null, 1-6 integers, 8 and 9 the numbers 0 and 1, odd from 13 texts; these tables have no others. */
function value(cursor: PageCursor, type: number): SqlValue {
  if (type === 0) return null
  if (type === 8) return 0n
  if (type === 9) return 1n
  const length =
    type < 7 ? (INTEGER_BYTES[type] as number) : type >= 13 && type % 2 === 1 ? (type - 13) / 2 : -1
  const start = cursor.at
  if (length < 0 || start + length > cursor.page.length) {
    cursor.ok = false
    return null
  }
  cursor.at += length
  if (type >= 13) return cursor.page.toString('utf8', start, cursor.at)
  return length === 8 ? cursor.page.readBigInt64BE(start) : BigInt(cursor.page.readIntBE(start, length))
}
