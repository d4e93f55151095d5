import type { Database, SqlValue, Statement } from './driver.ts'

/** fluent-bit's own table for the journal cursor. It has one row and is a contract with fluent-bit. */
const IN_SYSTEMD_CURSOR =
  'CREATE TABLE IF NOT EXISTS in_systemd_cursor (cursor TEXT NOT NULL, updated INTEGER)'

/** Boots of the journal that the cursor has left; our own table, which fluent-bit ignores. */
const FINISHED_BOOTS = 'CREATE TABLE IF NOT EXISTS shipper_finished_boots (boot TEXT PRIMARY KEY)'
const HAS_FINISHED_BOOTS =
  "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'shipper_finished_boots'"
/** Rows that are read: more than are ever written. */
const MAX_FINISHED_BOOTS = 10_000

/** Value that fluent-bit stores before it has read anything. */
const NO_CURSOR = '(null)'

/** The journal cursor of the one input that stores it in this database. */
export class CursorTable {
  readonly #select: Statement
  readonly #update: Statement
  readonly #insert: Statement
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
    db.exec(IN_SYSTEMD_CURSOR)
    // If there are several rows the last one counts, as in fluent-bit.
    this.#select = db.prepare('SELECT cursor FROM in_systemd_cursor ORDER BY rowid DESC LIMIT 1')
    this.#update = db.prepare('UPDATE in_systemd_cursor SET cursor = ?, updated = ?')
    this.#insert = db.prepare('INSERT INTO in_systemd_cursor VALUES (?, ?)')
  }

  read(): string | undefined {
    const cursor = this.#select.get()?.cursor
    return typeof cursor === 'string' && cursor !== NO_CURSOR ? cursor : undefined
  }

  write(cursor: string): void {
    const values = cursorValues(cursor)
    if (this.#update.run(...values).changes === 0) this.#insert.run(...values)
  }

  /** Returns the finished boots; undefined when none were ever stored, as by fluent-bit. */
  finishedBoots(): string[] | undefined {
    if (this.#db.prepare(HAS_FINISHED_BOOTS).get() === undefined) return undefined
    const rows = this.#db
      .prepare(`SELECT boot FROM shipper_finished_boots WHERE length(boot) = 32 LIMIT ${MAX_FINISHED_BOOTS}`)
      .all()
    return rows.map(({ boot }) => String(boot))
  }

  writeFinishedBoots(boots: readonly string[]): void {
    this.#db.exec(FINISHED_BOOTS)
    this.#db.exec('DELETE FROM shipper_finished_boots')
    const insert = this.#db.prepare('INSERT OR IGNORE INTO shipper_finished_boots VALUES (?)')
    for (const boot of boots) insert.run(boot)
  }
}

/** Returns the values of a row; the time is in Unix seconds. */
function cursorValues(cursor: string): SqlValue[] {
  return [cursor, BigInt(Math.floor(Date.now() / 1000))]
}

/**
 * s: id of the sequence, i: number in it, b: boot id, m: time since boot, t: wall time (both in microseconds), x: hash; all
 * hexadecimal.
 */
const CURSOR =
  /s=[0-9a-f]{32};i=[0-9a-f]{1,16};b=[0-9a-f]{32};m=[0-9a-f]{1,16};t=([0-9a-f]{1,16});x=[0-9a-f]{1,16}/g

/**
 * Returns the newest cursor found anywhere in the bytes of a damaged database and its write-ahead log. Every cursor that was ever
 * written was acknowledged, so the newest one loses nothing, wherever it is found. Not promised: its last part may have one
 * digit too many, because the next column follows directly; its entry then counts as missing and is sent again.
 */
export function salvageCursor(...files: Buffer[]): string | undefined {
  let newest: string | undefined
  let time = -1n
  for (const bytes of files) {
    for (const [cursor, t] of bytes.toString('latin1').matchAll(CURSOR)) {
      if (BigInt(`0x${t}`) < time) continue
      time = BigInt(`0x${t}`)
      newest = cursor
    }
  }
  return newest
}
