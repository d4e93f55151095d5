import type { Database, SqlValue, Statement } from './driver.ts'

/** fluent-bit's own table for the journal: one row, and a contract with it. */
const IN_SYSTEMD_CURSOR =
  'CREATE TABLE IF NOT EXISTS in_systemd_cursor (cursor TEXT NOT NULL, updated INTEGER)'

/** What fluent-bit stores before it has read anything. */
const NONE = '(null)'

/** The position in the journal of the one input that keeps it in this database. */
export class CursorTable {
  readonly #select: Statement
  readonly #update: Statement
  readonly #insert: Statement

  constructor(db: Database) {
    db.exec(IN_SYSTEMD_CURSOR)
    // Of several rows the last one counts, as in fluent-bit.
    this.#select = db.prepare('SELECT cursor FROM in_systemd_cursor ORDER BY rowid DESC LIMIT 1')
    this.#update = db.prepare('UPDATE in_systemd_cursor SET cursor = ?, updated = ?')
    this.#insert = db.prepare('INSERT INTO in_systemd_cursor VALUES (?, ?)')
  }

  read(): string | undefined {
    const cursor = this.#select.get()?.cursor
    return typeof cursor === 'string' && cursor !== NONE ? cursor : undefined
  }

  write(cursor: string): void {
    const values = cursorValues(cursor)
    if (this.#update.run(...values).changes === 0) this.#insert.run(...values)
  }
}

/** Values for a row; the time is in seconds. */
function cursorValues(cursor: string): SqlValue[] {
  return [cursor, BigInt(Math.floor(Date.now() / 1000))]
}

/** s: sequence's id, i: number, b: boot, m: time since boot, t: time of day in microseconds, x: hash; all hexadecimal. */
const CURSOR =
  /s=[0-9a-f]{32};i=[0-9a-f]{1,16};b=[0-9a-f]{32};m=[0-9a-f]{1,16};t=([0-9a-f]{1,16});x=[0-9a-f]{1,16}/g

/**
 * The newest cursor that stands anywhere in the bytes of a damaged database and its log. Every one that was ever written
 * there was acknowledged, so the newest loses nothing, wherever it is found. What is not promised: its last part may have
 * a digit too many (the next column begins behind it), and then its entry counts as gone and is sent again.
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
