import { expect, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadSqlite } from '../../../src/store/driver.ts'
import { createEmpty } from '../../../src/store/repair/repair.ts'
import { salvage } from '../../../src/store/repair/salvage.ts'
import { readWal } from '../../../src/store/repair/wal.ts'
import { Bench, row, rows } from '../../contract/offset-store/bench.ts'
import { fc } from '../../support/property.ts'
import { tmp } from '../../support/tmp.ts'

/** Offset in the header of the version of the format: 2 with a write-ahead log, else 1. */
const WRITE_VERSION_AT = 18

test.each([
  ['WAL', 2],
  ['delete', 1],
])(
  'a new database has journal mode %s when it gets its name, and no journal beside it',
  async (mode, version) => {
    for (const driver of ['bun:sqlite', 'better-sqlite3'] as const) {
      const dir = tmp()
      createEmpty(await loadSqlite(driver), join(dir, 'pos.db'), mode)
      expect(readdirSync(dir)).toEqual(['pos.db'])
      expect(readFileSync(join(dir, 'pos.db'))[WRITE_VERSION_AT]).toBe(version)
    }
  },
)

/** Creates a database with most of its rows in the log, as a crash leaves it. */
async function left(): Promise<{ dir: string; db: Buffer; log: Buffer }> {
  const bench = new Bench(tmp(), 'bun:sqlite')
  let store = await bench.open()
  store.write({ upsert: rows(120), remove: [] })
  store.close()
  store = await bench.open()
  for (let n = 200; n < 220; n++) store.write({ upsert: [row(n)], remove: [] })
  const [db, log] = [readFileSync(bench.path), readFileSync(`${bench.path}-wal`)]
  bench.end()
  return { dir: bench.dir, db, log }
}

const { dir, db, log } = await left()

interface Corruption {
  at: number
  bytes: Uint8Array
  cut: boolean
}

function corruptedCopy(intact: Buffer, corruptions: Corruption[]): Buffer {
  const bytes = Buffer.from(intact)
  let end = bytes.length
  for (const { at, bytes: other, cut } of corruptions) {
    const place = Math.floor(at * bytes.length)
    if (cut) end = Math.min(end, place)
    else bytes.set(other.subarray(0, bytes.length - place), place)
  }
  return bytes.subarray(0, end)
}

test('after any damage to the files the store opens and writes, and the next start finds no damage', async () => {
  const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  const corruption = fc.record({
    file: fc.constantFrom('db', 'log'),
    at,
    bytes: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 5000 }), fc.constant(new Uint8Array(4096))),
    cut: fc.boolean(),
  })
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(corruption, { minLength: 1, maxLength: 3 }), async (corruptions) => {
      const bench = new Bench(join(dir, String(run++)), 'bun:sqlite')
      mkdirSync(bench.dir)
      writeFileSync(`${bench.path}.lock`, '')
      writeFileSync(
        bench.path,
        corruptedCopy(
          db,
          corruptions.filter(({ file }) => file === 'db'),
        ),
      )
      writeFileSync(
        `${bench.path}-wal`,
        corruptedCopy(
          log,
          corruptions.filter(({ file }) => file === 'log'),
        ),
      )
      const store = await bench.open()
      const kept = store.rows().length
      store.write({ upsert: [row(900)], remove: [] })
      store.close()
      const next = await bench.open()
      const intact = !next.damaged && next.rows().length === kept + 1
      bench.end()
      return intact
    }),
    { numRuns: 60 },
  )
})

test('a log of any length is read without errors, and never beyond its last complete frame', () => {
  const intactPages = readWal(log).pages.size
  fc.assert(
    fc.property(fc.nat(log.length), (length) => {
      const { damaged, pages } = readWal(log.subarray(0, length))
      return damaged === (length > 0 && length < 32) && pages.size <= intactPages
    }),
  )
})

test('when two rows have the same id, one of them on a freed page, the smaller offset is used', async () => {
  const bench = new Bench(tmp(), 'bun:sqlite')
  const contents: Buffer[] = []
  for (const offset of [70, 5000]) {
    const store = await bench.open()
    store.write({ upsert: [row(1, { id: 1, offset })], remove: [] })
    store.close()
    contents.push(readFileSync(bench.path))
  }
  const [older = db, newer = db] = contents
  const none = Buffer.alloc(0)
  for (const both of [Buffer.concat([older, newer]), Buffer.concat([newer, older])]) {
    const { files, extras } = salvage(both, none)
    expect(files.map(([id, , offset]) => [id, offset])).toEqual([[1n, 70n]])
    expect(extras.map((values) => values[3])).toEqual([70n])
  }
})
