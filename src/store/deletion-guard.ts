import { renameSync, rmSync, statSync } from 'node:fs'
import { ShipperError } from '../core/error.ts'
import { lockPath, takeLock } from './agent-lock.ts'
import type { Database, OpenDatabase } from './driver.ts'
import { storeError } from './errors.ts'

/** When the database was last written, by its files, in milliseconds. */
export function lastWritten(path: string): number | undefined {
  const times = [path, `${path}-wal`].flatMap((p) => {
    // In whole nanoseconds: mtimeMs is rounded otherwise than the births it is compared with.
    const stat = statSync(p, { throwIfNoEntry: false, bigint: true })
    return stat === undefined || stat.size === 0n ? [] : [Number(stat.mtimeNs) / 1e6]
  })
  return times.length === 0 ? undefined : Math.max(...times)
}

/**
 * Whether the files that this process has open are still those at their names. SQLite would go on in files that were
 * deleted without a word, and the next start would know nothing.
 */
export class DeletionGuard {
  readonly #path: string
  #database: bigint | undefined
  #lock: bigint | undefined

  constructor(path: string) {
    this.#path = path
    this.note()
  }

  /** The files at the names are ours now. */
  note(): void {
    this.#database = inodeAt(this.#path)
    this.#lock = inodeAt(lockPath(this.#path))
  }

  /** True: it was deleted. Throws when another one has taken its place: which of the two is right nobody knows here. */
  get isGone(): boolean {
    const inode = inodeAt(this.#path)
    if (inode === undefined || inode === this.#database) return inode === undefined
    throw new ShipperError(
      'E_STORE_UNREADABLE',
      `the database ${this.#path} was replaced while it was in use`,
      {
        hint: 'restart the agent: it goes on from what is stored there now',
      },
    )
  }

  /** Another agent may hold a lock file that has taken the place of ours; undefined: ours is still there. */
  lockAgain(open: OpenDatabase): { release(): void } | undefined {
    if (inodeAt(lockPath(this.#path)) === this.#lock) return undefined
    const lock = takeLock(open, this.#path)
    this.#lock = inodeAt(lockPath(this.#path))
    return lock
  }
}

/** Puts what a deleted database holds, as the open connection still reads it, under its name again. */
export function copyBack(db: Database, path: string): void {
  const copy = `${path}.new`
  try {
    rmSync(copy, { force: true })
    db.exec(`VACUUM INTO '${copy.replaceAll("'", "''")}'`)
    renameSync(copy, path)
  } catch (error) {
    throw error instanceof ShipperError ? error : storeError(error, path, 'open')
  }
}

function inodeAt(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
}
