import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import { ShipperError } from '../../core/error.ts'
import { lockPath } from '../agent-lock.ts'
import type { OpenDatabase, SqlValue } from '../driver.ts'
import { storeError } from '../errors.ts'
import { CursorTable } from '../journal-cursor.ts'
import { ensureSchema, INSERT_FILE, REPLACE_EXTRA, writeDamage } from '../schema.ts'
import { SourcePositions } from '../source-position.ts'
import { hasHeader, type Salvaged, salvage } from './salvage.ts'
import { readWal } from './wal.ts'

/**
 * Result of a recovery, which works on the files of a database without SQLite. Nothing here runs while this process has the
 * database open: closing any descriptor of it would release SQLite's locks.
 *
 * ```
 *   pos.db  pos.db-wal      damaged
 *   pos.db.new              the rows that can still be read, being written
 *   pos.db.recovered        complete: from here on the replacement will be finished, by the next start if necessary
 *   pos.db.corrupt-<time>   the damaged database with its -wal; never removed
 * ```
 */
interface Recovery {
  reason: string
  setAside: string
  rowsKept: number
}

/**
 * Throws E_STORE_UNREADABLE for a file that was never a database: a wrong `DB` must not move somebody's log away. A database of
 * ours has its lock file next to it.
 */
export function refuseForeign(path: string): void {
  const stat = statOf(path)
  if (stat === undefined || stat.size === 0) return
  if (stat.isFile() && (existsSync(lockPath(path)) || existsSync(`${path}-wal`))) return
  if (stat.isFile()) {
    const bytes = contentOf(path)
    if (hasHeader(bytes) || (bytes.length % 512 === 0 && !isText(bytes))) return
  }
  throw new ShipperError(
    'E_STORE_UNREADABLE',
    `${path} is ${stat.isFile() ? 'not a database' : 'not a regular file'}`,
    {
      hint: 'choose another DB, or move the file away',
    },
  )
}

/** Returns damage that SQLite would silently ignore; undefined if none is found. */
export function undetectedDamage(path: string, usedBefore: boolean): string | undefined {
  // A new database gets its name only when it is complete.
  if (statOf(path)?.size === 0 && usedBefore) return 'the file is empty'
  if (hasImpossibleHeader(headOf(path))) return 'its header is damaged'
  const log = `${path}-wal`
  for (let attempt = 0; attempt < 3; attempt++) {
    const before = statOf(log)
    if (before === undefined || before.size === 0 || !readWal(contentOf(log)).damaged) return undefined
    const after = statOf(log)
    // Another program, such as fluent-bit, may be writing it right now.
    if (after?.mtimeMs === before.mtimeMs && after.size === before.size)
      return 'the write-ahead log is damaged'
  }
  return undefined
}

/** Bytes of the header, and their largest values, that SQLite takes for those of a read-only or newer format. */
const HEADER_MAXIMA = [
  { at: 18, bytes: 1, max: 2 },
  { at: 19, bytes: 1, max: 2 },
  { at: 44, bytes: 4, max: 4 },
  { at: 56, bytes: 4, max: 3 },
]
const HEADER_BYTES = 100

function hasImpossibleHeader(head: Buffer): boolean {
  if (head.length < HEADER_BYTES || !hasHeader(head)) return false
  return HEADER_MAXIMA.some(({ at, bytes, max }) => head.readUIntBE(at, bytes) > max)
}

function headOf(path: string): Buffer {
  if (!existsSync(path)) return Buffer.alloc(0)
  const head = Buffer.alloc(HEADER_BYTES)
  try {
    const fd = openSync(path, 'r')
    try {
      return head.subarray(0, readSync(fd, head))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw storeError(error, path, 'open')
  }
}

/** Creates an empty database atomically, already in `journalMode`: to change that later is synced four times. */
export function createEmpty(open: OpenDatabase, path: string, journalMode: string): void {
  build(
    open,
    path,
    `${path}.new`,
    { files: [], extras: [], positions: new Map(), cursor: undefined },
    { journalMode },
  )
  rename(`${path}.new`, path)
}

/** Renames the damaged database and replaces it by one with the rows that can still be read. */
export function recover(open: OpenDatabase, path: string, reason: string): Recovery {
  const rows = salvage(contentOf(path), contentOf(`${path}-wal`))
  const setAside = `${path}.corrupt-${new Date().toISOString().replace(PUNCTUATION, '')}`
  build(open, path, `${path}.new`, rows, { setAside })
  rename(`${path}.new`, `${path}.recovered`)
  finishReplacement(path, setAside)
  return { reason, setAside, rowsKept: rows.files.length + rows.positions.size }
}
const PUNCTUATION = /[-:.]/g

/** Completes a replacement that a crash may have interrupted. */
export function finishReplacement(path: string, setAside?: string): void {
  const recovered = `${path}.recovered`
  if (!existsSync(recovered)) return
  const aside = setAside ?? `${path}.corrupt-${new Date().toISOString().replace(PUNCTUATION, '')}`
  // The old log has to be moved before the new file gets the name: SQLite would apply it.
  for (const suffix of ['-wal', '-journal', '']) {
    if (existsSync(path + suffix)) rename(path + suffix, aside + suffix)
  }
  rmSync(`${path}-shm`, { force: true })
  rename(recovered, path)
}

function build(
  open: OpenDatabase,
  path: string,
  file: string,
  rows: Salvaged,
  { setAside, journalMode }: { setAside?: string; journalMode?: string },
): void {
  for (const suffix of ['', '-journal']) rmSync(file + suffix, { force: true })
  const db = open(file, 0)
  try {
    // A file that a crash leaves unfinished is never used, and a journal on disk would be synced three times.
    db.exec('PRAGMA journal_mode = MEMORY')
    ensureSchema(db)
    db.transaction(() => {
      const insert = db.prepare(INSERT_FILE)
      for (const row of rows.files) insert.run(...insertable(row))
      const extra = db.prepare(REPLACE_EXTRA)
      for (const row of rows.extras) extra.run(...row)
      if (rows.positions.size > 0) {
        const positions = new SourcePositions(db)
        for (const [owner, value] of rows.positions) positions.write(owner, { value })
      }
      if (rows.cursor !== undefined) new CursorTable(db).write(rows.cursor)
      if (setAside !== undefined) writeDamage(db, setAside, rows.files.length)
    })
    if (journalMode !== undefined) db.exec(`PRAGMA journal_mode = ${journalMode}`)
  } finally {
    db.close()
  }
  const mode = statOf(path)?.mode
  if (mode !== undefined) chmodSync(file, mode & 0o777)
}

/** Returns the values for INSERT_FILE; rows of older versions have fewer columns. */
function insertable(row: SqlValue[]): SqlValue[] {
  const [id = null, ...values] = row
  while (values.length < 7) values.push(0n)
  return [...values, id]
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    throw storeError(error, to, 'open')
  }
}

function contentOf(path: string): Buffer {
  try {
    return existsSync(path) ? readFileSync(path) : Buffer.alloc(0)
  } catch (error) {
    throw storeError(error, path, 'open')
  }
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false })
}

function isText(bytes: Buffer): boolean {
  return bytes.subarray(0, 64).every((byte) => byte >= 0x20 || (byte >= 9 && byte <= 13))
}
