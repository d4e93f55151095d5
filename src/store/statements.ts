import type { OffsetRow } from '../core/offset-store.ts'
import type { Database, Statement } from './driver.ts'
import {
  fileValues,
  INSERT_FILE,
  REPLACE_EXTRA,
  REPLACE_LOOK,
  SELECT_LOOK,
  SELECT_ROWS,
  UPDATE_FILE,
} from './schema.ts'

export interface Statements {
  rows: Statement
  insert: Statement
  update: Statement
  extra: Statement
  removeFile: Statement
  removeExtra: Statement
  look: Statement
  setLook: Statement
}

export function prepare(db: Database): Statements {
  return {
    rows: db.prepare(SELECT_ROWS),
    insert: db.prepare(INSERT_FILE),
    update: db.prepare(UPDATE_FILE),
    extra: db.prepare(REPLACE_EXTRA),
    removeFile: db.prepare('DELETE FROM in_tail_files WHERE id = ?'),
    removeExtra: db.prepare('DELETE FROM shipper_files WHERE id = ?'),
    look: db.prepare(SELECT_LOOK),
    setLook: db.prepare(REPLACE_LOOK),
  }
}

/** A row that another program has deleted, or another input has taken, gets a new id. */
export function store(s: Statements, row: OffsetRow, taken: boolean): bigint {
  if (row.id !== undefined && !taken) {
    const id = BigInt(row.id)
    if (s.update.run(...fileValues(row, id)).changes > 0) return id
  }
  return s.insert.run(...fileValues(row, null)).id
}
