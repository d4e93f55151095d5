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

/**
 * Throws E_STORE_UNREADABLE when rows could not be stored in the tables: an id that is not the row id, a column of others
 * that must have a value, a unique index of others. Each write would fail, and each start send all files again.
 */
export function requireWritableTables(db: Database): void {
  for (const table of ['in_tail_files', 'shipper_files', 'shipper_rotated', 'shipper_places']) {
    const why = whyNotWritable(db, table)
    if (why !== undefined)
      throw new ShipperError('E_STORE_UNREADABLE', `the table ${table} of ${db.path} ${why}`, {
        hint: 'it is not of this program or fluent-bit, and no positions could be stored: choose another DB',
      })
  }
}

function whyNotWritable(db: Database, table: string): string | undefined {
  const columns = db.prepare(`PRAGMA table_info(${table})`).all()
  const id = columns.find(({ name }) => name === 'id')
  const isRowId = id?.pk === 1n && String(id.type).toUpperCase() === 'INTEGER'
  if (!isRowId || columns.filter(({ pk }) => pk !== 0n).length > 1)
    return 'has no column id that is the INTEGER PRIMARY KEY'
  const needed = columns.find(
    ({ name, notnull, dflt_value }) =>
      notnull !== 0n && dflt_value === null && name !== 'id' && name !== 'name',
  )
  if (needed !== undefined) return `has the column ${needed.name}, which must have a value`
  const [unique] = db
    .prepare(`PRAGMA index_list(${table})`)
    .all()
    .filter((index) => index.unique !== 0n && index.origin !== 'pk')
  return unique === undefined ? undefined : `has the unique index ${unique.name}`
}

function describe(type: string): string {
  if (type === 'trigger') return 'the trigger'
  if (type === 'view') return 'the view'
  return type === 'index' ? 'the computed index' : 'the virtual or computed table'
}
