import { ShipperError } from '../core/error.ts'
import type { PositionChange, StoredPosition } from '../core/offset-store.ts'
import { crc32c } from '../lib/hash/crc32c.ts'
import type { Database, SqlValue, Statement } from './driver.ts'

/**
 * Positions of inputs whose source is no file, by owner; our own tables, which fluent-bit ignores. A file has a marker by which
 * its row is verified; here a checksum over owner and value, or owner and mark, detects what SQLite does not: a changed byte.
 */
const POSITIONS = `CREATE TABLE IF NOT EXISTS shipper_positions (
  owner TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL)`
const MARKS = `CREATE TABLE IF NOT EXISTS shipper_position_marks (
  owner TEXT NOT NULL, mark TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (owner, mark)) WITHOUT ROWID`
const COLUMNS = { shipper_positions: 'owner,value,crc', shipper_position_marks: 'owner,mark,crc' }
/** Rows and characters that are read: more than are ever written. */
const MAX_OWNERS = 10_000
const MAX_MARKS = 1_000_000
const MAX_VALUE_LENGTH = 1000
const MAX_MARK_LENGTH = 200

/** fluent-bit's own table of the events that its input kubernetes_events has sent. */
const HAS_SENT_EVENTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'in_kubernetes_events'"

/**
 * The positions of inputs whose source is no file. The tables are created for the first input that has such a
 * position.
 */
export class SourcePositions {
  readonly #path: string
  readonly #select: Statement
  readonly #selectMarks: Statement
  readonly #replace: Statement
  readonly #addMark: Statement
  readonly #removeMark: Statement
  readonly #removeMarks: Statement

  constructor(db: Database) {
    this.#path = db.path
    requireOwnTables(db)
    db.exec(POSITIONS)
    db.exec(MARKS)
    requireMatchingIndex(db)
    // All rows, in the table itself: in an index a changed byte could hide the row of an owner.
    this.#select = db.prepare(
      `SELECT owner, value, crc FROM shipper_positions NOT INDEXED
       WHERE length(value) <= ${MAX_VALUE_LENGTH} ORDER BY rowid LIMIT ${MAX_OWNERS}`,
    )
    this.#selectMarks = db.prepare(
      `SELECT owner, mark, crc FROM shipper_position_marks
       WHERE owner = ? AND length(mark) <= ${MAX_MARK_LENGTH} LIMIT ${MAX_MARKS}`,
    )
    this.#replace = db.prepare('INSERT OR REPLACE INTO shipper_positions VALUES (?, ?, ?)')
    this.#addMark = db.prepare('INSERT OR IGNORE INTO shipper_position_marks VALUES (?, ?, ?)')
    this.#removeMark = db.prepare('DELETE FROM shipper_position_marks WHERE owner = ? AND mark = ?')
    this.#removeMarks = db.prepare('DELETE FROM shipper_position_marks WHERE owner = ?')
  }

  /**
   * Returns the position of an owner; undefined when it has none. Throws E_STORE_CORRUPT when there is none, and one that is
   * damaged, whose owner is not known then.
   */
  read(owner: string): StoredPosition | undefined {
    const rows = this.#select.all()
    const intact = rows.filter((row) => isIntact(row.owner, row.value, row.crc))
    const value = intact.findLast((row) => row.owner === owner)?.value
    if (value === undefined && intact.length < rows.length)
      throw new ShipperError('E_STORE_CORRUPT', `a position in ${this.#path} does not have its checksum`)
    if (value === undefined) return undefined
    const marks = this.#selectMarks.all(owner).filter((row) => isIntact(row.owner, row.mark, row.crc))
    return { value: String(value), marks: marks.map(({ mark }) => String(mark)) }
  }

  write(owner: string, { value, add = [], remove = [] }: PositionChange): void {
    this.#replace.run(owner, value, checksumOf(owner, value))
    if (remove === 'all') this.#removeMarks.run(owner)
    else for (const mark of remove) this.#removeMark.run(owner, mark)
    for (const mark of add) this.#addMark.run(owner, mark, checksumOf(owner, mark))
  }
}

/** Throws E_STORE_CORRUPT for tables with other columns, as after damage to the schema: no other program has made them. */
function requireOwnTables(db: Database): void {
  for (const [table, columns] of Object.entries(COLUMNS)) {
    const found = db.prepare(`PRAGMA table_info(${table})`).all()
    if (found.length > 0 && found.map(({ name }) => name).join() !== columns)
      throw new ShipperError(
        'E_STORE_CORRUPT',
        `the table ${table} of ${db.path} has other columns than it was made with`,
      )
  }
}

/**
 * Rebuilds the index of positions when it differs from their table, which the check of a whole database does not look at: a write
 * would replace another row than that of its owner. Throws E_STORE_CORRUPT when that does not help.
 */
function requireMatchingIndex(db: Database): void {
  if (checkOfPositions(db) === 'ok') return
  db.exec('REINDEX shipper_positions')
  const found = checkOfPositions(db)
  if (found !== 'ok')
    throw new ShipperError('E_STORE_CORRUPT', `the positions in ${db.path} are damaged: ${found}`)
}

function checkOfPositions(db: Database): SqlValue | undefined {
  const [found = {}] = db.prepare('PRAGMA integrity_check(shipper_positions)').all()
  return Object.values(found)[0]
}

/** True when an owner and its value, or its mark, are those for which this checksum was stored. */
export function isIntact(
  owner: SqlValue | undefined,
  text: SqlValue | undefined,
  checksum: SqlValue | undefined,
): boolean {
  return typeof owner === 'string' && typeof text === 'string' && checksum === checksumOf(owner, text)
}

function checksumOf(owner: string, text: string): bigint {
  const bytes = Buffer.from(`${owner}\0${text}`)
  return BigInt(crc32c(bytes, 0, bytes.length) >>> 0)
}

/**
 * Returns the versions of the events that fluent-bit has sent; undefined when it never used the database for
 * that.
 */
export function fluentBitSentEvents(db: Database): number[] | undefined {
  if (db.prepare(HAS_SENT_EVENTS).get() === undefined) return undefined
  const rows = db
    .prepare(
      `SELECT resourceVersion FROM in_kubernetes_events WHERE typeof(resourceVersion) = 'integer' LIMIT ${MAX_MARKS}`,
    )
    .all()
  return rows.map(({ resourceVersion }) => Number(resourceVersion))
}
