import { existsSync, statSync } from 'node:fs'
import { ShipperError, systemCode } from '../core/error.ts'
import type {
  OffsetChanges,
  OffsetOptions,
  OffsetRow,
  SkippedFile,
  StoredPosition,
} from '../core/offset-store.ts'
import type { Logger } from '../core/services.ts'
import { lockPath, takeLock } from './agent-lock.ts'
import { requireRegularCompanions } from './companions.ts'
import { copyBack, DeletionGuard, lastWriteMs } from './deletion-guard.ts'
import type { Database, OpenDatabase } from './driver.ts'
import { requireAccess, storeError } from './errors.ts'
import { CursorTable } from './journal-cursor.ts'
import { CLEAR_PLACES, hasPlacesOfOtherBoot, writePlaceBoot } from './place-boot.ts'
import { createEmpty, finishReplacement, recover, refuseForeign, undetectedDamage } from './repair/repair.ts'
import { RowOwners } from './row-owners.ts'
import {
  CLEAR_DAMAGE,
  CLEAR_LAST_WRITE,
  ensureSchema,
  extraValues,
  hasImpossibleOffset,
  keepLastWrite,
  readDamage,
  readScans,
  readSkipped,
  toOffsetRow,
  writeSkipped,
} from './schema.ts'
import { fluentBitSentEvents, SourcePositions } from './source-position.ts'
import {
  prepare,
  removePlace,
  removeRotated,
  type Statements,
  storePlace,
  storeRotated,
  storeRow,
} from './statements.ts'
import { refuseSchemaWithCode, requireWritableTables } from './untrusted.ts'

/** Time that SQLite waits for another process; it waits synchronously, so nothing else runs meanwhile. */
const BUSY_MS = 200
/**
 * Size up to which every page is checked when the database is opened; the check takes a few milliseconds per
 * MB.
 */
const MAX_CHECKED_BYTES = 32_000_000

/** A database that this process has locked, verified and opened; shared by every input that names it. */
export class OffsetDatabase {
  readonly path: string
  /** See OffsetStore. */
  readonly lastWriteMs: number | undefined
  readonly owners = new RowOwners()
  readonly #open: OpenDatabase
  readonly #options: OffsetOptions
  readonly #log: Logger
  readonly #deletionGuard: DeletionGuard
  /**
   * Scans of earlier runs. Kept in memory, because another input with the same Path may already have recorded
   * a scan of this run.
   */
  readonly #scans: Map<string, number>
  readonly #skipped: Map<string, SkippedFile[]> | undefined
  #lock: { release(): void }
  #db: Database
  #statements: Statements
  #cursorTable: CursorTable | undefined
  #sourcePositions: SourcePositions | undefined
  #damaged = false
  #recovered = false
  /** Reason why the database has to be rebuilt before the next write. */
  #corruption: string | undefined
  /** True while the database, deleted by someone and recreated, still has to be opened. */
  #needsReopen = false
  /** Outcome of the last write; undefined before the first. */
  #lastWriteSucceeded: boolean | undefined
  #hasWritten = false
  /** True while the names of contents in the database are those of another boot, and do not count. */
  #hasOldPlaces = false
  /** True once the database says that its names of contents are of this boot. */
  #hasPlaceBoot = false

