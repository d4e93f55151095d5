import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { OffsetRow } from '../../../src/core/offset-store.ts'
import type { Database, SqlRow } from '../../../src/store/driver.ts'
import { includesAll, type OffsetCase, refused, row } from './bench.ts'

/** fluent-bit's table: with the columns of 5.x, or as in earlier versions. */
const NEW_TABLE = `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER,
  inode INTEGER, created INTEGER, rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0,
  offset_marker_size INTEGER DEFAULT 0)`
const OLD_TABLE = `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER,
  inode INTEGER, created INTEGER, rotated INTEGER DEFAULT 0)`

const columns = (db: Database): SqlRow[] =>
  db.prepare('SELECT name, type, dflt_value, "notnull", pk FROM pragma_table_info(\'in_tail_files\')').all()

export const withFluentBit: OffsetCase[] = [
  {
    name: 'resumes from a database of fluent-bit 5',
    async run(t) {
      await t.sql((db) => {
        db.exec(`PRAGMA journal_mode = WAL; ${NEW_TABLE};
          CREATE TABLE in_systemd_cursor (cursor TEXT, updated INTEGER); INSERT INTO in_systemd_cursor VALUES ('s=1', 2);
          INSERT INTO in_tail_files VALUES (4, '/var/log/a.log', 5000000000, -7, 1700000001, 1, -9, 32);
          INSERT INTO in_tail_files (name, offset, inode, created) VALUES ('/var/log/b.log', 12, 13, 14)`)
      })
      const store = await t.open()
      const theirs = {
        openedAs: undefined,
        device: undefined,
        fingerprint: undefined,
        fingerprintSize: undefined,
      }
      const more = { ...theirs, streamOffset: undefined, skipping: undefined }
      const a = {
        id: 4,
        name: '/var/log/a.log',
        offset: 5e9,
        inode: -7n,
        created: 1_700_000_001,
        rotated: true,
      }
      const b = { id: 5, name: '/var/log/b.log', offset: 12, inode: 13n, created: 14, rotated: false }
      assert.deepEqual(store.rows(), [
        { ...a, marker: -9n, markerSize: 32, ...more },
        { ...b, marker: 0n, markerSize: 0, ...more },
      ])
      assert.equal((await t.sql((db) => db.prepare('SELECT * FROM in_systemd_cursor').all())).length, 1)
    },
  },
  {
    name: 'adds the columns that a database of fluent-bit 4 does not have',
    async run(t) {
      await t.sql((db) =>
        db.exec(`${OLD_TABLE}; INSERT INTO in_tail_files VALUES (1, '/var/log/a.log', 10, 11, 12, 0)`),
      )
      const store = await t.open()
      const [r] = store.rows() as [OffsetRow]
      assert.deepEqual([r.offset, r.marker, r.markerSize], [10, 0n, 0])
      store.write({ upsert: [{ ...r, marker: 5n, markerSize: 10 }], remove: [] })
      store.close()
      const [again] = (await t.open()).rows()
      assert.deepEqual([again?.id, again?.marker, again?.markerSize], [1, 5n, 10])
    },
  },
  {
    name: 'writes the table that fluent-bit itself creates',
    async run(t) {
      const store = await t.open()
      store.write({ upsert: [row(3, { rotated: true })], remove: [] })
      store.close()
      const other = join(t.dir, 'theirs.db')
      const expected = await t.sql((db) => {
        db.exec(NEW_TABLE)
        return columns(db)
      }, other)
      assert.deepEqual(await t.sql(columns), expected)
      const found = await t.sql((db) => db.prepare('SELECT *, typeof(offset) AS t FROM in_tail_files').get())
      assert.deepEqual(
        { ...found },
        {
          ...{ id: 1n, name: row(3).name, offset: 3000n, inode: 1003n, created: 1_700_000_003n, rotated: 1n },
          ...{ offset_marker: -4n, offset_marker_size: 32n, t: 'integer' },
        },
      )
    },
  },
  {
    name: 'ignores its own columns of a row that fluent-bit has since moved or replaced',
    async run(t) {
      const store = await t.open()
      const extra = { streamOffset: 5, skipping: true, closedAt: 1_700_000_100, size: 9000 }
      store.write({ upsert: [row(1, extra), row(2, extra), row(3, extra), row(4, extra)], remove: [] })
      store.close()
      await t.sql((db) =>
        db.exec(`UPDATE in_tail_files SET offset = offset + 1 WHERE id = 2;
          UPDATE in_tail_files SET inode = 77 WHERE id = 3; DELETE FROM in_tail_files WHERE id = 4;
          INSERT INTO in_tail_files (name, offset, inode, created) VALUES ('/var/log/new.log', 4000, 1004, 1)`),
      )
      const [same, moved, other, reused] = (await t.open()).rows()
      assert.deepEqual([same?.skipping, same?.streamOffset, same?.device], [true, 5, 66n])
      assert.deepEqual(
        [moved?.skipping, moved?.streamOffset, moved?.fingerprint],
        [undefined, undefined, undefined],
      )
      assert.deepEqual([same?.closedAt, same?.size], [1_700_000_100, 9000])
      assert.deepEqual([moved?.closedAt, moved?.size], [undefined, undefined])
      assert.deepEqual([moved?.device, moved?.openedAs], [66n, row(2).openedAs])
      assert.deepEqual(
        [other?.device, other?.openedAs, other?.fingerprint],
        [undefined, undefined, undefined],
      )
      assert.deepEqual([reused?.id, reused?.openedAs, reused?.skipping], [4, undefined, undefined])
    },
  },
  {
    name: 'removes its own columns of rows that fluent-bit has deleted',
    async run(t) {
      const store = await t.open()
      store.write({ upsert: [row(1, { target: '/pods/0.log' }), row(2)], remove: [] })
      store.close()
      await t.sql((db) => db.exec('DELETE FROM in_tail_files WHERE id = 1'))
      const next = await t.open()
      next.close()
      const ids = (table: string) =>
        t.sql((db) =>
          db
            .prepare(`SELECT id FROM ${table}`)
            .all()
            .map(({ id }) => id),
        )
      assert.deepEqual([await ids('shipper_files'), await ids('shipper_rotated')], [[2n], []])
    },
  },
  {
    name: 'refuses a database whose in_tail_files is another table',
    async run(t) {
      await t.sql((db) => db.exec('CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, note TEXT)'))
      const error = await refused(t.open())
      assert.equal(error.code, 'E_STORE_UNREADABLE')
      includesAll(error.message, 'without name, offset, inode, created')
    },
  },
]
