import assert from 'node:assert/strict'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { ShipperError } from '../../../src/core/error.ts'
import type { Database } from '../../../src/store/driver.ts'
import { openOffsets } from '../../../src/store/open.ts'
import { type Bench, includesAll, type OffsetCase, OPTIONS, row } from './bench.ts'

/** Statements that fluent-bit itself uses. */
const FLUENT_BIT_TABLE =
  'CREATE TABLE IF NOT EXISTS in_systemd_cursor (  cursor  TEXT NOT NULL,  updated INTEGER);'
const FLUENT_BIT_UPDATE = 'UPDATE in_systemd_cursor SET cursor=?, updated=?;'

const BOOT = 'b'.repeat(32)

function cursor(n: number): string {
  return `s=${'a'.repeat(32)};i=${n.toString(16)};b=${BOOT};m=${n};t=60a24194f${1000 + n};x=8a81bd55eb94138a`
}

const set = (text: string) => ({ upsert: [], remove: [], cursor: text })
const stored = (db: Database): unknown[] =>
  db
    .prepare('SELECT cursor, updated > 1700000000 AS new FROM in_systemd_cursor')
    .all()
    .map((r) => ({ ...r }))

async function closedWith(t: Bench, ...cursors: string[]): Promise<void> {
  const store = await t.open()
  store.claimCursor()
  for (const text of cursors) store.write(set(text))
  store.close()
}

export const cursors: OffsetCase[] = [
  {
    name: 'returns the last written cursor after a restart',
    async run(t) {
      const store = await t.open()
      assert.equal(store.claimCursor(), undefined)
      store.write(set(cursor(1)))
      store.write(set(cursor(2)))
      store.close()
      assert.equal((await t.open()).claimCursor(), cursor(2))
      assert.deepEqual(await t.sql(stored), [{ cursor: cursor(2), new: 1n }])
    },
  },
  {
    name: 'resumes from a cursor of fluent-bit, which then resumes from ours',
    async run(t) {
      await t.sql((db) => {
        db.exec(FLUENT_BIT_TABLE)
        db.exec(`INSERT INTO in_systemd_cursor VALUES ('${cursor(1)}', 1), ('${cursor(5)}', 2)`)
      })
      const store = await t.open()
      assert.equal(store.claimCursor(), cursor(5))
      store.write(set(cursor(6)))
      store.close()
      await t.sql((db) => {
        db.exec(FLUENT_BIT_TABLE)
        assert.equal(db.prepare('SELECT * FROM in_systemd_cursor LIMIT 1;').get()?.cursor, cursor(6))
        db.prepare(FLUENT_BIT_UPDATE).run(cursor(7), 3n)
      })
      assert.equal((await t.open()).claimCursor(), cursor(7))
    },
  },
  {
    name: 'reads the cursor of a fluent-bit that has read nothing as none',
    async run(t) {
      await t.sql((db) => db.exec(`${FLUENT_BIT_TABLE} INSERT INTO in_systemd_cursor VALUES ('(null)', 1)`))
      assert.equal((await t.open()).claimCursor(), undefined)
    },
  },
  {
    name: 'stores a cursor next to the positions of files, and creates no table for it unless it is used',
    async run(t) {
      const [files, journal] = [await t.open(), await t.open()]
      files.write({ upsert: [row(1)], remove: [] })
      const tables = "SELECT 1 FROM sqlite_master WHERE name = 'in_systemd_cursor'"
      assert.equal(await t.sql((db) => db.prepare(tables).get()), undefined)
      journal.claimCursor()
      journal.write(set(cursor(1)))
      files.write({ upsert: [row(2)], remove: [] })
      files.close()
      journal.write(set(cursor(2)))
      journal.close()
      const again = await t.open()
      assert.deepEqual([again.claimCursor(), again.rows().length], [cursor(2), 2])
    },
  },
  {
    name: 'a second input of the agent does not get the cursor until the first has closed',
    async run(t) {
      const [a, b] = [await t.open(), await t.open()]
      a.claimCursor()
      assert.equal(a.claimCursor(), undefined)
      const files = await t.open()
      files.close()
      assert.throws(
        () => b.claimCursor(),
        (error) => error instanceof ShipperError && error.code === 'E_STORE_LOCKED',
      )
      a.write(set(cursor(1)))
      a.close()
      assert.equal(b.claimCursor(), cursor(1))
    },
  },
  {
    name: 'stores no cursor without a path',
    async run(t) {
      const store = await openOffsets(undefined, OPTIONS, t.context)
      assert.equal(store.claimCursor(), undefined)
      store.write(set(cursor(1)))
      store.close()
      assert.deepEqual(readdirSync(t.dir), [])
    },
  },
  {
    name: 'recovers the newest cursor from a database whose first page is garbage',
    async run(t) {
      await closedWith(t, cursor(1), cursor(2), cursor(3))
      const bytes = readFileSync(t.path)
      bytes.fill('garbage ', 0, 1000)
      writeFileSync(t.path, bytes)
      const store = await t.open()
      assert.deepEqual([store.damaged, store.claimCursor()], [true, cursor(3)])
      includesAll(t.logged.join(), 'error: ', 'is damaged (')
      store.write(set(cursor(4)))
      store.close()
      const next = await t.open()
      assert.deepEqual([next.damaged, next.claimCursor()], [false, cursor(4)])
    },
  },
  {
    name: 'keeps the boots that the cursor has left, and knows that fluent-bit has none',
    async run(t) {
      const store = await t.open()
      store.claimCursor()
      store.write(set(cursor(1)))
      assert.equal(store.finishedBoots(), undefined)
      store.write({ ...set(cursor(2)), finishedBoots: [] })
      assert.deepEqual(store.finishedBoots(), [])
      store.write({ ...set(cursor(3)), finishedBoots: ['1'.repeat(32), '2'.repeat(32)] })
      store.write({ ...set(cursor(4)), finishedBoots: ['2'.repeat(32), '3'.repeat(32)] })
      store.write(set(cursor(5)))
      store.close()
      await t.sql((db) => db.exec("INSERT INTO shipper_finished_boots VALUES ('not a boot')"))
      const next = await t.open()
      next.claimCursor()
      assert.deepEqual(next.finishedBoots(), ['2'.repeat(32), '3'.repeat(32)])
    },
  },
  {
    name: 'reports damage when the cursor is lost with the rest of the file',
    async run(t) {
      await closedWith(t, cursor(1))
      truncateSync(t.path, 0)
      const store = await t.open()
      assert.deepEqual([store.damaged, store.claimCursor()], [true, undefined])
    },
  },
  {
    name: 'writes the cursor again to a database that is damaged while it is in use',
    async run(t) {
      const store = await t.open({ journalMode: 'DELETE' })
      store.claimCursor()
      store.write({ ...set(cursor(1)), upsert: [row(1)] })
      const bytes = readFileSync(t.path)
      bytes.fill(0xa5, 4096)
      writeFileSync(t.path, bytes)
      await t.sql((db) => db.exec('PRAGMA user_version = 1'))
      store.write(set(cursor(2)))
      includesAll(t.logged.join(), 'error: ', 'is damaged (')
      store.close()
      assert.equal((await t.open()).claimCursor(), cursor(2))
    },
  },
]
