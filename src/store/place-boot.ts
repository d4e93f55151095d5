import { readFileSync, statSync } from 'node:fs'
import type { Database } from './driver.ts'

/**
 * The boot of the machine in which names of contents were stored last, and the file of the database. After a crash of the machine, files
 * and database may lack what was written in the last seconds, and lines that have been delivered: others come to their offsets. A
 * database that was copied to its path is one of an earlier time, or of another machine. So names are those of one boot and one file.
 * Created with the first name.
 */
const SHIPPER_BOOT = 'CREATE TABLE IF NOT EXISTS shipper_boot (boot TEXT)'

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

function presentBoot(): string {
  try {
    return readFileSync(BOOT_ID, 'latin1').trim()
  } catch {
    // Not every sandbox shows it: names are kept over boots then.
    return ''
  }
}

/** Returns the boot, and what distinguishes the file at `path` from each copy of it: its device may have another number when mounted again. */
function originOf(path: string): string {
  const { ino, birthtimeNs } = statSync(path, { bigint: true })
  return `${presentBoot()} ${ino} ${birthtimeNs}`
}

/** True when the database has names of contents that were stored in another boot, or in a file of which it is a copy. */
export function hasPlacesOfOtherBoot(db: Database, path: string): boolean {
  if (db.prepare('SELECT 1 FROM shipper_places LIMIT 1').get() === undefined) return false
  const table = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'shipper_boot'").get()
  return table === undefined || db.prepare('SELECT boot FROM shipper_boot').get()?.boot !== originOf(path)
}

/** Records that the names of contents in the database are of this boot and file. */
export function writePlaceBoot(db: Database, path: string): void {
  db.exec(SHIPPER_BOOT)
  db.exec('DELETE FROM shipper_boot')
  db.prepare('INSERT INTO shipper_boot VALUES (?)').run(originOf(path))
}

export const CLEAR_PLACES = 'DELETE FROM shipper_places'
