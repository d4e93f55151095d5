import { existsSync, statSync } from 'node:fs'
import { ShipperError } from '../core/error.ts'
import type { OffsetChanges, OffsetOptions, OffsetRow } from '../core/offset-store.ts'
import type { Logger } from '../core/services.ts'
import { lockPath, takeLock } from './agent-lock.ts'
import { copyBack, DeletionGuard, lastWritten } from './deletion-guard.ts'
import type { Database, OpenDatabase } from './driver.ts'
import { requireAccess } from './errors.ts'
import { CursorTable } from './journal-cursor.ts'
import { createEmpty, finishReplacement, recover, refuseForeign, silentDamage } from './repair/repair.ts'
import { RowOwners } from './row-owners.ts'
import { CLEAR_DAMAGE, ensureSchema, extraValues, readDamage, toOffsetRow } from './schema.ts'
import { prepare, type Statements, store } from './statements.ts'

/** SQLite waits synchronously: nothing else runs meanwhile. */
const BUSY_MS = 200
/** Up to this size every page is looked at when the database is opened: some milliseconds per MB. */
const CHECK_BYTES = 32_000_000

/** The database of this process: locked, sound, open; shared by every input that names it. */
export class OffsetDatabase {
  readonly path: string
  /** See OffsetStore. */
  readonly storedMs: number | undefined
  readonly owners = new RowOwners()
  readonly #open: OpenDatabase
  readonly #options: OffsetOptions
  readonly #log: Logger
  readonly #presence: DeletionGuard
  #lock: { release(): void }
  #db: Database
  #statements: Statements
  #cursorTable: CursorTable | undefined
  #damaged = false
  #recovered = false
  /** Why the database has to be rebuilt before the next write. */
  #broken: string | undefined
  /** It was deleted, is there again, and is to be opened. */
  #reopens = false
  /** How the last write ended; undefined before the first. */
  #written: boolean | undefined

  constructor(open: OpenDatabase, path: string, options: OffsetOptions, log: Logger) {
    this.#open = open
    this.path = path
    this.#options = options
    this.#log = log
    const usedBefore = existsSync(lockPath(path))
    refuseForeign(path)
    this.storedMs = lastWritten(path)
    this.#lock = takeLock(open, path)
    try {
      this.#db = this.#openSound(usedBefore)
      this.#statements = prepare(this.#db)
      this.owners.load(this.#db)
      this.#presence = new DeletionGuard(path)
      this.#noteDamage()
    } catch (error) {
      this.#lock.release()
      throw error
    }
  }

  get damaged(): boolean {
    return this.#damaged
  }

  rows(): OffsetRow[] {
    return this.#statements.rows.all().map(toOffsetRow)
  }

  /** See OffsetStore. */
  lookedMs(paths: string): number | undefined {
    const at = this.#statements.look.get(paths)?.at
    return typeof at === 'bigint' ? Number(at) : this.storedMs
  }

  /** The stored position in the journal; a database without one has no table for it until this is asked. */
  cursor(): string | undefined {
    return this.#cursors().read()
  }

  #cursors(): CursorTable {
    this.#cursorTable ??= new CursorTable(this.#db)
    return this.#cursorTable
  }

  /** A damaged page met while running is mended on the spot, once: what is known is in `changes` or comes with the next. */
  write(changes: OffsetChanges, owner = ''): void {
    try {
      if (this.#broken !== undefined) this.#mend(this.#broken)
      this.#restore()
      this.#write(changes, owner)
    } catch (error) {
      this.#noteWritten(false)
      if (!isCorrupt(error) || this.#recovered) throw error
      this.#broken = error.message
      this.#mend(error.message)
      this.#write(changes, owner)
    }
    this.#noteWritten(true)
  }

  #mend(reason: string): void {
    this.#db.close()
    this.#use(this.#recover(reason))
    this.#broken = undefined
    this.#noteDamage()
  }

  #use(db: Database): void {
    this.#db = db
    this.#statements = prepare(db)
    this.owners.load(db)
    this.#cursorTable = undefined
    this.#presence.note()
  }

