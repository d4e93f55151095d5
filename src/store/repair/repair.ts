import { chmodSync, existsSync, readFileSync, renameSync, rmSync, type Stats, statSync } from 'node:fs'
import { ShipperError } from '../../core/error.ts'
import { lockPath } from '../agent-lock.ts'
import type { OpenDatabase, SqlValue } from '../driver.ts'
import { storeError } from '../errors.ts'
import { CursorTable } from '../journal-cursor.ts'
import { ensureSchema, INSERT_FILE, REPLACE_EXTRA, writeDamage } from '../schema.ts'
import { hasHeader, type Salvaged, salvage } from './salvage.ts'
import { readWal } from './wal.ts'

/**
 * What happens to the files of a database around SQLite. Nothing here runs while this process has the database open:
 * closing any descriptor of it would give up SQLite's locks.
 *
 * ```
 *   pos.db  pos.db-wal      damaged
 *   pos.db.new              what can still be read, being written
 *   pos.db.recovered        complete: from here on the replacement is finished, by the next start if need be
 *   pos.db.corrupt-<time>   the damaged one, with its -wal; never removed
 * ```
 */
interface Recovery {
  reason: string
  setAside: string
  rowsKept: number
}

/**
 * Throws for a file that was never a database: a wrong `DB` must not move somebody's log away. A database of ours has
 * its lock file beside it.
 */
export function refuseForeign(path: string): void {
  const stat = statOf(path)
  if (stat === undefined || stat.size === 0) return
  if (stat.isFile() && (existsSync(lockPath(path)) || existsSync(`${path}-wal`))) return
  if (stat.isFile()) {
    const bytes = contentOf(path)
    if (hasHeader(bytes) || (bytes.length % 512 === 0 && !isText(bytes))) return
  }
  throw new ShipperError('E_STORE_UNREADABLE', `${path} is ${stat.isFile() ? 'not a database' : 'no file'}`, {
    hint: 'give another DB, or move the file away',
  })
}

/** Damage that SQLite would pass over in silence; undefined: none to be seen. */
export function silentDamage(path: string, usedBefore: boolean): string | undefined {
  // A new database appears under its name only when it is complete.
  if (statOf(path)?.size === 0 && usedBefore) return 'the file is empty'
  const log = `${path}-wal`
  for (let look = 0; look < 3; look++) {
    const before = statOf(log)
    if (before === undefined || before.size === 0 || !readWal(contentOf(log)).damaged) return undefined
    const after = statOf(log)
    // Another program, fluent-bit say, may be writing it just now.
    if (after?.mtimeMs === before.mtimeMs && after.size === before.size)
      return 'the write-ahead log is damaged'
  }
  return undefined
}

/** Puts an empty database in place, whole or not at all. */
export function createEmpty(open: OpenDatabase, path: string): void {
  build(open, path, `${path}.new`, { files: [], extras: [], cursor: undefined })
  rename(`${path}.new`, path)
}

/** Sets the damaged database aside and puts one with what can still be read in its place. */
export function recover(open: OpenDatabase, path: string, reason: string): Recovery {
  const rows = salvage(contentOf(path), contentOf(`${path}-wal`))
  const setAside = `${path}.corrupt-${new Date().toISOString().replace(PUNCTUATION, '')}`
  build(open, path, `${path}.new`, rows, setAside)
  rename(`${path}.new`, `${path}.recovered`)
  finishReplacement(path, setAside)
  return { reason, setAside, rowsKept: rows.files.length }
}
const PUNCTUATION = /[-:.]/g

/** Completes a replacement that a crash may have interrupted; nothing to do otherwise. */
export function finishReplacement(path: string, setAside?: string): void {
  const recovered = `${path}.recovered`
  if (!existsSync(recovered)) return
  const aside = setAside ?? `${path}.corrupt-${new Date().toISOString().replace(PUNCTUATION, '')}`
  // The old log must be gone before the new file has the name: SQLite would apply it.
  for (const suffix of ['-wal', '-journal', '']) {
    if (existsSync(path + suffix)) rename(path + suffix, aside + suffix)
  }
  rmSync(`${path}-shm`, { force: true })
  rename(recovered, path)
}

function build(open: OpenDatabase, path: string, file: string, rows: Salvaged, setAside?: string): void {
  for (const suffix of ['', '-journal']) rmSync(file + suffix, { force: true })
  const db = open(file, 0)
  try {
    ensureSchema(db)
    db.transaction(() => {
      const insert = db.prepare(INSERT_FILE)
      for (const row of rows.files) insert.run(...insertable(row))
      const extra = db.prepare(REPLACE_EXTRA)
      for (const row of rows.extras) extra.run(...row)
      if (rows.cursor !== undefined) new CursorTable(db).write(rows.cursor)
      if (setAside !== undefined) writeDamage(db, setAside, rows.files.length)
    })
  } finally {
    db.close()
  }
  const mode = statOf(path)?.mode
  if (mode !== undefined) chmodSync(file, mode & 0o777)
}

/** Rows of older versions end earlier. */
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
