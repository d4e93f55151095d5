import { renameSync, rmSync, statSync } from 'node:fs'
import { ShipperError } from '../core/error.ts'
import { millisecondsOf } from '../lib/time/milliseconds.ts'
import { lockPath, takeLock } from './agent-lock.ts'
import type { Database, OpenDatabase } from './driver.ts'
import { storeError } from './errors.ts'

/** Returns when the database was last written, in milliseconds, from the times of its files; undefined if there are none. */
export function lastWriteMs(path: string): number | undefined {
  const times = [path, `${path}-wal`].flatMap((p) => {
    // From whole nanoseconds: mtimeMs is rounded differently from the birth times it is compared with.
    const stat = statSync(p, { throwIfNoEntry: false, bigint: true })
    return stat === undefined || stat.size === 0n ? [] : [millisecondsOf(stat.mtimeNs)]
  })
  return times.length === 0 ? undefined : Math.max(...times)
}

/**
 * Detects that the database or its lock file was deleted or replaced while this process has them open. SQLite would silently
 * continue in the deleted files, and the next start would find no positions.
 */
export class DeletionGuard {
  readonly #path: string
  #database: bigint | undefined
  #lock: bigint | undefined

  constructor(path: string) {
    this.#path = path
    this.remember()
  }

  /** Remembers the files that are at the paths now as the open ones. */
  remember(): void {
    this.#database = inodeAt(this.#path)
    this.#lock = inodeAt(lockPath(this.#path))
  }

  /** Returns true when the database was deleted. Throws when another file took its place: it is unclear which one to keep. */
  checkDeleted(): boolean {
    const inode = inodeAt(this.#path)
    if (inode === undefined || inode === this.#database) return inode === undefined
    throw new ShipperError(
      'E_STORE_UNREADABLE',
      `the database ${this.#path} was replaced while it was in use`,
      {
        hint: 'restart the agent: it resumes from the positions in the new database',
      },
    )
  }

  /**
   * Locks the lock file again if another file took its place; undefined when the locked one is still there. Throws
   * E_STORE_LOCKED when another agent holds the new one.
   */
  lockAgain(open: OpenDatabase): { release(): void } | undefined {
    if (inodeAt(lockPath(this.#path)) === this.#lock) return undefined
    const lock = takeLock(open, this.#path)
    this.#lock = inodeAt(lockPath(this.#path))
    return lock
  }
}

/** Writes the content of a deleted database, which the open connection can still read, back to its path. */
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
