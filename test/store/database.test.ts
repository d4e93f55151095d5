import { expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../src/core/error.ts'
import type { OffsetOptions } from '../../src/core/offset-store.ts'
import { OffsetDatabase } from '../../src/store/database.ts'
import { type Database, loadSqlite, type OpenDatabase } from '../../src/store/driver.ts'
import { salvageCursor } from '../../src/store/journal-cursor.ts'
import { OPTIONS, row, rows } from '../contract/offset-store/bench.ts'
import { atEnd, tmp } from '../support/tmp.ts'

const real = await loadSqlite()
const silent = { error() {}, warn() {}, info() {}, debug() {} }

/** A database whose connections can be made to fail, with what was executed on them. */
class Observed {
  readonly path = join(tmp(), 'pos.db')
  readonly executed: string[] = []
  readonly logged: string[] = []
  /** Code with which the database, but not its lock file, cannot be opened now. */
  refusal: 'E_STORE_BUSY' | undefined
  /** Code with which every transaction fails now. */
  failure: 'E_STORE_BUSY' | undefined
  /** Size of the database at each opening; undefined when it was not there. */
  readonly sizes: (number | undefined)[] = []
  readonly database: OffsetDatabase

  constructor(options: Partial<OffsetOptions> = {}) {
    const logAt = (level: string) => (message: string) => void this.logged.push(`${level}: ${message}`)
    const log = { error: logAt('error'), warn: logAt('warn'), info: logAt('info'), debug: logAt('debug') }
    this.database = new OffsetDatabase(this.#open, this.path, { ...OPTIONS, ...options }, log)
    atEnd(() => this.database.close())
  }

  #open: OpenDatabase = (path, busyMs) => {
    if (path !== this.path) return real(path, busyMs)
    this.sizes.push(existsSync(path) ? statSync(path).size : undefined)
    if (this.refusal !== undefined) throw new ShipperError(this.refusal, 'injected')
    return this.#observe(real(path, busyMs))
  }

  #observe(db: Database): Database {
    return {
      path: db.path,
      exec: (sql) => {
        this.executed.push(sql)
        db.exec(sql)
      },
      prepare: (sql) => db.prepare(sql),
      transaction: (run) => {
        if (this.failure !== undefined) throw new ShipperError(this.failure, 'injected')
        return db.transaction(run)
      },
      close: () => db.close(),
    }
  }
}

function codeOf(run: () => void): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return (error as ShipperError).code
  }
}

test('a deleted database that cannot be opened again at once is, with all rows, at a later write', () => {
  const observed = new Observed()
  const { database } = observed
  database.write({ upsert: rows(3), remove: [] })
  rmSync(observed.path)
  observed.refusal = 'E_STORE_BUSY'
  const write = (): void => database.write({ upsert: [row(9)], remove: [] })
  expect([codeOf(write), codeOf(write)]).toEqual(['E_STORE_BUSY', 'E_STORE_BUSY'])
  observed.refusal = undefined
  write()
  expect(database.rows().map(({ name }) => name)).toEqual([...rows(3), row(9)].map(({ name }) => name))
  expect(observed.logged.filter((line) => line.includes('was deleted while it was in use'))).toHaveLength(1)
})

test('a stop while a deleted database cannot be opened again releases the lock', () => {
  const observed = new Observed()
  observed.database.write({ upsert: rows(3), remove: [] })
  rmSync(observed.path)
  observed.refusal = 'E_STORE_BUSY'
  observed.database.close()
  const next = new OffsetDatabase(real, observed.path, OPTIONS, silent)
  expect(next.rows()).toHaveLength(3)
  next.close()
})

test('a deleted database that cannot be copied back at once is at a later write, under the lock of this agent', () => {
  const observed = new Observed()
  const { database, path } = observed
  database.write({ upsert: rows(3), remove: [] })
  for (const name of [path, `${path}.lock`]) rmSync(name)
  mkdirSync(`${path}.new`)
  const write = (): void => database.write({ upsert: [row(9)], remove: [] })
  expect([codeOf(write), codeOf(write)]).toEqual(['E_STORE_UNREADABLE', 'E_STORE_UNREADABLE'])
  rmdirSync(`${path}.new`)
  // What an earlier attempt has left.
  writeFileSync(`${path}.new`, 'half')
  write()
  expect([database.rows().length, database.damaged]).toEqual([4, false])
  expect(codeOf(() => new OffsetDatabase(real, path, OPTIONS, silent))).toBe('E_STORE_LOCKED')
})

test('the newest cursor is salvaged, wherever it is', () => {
  const cursor = (t: string): string =>
    `s=${'0'.repeat(32)};i=1;b=${'0'.repeat(32)};m=1;t=${t};x=${'0'.repeat(16)}`
  const [old, newer, newest] = ['9', 'a0', 'a1'].map(cursor) as [string, string, string]
  const files = [Buffer.from(`${newer}\0${newest}`), Buffer.from(`${old}\0${newer}`)]
  expect(salvageCursor(...files)).toBe(newest)
})

test('a new database gets its name when it is complete: a crash before that is no damage', () => {
  const { sizes } = new Observed()
  expect(sizes).toEqual([expect.any(Number)])
  expect(sizes[0]).toBeGreaterThan(0)
})

test('waits for another program at the first failed write only, and again after one that succeeds', () => {
  const observed = new Observed()
  const write = (): void => observed.database.write({ upsert: [row(1)], remove: [] })
  const timeouts = (): string[] => observed.executed.filter((sql) => sql.includes('busy_timeout'))
  write()
  expect(timeouts()).toEqual([])
  observed.failure = 'E_STORE_BUSY'
  expect([codeOf(write), codeOf(write)]).toEqual(['E_STORE_BUSY', 'E_STORE_BUSY'])
  expect(timeouts()).toEqual(['PRAGMA busy_timeout = 0'])
  observed.failure = undefined
  write()
  write()
  expect(timeouts()).toEqual(['PRAGMA busy_timeout = 0', 'PRAGMA busy_timeout = 200'])
})

test('an id is not given again in a run, even if its row was removed', () => {
  const { database } = new Observed()
  const [first, second, third] = [row(1), row(2), row(3)]
  database.write({ upsert: [first, second], remove: [] })
  database.write({ upsert: [], remove: [second] })
  database.write({ upsert: [third], remove: [second] })
  database.write({ upsert: [], remove: [second] })
  expect(database.rows().map(({ inode }) => inode)).toEqual([first.inode, third.inode])
})

test('DB.sync sets how SQLite waits for the disk', () => {
  expect(new Observed({ sync: 'extra' }).executed).toContain('PRAGMA synchronous = EXTRA')
})

/** Swaps the first two rows in the order of a page: each row can be read, but neither is found by its id. */
function swapRows(path: string, name: string): void {
  const bytes = readFileSync(path)
  const at = bytes.indexOf(name)
  const page = at - (at % 4096)
  const cells = page + 8
  const [first, second] = [bytes.readUInt16BE(cells), bytes.readUInt16BE(cells + 2)]
  bytes.writeUInt16BE(second, cells)
  bytes.writeUInt16BE(first, cells + 2)
  writeFileSync(path, bytes)
}

test('damage that no statement reports is found at the start', () => {
  const observed = new Observed({ journalMode: 'DELETE' })
  observed.database.write({ upsert: rows(10), remove: [] })
  observed.database.close()
  swapRows(observed.path, row(1).name)
  const next = new OffsetDatabase(real, observed.path, OPTIONS, silent)
  expect([next.damaged, next.rows().length]).toEqual([true, 10])
  next.close()
})