  constructor(open: OpenDatabase, path: string, options: OffsetOptions, log: Logger) {
    this.#open = open
    this.path = path
    this.#options = options
    this.#log = log
    requireRegularCompanions(path)
    const usedBefore = existsSync(lockPath(path))
    refuseForeign(path)
    const writtenMs = lastWriteMs(path)
    this.#lock = takeLock(open, path)
    try {
      this.#db = this.#openOrRecover(usedBefore)
      this.#statements = prepare(this.#db)
      this.#hasOldPlaces = hasPlacesOfOtherBoot(this.#db, path)
      this.owners.load(this.#db)
      this.#scans = readScans(this.#db)
      this.lastWriteMs = this.#keepLastWrite(writtenMs)
      this.#skipped = readSkipped(this.#db)
      this.#deletionGuard = new DeletionGuard(path)
      this.#loadDamage()
    } catch (error) {
      this.#lock.release()
      throw error
    }
  }

  get damaged(): boolean {
    return this.#damaged
  }

  rows(): OffsetRow[] {
    const rows = this.#statements.rows.all()
    const impossible = rows.filter(hasImpossibleOffset)
    if (impossible.length > 0)
      this.#log.warn(
        `impossible positions in ${this.path}: ${impossible.length}, for example ${impossible[0]?.offset} of ${impossible[0]?.name}; these files are read from their first line`,
        { hint: 'another program has written to the database; records may be sent again' },
      )
    const all = rows.map(toOffsetRow)
    return this.#hasOldPlaces ? all.map(({ placeId: _, placeMark: __, ...row }) => row) : all
  }

  /** See OffsetStore. */
  lastScanMs(pattern: string): number | undefined {
    return this.#scans.size === 0 ? this.lastWriteMs : this.#scans.get(pattern)
  }

