import type { OffsetRow } from '../core/offset-store.ts'
import type { Database, Statement } from './driver.ts'

/** `inode` and `created` are copies: where they differ fluent-bit has given the id to another file since. */
const TABLE = `CREATE TABLE IF NOT EXISTS shipper_inputs (
  id INTEGER PRIMARY KEY, inode INTEGER, created INTEGER, input TEXT NOT NULL)`
const SELECT = `SELECT s.id, s.input, s.created FROM shipper_inputs s JOIN in_tail_files f
  ON f.id = s.id AND f.inode = s.inode AND f.created = s.created`

/**
 * Which row is whose, where several inputs keep their positions in one database: two that follow the same file have a
 * row each, or the one that is behind would go on from where the other is. A row of nobody, or of an input that is not
 * there any more (its Path or Tag was changed), is for whoever follows its file.
 */
export class RowOwners {
  readonly #active = new Set<string>()
  readonly #inputs = new Map<number, { input: string; created: number }>()
  #insert: { db: Database; statement: Statement } | undefined

  /** What is stored; a database of a single input has no table for it. */
  load(db: Database): void {
    this.#inputs.clear()
    const table = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'shipper_inputs'").get()
    if (table === undefined) return
    db.exec('DELETE FROM shipper_inputs WHERE id NOT IN (SELECT id FROM in_tail_files)')
    for (const { id, input, created } of db.prepare(SELECT).all())
      this.#inputs.set(Number(id), { input: String(input), created: Number(created) })
  }

  /** Returns the name that the input has here: two may have the same Path and Tag. */
  enter(input: string): string {
    let name = input
    for (let n = 2; this.#active.has(name); n++) name = `${input} #${n}`
    this.#active.add(name)
    return name
  }

  leave(name: string): void {
    this.#active.delete(name)
  }

  /** The rows that the input may go on from. */
  visible(rows: OffsetRow[], me: string): OffsetRow[] {
    const free = rows.filter(({ id }) => !this.isOthers(id, me))
    const best = new Map<string, { owner: string; offset: number }>()
    for (const row of free) {
      const owner = this.#ownerOf(row.id)
      const known = best.get(fileOf(row))
      // Its own, else that of the input that was least far: lines are rather repeated than lost.
      const better = known === undefined || owner === me || known.owner === owner || row.offset < known.offset
      if (owner !== undefined && better && (known?.owner !== me || owner === me))
        best.set(fileOf(row), { owner, offset: row.offset })
    }
    return free.filter((row) => {
      const owner = this.#ownerOf(row.id)
      return owner === undefined || best.get(fileOf(row))?.owner === owner
    })
  }

  /** True when it is the row of another input that is at work. */
  isOthers(id: number | undefined, me: string): boolean {
    const owner = this.#ownerOf(id)
    return owner !== undefined && owner !== me && this.#active.has(owner)
  }

  /** Within the transaction that stores `rows` under `ids`; the function is to be called when it has succeeded. */
  write(db: Database, me: string, rows: readonly OffsetRow[], ids: readonly bigint[]): () => void {
    if (this.#active.size < 2 && this.#inputs.size === 0) return () => {}
    const changed = ids.map((id, at) => ({ id, row: rows[at] as OffsetRow }))
    const news = changed.filter(({ id, row }) => {
      const known = this.#inputs.get(Number(id))
      return known?.input !== me || known.created !== row.created
    })
    if (news.length > 0) this.#insertInto(db)
    for (const { id, row } of news)
      this.#insert?.statement.run(id, BigInt.asIntN(64, row.inode), BigInt(row.created), me)
    return () => {
      for (const { id, row } of news) this.#inputs.set(Number(id), { input: me, created: row.created })
    }
  }

  /** SQLite gives the id of a row that is gone to another one. */
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
