import type { OffsetRow } from '../core/offset-store.ts'
import type { Database, Statement } from './driver.ts'
import {
  fileValues,
  INSERT_FILE,
  REPLACE_EXTRA,
  REPLACE_SCAN,
  SELECT_ROWS,
  SELECT_SCAN,
  UPDATE_FILE,
} from './schema.ts'

/** Prepared statements of one connection. */
export interface Statements {
  rows: Statement
  insert: Statement
  update: Statement
  extra: Statement
  removeFile: Statement
  removeExtra: Statement
  scan: Statement
  setScan: Statement
}

/** Prepares all statements. */
export function prepare(db: Database): Statements {
  return {
    rows: db.prepare(SELECT_ROWS),
    insert: db.prepare(INSERT_FILE),
    update: db.prepare(UPDATE_FILE),
    extra: db.prepare(REPLACE_EXTRA),
    removeFile: db.prepare('DELETE FROM in_tail_files WHERE id = ?'),
    removeExtra: db.prepare('DELETE FROM shipper_files WHERE id = ?'),
    scan: db.prepare(SELECT_SCAN),
    setScan: db.prepare(REPLACE_SCAN),
  }
}

/** Writes a row and returns its id; a row that another program deleted, or that belongs to another input, gets a new one. */
export function storeRow(statements: Statements, row: OffsetRow, taken: boolean): bigint {
  if (row.id !== undefined && !taken) {
    const id = BigInt(row.id)
    if (statements.update.run(...fileValues(row, id)).changes > 0) return id
  }
  return statements.insert.run(...fileValues(row, null)).id
}
