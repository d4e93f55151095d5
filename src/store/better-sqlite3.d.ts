/** The part of better-sqlite3 that sqlite.ts uses; the package comes without types. */
declare module 'better-sqlite3' {
  type Value = bigint | string | null
  interface Statement {
    run(...values: Value[]): { changes: number; lastInsertRowid: number | bigint }
    get(...values: Value[]): unknown
    all(...values: Value[]): unknown[]
  }
  export default class Database {
    constructor(path: string, options: { timeout: number })
    defaultSafeIntegers(on: boolean): this
    exec(sql: string): this
    prepare(sql: string): Statement
    close(): this
    readonly inTransaction: boolean
  }
}
