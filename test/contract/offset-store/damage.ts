import assert from 'node:assert/strict'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { OffsetRow } from '../../../src/core/offset-store.ts'
import { Bench, damageFrom, includesAll, names, type OffsetCase, refused, row, rows } from './bench.ts'

/** Overwrites `bytes` bytes of a file, from `at`. */
function overwrite(path: string, at: number, bytes: Buffer): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}

/** Creates and closes a database of this many rows, with pages of 4096 bytes. */
async function filled(t: Bench, count: number): Promise<OffsetRow[]> {
  const all = rows(count)
  const store = await t.open()
  store.write({ upsert: all, remove: [] })
  store.close()
  return all
}

/** True when this process has the file open. */
function openIn(dir: string, name: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    const link = `/proc/self/fd/${fd}`
    return existsSync(link) && readlinkSync(link) === join(dir, name)
  })
}

const ASIDE = /^pos\.db\.corrupt-\d{8}T\d{9}Z$/

/**
 * Checks that opening a damaged database logs the damage, sets the file aside byte for byte, and gives a store that works
 * and is intact at the next start.
 */
async function recovers(t: Bench, minRows: number): Promise<OffsetRow[]> {
  const before = readFileSync(t.path)
  const store = await t.open()
  assert.equal(store.damaged, true)
  const [aside = ''] = readdirSync(t.dir).filter((name) => ASIDE.test(name))
  assert.deepEqual(readFileSync(join(t.dir, aside)), before)
  const kept = store.rows()
  assert.ok(kept.length >= minRows, `${kept.length} of at least ${minRows} rows were kept`)
  const errors = t.logged.filter((line) => line.startsWith('error: ')).join('\n')
  includesAll(
    errors,
    'is damaged (',
    `): renamed it to ${join(t.dir, aside)} and recovered ${kept.length} positions`,
  )
  includesAll(errors, 'files without a position are read from their start')
  store.write({ upsert: [row(5000)], remove: [] })
  store.close()
  const next = await t.open()
  assert.equal(next.damaged, false)
  assert.equal(next.rows().length, kept.length + 1)
  next.close()
  return kept
}

