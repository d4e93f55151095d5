import { readFileSync, statSync } from 'node:fs'
import { ShipperError } from '../core/error.ts'
import type { Database, OpenDatabase } from './driver.ts'

/** Covers a predecessor that is just ending: on a busy machine its last thread can outlive its first by this much. */
const WAIT_MS = 1000

export function lockPath(path: string): string {
  return `${path}.lock`
}

/**
 * Makes this process the only agent that uses the database, until `release` or its end, kill -9 included: an exclusive
 * transaction without content on an empty file beside it. Its lock is the kernel's and belongs to the inode, so it
 * also holds between containers that share the folder. The file is never removed: another agent may be about to lock
 * it. Readers of the database itself are not concerned. docs/adr/0006-one-agent-per-database.md
 */
export function takeLock(open: OpenDatabase, path: string): { release(): void } {
  const file = lockPath(path)
  let db: Database | undefined
  try {
    db = open(file, WAIT_MS)
    // A journal on disk would be the only thing that is ever written.
    db.exec('PRAGMA journal_mode = MEMORY')
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db?.close()
    throw refusal(error, path, file)
  }
  const held = db
  return { release: () => held.close() }
}

function refusal(error: unknown, path: string, file: string): unknown {
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
    return new ShipperError('E_STORE_UNREADABLE', `${file} is not a lock of this program`, {
      hint: 'it must be empty: move it away if no agent is running',
      cause: error,
    })
  }
  return error
}

/** Where SQLite's exclusive lock begins in a file. */
const LOCK_BYTE = 0x40000000
const BLANKS = /\s+/

/**
 * The process that holds the lock, from the kernel's list; undefined where there is none or where the holder lives in
 * another process namespace. The device is not compared: some file systems show another one here than in stat.
 */
function holderOf(file: string): number | undefined {
  try {
    const inode = String(statSync(file, { bigint: true }).ino)
    for (const line of readFileSync('/proc/locks', 'latin1').split('\n')) {
      const [, , , type, pid, id, start] = line.trim().split(BLANKS)
      if (type === 'WRITE' && id?.split(':')[2] === inode && Number(start) === LOCK_BYTE) return Number(pid)
    }
  } catch {
    // No such list on this system.
  }
  return undefined
}
