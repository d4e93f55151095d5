import { Database as Sqlite } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ShipperError } from '../../src/core/error.ts'
import type { OffsetStore } from '../../src/core/offset-store.ts'
import { openOffsets } from '../../src/store/open.ts'
import { OPTIONS, row } from '../contract/offset-store/bench.ts'
import { tmp } from '../support/tmp.ts'

const FILES = `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER,
  created INTEGER, rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0);`

function prepared(sql: string): string {
  const path = join(tmp(), 'pos.db')
  const db = new Sqlite(path)
  db.exec(sql)
  db.close()
  return path
}

const warnings: string[] = []
const log = { error() {}, warn: (text: string) => void warnings.push(text), info() {}, debug() {} }

async function opened(path: string, use: (store: OffsetStore) => void): Promise<void> {
  const store = await openOffsets(path, OPTIONS, { log })
  try {
    use(store)
  } finally {
    store.close()
  }
}

function refusalOf(path: string): Promise<ShipperError> {
  return openOffsets(path, OPTIONS, { log }).then(
    (store) => {
      store.close()
      throw new Error('the database was opened')
    },
    (error) => error as ShipperError,
  )
}

test('CVE-2016-9566: a lock file or journal that is a link is refused, and its target is not created', async () => {
  for (const suffix of ['.lock', '-wal', '-shm', '-journal', '.new', '.recovered']) {
    const dir = tmp()
    const victim = join(dir, 'victim')
    symlinkSync(victim, join(dir, `pos.db${suffix}`))
    const error = await refusalOf(join(dir, 'pos.db'))
    expect([suffix, error.code, error.message]).toEqual([
      suffix,
      'E_STORE_UNREADABLE',
      `${join(dir, `pos.db${suffix}`)} is not a regular file`,
    ])
    expect(existsSync(victim)).toBe(false)
  }
})

test('a FIFO next to the database is refused and not waited for', async () => {
  const dir = tmp()
  execFileSync('mkfifo', [join(dir, 'pos.db-wal')])
  expect((await refusalOf(join(dir, 'pos.db'))).message).toContain('pos.db-wal is not a regular file')
})

test('a link of this user or root may lead to the database', async () => {
  const dir = tmp()
  symlinkSync(join(dir, 'real.db'), join(dir, 'pos.db'))
  writeFileSync(join(dir, 'real.db'), '')
  await opened(join(dir, 'pos.db'), (store) => expect(store.path).toBe(join(dir, 'real.db')))
})

const WITH_CODE: [string, string][] = [
  ['the trigger "t"', 'CREATE TRIGGER t AFTER INSERT ON in_tail_files BEGIN SELECT 1; END'],
  [
    'the trigger "t"',
    `CREATE TRIGGER t BEFORE UPDATE ON in_tail_files BEGIN
      SELECT count(*) FROM (WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT n FROM r); END`,
  ],
  ['the view "shipper_looks"', 'CREATE VIEW shipper_looks AS SELECT 1 AS paths, 2 AS at'],
  ['the computed index "i"', 'CREATE INDEX i ON in_tail_files (hex(zeroblob(1000000)))'],
  ['the computed index "i"', 'CREATE INDEX i ON in_tail_files (name) WHERE offset > 1'],
  [
    'the virtual or computed table "shipper_files"',
    'CREATE TABLE shipper_files (id INTEGER PRIMARY KEY CHECK (length(randomblob(1000000)) > 1))',
  ],
  [
    'the virtual or computed table "shipper_files"',
    'CREATE TABLE shipper_files (id INTEGER PRIMARY KEY, x TEXT GENERATED ALWAYS AS (hex(id)))',
  ],
  ['the virtual or computed table "other"', 'CREATE VIRTUAL TABLE other USING fts5(x)'],
]

test.each(WITH_CODE)('refuses a database with %s, and runs none of it', async (named, sql) => {
  const error = await refusalOf(prepared(FILES + sql))
  expect(error.code).toBe('E_STORE_UNREADABLE')
  expect(error.message).toContain(`has ${named}`)
})

test('a database with tables and plain indexes of other programs is used', async () => {
  const path = prepared(
    `${FILES} CREATE INDEX by_name ON in_tail_files (name); CREATE TABLE other (x CHECK (x > 1))`,
  )
  await opened(path, (store) => store.write({ upsert: [row(1, { inode: 7n })], remove: [] }))
  await opened(path, (store) => expect(store.rows()).toMatchObject([{ inode: 7n }]))
})