export const damage: OffsetCase[] = [
  {
    name: 'recovers the rows of all other pages when one page is torn',
    async run(t) {
      const all = await filled(t, 500)
      const page = readFileSync(t.path).indexOf(all[250]?.name ?? '')
      overwrite(t.path, page - (page % 4096) + 512, Buffer.alloc(3584, 0xa5))
      const kept = await recovers(t, 400)
      const known = new Map(all.map((r) => [r.id, r]))
      const bare = ({ id, name, offset, inode }: OffsetRow): unknown[] => [id, name, offset, inode]
      for (const r of kept) assert.deepEqual(bare(r), bare(known.get(r.id) as OffsetRow))
      assert.ok(kept.filter((r) => r.openedAs !== undefined).length > 400, 'our own columns are kept')
    },
  },
  {
    name: 'recovers every row when the first page is garbage',
    async run(t) {
      const all = await filled(t, 500)
      overwrite(t.path, 0, Buffer.alloc(4096, 'garbage '))
      assert.deepEqual(await recovers(t, 500), all)
    },
  },
  {
    name: 'recovers the rest of a file that was cut off',
    async run(t) {
      await filled(t, 500)
      truncateSync(t.path, Math.floor(readFileSync(t.path).length / 2) + 100)
      await recovers(t, 100)
    },
  },
  {
    name: 'reports damage for a file that was cut off to nothing',
    async run(t) {
      await filled(t, 5)
      truncateSync(t.path, 0)
      assert.deepEqual(await recovers(t, 0), [])
    },
  },
  {
    name: 'detects garbage in the write-ahead log, which SQLite itself ignores',
    async run(t) {
      await filled(t, 20)
      writeFileSync(`${t.path}-wal`, Buffer.alloc(9000, 'garbage '))
      await recovers(t, 20)
      assert.equal(readdirSync(t.dir).filter((name) => name.endsWith('-wal')).length, 1, 'the log is kept')
    },
  },
  {
    name: 'recovers a log that is damaged in the middle up to that place, and accepts one that a crash cut off',
    async run(t) {
      const store = await t.open()
      for (const r of rows(30)) store.write({ upsert: [r], remove: [] })
      const log = readFileSync(`${t.path}-wal`)
      const cut = join(t.dir, 'cut')
      mkdirSync(cut)
      copyFileSync(t.path, join(cut, 'pos.db'))
      writeFileSync(join(cut, 'pos.db-wal'), log.subarray(0, log.length - 1000))
      const afterCrash = await t.open({}, join(cut, 'pos.db'))
      assert.deepEqual([afterCrash.damaged, afterCrash.rows().length], [false, 29])
      afterCrash.close()
      const torn = new Bench(join(t.dir, 'torn'), t.driver)
      mkdirSync(torn.dir)
      copyFileSync(t.path, torn.path)
      log.fill(0, Math.floor(log.length / 2), Math.floor(log.length / 2) + 200)
      writeFileSync(`${torn.path}-wal`, log)
      store.close()
      const kept = await recovers(torn, 10)
      torn.end()
      assert.deepEqual(
        kept.map((r) => r.name),
        rows(kept.length).map((r) => r.name),
      )
    },
  },
  {
    name: 'is still damaged after a crash before every file was found again',
    async run(t) {
      await filled(t, 50)
      overwrite(t.path, 0, Buffer.alloc(100))
      const killed = await t.peer('agent')
      assert.deepEqual(killed.answer, { rows: 50, damaged: true })
      await killed.end('SIGKILL')
      const store = await t.open()
      assert.equal(store.damaged, true)
      includesAll(t.logged.join(), 'warn: ', 'was recovered from damage')
      store.write({ upsert: [row(60)], remove: [] })
      store.close()
      assert.equal((await t.open()).damaged, false)
    },
  },
  {
    name: 'finishes a replacement that a crash interrupted',
    async run(t) {
      const all = await filled(t, 50)
      // The damaged database without its log, which was moved first: valid by itself, and too old.
      await t.sql((db) => db.exec('DELETE FROM in_tail_files WHERE id > 20'))
      const old = readFileSync(t.path)
      rmSync(t.path)
      await filled(t, 50)
      renameSync(t.path, `${t.path}.recovered`)
      writeFileSync(t.path, old)
      writeFileSync(`${t.path}-journal`, 'of the damaged one')
      assert.deepEqual((await t.open()).rows(), all)
      const left = readdirSync(t.dir).filter((name) => name.includes('.corrupt-'))
      assert.equal(left.length, 2)
      assert.equal(existsSync(`${t.path}.recovered`), false)
    },
  },
  {
    name: 'repairs a database that is damaged while it is in use',
    async run(t) {
      await filled(t, 500)
      const store = await t.open({ journalMode: 'DELETE' })
      const all = store.rows()
      // A change from outside, so that SQLite discards its cached pages.
      await t.sql((db) => db.exec('UPDATE in_tail_files SET rotated = 1 WHERE id = 1'))
      const page = readFileSync(t.path).indexOf(all[250]?.name ?? '')
      overwrite(t.path, page - (page % 4096), Buffer.alloc(4096, 0xa5))
      store.write({ upsert: all, remove: [] })
      assert.equal(store.damaged, true)
      assert.deepEqual(new Set(names(store)), new Set(all.map((r) => r.name)))
      includesAll(t.logged.join(), 'error: ', 'is damaged')
    },
  },
  {
    name: 'recovers a database of fluent-bit, of which only the content tells that it is one',
    async run(t) {
      const table = `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER,
        inode INTEGER, created INTEGER, rotated INTEGER DEFAULT 0)`
      const damages = [
        (path: string) => overwrite(path, 0, Buffer.alloc(100, 1)),
        (path: string) => truncateSync(path, 2 * 4096 + 100),
      ]
      for (const damageAt of damages) {
        await t.sql((db) => {
          db.exec(`${table}; INSERT INTO in_tail_files VALUES (3, '/var/log/a.log', 10, 11, 12, 1);
            CREATE TABLE other (id INTEGER PRIMARY KEY, text TEXT)`)
          db.exec(`INSERT INTO other VALUES (1, '${'x'.repeat(3000)}')`)
        })
        chmodSync(t.path, 0o640)
        // What a crash in the middle of an earlier recovery has left.
        copyFileSync(t.path, `${t.path}.new`)
        damageAt(t.path)
        const store = await t.open()
        assert.equal(store.damaged, true)
        const bare = store.rows().map(({ id, name, offset, marker }) => [id, name, offset, marker])
        assert.deepEqual(bare, [[3, '/var/log/a.log', 10, 0n]])
        assert.equal(statSync(t.path).mode & 0o777, 0o640)
        store.close()
        for (const name of readdirSync(t.dir)) rmSync(join(t.dir, name))
      }
    },
  },
  {
    name: 'takes an empty file for a new database',
    async run(t) {
      writeFileSync(t.path, '')
      const store = await t.open()
      assert.equal(store.damaged, false)
      store.write({ upsert: [row(1)], remove: [] })
      assert.deepEqual(t.logged, [])
    },
  },
  {
    name: 'goes on after a repair, and makes one repair in a run',
    async run(t) {
      await filled(t, 50)
      const store = await t.open({ journalMode: 'DELETE' })
      const all = store.rows()
      const damageAgain = async (): Promise<void> => {
        await t.sql((db) => db.exec('PRAGMA user_version = 1'))
        damageFrom(t.path, 4096)
      }
      await damageAgain()
      store.write({ upsert: all, remove: [] })
      store.write({ upsert: [row(70)], remove: [] })
      const aside = (): string[] => readdirSync(t.dir).filter((name) => ASIDE.test(name))
      assert.equal(aside().length, 1)
      assert.equal(openIn(t.dir, aside()[0] ?? ''), false)
      assert.equal(t.logged.filter((line) => line.startsWith('warn: ')).length, 0)
      await damageAgain()
      for (let i = 0; i < 2; i++) {
        const error = await refused((async () => store.write({ upsert: all, remove: [] }))())
        assert.equal(error.code, 'E_STORE_CORRUPT')
      }
      assert.equal(aside().length, 1)
    },
  },
  {
    name: 'tries a repair that failed again at the next write',
    async run(t) {
      await filled(t, 50)
      const store = await t.open({ journalMode: 'DELETE' })
      const all = store.rows()
      await t.sql((db) => db.exec('PRAGMA user_version = 1'))
      damageFrom(t.path, 4096)
      // In the way of the new database.
      mkdirSync(`${t.path}.recovered`)
      writeFileSync(`${t.path}.recovered/file`, '')
      for (let i = 0; i < 2; i++) {
        const error = await refused((async () => store.write({ upsert: all, remove: [] }))())
        includesAll(error.message, 'pos.db.recovered')
      }
      rmSync(`${t.path}.recovered`, { recursive: true })
      store.write({ upsert: all, remove: [] })
      assert.deepEqual([store.damaged, store.rows().length], [true, 50])
      store.close()
      assert.equal((await t.open()).rows().length, 50)
    },
  },
  {
    name: 'is still damaged after an orderly stop of a run that has stored nothing, or could not',
    async run(t) {
      await filled(t, 50)
      overwrite(t.path, 0, Buffer.alloc(100))
      const first = await t.open()
      first.close()
      const second = await t.open()
      assert.equal(second.damaged, true)
      second.write({ upsert: [row(60)], remove: [] })
      const wrong = row(61, { name: null as unknown as string })
      await refused((async () => second.write({ upsert: [wrong], remove: [] }))())
      second.close()
      assert.equal((await t.open()).damaged, true)
    },
  },
  {
    name: 'does not move away a file that was never a database',
    async run(t) {
      for (const content of [
        'a line of a log\n'.repeat(64),
        Buffer.alloc(1001, 0xee),
        Buffer.alloc(1001, 1),
      ]) {
        writeFileSync(t.path, content)
        for (let start = 0; start < 2; start++) {
          const error = await refused(t.open())
          assert.equal(error.code, 'E_STORE_UNREADABLE')
          includesAll(error.message, 'pos.db is not a database')
        }
        assert.deepEqual(readdirSync(t.dir), ['pos.db'])
      }
      const folder = await refused(t.open({}, t.dir))
      assert.equal(folder.code, 'E_STORE_UNREADABLE')
    },
  },
]
