import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { openOffsets } from '../../../src/store/offsets.ts'
import { names, type OffsetCase, OPTIONS, refused, row, says } from './bench.ts'

export const sharing: OffsetCase[] = [
  {
    name: 'several inputs share one database, whatever link names it, until the last has closed it',
    async run(t) {
      symlinkSync(t.path, join(t.dir, 'link.db'))
      const a = await t.open()
      const [b, c] = await Promise.all([t.open({}, join(t.dir, 'link.db')), t.open({ sync: 'full' })])
      a.write({ upsert: [row(1)], remove: [] })
      b.write({ upsert: [row(2)], remove: [] })
      assert.deepEqual(names(c), [row(1).name, row(2).name])
      a.close()
      a.close()
      b.write({ upsert: [row(3)], remove: [] })
      b.close()
      assert.equal(c.rows().length, 3)
      says(t.said.join(), 'warn: ', ' is open already: the DB.* options of the first')
    },
  },
  {
    name: 'a second agent is refused with the pid of the first, which is not disturbed',
    async run(t) {
      const store = await t.open()
      const { said, end } = await t.peer('agent')
      assert.equal(said.code, 'E_STORE_LOCKED')
      says(said.message, `pos.db is in use by another agent (pid ${process.pid})`)
      says(String(said.hint), 'its own DB')
      await end()
      store.write({ upsert: [row(1)], remove: [] })
      const again = await t.peer('agent')
      assert.equal(again.said.code, 'E_STORE_LOCKED')
      store.close()
      assert.deepEqual((await t.peer('agent')).said, { rows: 1, damaged: false })
    },
  },
  {
    name: 'the lock of an agent that was killed is free at once',
    async run(t) {
      const first = await t.peer('agent')
      assert.equal(first.said.rows, 0)
      assert.equal((await refused(t.open())).code, 'E_STORE_LOCKED')
      await first.end('SIGKILL')
      assert.deepEqual((await t.open()).rows(), [])
    },
  },
  {
    name: 'another program can read the database while it is used',
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
    name: 'a database that another program holds is refused, and a write to it fails until it lets go',
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
      // The first waits a moment for the other program, those behind it do not: the shortest of them, as a busy machine
      // makes any of them longer.
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
