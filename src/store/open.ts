import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, ShipperError, systemCode } from '../core/error.ts'
import type {
  OffsetChanges,
  OffsetOptions,
  OffsetRow,
  OffsetStore,
  SkippedFile,
  StoredPosition,
} from '../core/offset-store.ts'
import type { Logger } from '../core/services.ts'
import { requireOwnLink } from './companions.ts'
import { OffsetDatabase } from './database.ts'
import { type Driver, loadSqlite } from './driver.ts'
import { storeError } from './errors.ts'

export interface OffsetContext {
  log: Logger
  /** SQLite driver; default: the one of the runtime. */
  driver?: Driver
  /** Time that a start waits for another program to release the database; default 5000. */
  busyMs?: number
}

/** One open database per file: to the lock, a second one in this process would be another agent. */
const shared = new Map<string, { database: Promise<OffsetDatabase>; users: number; options: OffsetOptions }>()
/** Databases whose journal cursor an input has claimed. */
const cursorOwners = new WeakSet<OffsetDatabase>()

/**
 * Opens the positions stored in the database `path`, and creates it with its directory if it does not exist.
 * Without a path positions are kept in memory and SQLite is not loaded. Rejects with E_STORE_LOCKED when
 * another agent uses the database, with E_STORE_BUSY when another program does, and with the reason when it
 * cannot be read and written. A damaged database does not reject: it is renamed and replaced, and `damaged`
 * is true.
 */
export async function openOffsets(
  path: string | undefined,
  options: OffsetOptions,
  ctx: OffsetContext,
): Promise<OffsetStore> {
  if (path === undefined) return new MemoryOffsetStore()
  const real = realPath(resolve(path), ctx.log)
  const entry = shared.get(real) ?? { database: openWithRetry(real, options, ctx), users: 0, options }
  shared.set(real, entry)
  entry.users++
  if (differ(entry.options, options))
    ctx.log.warn(`two inputs share ${real} with different DB.* options: those of this input are ignored`)
  const leave = (): boolean => {
    if (--entry.users > 0) return false
    return shared.delete(real)
  }
  try {
    const database = await entry.database
    const owner = options.owner === undefined ? undefined : database.owners.enter(options.owner)
    // Inputs that start together are all registered before the first one looks for its rows.
    await new Promise(setImmediate)
    return new SharedOffsetStore(database, leave, owner)
  } catch (error) {
    leave()
    throw error
  }
}

async function openWithRetry(
  path: string,
  options: OffsetOptions,
  ctx: OffsetContext,
): Promise<OffsetDatabase> {
  const open = await loadSqlite(ctx.driver)
  const deadlineMs = performance.now() + (ctx.busyMs ?? 5000)
  for (let attempt = 1; ; attempt++) {
    try {
      return new OffsetDatabase(open, path, options, ctx.log)
    } catch (error) {
      const busy = error instanceof ShipperError && error.code === 'E_STORE_BUSY'
      if (!busy || performance.now() >= deadlineMs)
        throw systemCode(error) === undefined ? error : storeError(error, path, 'open')
      if (attempt === 1) ctx.log.warn(`${error.message}; waiting for it to be released`, { code: error.code })
      await sleep(100)
    }
  }
}

/**
 * Returns the path with all links resolved; creates its directory. Throws E_STORE_UNREADABLE for a link of another user.
 */
function realPath(path: string, log: Logger): string {
  const directory = dirname(path)
  requireOwnLink(path)
  try {
    if (existsSync(path)) return realpathSync(path)
    if (mkdirSync(directory, { recursive: true }) !== undefined)
      log.info(`created the directory ${directory}`)
    return join(realpathSync(directory), basename(path))
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOSPC') throw storeError(error, path, 'open')
    const kind = code === 'ENOTDIR' || code === 'EEXIST' ? 'E_STORE_UNREADABLE' : 'E_STORE_READONLY'
    throw new ShipperError(kind, `cannot create the directory ${directory}: ${code ?? messageOf(error)}`, {
      cause: error,
    })
  }
}

function differ(a: OffsetOptions, b: OffsetOptions): boolean {
  return a.sync !== b.sync || a.locking !== b.locking || a.journalMode !== b.journalMode
}

/** One input's view of an open database. */
class SharedOffsetStore implements OffsetStore {
  readonly path: string
  readonly #database: OffsetDatabase
  readonly #leave: () => boolean
  readonly #owner: string | undefined
  #closed = false
  #ownsCursor = false

  constructor(database: OffsetDatabase, leave: () => boolean, owner: string | undefined) {
    this.#owner = owner
    this.path = database.path
    this.#database = database
    this.#leave = leave
  }

  get damaged(): boolean {
    return this.#database.damaged
  }

  get lastWriteMs(): number | undefined {
    return this.#database.lastWriteMs
  }

  lastScanMs(pattern: string): number | undefined {
    return this.#database.lastScanMs(pattern)
  }

  skippedFiles(paths: string): SkippedFile[] | undefined {
    return this.#database.skippedFiles(paths)
  }

  rows(): OffsetRow[] {
    const rows = this.#database.rows()
    return this.#owner === undefined ? rows : this.#database.owners.visible(rows, this.#owner)
  }

  write(changes: OffsetChanges): void {
    const { upsert, remove, marks = [], scanned, skipped, cursor, position } = changes
    const hasRows = upsert.length + remove.length + marks.length > 0
    if (hasRows || [scanned, skipped, cursor, position].some((change) => change !== undefined))
      this.#database.write(changes, this.#owner)
  }

  claimCursor(): string | undefined {
    if (cursorOwners.has(this.#database) && !this.#ownsCursor)
      throw new ShipperError('E_STORE_LOCKED', `${this.path} already holds the cursor of another input`, {
        hint: 'give each systemd input its own DB',
      })
    cursorOwners.add(this.#database)
    this.#ownsCursor = true
    return this.#database.cursor()
  }

  finishedBoots(): string[] | undefined {
    return this.#ownsCursor ? this.#database.finishedBoots() : undefined
  }

  position(): StoredPosition | undefined {
    return this.#database.position(this.#owner ?? '')
  }

  sentEvents(): number[] | undefined {
    return this.#database.sentEvents()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#owner !== undefined) this.#database.owners.leave(this.#owner)
    if (this.#ownsCursor) cursorOwners.delete(this.#database)
    if (this.#leave()) this.#database.close()
  }
}

/** Replaces the database when there is no DB: rows get an id and are not kept. */
class MemoryOffsetStore implements OffsetStore {
  readonly path = undefined
  readonly damaged = false
  #id = 0

  rows(): OffsetRow[] {
    return []
  }

  readonly lastWriteMs = undefined

  lastScanMs(): undefined {}

  skippedFiles(): undefined {}

  claimCursor(): undefined {}

  finishedBoots(): undefined {}

  write({ upsert }: OffsetChanges): void {
    for (const row of upsert) row.id ??= ++this.#id
  }

  close(): void {}
}
