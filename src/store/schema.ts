import { ShipperError } from '../core/error.ts'
import type { OffsetRow, PlaceRow, SkippedFile } from '../core/offset-store.ts'
import type { Database, SqlRow, SqlValue } from './driver.ts'

/** fluent-bit's own table: columns, types and defaults are a contract with fluent-bit. */
const IN_TAIL_FILES = `CREATE TABLE IF NOT EXISTS in_tail_files (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER,
  rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0)`

/**
 * Additional columns of ours, under the same id. `inode`, `created` and `offset` are copies: where they
 * differ from in_tail_files, fluent-bit has since written the row or given the id to another file, and our
 * columns are stale.
 */
const SHIPPER_FILES = `CREATE TABLE IF NOT EXISTS shipper_files (
  id INTEGER PRIMARY KEY, inode INTEGER, created INTEGER, offset INTEGER, opened_as TEXT, device INTEGER,
  fingerprint TEXT, fingerprint_size INTEGER, stream_offset INTEGER, skipping INTEGER)`

/**
 * Columns that only some rows have. They are in a table of their own because older versions write all columns
 * of shipper_files. `inode` and `created` are copies as in shipper_files.
 */
const SHIPPER_ROTATED = `CREATE TABLE IF NOT EXISTS shipper_rotated (
  id INTEGER PRIMARY KEY, inode INTEGER, created INTEGER, target TEXT, closed_at INTEGER, birth INTEGER, size INTEGER)`

/**
 * Names of the contents of files, where an output uses ids of records, with the mark of each content. `inode` and `created` are copies
 * as in shipper_files.
 */
const SHIPPER_PLACES = `CREATE TABLE IF NOT EXISTS shipper_places (
  id INTEGER PRIMARY KEY, inode INTEGER, created INTEGER, place TEXT, size INTEGER, hash TEXT, hashed INTEGER)`

/**
 * Gives rows with an id outside of [1, 2^52] another one. With the largest integer as an id SQLite has no next one, and no
 * row could be stored.
 */
const MOVE_IMPOSSIBLE_IDS = `UPDATE in_tail_files SET id =
  (SELECT coalesce(max(id), 0) FROM in_tail_files WHERE id BETWEEN 1 AND 4503599627370496)
  + (SELECT count(*) FROM in_tail_files i WHERE i.id <= in_tail_files.id AND i.id NOT BETWEEN 1 AND 4503599627370496)
  WHERE id NOT BETWEEN 1 AND 4503599627370496`

/** Exists only after a recovery; it has a row until every file has been found again. */
const SHIPPER_DAMAGE =
  'CREATE TABLE IF NOT EXISTS shipper_damage (at INTEGER, set_aside TEXT, rows_kept INTEGER)'

/**
 * Time of the last full scan in milliseconds, by pattern of Path. Earlier versions stored one row for all
 * patterns, joined by commas.
 */
const SHIPPER_SCANS = 'CREATE TABLE IF NOT EXISTS shipper_looks (paths TEXT PRIMARY KEY, at INTEGER)'

/**
 * Files that scans found but did not open, by Path; `birth` in milliseconds. Created with the first full
 * scan.
 */
const SHIPPER_SKIPPED = `CREATE TABLE IF NOT EXISTS shipper_skipped (
  paths TEXT, path TEXT, device INTEGER, inode INTEGER, birth INTEGER, offset INTEGER)`

/**
 * What was in these files when they were found; its own table, as a version of before writes all columns of shipper_skipped. `birth` and
 * `offset` are copies: where they differ, that version has written another file since.
 */
const SHIPPER_SKIPPED_CONTENT = `CREATE TABLE IF NOT EXISTS shipper_skipped_content (
  paths TEXT, device INTEGER, inode INTEGER, birth INTEGER, offset INTEGER, fingerprint TEXT, fingerprint_size INTEGER,
  marker INTEGER, marker_size INTEGER, PRIMARY KEY (paths, device, inode)) WITHOUT ROWID`

/** Columns missing in older versions of fluent-bit; the last two came with 5.x. */
const LATER_COLUMNS = ['rotated', 'offset_marker', 'offset_marker_size']
const FIRST_COLUMNS = ['id', 'name', 'offset', 'inode', 'created']