  /** When it was deleted while it was open: before the next write, and at the end. */
  #restore(): void {
    if (!this.#reopens) {
      if (!this.#presence.isGone) return
      const lock = this.#presence.lockAgain(this.#open)
      if (lock !== undefined) {
        this.#lock.release()
        this.#lock = lock
      }
      copyBack(this.#db, this.path)
      // Before the new one is opened: at its end SQLite removes the log by its name.
      this.#db.close()
      this.#reopens = true
    }
    this.#use(this.#connect())
    this.#reopens = false
    this.#log.error(
      `the database ${this.path} was deleted while it was in use: it is there again with all positions`,
      {
        code: 'E_STORE_UNREADABLE',
        hint: 'stop the agent before its database is moved or removed',
      },
    )
  }

  close(): void {
    try {
      this.#restore()
      // Orderly end, all positions stored: every file that was there has its row now.
      if (this.#damaged && this.#written === true) this.#db.exec(CLEAR_DAMAGE)
    } catch {
      // It stays marked as damaged, which costs nothing but a second look.
    } finally {
      if (!this.#reopens) this.#db.close()
      this.#lock.release()
    }
  }

  #write({ upsert, remove, scanned: looked, cursor }: OffsetChanges, owner: string): void {
    const s = this.#statements
    const ids: bigint[] = []
    const gone = remove.filter(({ id }) => !this.owners.isOthers(id, owner))
    this.owners.forget(gone)
    let noteOwner = (): void => {}
    this.#db.transaction(() => {
      for (const { id } of gone) {
        if (id === undefined) continue
        s.removeFile.run(BigInt(id))
        s.removeExtra.run(BigInt(id))
      }
      for (const row of upsert) {
        const id = store(s, row, this.owners.isOthers(row.id, owner))
        s.extra.run(...extraValues(row, id))
        ids.push(id)
      }
      if (owner !== '') noteOwner = this.owners.write(this.#db, owner, upsert, ids)
      if (looked !== undefined) s.setLook.run(looked.paths, BigInt(Math.floor(looked.ms)))
      if (cursor !== undefined) this.#cursors().write(cursor)
    })
    // Only now: a row whose transaction failed is as new as before.
    noteOwner()
    for (const [i, row] of upsert.entries()) row.id = Number(ids[i])
  }

  /** After a failure the next attempts do not wait for another process again: the event loop would stand still. */
  #noteWritten(ok: boolean): void {
    if (this.#written !== false && !ok) this.#quietly('PRAGMA busy_timeout = 0')
    if (this.#written === false && ok) this.#quietly(`PRAGMA busy_timeout = ${BUSY_MS}`)
    this.#written = ok
  }

  #quietly(sql: string): void {
    try {
      this.#db.exec(sql)
    } catch {
      // A setting of convenience.
    }
  }

  #openSound(usedBefore: boolean): Database {
    finishReplacement(this.path)
    if (!existsSync(this.path)) createEmpty(this.#open, this.path)
    const silent = silentDamage(this.path, usedBefore)
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
      `the database ${this.path} was damaged (${reason}): it is kept as ${setAside}, ${rowsKept} positions could be read and are used; files without a position are read from their start`,
      { code: 'E_STORE_CORRUPT', hint: 'some records may be sent again; look at the disk' },
    )
    return this.#connect()
  }

  #noteDamage(): void {
    const damage = readDamage(this.#db)
    this.#damaged = damage !== undefined
    if (damage === undefined || this.#recovered) return
    this.#log.warn(
      `the database ${this.path} was damaged before the last start (${damage.setAside}): files without a position are read from their start`,
    )
  }

  #connect(): Database {
    try {
      return this.#connectAs(this.#options.locking)
    } catch (error) {
      if (!(error instanceof ShipperError && error.code === 'E_STORE_FULL') || this.#options.locking)
        throw error
      // Without room for the file that readers share, the log works for a single process only.
      const db = this.#connectAs(true)
      this.#log.warn(`the disk of ${this.path} is full: no other program can read it until the next start`)
      return db
    }
  }

  #connectAs(exclusive: boolean): Database {
    requireAccess(this.path)
    const db = this.#open(this.path, BUSY_MS)
    try {
      this.#configure(db, exclusive)
      ensureSchema(db)
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
    if (actual !== mode)
      this.#log.warn(`the journal of ${this.path} is of mode ${actual}: ${mode} cannot be had`)
    db.exec(`PRAGMA synchronous = ${this.#options.sync.toUpperCase()}`)
    db.exec('PRAGMA cache_size = -512')
  }
}

/** Throws E_STORE_CORRUPT. A large database only has its rows read, which is what follows in any case. */
function check(db: Database): void {
  if (statSync(db.path).size > CHECK_BYTES) {
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
