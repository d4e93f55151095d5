import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, ShipperError, systemCode } from '../core/error.ts'
import type { OffsetChanges, OffsetOptions, OffsetRow, OffsetStore } from '../core/offset-store.ts'
import type { Logger } from '../core/services.ts'
import { OffsetDatabase } from './database.ts'
import { type Driver, loadSqlite } from './driver.ts'
import { storeError } from './errors.ts'

export interface OffsetContext {
  log: Logger
  /** Default: that of the runtime. */
  driver?: Driver
  /** How long a start waits for another program to let go of the database; default 5 s. */
  busyMs?: number
}

/** One handle per file: a second one in this process would be another agent to its lock. */
const shared = new Map<string, { handle: Promise<OffsetDatabase>; users: number; options: OffsetOptions }>()
/** Handles whose cursor an input has claimed. */
const cursorOwners = new WeakSet<OffsetDatabase>()

/**
 * The stored positions in the database `path`, which is created with its folder when it is not there. Without a path
 * nothing is kept and SQLite is not loaded. Rejects with E_STORE_LOCKED when another agent has it, with E_STORE_BUSY
 * when another program does, and with the reason when it cannot be read and written; a damaged database is no reason:
 * it is set aside, and `damaged` says so.
 */
export async function openOffsets(
  path: string | undefined,
  options: OffsetOptions,
  ctx: OffsetContext,
): Promise<OffsetStore> {
  if (path === undefined) return new MemoryOffsetStore()
  const real = realPath(resolve(path), ctx.log)
  const entry = shared.get(real) ?? { handle: openWithRetry(real, options, ctx), users: 0, options }
  shared.set(real, entry)
  entry.users++
  if (differs(entry.options, options))
    ctx.log.warn(`${real} is open already: the DB.* options of the first input that names it count`)
  const leave = (): boolean => {
    if (--entry.users > 0) return false
    return shared.get(real) === entry && shared.delete(real)
  }
  try {
    const handle = await entry.handle
    const owner = options.owner === undefined ? undefined : handle.owners.enter(options.owner)
    // Those that start together know of each other before the first looks for its rows.
    await new Promise(setImmediate)
    return new SharedOffsetStore(handle, leave, owner)
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
  const end = performance.now() + (ctx.busyMs ?? 5000)
  for (let attempt = 1; ; attempt++) {
    try {
      return new OffsetDatabase(open, path, options, ctx.log)
    } catch (error) {
      const busy = error instanceof ShipperError && error.code === 'E_STORE_BUSY'
      if (!busy || performance.now() >= end) throw error
      if (attempt === 1) ctx.log.warn(`${error.message}; waiting`, { code: error.code })
      await sleep(100)
    }
  }
}

/** The name that all links to it share; its folder is made. */
function realPath(path: string, log: Logger): string {
  const folder = dirname(path)
  try {
    if (existsSync(path)) return realpathSync(path)
    if (mkdirSync(folder, { recursive: true }) !== undefined) log.info(`created the folder ${folder}`)
    return join(realpathSync(folder), basename(path))
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOSPC') throw storeError(error, path, 'open')
    const kind = code === 'ENOTDIR' || code === 'EEXIST' ? 'E_STORE_UNREADABLE' : 'E_STORE_READONLY'
    throw new ShipperError(kind, `cannot create the folder ${folder}: ${code ?? messageOf(error)}`, {
      cause: error,
    })
  }
}

function differs(a: OffsetOptions, b: OffsetOptions): boolean {
  return a.sync !== b.sync || a.locking !== b.locking || a.journalMode !== b.journalMode
}

/** One input's share of a handle. */
class SharedOffsetStore implements OffsetStore {
  readonly path: string
  readonly #handle: OffsetDatabase
  readonly #leave: () => boolean
  readonly #owner: string | undefined
  #closed = false
  #ownsCursor = false

  constructor(handle: OffsetDatabase, leave: () => boolean, owner: string | undefined) {
    this.#owner = owner
    this.path = handle.path
    this.#handle = handle
    this.#leave = leave
  }

  get damaged(): boolean {
    return this.#handle.damaged
  }

  get lastWriteMs(): number | undefined {
    return this.#handle.storedMs
  }

  lastScanMs(paths: string): number | undefined {
    return this.#handle.lookedMs(paths)
  }

  rows(): OffsetRow[] {
    const rows = this.#handle.rows()
    return this.#owner === undefined ? rows : this.#handle.owners.visible(rows, this.#owner)
  }

  write(changes: OffsetChanges): void {
    const { upsert, remove, scanned: looked, cursor } = changes
    if (upsert.length + remove.length > 0 || looked !== undefined || cursor !== undefined)
      this.#handle.write(changes, this.#owner)
  }

  claimCursor(): string | undefined {
    if (cursorOwners.has(this.#handle) && !this.#ownsCursor)
      throw new ShipperError('E_STORE_LOCKED', `${this.path} holds the cursor of another input already`, {
        hint: 'give each systemd input its own DB',
      })
    cursorOwners.add(this.#handle)
    this.#ownsCursor = true
    return this.#handle.cursor()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#owner !== undefined) this.#handle.owners.leave(this.#owner)
    if (this.#ownsCursor) cursorOwners.delete(this.#handle)
    if (this.#leave()) this.#handle.close()
  }
}

/** Without a database: rows get an id and are forgotten. */
class MemoryOffsetStore implements OffsetStore {
  readonly path = undefined
  readonly damaged = false
  #id = 0

  rows(): OffsetRow[] {
    return []
  }

  readonly lastWriteMs = undefined

  lastScanMs(): undefined {}

  claimCursor(): undefined {}

  write({ upsert }: OffsetChanges): void {
    for (const row of upsert) row.id ??= ++this.#id
  }

  close(): void {}
}
