import { ShipperError } from '../core/error.ts'
import { COMPANION_SUFFIXES } from '../core/offset-store.ts'
import { isForeignLink, lstat } from '../lib/fs/file-system.ts'

/**
 * Throws E_STORE_UNREADABLE when a file next to the database, its lock included, is not a regular file. In a directory
 * that others can write to, a link prepared there would make the agent create or overwrite the file that it names, and
 * reading a FIFO would never end.
 */
export function requireRegularCompanions(path: string): void {
  for (const file of COMPANION_SUFFIXES.map((suffix) => path + suffix)) {
    const found = lstat(file)
    if ('isFile' in found && !found.isFile()) throw refusal(file, 'is not a regular file')
  }
}

/**
 * Throws E_STORE_UNREADABLE when the database is a link that another user has made. A link of root or of this user may
 * lead anywhere.
 */
export function requireOwnLink(path: string): void {
  if (isForeignLink(path)) throw refusal(path, 'is a link that belongs to another user')
}

function refusal(file: string, why: string): ShipperError {
  return new ShipperError('E_STORE_UNREADABLE', `${file} ${why}`, {
    hint: 'keep the database in a directory that only the agent can write to, and remove this file',
  })
}
