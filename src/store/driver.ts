import { storeError } from './errors.ts'

/**
 * The only interface to SQLite: bun's own in the binary (nothing to unpack, nothing to load), better-sqlite3 under node.
 * Integers are bigint in both directions. Every error is a ShipperError that names the file.
 */
export type Driver = 'bun:sqlite' | 'better-sqlite3'

export type SqlValue = bigint | string | null
export type SqlRow = Record<string, SqlValue>

export interface Statement {
  run(...values: SqlValue[]): { changes: number; id: bigint }
  /** Returns the first row. */
  get(...values: SqlValue[]): SqlRow | undefined
  all(...values: SqlValue[]): SqlRow[]
}

export interface Database {
  readonly path: string
  /** Runs one or more statements without parameters; their rows are ignored. */
  exec(sql: string): void
  /** Compiles a statement, which is valid until `close`. */
  prepare(sql: string): Statement
  /** Takes the write lock at once and commits the changes of `run`; rolls all of them back when anything throws. */
  transaction<T>(run: () => T): T
  /** Closes the connection; once it is closed this does nothing. */
  close(): void
}

/** Opens or creates a file. SQLite blocks this process for up to `busyMs` while another one has it locked. */
export type OpenDatabase = (path: string, busyMs: number) => Database

const DEFAULT_DRIVER: Driver = process.versions.bun === undefined ? 'better-sqlite3' : 'bun:sqlite'

/** Loads the driver of this runtime; tests can choose the other one. */
export async function loadSqlite(driver: Driver = DEFAULT_DRIVER): Promise<OpenDatabase> {
  const connect = driver === 'bun:sqlite' ? await loadBun() : await loadBetter()
  return (path, busyMs) => {
    try {
      return new SqliteDatabase(path, connect(path), busyMs)
    } catch (error) {
      throw storeError(error, path, 'open')
    }
  }
}

/** Common part of the two drivers. */
interface Raw {
  exec(sql: string): unknown
  prepare(sql: string): RawStatement
  close(): void
  readonly inTransaction: boolean
}
interface RawStatement {
  run(...values: SqlValue[]): { changes: number | bigint; lastInsertRowid: number | bigint }
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
  /** bun only. Without it a closed database keeps its file and its locks until the next garbage collection. */
  finalize?(): void
}

async function loadBun(): Promise<(path: string) => Raw> {
  const { Database } = await import('bun:sqlite')
  return (path) => new Database(path, { create: true, readwrite: true, safeIntegers: true })
}

async function loadBetter(): Promise<(path: string) => Raw> {
  const { default: Better } = await import('better-sqlite3')
  return (path) => new Better(path, { timeout: 0 }).defaultSafeIntegers(true)
}

class SqliteDatabase implements Database {
  readonly path: string
  readonly #raw: Raw
  readonly #statements: RawStatement[] = []
  #closed = false

  constructor(path: string, raw: Raw, busyMs: number) {
    this.path = path
    this.#raw = raw
    this.exec(`PRAGMA busy_timeout = ${busyMs}`)
  }

  exec(sql: string): void {
    this.#try(() => this.#raw.exec(sql))
  }

  prepare(sql: string): Statement {
    const raw = this.#try(() => this.#raw.prepare(sql))
    this.#statements.push(raw)
    return {
      run: (...values) =>
        this.#try(() => {
          const { changes, lastInsertRowid } = raw.run(...values)
          return { changes: Number(changes), id: BigInt(lastInsertRowid) }
        }),
      get: (...values) => this.#try(() => (raw.get(...values) as SqlRow | null) ?? undefined),
      all: (...values) => this.#try(() => raw.all(...values) as SqlRow[]),
    }
  }

  transaction<T>(run: () => T): T {
    this.exec('BEGIN IMMEDIATE')
    try {
      const result = run()
      this.exec('COMMIT')
      return result
    } catch (error) {
      this.#rollBack()
      throw error
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const statement of this.#statements) statement.finalize?.()
    this.#try(() => this.#raw.close())
  }

  /** Rolls back unless SQLite has done so itself, as after a full disk or a failed read. */
  #rollBack(): void {
    try {
      if (this.#raw.inTransaction) this.#raw.exec('ROLLBACK')
    } catch {
      // The error that caused the rollback is more useful.
    }
  }

  #try<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      throw storeError(error, this.path, 'use')
    }
  }
}
