import { ShipperError } from '../core/error.ts'
import type { Database } from './driver.ts'

/** Tables of fluent-bit and of this program, whose definitions may have no code either. */
const OWN_TABLE = /^(?:in_tail_files|in_systemd_cursor|shipper_\w+)$/i
/** Words with which the definition of a table or an index computes something on each write. */
const COMPUTES = /\b(?:check|generated|as|references|collate|default\s*\()/i
/** A call or an expression among the columns of an index, or a partial index. */
const EXPRESSION = /\(.*[(+*/|-].*\)|\bwhere\b/is

/**
 * Throws E_STORE_UNREADABLE for a database that would run SQL of its own when it is read or written: triggers, views,
 * virtual tables, and computed columns, checks and indexes of the tables used here. None of the programs that share this
 * database creates any, and one of them can keep the agent busy forever. Reads the schema only, which runs nothing.
 */
export function refuseSchemaWithCode(db: Database): void {
  for (const { type, name, tbl_name: table, sql } of db.prepare(SELECT_SCHEMA).all()) {
    if (!hasCode(String(type), String(table), String(sql ?? ''))) continue
    throw new ShipperError(
      'E_STORE_UNREADABLE',
      `the database ${db.path} has ${describe(String(type))} "${String(name)}", which is not of this program or fluent-bit`,
      { hint: 'it would run with every write: remove it with sqlite3, or choose another DB' },
    )
  }
}

/** Limits the schema to a size that nobody who uses the database needs, so that this check is quick. */
const SELECT_SCHEMA =
  "SELECT type, substr(name, 1, 100) AS name, substr(tbl_name, 1, 100) AS tbl_name, substr(sql, 1, 4000) AS sql FROM sqlite_master WHERE type <> 'table' OR sql LIKE 'create virtual%' OR tbl_name LIKE 'in\\_%' ESCAPE '\\' OR tbl_name LIKE 'shipper\\_%' ESCAPE '\\'"

function hasCode(type: string, table: string, sql: string): boolean {
  if (type === 'trigger' || type === 'view') return true
  if (/^create\s+virtual/i.test(sql)) return true
  if (!OWN_TABLE.test(table)) return false
  return type === 'index' ? EXPRESSION.test(sql) : COMPUTES.test(sql)
}

function describe(type: string): string {
  if (type === 'trigger') return 'the trigger'
  if (type === 'view') return 'the view'
  return type === 'index' ? 'the computed index' : 'the virtual or computed table'
}