const COLUMNS =
  'name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER, rotated INTEGER DEFAULT 0'
const NOT_WRITABLE: [string, string][] = [
  ['has no column id', `CREATE TABLE in_tail_files (id TEXT, ${COLUMNS})`],
  ['has no column id', `CREATE TABLE in_tail_files (id INTEGER, ${COLUMNS}, PRIMARY KEY (id, name))`],
  [
    'has no column id',
    `${FILES} CREATE TABLE shipper_files (id TEXT, inode, created, offset, opened_as, device,
    fingerprint, fingerprint_size, stream_offset, skipping)`,
  ],
  [
    'has the column x, which must have a value',
    `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, ${COLUMNS}, x NOT NULL)`,
  ],
  ['has the unique index by_time', `${FILES} CREATE UNIQUE INDEX by_time ON in_tail_files (created)`],
  [
    'has the unique index sqlite_autoindex',
    `CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, ${COLUMNS}, UNIQUE (rotated))`,
  ],
]

test.each(NOT_WRITABLE)(
  'a table that %s is refused at the start: no position could be stored',
  async (why, sql) => {
    const error = await refusalOf(prepared(sql))
    expect(error).toMatchObject({ code: 'E_STORE_UNREADABLE' })
    expect(error.message).toContain(why)
  },
)

test('a name that leaves no space for those of the files next to it is refused, with the reason of the file system', async () => {
  const error = await refusalOf(join(tmp(), 'x'.repeat(250)))
  expect(error).toMatchObject({ code: 'E_STORE_UNREADABLE' })
  expect(error.message).toContain('ENAMETOOLONG')
})

test('an error of the file system during a write names the database', async () => {
  const dir = tmp()
  mkdirSync(join(dir, 'state'))
  await opened(join(dir, 'state', 'pos.db'), (store) => {
    renameSync(join(dir, 'state'), join(dir, 'away'))
    symlinkSync('state', join(dir, 'state'))
    let error: unknown
    try {
      store.write({ upsert: [row(1)], remove: [] })
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: expect.stringMatching(/^E_STORE_/) })
    expect((error as Error).message).toContain('ELOOP')
    rmSync(join(dir, 'state'))
    renameSync(join(dir, 'away'), join(dir, 'state'))
    store.write({ upsert: [row(1)], remove: [] })
  })
})

const IMPOSSIBLE = ['-100', "'text'", '1.5e300', "x'00ff'", '9223372036854775807', '-9223372036854775808']

test.each(IMPOSSIBLE)('a row with the offset %s begins at the first line, with a warning', async (offset) => {
  warnings.length = 0
  const path = prepared(`${FILES} INSERT INTO in_tail_files VALUES (1, '/x.log', ${offset}, 5, 6, 0, 99, 32)`)
  await opened(path, (store) => {
    expect(store.rows()).toMatchObject([{ offset: 0, inode: 5n, marker: 0n, markerSize: 0 }])
    expect(warnings.join()).toContain('impossible positions in')
    store.write({ upsert: store.rows(), remove: [] })
  })
})

test('values of every type in every column of a row do not prevent a start', async () => {
  for (const column of ['name', 'inode', 'created', 'rotated', 'offset_marker', 'offset_marker_size']) {
    for (const value of [...IMPOSSIBLE, 'zeroblob(5000)', 'printf("%.*c", 5000, "x")']) {
      const path = prepared(
        `${FILES} INSERT INTO in_tail_files VALUES (1, '/x.log', 3, 5, 6, 0, 99, 32);
        UPDATE in_tail_files SET ${column} = ${value.replaceAll('"', "'")}`,
      )
      await opened(path, (store) => {
        store.write({ upsert: [...store.rows(), row(1, { inode: 7n })], remove: [] })
        expect(store.rows().filter(({ inode }) => inode === 7n)).toHaveLength(1)
      })
    }
  }
})

test('rows can be stored after a row has the largest or a negative id', async () => {
  for (const id of ['9223372036854775807', '-5', '0']) {
    const path = prepared(`${FILES} INSERT INTO in_tail_files VALUES (${id}, '/x.log', 3, 5, 6, 0, 0, 0)`)
    await opened(path, (store) => store.write({ upsert: [row(1, { inode: 7n })], remove: [] }))
    await opened(path, (store) =>
      expect(store.rows().map(({ inode, offset }) => [inode, offset])).toEqual([
        [5n, 3],
        [7n, row(1).offset],
      ]),
    )
  }
})
