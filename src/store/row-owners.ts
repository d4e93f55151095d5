import type { OffsetRow } from '../core/offset-store.ts'
import type { Database, Statement } from './driver.ts'

/** `inode` and `created` are copies: where they differ, fluent-bit has since given the id to another file. */
const TABLE = `CREATE TABLE IF NOT EXISTS shipper_inputs (
  id INTEGER PRIMARY KEY, inode INTEGER, created INTEGER, input TEXT NOT NULL)`
const SELECT = `SELECT s.id, s.input, s.created FROM shipper_inputs s JOIN in_tail_files f
  ON f.id = s.id AND f.inode = s.inode AND f.created = s.created`

/**
 * Ownership of rows where several inputs keep their positions in one database. Two inputs that follow the same file have a row
 * each; otherwise the slower one would resume where the faster one is. A row that is unowned, or owned by an input that no
 * longer exists (its Path or Tag was changed), is open to any input that follows the file.
 */
export class RowOwners {
  readonly #active = new Set<string>()
  readonly #inputs = new Map<number, { input: string; created: number }>()
  #insert: { db: Database; statement: Statement } | undefined

  /** Loads the owners from the database; a database of a single input has no table for them. */
  load(db: Database): void {
    this.#inputs.clear()
    const table = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'shipper_inputs'").get()
    if (table === undefined) return
    db.exec('DELETE FROM shipper_inputs WHERE id NOT IN (SELECT id FROM in_tail_files)')
    for (const { id, input, created } of db.prepare(SELECT).all())
      this.#inputs.set(Number(id), { input: String(input), created: Number(created) })
  }

  /** Registers an input and returns its unique name: two inputs may have the same Path and Tag. */
  enter(input: string): string {
    let name = input
    for (let n = 2; this.#active.has(name); n++) name = `${input} #${n}`
    this.#active.add(name)
    return name
  }

  /** Unregisters an input: its rows are open to others. */
  leave(name: string): void {
    this.#active.delete(name)
  }

  /** Returns the rows from which the input may resume. */
  visible(rows: OffsetRow[], me: string): OffsetRow[] {
    const free = rows.filter(({ id }) => !this.belongsToOther(id, me))
    const best = new Map<string, { owner: string; offset: number }>()
    for (const row of free) {
      const owner = this.#ownerOf(row.id)
      const known = best.get(fileOf(row))
      // Its own row, else the one with the smallest offset: repeating lines is better than losing them.
      const better = known === undefined || owner === me || known.owner === owner || row.offset < known.offset
      if (owner !== undefined && better && (known?.owner !== me || owner === me))
        best.set(fileOf(row), { owner, offset: row.offset })
    }
    return free.filter((row) => {
      const owner = this.#ownerOf(row.id)
      return owner === undefined || best.get(fileOf(row))?.owner === owner
    })
  }

  /** True when the row is owned by another input that is running. */
  belongsToOther(id: number | undefined, me: string): boolean {
    const owner = this.#ownerOf(id)
    return owner !== undefined && owner !== me && this.#active.has(owner)
  }

  /**
   * Writes the owner of `rows`, stored under `ids`, within the same transaction. The returned function has to be called once
   * that is committed.
   */
  write(db: Database, me: string, rows: readonly OffsetRow[], ids: readonly bigint[]): () => void {
    if (this.#active.size < 2 && this.#inputs.size === 0) return () => {}
    const changed = ids.map((id, at) => ({ id, row: rows[at] as OffsetRow }))
    const changedOwners = changed.filter(({ id, row }) => {
      const known = this.#inputs.get(Number(id))
      return known?.input !== me || known.created !== row.created
    })
    if (changedOwners.length > 0) this.#insertInto(db)
    for (const { id, row } of changedOwners)
      this.#insert?.statement.run(id, BigInt.asIntN(64, row.inode), BigInt(row.created), me)
    return () => {
      for (const { id, row } of changedOwners)
        this.#inputs.set(Number(id), { input: me, created: row.created })
    }
  }

  /** Forgets the owners of deleted rows: SQLite reuses their ids. */
  forget(rows: readonly OffsetRow[]): void {
    for (const { id } of rows) if (id !== undefined) this.#inputs.delete(id)
  }

  #insertInto(db: Database): void {
    if (this.#insert?.db === db) return
    db.exec(TABLE)
    const statement = db.prepare('INSERT OR REPLACE INTO shipper_inputs VALUES (?, ?, ?, ?)')
    this.#insert = { db, statement }
  }

  #ownerOf(id: number | undefined): string | undefined {
    return id === undefined ? undefined : this.#inputs.get(id)?.input
  }
}

function fileOf({ device, inode }: OffsetRow): string {
  return `${device}:${inode}`
}
