import { readFileSync, statSync } from 'node:fs'
import { ShipperError } from '../core/error.ts'
import { LOCK_SUFFIX } from '../core/offset-store.ts'
import type { Database, OpenDatabase } from './driver.ts'

/** Maximum wait for a previous agent that is still exiting: on a busy machine its last thread may outlive the first this long. */
const MAX_WAIT_MS = 1000

/** Returns the path of the lock file of a database. */
export function lockPath(path: string): string {
  return path + LOCK_SUFFIX
}

/**
 * Makes this process the only agent that uses the database until `release` or the end of the process, kill -9 included, with
 * an exclusive empty transaction on an empty file next to it. The kernel holds the lock for the inode, so it also works
 * between containers that share the directory. The file is never removed: another agent may be about to lock it. Readers of
 * the database itself are not affected. Throws E_STORE_LOCKED. docs/adr/0006-one-agent-per-database.md
 */
export function takeLock(open: OpenDatabase, path: string): { release(): void } {
  const file = lockPath(path)
  let db: Database | undefined
  try {
    db = open(file, MAX_WAIT_MS)
    // A journal on disk would be the only thing ever written.
    db.exec('PRAGMA journal_mode = MEMORY')
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db?.close()
    throw lockError(error, path, file)
  }
  const held = db
  return { release: () => held.close() }
}

function lockError(error: unknown, path: string, file: string): unknown {
  if (!(error instanceof ShipperError)) return error
  if (error.code === 'E_STORE_BUSY') {
    const pid = holderOf(file)
    const who = pid === undefined ? 'another agent' : `another agent (pid ${pid})`
    return new ShipperError('E_STORE_LOCKED', `the database ${path} is in use by ${who}`, {
      details: { path, pid },
      cause: error,
    })
  }
  if (error.code === 'E_STORE_CORRUPT') {
    return new ShipperError('E_STORE_UNREADABLE', `${file} is not a lock file of this program`, {
      hint: 'the lock file must be empty: move it away if no agent is running',
      cause: error,
    })
  }
  return error
}

/** Offset in a file at which SQLite's exclusive lock begins. */
const LOCK_BYTE = 0x40000000
const WHITESPACE = /\s+/

/**
 * Returns the pid that holds the lock, from /proc/locks; undefined if there is none, or if the holder is in another pid
 * namespace. The device is not compared: some file systems report a different one here than in stat.
 */
function holderOf(file: string): number | undefined {
  try {
    const inode = String(statSync(file, { bigint: true }).ino)
    for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
      const [, , , type, pid, id, start] = line.trim().split(WHITESPACE)
      if (type === 'WRITE' && id?.split(':')[2] === inode && Number(start) === LOCK_BYTE) return Number(pid)
    }
  } catch {
    // No /proc/locks on this system.
  }
  return undefined
}
