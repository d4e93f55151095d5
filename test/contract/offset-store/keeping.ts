import assert from 'node:assert/strict'
import {
  copyFileSync,
  existsSync,
  readdirSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../../src/core/error.ts'
import type { OffsetRow } from '../../../src/core/offset-store.ts'
import { openOffsets } from '../../../src/store/open.ts'
import { includesAll, names, type OffsetCase, OPTIONS, refused, row, rows } from './bench.ts'

const placesOf = (all: OffsetRow[]): (string | undefined)[] => all.map(({ placeId }) => placeId)

export const keeping: OffsetCase[] = [
  {
    name: 'returns the written rows after a restart, newest id last',
    async run(t) {
      const a = await t.open()
      const written = [row(1), row(2, { rotated: true, skipping: true, streamOffset: 2 ** 41 }), row(3)]
      a.write({ upsert: written, remove: [] })
      assert.deepEqual(
        written.map((r) => r.id),
        [1, 2, 3],
      )
      a.close()
      const b = await t.open()
      assert.deepEqual(b.rows(), written)
      assert.equal(b.damaged, false)
      assert.deepEqual(t.logged, [])
    },
  },
  {
    name: 'keeps the name of the content of a row until it has another one, none, or the row is removed',
    async run(t) {
      const [one, two, three] = ['a', 'b', 'c'].map((letter) => letter.repeat(16)) as [string, string, string]
      const a = await t.open()
      const written = [row(1, { placeId: one }), row(2, { placeId: two }), row(3), row(4, { placeId: three })]
      a.write({ upsert: written, remove: [] })
      // Positions are written often, and names are not: they stay.
      a.write({ upsert: [{ ...(written[0] as OffsetRow), offset: 200 }], remove: [] })
      a.close()
      const b = await t.open()
      assert.deepEqual(placesOf(b.rows()), [one, two, undefined, three])
      const [first, second, third, fourth] = b.rows() as [OffsetRow, OffsetRow, OffsetRow, OffsetRow]
      const { placeId: _, ...without } = second
      const changed = { ...first, created: first.created + 5, placeId: 'd'.repeat(16) }
      b.write({ upsert: [changed, without, { ...third, placeId: three }], remove: [fourth] })
      b.close()
      const c = await t.open()
      assert.deepEqual(placesOf(c.rows()), ['d'.repeat(16), undefined, three])
    },
  },
  {
    name: 'keeps the mark of a content, which is written with its row or alone, and returns none that is impossible',
    async run(t) {
      const placeId = 'a'.repeat(16)
      const mark = { size: 100, hash: 'b'.repeat(16), hashed: 50 }
      const a = await t.open()
      const written = [row(1, { placeId, placeMark: mark }), row(2, { placeId: 'c'.repeat(16) })]
      a.write({ upsert: written, remove: [] })
      const [first, second] = written as [OffsetRow, OffsetRow]
      const later = { size: 900, hash: 'd'.repeat(16), hashed: 900 }
      a.write({ upsert: [], remove: [], marks: [{ ...second, placeMark: later }] })
      a.close()
      const b = await t.open()
      assert.deepEqual(
        b.rows().map(({ placeMark }) => placeMark),
        [mark, later],
      )
      // A position without a mark is of a content that has none yet.
      b.write({ upsert: [{ ...first, placeMark: undefined }], remove: [] })
      b.close()
      await t.sql((db) => db.exec('UPDATE shipper_places SET hashed = 901 WHERE id = 2'))
      const c = await t.open()
      assert.deepEqual(placesOf(c.rows()), [placeId, undefined])
    },
  },
  {
    name: 'returns no name of a content that was stored before the machine was started, and those that are stored after',
    async run(t) {
      const a = await t.open()
      a.write({
        upsert: [row(1, { placeId: 'a'.repeat(16) }), row(2, { placeId: 'b'.repeat(16) })],
        remove: [],
      })
      a.close()
      await t.sql((db) => db.exec("UPDATE shipper_boot SET boot = 'another'"))
      const b = await t.open()
      assert.deepEqual(placesOf(b.rows()), [undefined, undefined])
      b.write({ upsert: [{ ...(b.rows()[0] as OffsetRow), placeId: 'c'.repeat(16) }], remove: [] })
      b.close()
      const c = await t.open()
      assert.deepEqual(placesOf(c.rows()), ['c'.repeat(16), undefined])
    },
  },
  {
    name: 'returns no name of a content from a copy of the database, and those of a file that was renamed',
    async run(t) {
      const a = await t.open()
      a.write({ upsert: [row(1, { placeId: 'a'.repeat(16) })], remove: [] })
      a.close()
      copyFileSync(t.path, `${t.path}.backup`)
      const renamed = `${t.path}.renamed`
      renameSync(t.path, renamed)
      const b = await t.open({}, renamed)
      assert.deepEqual(placesOf(b.rows()), ['a'.repeat(16)])
      b.close()
      renameSync(`${t.path}.backup`, t.path)
      const c = await t.open()
      assert.deepEqual(placesOf(c.rows()), [undefined])
      c.close()
    },
  },
  {
    name: 'returns no name of a content for a row that another program has written since',
    async run(t) {
      const a = await t.open()
      a.write({ upsert: [row(1, { placeId: 'a'.repeat(16) })], remove: [] })
      a.close()
      await t.sql((db) => db.exec('UPDATE in_tail_files SET offset = offset + 1'))
      assert.deepEqual(placesOf((await t.open()).rows()), [undefined])
    },
  },
  {
    name: 'returns the time of the last scan for each pattern; without any scan the time of the last write',
    async run(t) {
      const a = await t.open()
      assert.equal(a.lastScanMs('/a/*.log'), undefined)
      a.write({ upsert: [row(1)], remove: [] })
      a.close()
      const b = await t.open()
      assert.ok(Number(b.lastScanMs('/a/*.log')) > 1000)
      b.write({ upsert: [row(2)], remove: [], scanned: { patterns: ['/a/*.log', '/c/*.log'], ms: 1000.7 } })
      b.close()
      const c = await t.open()
      assert.equal(c.lastScanMs('/a/*.log'), 1000)
      assert.equal(c.lastScanMs('/c/*.log'), 1000)
      assert.equal(c.lastScanMs('/b/*.log'), undefined)
      c.write({ upsert: [], remove: [], scanned: { patterns: ['/b/*.log'], ms: 2000 } })
      c.close()
      assert.equal((await t.open()).lastScanMs('/b/*.log'), 2000)
    },
  },
  {
    name: 'keeps the time of the last write until a run writes, whatever opening the database does to its files',
    async run(t) {
      const a = await t.open()
      a.write({ upsert: [row(1)], remove: [] })
      a.close()
      const written = statSync(t.path).mtimeMs
      const b = await t.open()
      assert.ok(Math.abs(Number(b.lastWriteMs) - written) < 1)
      b.close()
      utimesSync(t.path, written / 1000 + 60, written / 1000 + 60)
      const c = await t.open()
      assert.equal(c.lastWriteMs, Math.floor(Number(b.lastWriteMs)))
      assert.equal(c.lastScanMs('/a/*.log'), c.lastWriteMs)
      c.write({ upsert: [row(2)], remove: [] })
      c.close()
      utimesSync(t.path, written / 1000 + 60, written / 1000 + 60)
      // An empty log was made by opening the database.
      writeFileSync(`${t.path}-wal`, '')
      utimesSync(`${t.path}-wal`, written / 1000 + 90, written / 1000 + 90)
      const d = await t.open()
      assert.ok(Number(d.lastWriteMs) > written + 50_000)
      assert.ok(Number(d.lastWriteMs) < written + 70_000)
    },
  },
  {
    name: 'keeps the files that were found and not opened, for each Path',
    async run(t) {
      const a = await t.open()
      assert.equal(a.skippedFiles('/a'), undefined)
      const file = { path: '/a/x.log', device: 2n ** 63n + 1n, inode: 7n, birthMs: 1234, offset: 99 }
      a.write({ upsert: [], remove: [], skipped: { paths: '/a', files: [file] } })
      a.close()
      const b = await t.open()
      assert.deepEqual(b.skippedFiles('/a'), [{ ...file, device: BigInt.asIntN(64, file.device) }])
      assert.deepEqual(b.skippedFiles('/b'), [])
      b.write({ upsert: [], remove: [], skipped: { paths: '/a', files: [] } })
      assert.equal(b.skippedFiles('/a')?.length, 1)
      b.close()
      const c = await t.open()
      assert.deepEqual(c.skippedFiles('/a'), [])
    },
  },
  {
    name: 'keeps what such files had, unless a version that did not keep it has written them since',
    async run(t) {
      const a = await t.open()
      const about = { path: '/a/x.log', device: 1n, inode: 2n ** 63n + 7n, birthMs: 1234, offset: 99 }
      const content = {
        marker: -(2n ** 63n),
        markerSize: 32,
        fingerprint: 'f'.repeat(16),
        fingerprintSize: 99,
      }
      const plain = { ...about, ...content }
      const { fingerprint: _, fingerprintSize: __, ...gzip } = { ...plain, path: '/a/y.gz', inode: 8n }
      const unknown = { ...about, path: '/a/z.log', inode: 9n }
      a.write({ upsert: [], remove: [], skipped: { paths: '/a', files: [plain, gzip, unknown] } })
      a.close()
      const b = await t.open()
      const stored = { ...plain, inode: BigInt.asIntN(64, plain.inode) }
      assert.deepEqual(b.skippedFiles('/a'), [stored, gzip, unknown])
      b.close()
      await t.sql((db) => db.exec('UPDATE shipper_skipped SET offset = 98 WHERE inode = 8'))
      const c = await t.open()
      const { marker: ___, markerSize: ____, ...rest } = gzip
      assert.deepEqual(c.skippedFiles('/a'), [stored, { ...rest, offset: 98 }, unknown])
      c.close()
      // A database of that version.
      await t.sql((db) => db.exec('DROP TABLE shipper_skipped_content'))
      const d = await t.open()
      assert.deepEqual(d.skippedFiles('/a')?.[0], { ...about, inode: stored.inode })
      d.write({ upsert: [], remove: [], skipped: { paths: '/a', files: [plain] } })
      d.close()
      assert.deepEqual((await t.open()).skippedFiles('/a'), [stored])
    },
  },
  {
    name: 'returns the files of a Path that was changed, for each pattern that it still has',
    async run(t) {
      const a = await t.open()
      const file = { path: '/a/x.log', device: 1n, inode: 7n, birthMs: 1234, offset: 99 }
      a.write({ upsert: [], remove: [], skipped: { paths: '/a/*,/b/*', files: [file] } })
      a.close()
      const b = await t.open()
      assert.deepEqual(b.skippedFiles('/c/*,/a/*'), [file])
      assert.deepEqual(b.skippedFiles('/b/*'), [file])
      assert.deepEqual(b.skippedFiles('/c/*'), [])
      b.write({ upsert: [], remove: [], skipped: { paths: '/b/*', files: [] } })
      b.close()
      assert.deepEqual((await t.open()).skippedFiles('/b/*'), [])
    },
  },
  {
    name: 'keeps target and closing time of a row until it is written without them',
    async run(t) {
      const a = await t.open()
      a.write({
        upsert: [{ ...row(1), target: '/pods/0.log', closedAt: 1700000000, birthMs: 1234, size: 99 }],
        remove: [],
      })
      a.close()
      const b = await t.open()
      const [kept] = b.rows()
      assert.equal(kept?.target, '/pods/0.log')
      assert.equal(kept?.closedAt, 1700000000)
      assert.equal(kept?.birthMs, 1234)
      assert.equal(kept?.size, 99)
      b.write({
        upsert: [
          {
            ...(kept as OffsetRow),
            target: undefined,
            closedAt: undefined,
            birthMs: undefined,
            size: undefined,
          },
        ],
        remove: [],
      })
      b.close()
      const c = await t.open()
      const [reopened] = c.rows() as [OffsetRow]
      assert.equal(reopened.target, undefined)
      assert.equal(reopened.closedAt, undefined)
      // Within one run, too.
      c.write({ upsert: [{ ...reopened, closedAt: 1700000000 }], remove: [] })
      assert.equal(c.rows()[0]?.closedAt, 1700000000)
      c.write({ upsert: [reopened], remove: [] })
      assert.equal(c.rows()[0]?.closedAt, undefined)
    },
  },
  {
    name: 'updates and removes by id, and leaves other rows alone',
    async run(t) {
      const store = await t.open()
      const [a, b, c] = rows(3) as [OffsetRow, OffsetRow, OffsetRow]
      store.write({ upsert: [a, b, c], remove: [] })
      a.offset = 7
      a.name = '/var/log/app-0.log.1'
      store.write({ upsert: [a], remove: [b] })
      assert.deepEqual(store.rows(), [a, c])
    },
  },
  {
    name: 'removes all of a row, and ignores one that was never stored',
    async run(t) {
      const store = await t.open()
      const stored = row(1, { target: '/pods/0.log' })
      const counts = () =>
        t.sql((db) =>
          ['in_tail_files', 'shipper_files', 'shipper_rotated'].map(
            (table) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n,
          ),
        )
      store.write({ upsert: [stored, row(3)], remove: [] })
      assert.deepEqual(await counts(), [2n, 2n, 1n])
      store.write({ upsert: [], remove: [row(2), stored] })
      assert.deepEqual(await counts(), [1n, 1n, 0n])
    },
  },
  {
    name: 'stores numbers beyond 2^53, and beyond 2^63 as signed numbers',
    async run(t) {
      const a = await t.open()
      const big = 2n ** 63n + 5n
      const offset = Number.MAX_SAFE_INTEGER
      a.write({
        upsert: [row(1, { inode: big, device: 2n ** 60n + 1n, offset, marker: -(2n ** 63n) })],
        remove: [],
      })
      a.close()
      const [r] = (await t.open()).rows()
      assert.equal(r?.inode, BigInt.asIntN(64, big))
      assert.equal(BigInt.asUintN(64, r?.inode ?? 0n), big)
      assert.equal(r?.device, 2n ** 60n + 1n)
      assert.equal(r?.offset, offset)
      assert.equal(r?.marker, -(2n ** 63n))
    },
  },
  {
    name: 'gives a new id to a row that another program has deleted',
    async run(t) {
      const store = await t.open()
      const [a, b] = rows(2) as [OffsetRow, OffsetRow]
      store.write({ upsert: [a, b], remove: [] })
      await t.sql((db) => db.exec('DELETE FROM in_tail_files WHERE id = 1'))
      store.write({ upsert: [a], remove: [] })
      assert.equal(a.id, 3)
      assert.deepEqual(names(store), [b.name, a.name])
    },
  },
  {
    name: 'rolls back a write that fails half-way, and the next one succeeds',
    async run(t) {
      const store = await t.open()
      const [first, second] = rows(2) as [OffsetRow, OffsetRow]
      store.write({ upsert: [first], remove: [] })
      const wrong = row(9, { name: null as unknown as string })
      assert.throws(() => store.write({ upsert: [second, wrong], remove: [first] }), ShipperError)
      assert.equal(second.id, undefined)
      assert.deepEqual(names(store), [first.name])
      store.write({ upsert: [second], remove: [first] })
      assert.deepEqual(names(store), [second.name])
    },
  },
  {
    name: 'creates a missing folder and logs it',
    async run(t) {
      const path = join(t.dir, 'state/of/agent/pos.db')
      const store = await t.open({}, path)
      assert.deepEqual(store.rows(), [])
      includesAll(t.logged.join(), 'info: ', 'created the directory ', 'state/of/agent')
    },
  },
  {
    name: 'stores nothing and creates no file without a path',
    async run(t) {
      const store = await openOffsets(undefined, OPTIONS, t.context)
      const r = row(1)
      store.write({ upsert: [r], remove: [] })
      assert.equal(r.id, 1)
      assert.deepEqual(store.rows(), [])
      assert.equal(store.path, undefined)
      assert.deepEqual(readdirSync(t.dir), [])
    },
  },
  {
    name: 'uses the journal mode and the locking of the options',
    async run(t) {
      const a = await t.open({ journalMode: 'DELETE' })
      a.write({ upsert: [row(1)], remove: [] })
      assert.equal(existsSync(`${t.path}-wal`), false)
      a.close()
      const b = await t.open({ locking: true })
      b.write({ upsert: [row(2)], remove: [] })
      const error = await refused(t.sql((db) => db.prepare('SELECT 1 FROM in_tail_files').all()))
      assert.equal(error.code, 'E_STORE_BUSY')
      b.close()
      assert.equal((await t.open()).rows().length, 2)
    },
  },
]
