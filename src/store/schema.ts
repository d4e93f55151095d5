import { ShipperError } from '../core/error.ts'
import type { OffsetRow } from '../core/offset-store.ts'
import type { Database, SqlRow, SqlValue } from './driver.ts'

/** fluent-bit's own table: columns, types and defaults are a contract with fluent-bit. */
const IN_TAIL_FILES = `CREATE TABLE IF NOT EXISTS in_tail_files (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER,
  rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0)`

/**
 * Additional columns of ours, under the same id. `inode`, `created` and `offset` are copies: where they differ from
 * in_tail_files, fluent-bit has since written the row or given the id to another file, and our columns are stale.
 */
const SHIPPER_FILES = `CREATE TABLE IF NOT EXISTS shipper_files (
  id INTEGER PRIMARY KEY, inode INTEGER, created INTEGER, offset INTEGER, opened_as TEXT, device INTEGER,
  fingerprint TEXT, fingerprint_size INTEGER, stream_offset INTEGER, skipping INTEGER)`

/** Exists only after a recovery; it has a row until every file has been found again. */
const SHIPPER_DAMAGE =
  'CREATE TABLE IF NOT EXISTS shipper_damage (at INTEGER, set_aside TEXT, rows_kept INTEGER)'

/** Time of the last full scan, in milliseconds, by the paths of the input. */
const SHIPPER_SCANS = 'CREATE TABLE IF NOT EXISTS shipper_looks (paths TEXT PRIMARY KEY, at INTEGER)'

/** Columns missing in older versions of fluent-bit; the last two came with 5.x. */
const LATER_COLUMNS = ['rotated', 'offset_marker', 'offset_marker_size']
const FIRST_COLUMNS = ['id', 'name', 'offset', 'inode', 'created']

/**
 * Creates or migrates the tables. Always takes the write lock, so that another program that holds it is detected. Throws
 * E_STORE_UNREADABLE for a table that is not fluent-bit's.
 */
export function ensureSchema(db: Database): void {
  db.transaction(() => {
    db.exec(IN_TAIL_FILES)
    const columns = new Set(
      db
        .prepare('PRAGMA table_info(in_tail_files)')
        .all()
        .map((row) => row.name),
    )
    const missing = FIRST_COLUMNS.filter((name) => !columns.has(name))
    if (missing.length > 0) {
      throw new ShipperError(
        'E_STORE_UNREADABLE',
        `${db.path} has a table in_tail_files without ${missing.join(', ')}`,
        { hint: 'it is not a fluent-bit database: choose another DB' },
      )
    }
    for (const name of LATER_COLUMNS) {
      if (!columns.has(name)) db.exec(`ALTER TABLE in_tail_files ADD COLUMN ${name} INTEGER DEFAULT 0`)
    }
    db.exec(SHIPPER_FILES)
    db.exec(SHIPPER_SCANS)
    const orphans = 'FROM shipper_files WHERE id NOT IN (SELECT id FROM in_tail_files)'
    if (db.prepare(`SELECT 1 ${orphans} LIMIT 1`).get() !== undefined) db.exec(`DELETE ${orphans}`)
  })
}

/** Returns the record of a recovery after which not every file has been found again; undefined if there is none. */
export function readDamage(db: Database): { setAside: string } | undefined {
  const table = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'shipper_damage'").get()
  if (table === undefined) return undefined
  const row = db.prepare('SELECT set_aside FROM shipper_damage').get()
  return row === undefined ? undefined : { setAside: String(row.set_aside) }
}

/** Records a recovery, until CLEAR_DAMAGE. */
export function writeDamage(db: Database, setAside: string, rowsKept: number): void {
  db.exec(SHIPPER_DAMAGE)
  const now = BigInt(Math.floor(Date.now() / 1000))
  db.prepare('INSERT INTO shipper_damage VALUES (?, ?, ?)').run(now, setAside, BigInt(rowsKept))
}

export const CLEAR_DAMAGE = 'DROP TABLE IF EXISTS shipper_damage'

export const SELECT_ROWS = `SELECT f.id, f.name, f.offset, f.inode, f.created, f.rotated, f.offset_marker,
  f.offset_marker_size, s.inode AS s_inode, s.created AS s_created, s.offset AS s_offset, s.opened_as, s.device,
  s.fingerprint, s.fingerprint_size, s.stream_offset, s.skipping
  FROM in_tail_files f LEFT JOIN shipper_files s ON s.id = f.id ORDER BY f.id`

export const INSERT_FILE = `INSERT INTO in_tail_files
  (name, offset, inode, created, rotated, offset_marker, offset_marker_size, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
export const UPDATE_FILE = `UPDATE in_tail_files SET name = ?, offset = ?, inode = ?, created = ?, rotated = ?,
  offset_marker = ?, offset_marker_size = ? WHERE id = ?`
export const SELECT_SCAN = 'SELECT at FROM shipper_looks WHERE paths = ?'
export const REPLACE_SCAN = 'INSERT OR REPLACE INTO shipper_looks VALUES (?, ?)'
export const REPLACE_EXTRA = 'INSERT OR REPLACE INTO shipper_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'

/** Returns the values for INSERT_FILE and UPDATE_FILE; with a null id SQLite chooses one. */
export function fileValues(row: OffsetRow, id: SqlValue): SqlValue[] {
  return [
    row.name,
    BigInt(row.offset),
    BigInt.asIntN(64, row.inode),
    BigInt(row.created),
    row.rotated ? 1n : 0n,
    BigInt.asIntN(64, row.marker),
    BigInt(row.markerSize),
    id,
  ]
}

/** Returns the values for REPLACE_EXTRA, in the order of its columns. */
export function extraValues(row: OffsetRow, id: bigint): SqlValue[] {
  return [
    id,
    BigInt.asIntN(64, row.inode),
    BigInt(row.created),
    BigInt(row.offset),
    row.openedAs ?? null,
    row.device === undefined ? null : BigInt.asIntN(64, row.device),
    row.fingerprint ?? null,
    integer(row.fingerprintSize),
    integer(row.streamOffset),
    row.skipping === undefined ? null : row.skipping ? 1n : 0n,
  ]
}

/** Converts a row of SELECT_ROWS; leaves out the columns that fluent-bit has made stale. */
export function toOffsetRow(r: SqlRow): OffsetRow {
  const ours = r.s_inode !== null && r.s_inode === r.inode && r.s_created === r.created
  const same = ours && r.s_offset === r.offset
  return {
    id: Number(r.id),
    name: String(r.name),
    offset: number(r.offset) ?? 0,
    inode: (r.inode as bigint | null) ?? 0n,
    created: number(r.created) ?? 0,
    rotated: r.rotated === 1n,
    marker: (r.offset_marker as bigint | null) ?? 0n,
    markerSize: number(r.offset_marker_size) ?? 0,
    openedAs: ours ? text(r.opened_as) : undefined,
    device: ours ? ((r.device as bigint | null) ?? undefined) : undefined,
    fingerprint: same ? text(r.fingerprint) : undefined,
    fingerprintSize: same ? number(r.fingerprint_size) : undefined,
    streamOffset: same ? number(r.stream_offset) : undefined,
    skipping: same && r.skipping !== null ? r.skipping === 1n : undefined,
  }
}

function integer(value: number | undefined): SqlValue {
  return value === undefined ? null : BigInt(value)
}

function number(value: SqlValue | undefined): number | undefined {
  return typeof value === 'bigint' ? Number(value) : undefined
}

function text(value: SqlValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
