import { accessSync, constants, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { type ErrorCode, messageOf, reasonOf, ShipperError, systemCode } from '../core/error.ts'
import { FsFailure, stat } from '../lib/fs/file-system.ts'

/**
 * Converts an error of SQLite, or of the file system about the database file, to an E_STORE_* error. Where SQLite says only
 * "unable to open" or "I/O error", the file system is asked for the reason. Nothing here opens the file: closing it would
 * release the locks that SQLite holds on it for this process.
 */
export function storeError(error: unknown, path: string, doing: 'open' | 'use'): ShipperError {
  if (error instanceof ShipperError) return error
  const code = systemCode(error) ?? ''
  const known = KNOWN.find(([prefix]) => code.startsWith(prefix))
  const [, kind, retryable] = known ?? diagnose(path, doing)
  const reason = known === undefined ? explain(path, reasonOf(error)) : reasonOf(error)
  return new ShipperError(kind, `cannot ${doing} the database ${path}: ${reason}`, {
    retryable,
    scope: 'peer',
    details: { path, sqlite: code },
    cause: error,
  })
}

type Kind = readonly [prefix: string, code: ErrorCode, retryable: boolean]

const KNOWN: readonly Kind[] = [
  ['SQLITE_BUSY', 'E_STORE_BUSY', true],
  ['SQLITE_LOCKED', 'E_STORE_BUSY', true],
  ['SQLITE_FULL', 'E_STORE_FULL', true],
  ['ENOSPC', 'E_STORE_FULL', true],
  ['EDQUOT', 'E_STORE_FULL', true],
  ['SQLITE_READONLY', 'E_STORE_READONLY', true],
  ['EROFS', 'E_STORE_READONLY', true],
  ['SQLITE_CORRUPT', 'E_STORE_CORRUPT', false],
  ['SQLITE_NOTADB', 'E_STORE_CORRUPT', false],
]

function diagnose(path: string, doing: 'open' | 'use'): Kind {
  if (isFull(path)) return ['', 'E_STORE_FULL', true]
  if (!isDirectory(path) && refusal(path, constants.R_OK) !== undefined && exists(path))
    return ['', 'E_STORE_UNREADABLE', false]
  if (writeRefusal(path) !== undefined) return ['', 'E_STORE_READONLY', true]
  return ['', 'E_STORE_UNREADABLE', doing === 'use']
}

function explain(path: string, message: string): string {
  if (isFull(path)) return `${message}: no space left on the device`
  if (isDirectory(path)) return 'it is a directory'
  if (exists(path)) {
    const refused = refusal(path, constants.R_OK)
    if (refused !== undefined) return `${refused}, read`
  }
  return writeRefusal(path) ?? message
}

/**
 * Throws E_STORE_READONLY or E_STORE_UNREADABLE unless this process may read and write the database. SQLite would silently
 * open a file that it can only read, and then take no write lock.
 */
export function requireAccess(path: string): void {
  const unread = exists(path) ? refusal(path, constants.R_OK) : undefined
  const refused = unread === undefined ? writeRefusal(path) : `${unread}, read`
  if (refused === undefined) return
  const code = unread === undefined ? 'E_STORE_READONLY' : 'E_STORE_UNREADABLE'
  throw new ShipperError(code, `cannot use the database ${path}: ${refused}`, {
    retryable: unread === undefined,
    scope: 'peer',
    details: { path },
  })
}

/** Returns why the file or its directory, where SQLite creates the journal, is not writable; undefined if both are. */
function writeRefusal(path: string): string | undefined {
  const directory = dirname(path)
  const inDirectory = refusal(directory, constants.W_OK | constants.X_OK)
  if (inDirectory !== undefined) return `${inDirectory}, write to the directory ${directory}`
  const inFile = exists(path) ? refusal(path, constants.W_OK) : undefined
  return inFile === undefined ? undefined : `${inFile}, write`
}

function refusal(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode)
    return undefined
  } catch (error) {
    return systemCode(error) ?? messageOf(error)
  }
}

function exists(path: string): boolean {
  return refusal(path, constants.F_OK) === undefined
}

function isDirectory(path: string): boolean {
  const found = stat(path)
  return !(found instanceof FsFailure) && found.isDirectory()
}

function isFull(path: string): boolean {
  try {
    return statfsSync(dirname(path)).bavail === 0
  } catch {
    return false
  }
}