/**
 * Creates or migrates the tables. Always takes the write lock, so that another program that holds it is
 * detected. Throws E_STORE_UNREADABLE for a table that is not fluent-bit's.
 */
export function ensureSchema(db: Database): void {
  db.transaction(() => {
    db.exec(IN_TAIL_FILES)
    const columns = columnsOf(db, 'in_tail_files')
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
    db.exec(SHIPPER_ROTATED)
    db.exec(SHIPPER_PLACES)
    db.exec(SHIPPER_SCANS)
    db.exec(MOVE_IMPOSSIBLE_IDS)
    for (const table of ['shipper_files', 'shipper_rotated', 'shipper_places']) {
      const orphans = `FROM ${table} WHERE id NOT IN (SELECT id FROM in_tail_files)`
      if (db.prepare(`SELECT 1 ${orphans} LIMIT 1`).get() !== undefined) db.exec(`DELETE ${orphans}`)
    }
  })
}

function columnsOf(db: Database, table: string): Set<SqlValue | undefined> {
  const rows = db.prepare(`PRAGMA table_info(${table})`).all()
  return new Set(rows.map((row) => row.name))
}

/**
 * Returns the record of a recovery after which not every file has been found again; undefined if there is
 * none.
 */
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
  s.fingerprint, s.fingerprint_size, s.stream_offset, s.skipping, r.target, r.closed_at, r.birth, r.size, p.place,
  p.size AS mark_size, p.hash, p.hashed
  FROM in_tail_files f LEFT JOIN shipper_files s ON s.id = f.id
  LEFT JOIN shipper_rotated r ON r.id = f.id AND r.inode = f.inode AND r.created = f.created
  LEFT JOIN shipper_places p ON p.id = f.id AND p.inode = f.inode AND p.created = f.created
  WHERE typeof(f.name) = 'text' AND length(f.name) <= 4096 ORDER BY f.id`

export const INSERT_FILE = `INSERT INTO in_tail_files
  (name, offset, inode, created, rotated, offset_marker, offset_marker_size, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
/** Takes the id that was given last instead of an id, and gives the next one. */
export const INSERT_NEXT_FILE = `INSERT INTO in_tail_files
  (name, offset, inode, created, rotated, offset_marker, offset_marker_size, id)
  VALUES (?, ?, ?, ?, ?, ?, ?, max((SELECT coalesce(max(id), 0) FROM in_tail_files), ?) + 1)`
export const UPDATE_FILE = `UPDATE in_tail_files SET name = ?, offset = ?, inode = ?, created = ?, rotated = ?,
  offset_marker = ?, offset_marker_size = ? WHERE id = ?`
export const REPLACE_SCAN = 'INSERT OR REPLACE INTO shipper_looks VALUES (?, ?)'
export const REPLACE_EXTRA = 'INSERT OR REPLACE INTO shipper_files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'
export const REPLACE_ROTATED = 'INSERT OR REPLACE INTO shipper_rotated VALUES (?, ?, ?, ?, ?, ?, ?)'
export const REPLACE_PLACE = 'INSERT OR REPLACE INTO shipper_places VALUES (?, ?, ?, ?, ?, ?, ?)'
export const SELECT_PLACES = 'SELECT id, inode, created, place, size, hash, hashed FROM shipper_places'
export const SELECT_ROTATED_IDS = 'SELECT id FROM shipper_rotated'

/** Returns the values for INSERT_FILE, where SQLite chooses the id if it is null, INSERT_NEXT_FILE and UPDATE_FILE. */
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

/** Returns the values for REPLACE_ROTATED; undefined for a row without any. */
export function rotatedValues(row: OffsetRow, id: bigint): SqlValue[] | undefined {
  const { target, closedAt, birthMs, size } = row
  if ([target, closedAt, birthMs, size].every((value) => value === undefined)) return undefined
  const inode = BigInt.asIntN(64, row.inode)
  return [id, inode, BigInt(row.created), target ?? null, integer(closedAt), integer(birthMs), integer(size)]
}

/** Returns the values for REPLACE_PLACE; undefined for a row without a name of its content. */
export function placeValues(row: PlaceRow, id: bigint): SqlValue[] | undefined {
  const { placeId, placeMark: mark } = row
  if (placeId === undefined) return undefined
  const known = [id, BigInt.asIntN(64, row.inode), BigInt(row.created), placeId]
  if (mark === undefined) return [...known, null, null, null]
  return [...known, BigInt(mark.size), mark.hash, BigInt(mark.hashed)]
}

/** Returns the times of the last scans in milliseconds, by pattern. */
export function readScans(db: Database): Map<string, number> {
  const scans = new Map<string, number>()
  for (const { paths, at } of db.prepare('SELECT paths, at FROM shipper_looks').all())
    if (typeof paths === 'string' && typeof at === 'bigint') scans.set(paths, Number(at))
  scans.delete(NO_PATTERN)
  return scans
}

/**
 * Key of the row that preserves the time of the last write until this run writes. Merely opening the database
 * changes the modification time of its files.
 */
const NO_PATTERN = ''

/**
 * Returns when an earlier run last wrote to the database, and preserves that time until CLEAR_LAST_WRITE: a
 * run that was killed before its first write must not change it. `ms`: the time according to the database's
 * files.
 */
export function keepLastWrite(db: Database, ms: number | undefined): number | undefined {
  const kept = db.prepare('SELECT at FROM shipper_looks WHERE paths = ?').get(NO_PATTERN)?.at
  if (typeof kept === 'bigint') return Number(kept)
  if (ms !== undefined) db.prepare(REPLACE_SCAN).run(NO_PATTERN, BigInt(Math.floor(ms)))
  return ms
}

export const CLEAR_LAST_WRITE = `DELETE FROM shipper_looks WHERE paths = '${NO_PATTERN}'`

/** Path in the only row of an empty list, which records that there are no such files. */
const NO_FILE = ''

/** Returns the files that were found but not opened, by Path; undefined when no scan has been stored yet. */
export function readSkipped(db: Database): Map<string, SkippedFile[]> | undefined {
  if (!hasTable(db, 'shipper_skipped')) return undefined
  const skipped = new Map<string, SkippedFile[]>()
  for (const row of db.prepare(selectSkipped(hasTable(db, 'shipper_skipped_content'))).all()) {
    const paths = String(row.paths)
    const files = skipped.get(paths) ?? []
    skipped.set(paths, files)
    if (row.path === NO_FILE) continue
    files.push({
      path: String(row.path),
      device: bigint(row.device),
      inode: bigint(row.inode),
      birthMs: number(row.birth) ?? 0,
      offset: number(row.offset) ?? 0,
      ...(typeof row.marker === 'bigint'
        ? { marker: row.marker, markerSize: number(row.marker_size) ?? 0 }
        : {}),
      ...(typeof row.fingerprint === 'string'
        ? { fingerprint: row.fingerprint, fingerprintSize: number(row.fingerprint_size) ?? 0 }
        : {}),
    })
  }
  return skipped
}

function selectSkipped(hasContent: boolean): string {
  const columns = 's.paths, s.path, s.device, s.inode, s.birth, s.offset'
  if (!hasContent) return `SELECT ${columns} FROM shipper_skipped s`
  return `SELECT ${columns}, c.fingerprint, c.fingerprint_size, c.marker, c.marker_size FROM shipper_skipped s
    LEFT JOIN shipper_skipped_content c ON c.paths = s.paths AND c.device = s.device AND c.inode = s.inode
    AND c.birth = s.birth AND c.offset = s.offset`
}

function hasTable(db: Database, name: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(name) !== undefined
}

/** Replaces the stored files of this Path. Creates the tables on its first call. */
export function writeSkipped(db: Database, paths: string, files: readonly SkippedFile[]): void {
  db.exec(SHIPPER_SKIPPED)
  db.exec(SHIPPER_SKIPPED_CONTENT)
  for (const table of ['shipper_skipped', 'shipper_skipped_content'])
    db.prepare(`DELETE FROM ${table} WHERE paths = ?`).run(paths)
  const insert = db.prepare('INSERT INTO shipper_skipped VALUES (?, ?, ?, ?, ?, ?)')
  const insertContent = db.prepare(
    'INSERT OR REPLACE INTO shipper_skipped_content VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  )
  if (files.length === 0) insert.run(paths, NO_FILE, 0n, 0n, 0n, 0n)
  for (const file of files) {
    const { path, fingerprint, fingerprintSize, marker, markerSize } = file
    const numbers = [file.device, file.inode, BigInt(Math.floor(file.birthMs)), BigInt(file.offset)]
    const known = numbers.map((value) => BigInt.asIntN(64, value))
    insert.run(paths, path, ...known)
    if (fingerprint === undefined && marker === undefined) continue
    const ofMarker = marker === undefined ? null : BigInt.asIntN(64, marker)
    const ofHead = [fingerprint ?? null, integer(fingerprintSize)]
    insertContent.run(paths, ...known, ...ofHead, ofMarker, integer(markerSize))
  }
}

/**
 * Converts a row of SELECT_ROWS; leaves out the columns that fluent-bit has made stale. Whoever can write the database
 * can put anything into it: a value that no run would have stored counts as missing, and a row without a possible offset
 * begins at the first line.
 */
export function toOffsetRow(r: SqlRow): OffsetRow {
  const ours = r.s_inode !== null && r.s_inode === r.inode && r.s_created === r.created
  const offset = number(r.offset)
  const same = ours && r.s_offset === r.offset && offset !== undefined
  const markerSize = offset === undefined ? 0 : (number(r.offset_marker_size) ?? 0)
  const hasMarker = markerSize <= MAX_COMPARED_BYTES
  return {
    id: Number(r.id),
    name: String(r.name),
    offset: offset ?? 0,
    inode: bigint(r.inode),
    created: number(r.created) ?? 0,
    rotated: r.rotated === 1n,
    marker: hasMarker && markerSize > 0 ? bigint(r.offset_marker) : 0n,
    markerSize: hasMarker ? markerSize : 0,
    openedAs: ours ? text(r.opened_as) : undefined,
    device: ours && typeof r.device === 'bigint' ? r.device : undefined,
    fingerprint: same ? text(r.fingerprint) : undefined,
    fingerprintSize: same ? number(r.fingerprint_size) : undefined,
    streamOffset: same ? number(r.stream_offset) : undefined,
    skipping: same && r.skipping !== null ? r.skipping === 1n : undefined,
    ...(same ? placeOf(r) : {}),
    ...(r.target === null ? {} : { target: text(r.target) }),
    ...(r.birth === null ? {} : { birthMs: number(r.birth) }),
    ...(r.size === null || !same ? {} : { size: number(r.size) }),
    ...(r.closed_at === null || !same ? {} : { closedAt: number(r.closed_at) }),
  }
}

/** Names that a run has chosen. */
const PLACE_ID = /^[\w-]{16}$/

/** Returns the name of the content of a row, and its mark. A name with a mark that no run has stored does not count. */
function placeOf(r: SqlRow): Pick<OffsetRow, 'placeId' | 'placeMark'> {
  const placeId = text(r.place)
  if (placeId === undefined || !PLACE_ID.test(placeId)) return {}
  if (r.mark_size === null) return { placeId }
  const [size, hash, hashed] = [number(r.mark_size), text(r.hash), number(r.hashed)]
  if (size === undefined || hash === undefined || hashed === undefined || hashed > size) return {}
  return { placeId, placeMark: { size, hash, hashed } }
}

/** True for an offset that no run stores: it is no integer, or negative. */
export function hasImpossibleOffset(r: SqlRow): boolean {
  return r.offset !== null && number(r.offset) === undefined
}

/** More bytes before an offset than any program compares. */
const MAX_COMPARED_BYTES = 65_536

function integer(value: number | undefined): SqlValue {
  return value === undefined ? null : BigInt(value)
}

function bigint(value: SqlValue | undefined): bigint {
  return typeof value === 'bigint' ? value : 0n
}

/** Returns a count, an offset or a time; undefined for what is none. */
function number(value: SqlValue | undefined): number | undefined {
  return typeof value === 'bigint' && value >= 0n && value <= MAX_NUMBER ? Number(value) : undefined
}

const MAX_NUMBER = BigInt(Number.MAX_SAFE_INTEGER)

function text(value: SqlValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