  /** Implements `OffsetStore.skippedFiles`. */
  skippedFiles(paths: string): SkippedFile[] | undefined {
    if (this.#skipped === undefined) return undefined
    const stored = this.#skipped.get(paths)
    if (stored !== undefined) return stored
    // Path was changed: uses the lists of every Path that shares a pattern with it.
    const patterns = new Set(paths.split(','))
    const others = [...this.#skipped].filter(([before]) => before.split(',').some((one) => patterns.has(one)))
    return others.flatMap(([, files]) => files)
  }

  /**
   * Returns the stored journal cursor. Creates its table if it does not exist: other databases do without it.
   */
  cursor(): string | undefined {
    return this.#cursors().read()
  }

  /** See OffsetStore. */
  finishedBoots(): string[] | undefined {
    return this.#cursors().finishedBoots()
  }

  /** See OffsetStore. Creates its tables if they do not exist: other databases do without them. */
  position(owner: string): StoredPosition | undefined {
    try {
      return this.#positions().read(owner)
    } catch (error) {
      if (!isCorrupt(error) || this.#recovered) throw error
      this.#repair(error.message)
      return this.#positions().read(owner)
    }
  }

  /** See OffsetStore. */
  sentEvents(): number[] | undefined {
    return fluentBitSentEvents(this.#db)
  }

  #positions(): SourcePositions {
    this.#sourcePositions ??= new SourcePositions(this.#db)
    return this.#sourcePositions
  }

  #cursors(): CursorTable {
    this.#cursorTable ??= new CursorTable(this.#db)
    return this.#cursorTable
  }

  /**
   * Writes the changes in one transaction. Corruption found here is repaired at once, but only once per run:
   * what the repair loses is in `changes` or comes with the next ones.
   */
  write(changes: OffsetChanges, owner = ''): void {
    try {
      if (this.#corruption !== undefined) this.#repair(this.#corruption)
      this.#recreateIfDeleted()
      this.#write(changes, owner)
    } catch (error) {
      this.#recordWrite(false)
      if (!isCorrupt(error) || this.#recovered)
        throw systemCode(error) === undefined ? error : storeError(error, this.path, 'use')
      this.#corruption = error.message
      this.#repair(error.message)
      this.#write(changes, owner)
    }
    this.#recordWrite(true)
  }

  #repair(reason: string): void {
    this.#db.close()
    this.#use(this.#recover(reason))
    this.#corruption = undefined
    this.#loadDamage()
  }

  #use(db: Database): void {
    this.#db = db
    this.#hasPlaceBoot = false
    this.#statements = prepare(db, this.#statements?.lastId)
    this.owners.load(db)
    this.#cursorTable = undefined
    this.#sourcePositions = undefined
    this.#deletionGuard.remember()
  }

  /** Recreates a database that was deleted while it was open; called before each write and on close. */
  #recreateIfDeleted(): void {
    if (!this.#needsReopen) {
      if (!this.#deletionGuard.checkDeleted()) return
      const lock = this.#deletionGuard.lockAgain(this.#open)
      if (lock !== undefined) {
        this.#lock.release()
        this.#lock = lock
      }
      copyBack(this.#db, this.path)
      // Closed before the new one is opened: on close SQLite removes the log by its name.
      this.#db.close()
      this.#needsReopen = true
    }
    this.#use(this.#connect())
    this.#needsReopen = false
    this.#log.error(
      `the database ${this.path} was deleted while it was in use; it was recreated with all positions`,
      {
        code: 'E_STORE_UNREADABLE',
        hint: 'stop the agent before its database is moved or removed',
      },
    )
  }

  close(): void {
    try {
      this.#recreateIfDeleted()
      // An orderly stop with all positions stored: every file that exists has its row now.
      if (this.#damaged && this.#lastWriteSucceeded === true) this.#db.exec(CLEAR_DAMAGE)
    } catch {
      // The database stays marked as damaged, which only means that files without a row are read from their
      // start again.
    } finally {
      this.#db.close()
      this.#lock.release()
    }
  }

  #write(changes: OffsetChanges, owner: string): void {
    const { upsert, remove, marks = [], scanned, skipped, cursor, finishedBoots, position } = changes
    const statements = this.#statements
    const ids: bigint[] = []
    const removed = remove.filter(({ id }) => !this.owners.belongsToOther(id, owner))
    this.owners.forget(removed)
    let recordOwner = (): void => {}
    const committed: ((() => void) | undefined)[] = []
    const hasPlaces = upsert.some(({ placeId }) => placeId !== undefined) || marks.length > 0
    const isFirstPlace = this.#hasOldPlaces || (hasPlaces && !this.#hasPlaceBoot)
    this.#db.transaction(() => {
      if (this.#hasOldPlaces) {
        this.#db.exec(CLEAR_PLACES)
        statements.places.clear()
      }
      if (isFirstPlace) writePlaceBoot(this.#db, this.path)
      for (const { id } of removed) {
        if (id === undefined) continue
        statements.removeFile.run(BigInt(id))
        statements.removeExtra.run(BigInt(id))
        removeRotated(statements, BigInt(id))
        committed.push(removePlace(statements, BigInt(id)))
      }
      for (const row of upsert) {
        const id = storeRow(statements, row, this.owners.belongsToOther(row.id, owner))
        statements.extra.run(...extraValues(row, id))
        storeRotated(statements, row, id)
        committed.push(storePlace(statements, row, id))
        ids.push(id)
      }
      for (const row of marks)
        if (row.id !== undefined) committed.push(storePlace(statements, row, BigInt(row.id)))
      recordOwner = this.owners.write(this.#db, owner, upsert, ids)
      if (!this.#hasWritten) this.#db.exec(CLEAR_LAST_WRITE)
      for (const pattern of scanned?.patterns ?? [])
        statements.setScan.run(pattern, BigInt(Math.floor(scanned?.ms ?? 0)))
      if (skipped !== undefined) writeSkipped(this.#db, skipped.paths, skipped.files)
      if (cursor !== undefined) this.#cursors().write(cursor)
      if (finishedBoots !== undefined) this.#cursors().writeFinishedBoots(finishedBoots)
      if (position !== undefined) this.#positions().write(owner, position)
    })
    this.#hasWritten = true
    if (isFirstPlace) {
      this.#hasOldPlaces = false
      this.#hasPlaceBoot = true
    }
    // Only after the commit: a row whose transaction failed has no id.
    recordOwner()
    for (const record of committed) record?.()
    for (const [i, row] of upsert.entries()) row.id = Number(ids[i])
  }

  /**
   * After a failed write the next attempts do not wait for another process, which would block the event loop.
   */
  #recordWrite(ok: boolean): void {
    if (this.#lastWriteSucceeded !== false && !ok) this.#tryExec('PRAGMA busy_timeout = 0')
    if (this.#lastWriteSucceeded === false && ok) this.#tryExec(`PRAGMA busy_timeout = ${BUSY_MS}`)
    this.#lastWriteSucceeded = ok
  }

  #keepLastWrite(ms: number | undefined): number | undefined {
    try {
      return keepLastWrite(this.#db, ms)
    } catch {
      // On a full disk, the time is right in this run; the next one has it only if this run writes before it
      // is killed.
      return ms
    }
  }

  #tryExec(sql: string): void {
    try {
      this.#db.exec(sql)
    } catch {
      // Only a convenience: without it the next attempt waits longer.
    }
  }

  #openOrRecover(usedBefore: boolean): Database {
    finishReplacement(this.path)
    if (!existsSync(this.path)) createEmpty(this.#open, this.path, this.#options.journalMode)
    const silent = undetectedDamage(this.path, usedBefore)
    if (silent !== undefined) return this.#recover(silent)
    try {
      return this.#connect()
    } catch (error) {
      if (!isCorrupt(error)) throw error
      return this.#recover(error.message)
    }
  }

  #recover(reason: string): Database {
    const { setAside, rowsKept } = recover(this.#open, this.path, reason)
    this.#recovered = true
    this.#log.error(
      `the database ${this.path} is damaged (${reason}): renamed it to ${setAside} and recovered ${rowsKept} positions; files without a position are read from their start, and events as far back as their source has them`,
      { code: 'E_STORE_CORRUPT', hint: 'some records may be sent again; check the disk' },
    )
    return this.#connect()
  }

  #loadDamage(): void {
    const damage = readDamage(this.#db)
    this.#damaged = damage !== undefined
    if (damage === undefined || this.#recovered) return
    this.#log.warn(
      `the database ${this.path} was recovered from damage (${damage.setAside}) and the agent has not stopped cleanly since: files without a position are read from their start, and events as far back as their source has them`,
    )
  }

  #connect(): Database {
    try {
      return this.#connectAs(this.#options.locking)
    } catch (error) {
      if (!(error instanceof ShipperError && error.code === 'E_STORE_FULL') || this.#options.locking)
        throw error
      // Without disk space for the shared-memory file, the write-ahead log works for a single process only.
      const db = this.#connectAs(true)
      this.#log.warn(
        `the disk of ${this.path} is full: opened the database exclusively, so that no other program can read it until the next start`,
      )
      return db
    }
  }

  #connectAs(exclusive: boolean): Database {
    requireAccess(this.path)
    const db = this.#open(this.path, BUSY_MS)
    try {
      this.#configure(db, exclusive)
      refuseSchemaWithCode(db)
      ensureSchema(db)
      requireWritableTables(db)
      check(db)
      return db
    } catch (error) {
      db.close()
      throw error
    }
  }

  #configure(db: Database, exclusive: boolean): void {
    if (exclusive) db.exec('PRAGMA locking_mode = EXCLUSIVE')
    const mode = this.#options.journalMode.toLowerCase()
    const actual = db.prepare(`PRAGMA journal_mode = ${mode}`).get()?.journal_mode
    if (actual !== mode) this.#log.warn(`cannot set DB.journal_mode ${mode} on ${this.path}: using ${actual}`)
    db.exec(`PRAGMA synchronous = ${this.#options.sync.toUpperCase()}`)
    db.exec('PRAGMA cache_size = -512')
  }
}

/**
 * Throws E_STORE_CORRUPT for a damaged database. Of a large one only the rows are read, which happens next
 * anyway.
 */
function check(db: Database): void {
  if (statSync(db.path).size > MAX_CHECKED_BYTES) {
    db.prepare('SELECT sum(length(name)) FROM in_tail_files').get()
    return
  }
  const found = db.prepare('PRAGMA quick_check(1)').get()?.quick_check
  if (found !== 'ok') {
    throw new ShipperError('E_STORE_CORRUPT', `the database ${db.path} is damaged: ${found}`)
  }
}

function isCorrupt(error: unknown): error is ShipperError {
  return error instanceof ShipperError && error.code === 'E_STORE_CORRUPT'
}
