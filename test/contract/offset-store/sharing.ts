import assert from 'node:assert/strict'
import {
  existsSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { OffsetRow, OffsetStore } from '../../../src/core/offset-store.ts'
import { openOffsets } from '../../../src/store/open.ts'
import { damageFrom, includesAll, names, type OffsetCase, OPTIONS, refused, row } from './bench.ts'

/** Returns the deleted files of the directory that this process has open. */
function deletedOpen(dir: string): string[] {
  const targets = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // That of the listing itself.
      return []
    }
  })
  return targets.filter((target) => target.startsWith(`${dir}/`) && target.endsWith(' (deleted)'))
}

const offsets = (store: OffsetStore): number[] => store.rows().map((r) => r.offset)

export const sharing: OffsetCase[] = [
  {
    name: 'several inputs share one database, under any link to it, until the last one closes it',
    async run(t) {
      symlinkSync(t.path, join(t.dir, 'link.db'))
      const a = await t.open()
      const [b, c] = await Promise.all([t.open({}, join(t.dir, 'link.db')), t.open({ sync: 'full' })])
      a.write({ upsert: [row(1)], remove: [] })
      b.write({ upsert: [row(2)], remove: [] })
      assert.deepEqual(names(c), [row(1).name, row(2).name])
      assert.equal(existsSync(join(t.dir, 'link.db.lock')), false)
      a.close()
      a.close()
      b.write({ upsert: [row(3)], remove: [] })
      b.close()
      assert.equal(c.rows().length, 3)
      includesAll(t.logged.join(), 'warn: ', ' with different DB.* options: those of this input are ignored')
    },
  },
  {
    name: 'inputs that follow the same file have a row each, and resume from their own',
    async run(t) {
      const start = () => Promise.all([t.open({ owner: 'a' }), t.open({ owner: 'b' })])
      const [a, b] = await start()
      const [behind, ahead] = [row(1, { offset: 10 }), row(1, { offset: 500 })]
      a.write({ upsert: [behind], remove: [] })
      b.write({ upsert: [ahead], remove: [] })
      assert.notEqual(behind.id, ahead.id)
      a.close()
      b.close()
      const [a2, b2] = await start()
      assert.deepEqual([offsets(a2), offsets(b2)], [[10], [500]])
      b2.write({ upsert: [], remove: [{ ...behind }] })
      assert.deepEqual(offsets(a2), [10])
      a2.close()
      b2.close()
      // Among inputs that no longer exist, the position of the slowest one is used.
      assert.deepEqual(offsets(await t.open({ owner: 'c' })), [10])
    },
  },
  {
    name: 'an input resumes from its own row, else from that of the slowest input that is gone, in any order',
    async run(t) {
      const start = () => Promise.all([t.open({ owner: 'slow' }), t.open({ owner: 'fast' })])
      for (const slowFirst of [true, false]) {
        const [slow, fast] = await start()
        const write = [
          () => slow.write({ upsert: [row(1, { offset: 10 })], remove: [] }),
          () => fast.write({ upsert: [row(1, { offset: 500 })], remove: [] }),
        ]
        for (const one of slowFirst ? write : write.reverse()) one()
        slow.close()
        fast.close()
        for (const [owner, offset] of [
          ['slow', 10],
          ['fast', 500],
          ['other', 10],
        ] as const) {
          const alone = await t.open({ owner })
          assert.deepEqual(offsets(alone), [offset])
          alone.close()
        }
        rmSync(t.path)
      }
    },
  },
  {
    name: 'inputs that start together do not take rows of one another',
    async run(t) {
      const start = (owner: string) => t.open({ owner }).then((store) => ({ store, rows: store.rows() }))
      const [a, b] = await Promise.all(['a', 'b'].map(start))
      a?.store.write({ upsert: [row(1)], remove: [] })
      b?.store.write({ upsert: [row(2)], remove: [] })
      a?.store.close()
      b?.store.close()
      // The database is open, and the second input a little slower.
      await t.open({ owner: 'other' })
      const first = start('a')
      for (let i = 0; i < 10; i++) await Promise.resolve()
      const again = await Promise.all([first, start('b')])
      assert.deepEqual(
        again.map(({ rows }) => rows.map((r) => r.offset)),
        [[1000], [2000]],
      )
    },
  },
  {
    name: 'the rows of an input that has stopped are its own when it starts again, and free for others meanwhile',
    async run(t) {
      const [a, b] = await Promise.all([t.open({ owner: 'a' }), t.open({ owner: 'b' })])
      a.write({ upsert: [row(1)], remove: [] })
      b.write({ upsert: [row(2)], remove: [] })
      assert.deepEqual(offsets(b), [2000])
      a.close()
      assert.deepEqual(offsets(b), [1000, 2000])
      const again = await t.open({ owner: 'a' })
      assert.deepEqual([offsets(again), offsets(b)], [[1000], [2000]])
      again.write({ upsert: [], remove: again.rows() })
      again.close()
      b.close()
      const last = await t.open()
      const owners = await t.sql((db) => db.prepare('SELECT count(*) AS n FROM shipper_inputs').get())
      assert.deepEqual([owners?.n, last.rows().length], [1n, 1])
    },
  },
  {
    name: 'an unowned row belongs to the first input that writes it, and another input creates its own',
    async run(t) {
      const before = await t.open()
      before.write({ upsert: [row(1)], remove: [] })
      before.close()
      const [a, b] = await Promise.all([t.open({ owner: 'x' }), t.open({ owner: 'x' })])
      const [[ofA], [ofB]] = [a.rows(), b.rows()] as [[OffsetRow], [OffsetRow]]
      a.write({ upsert: [{ ...ofA, offset: 2000 }], remove: [] })
      b.write({ upsert: [{ ...ofB, offset: 3000 }], remove: [] })
      assert.deepEqual([offsets(a), offsets(b)], [[2000], [3000]])
      const stored = await t.sql((db) => db.prepare('SELECT id, offset FROM in_tail_files').all())
      assert.deepEqual(
        stored.map((r) => r.offset),
        [2000n, 3000n],
      )
    },
  },
  {
    name: 'a database that is deleted while it is open is recreated with all rows, under the lock of this agent',
    async run(t) {
      for (const names of [['pos.db'], ['pos.db', 'pos.db-wal', 'pos.db-shm', 'pos.db.lock']]) {
        const store = await t.open()
        store.write({ upsert: [row(1), row(2)], remove: [] })
        for (const name of names) rmSync(join(t.dir, name), { force: true })
        store.write({ upsert: [row(3)], remove: [] })
        includesAll(t.logged.join(), 'error: ', 'was deleted while it was in use; it was recreated')
        const stored = await t.sql((db) => db.prepare('SELECT count(*) AS n FROM in_tail_files').get())
        assert.equal(stored?.n, 3n)
        assert.equal((await t.peer('agent')).answer.code, 'E_STORE_LOCKED')
        assert.deepEqual(deletedOpen(t.dir), [])
        store.write({ upsert: [row(4)], remove: [] })
        store.close()
        assert.equal((await t.open()).rows().length, 4)
        t.end()
        rmSync(t.path)
      }
    },
  },
  {
    name: 'a database that is deleted while nothing is written is recreated on close',
    async run(t) {
      for (const files of [['pos.db'], ['pos.db', 'pos.db-wal', 'pos.db-shm', 'pos.db.lock']]) {
        const store = await t.open()
        store.write({ upsert: [row(1)], remove: [] })
        for (const name of files) rmSync(join(t.dir, name), { force: true })
        store.close()
        const next = await t.open()
        assert.deepEqual(names(next), [row(1).name])
        next.close()
        rmSync(t.path)
      }
    },
  },
  {
    name: 'a database that is replaced while it is open is reported, and left to the next start',
    async run(t) {
      const store = await t.open()
      store.write({ upsert: [row(1)], remove: [] })
      renameSync(t.path, `${t.path}.away`)
      writeFileSync(t.path, '')
      const write = async () => store.write({ upsert: [row(2)], remove: [] })
      includesAll((await refused(write())).message, 'was replaced while it was in use')
    },
  },
  {
    name: 'a row with the id of a removed one belongs to the input that wrote it, also after a restart',
    async run(t) {
      const start = () => Promise.all([t.open({ owner: 'a' }), t.open({ owner: 'b' })])
      const [a, b] = await start()
      const removed = row(1)
      a.write({ upsert: [removed], remove: [] })
      const id = removed.id
      a.write({ upsert: [], remove: [removed] })
      a.close()
      b.close()
      const [a1, b1] = await start()
      const next = row(2, { created: removed.created })
      a1.write({ upsert: [next], remove: [] })
      assert.equal(next.id, id)
      a1.close()
      b1.close()
      const [a2, b2] = await start()
      assert.deepEqual([offsets(a2), offsets(b2)], [[2000], []])
    },
  },
  {
    name: 'inputs resume from their own rows after the database was damaged while it was in use',
    async run(t) {
      const start = () =>
        Promise.all([
          t.open({ owner: 'a', journalMode: 'DELETE' }),
          t.open({ owner: 'b', journalMode: 'DELETE' }),
        ])
      const [a, b] = await start()
      const [behind, ahead] = [row(1, { offset: 10 }), row(1, { offset: 500 })]
      a.write({ upsert: [behind], remove: [] })
      b.write({ upsert: [ahead], remove: [] })
      await t.sql((db) => db.exec('PRAGMA user_version = 1'))
      damageFrom(t.path, 4096)
      a.write({ upsert: [behind], remove: [] })
      b.write({ upsert: [ahead], remove: [] })
      assert.equal(a.damaged, true)
      a.close()
      b.close()
      const [a2, b2] = await start()
      assert.deepEqual([offsets(a2), offsets(b2)], [[10], [500]])
    },
  },
  {
    name: 'a database of a single input has no table of owners',
    async run(t) {
      const store = await t.open({ owner: 'a' })
      store.write({ upsert: [row(1)], remove: [] })
      assert.deepEqual(
        await t.sql((db) => db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'shipper_inputs'").all()),
        [],
      )
    },
  },
  {
    name: 'a second agent is refused with the pid of the first, which continues undisturbed',
    async run(t) {
      const store = await t.open()
      const { answer, end } = await t.peer('agent')
      assert.equal(answer.code, 'E_STORE_LOCKED')
      includesAll(answer.message, `pos.db is in use by another agent (pid ${process.pid})`)
      includesAll(String(answer.hint), 'its own DB')
      await end()
      store.write({ upsert: [row(1)], remove: [] })
      const again = await t.peer('agent')
      assert.equal(again.answer.code, 'E_STORE_LOCKED')
      store.close()
      assert.deepEqual((await t.peer('agent')).answer, { rows: 1, damaged: false })
    },
  },
  {
    name: 'the lock of a killed agent is free at once',
    async run(t) {
      const first = await t.peer('agent')
      assert.equal(first.answer.rows, 0)
      assert.equal((await refused(t.open())).code, 'E_STORE_LOCKED')
      await first.end('SIGKILL')
      assert.deepEqual((await t.open()).rows(), [])
    },
  },
  {
    name: 'another program can read the database while it is in use',
    async run(t) {
      const store = await t.open()
      store.write({ upsert: [row(1)], remove: [] })
      const seen = await t.sql((db) => db.prepare('SELECT name, inode FROM in_tail_files').all())
      assert.deepEqual(
        seen.map((r) => ({ ...r })),
        [{ name: row(1).name, inode: 1001n }],
      )
    },
  },
  {
    name: 'a database that another program has locked is refused, and a write to it fails until it is released',
    async run(t) {
      const store = await t.open()
      const r = row(1)
      const holder = await t.peer('hold')
      const waits: number[] = []
      for (let i = 0; i < 6; i++) {
        const start = performance.now()
        const error = await refused((async () => store.write({ upsert: [r], remove: [] }))())
        assert.equal(error.code, 'E_STORE_BUSY')
        assert.equal(error.retryable, true)
        waits.push(performance.now() - start)
      }
      // The first write waits a moment for the other program, later ones do not. The shortest of them counts, as a busy
      // machine makes any of them longer.
      assert.ok((waits[0] as number) < 2000, `it waited ${waits[0]} ms`)
      assert.ok(Math.min(...waits.slice(1)) < 100, `it waited ${waits} ms`)
      store.close()
      assert.equal((await refused(t.open())).code, 'E_STORE_BUSY')
      const patient = openOffsets(t.path, OPTIONS, { ...t.context, busyMs: 10_000 })
      await holder.end()
      const open = await patient
      open.write({ upsert: [r], remove: [] })
      assert.deepEqual(names(open), [r.name])
      open.close()
    },
  },
]
