import { expect, test } from 'bun:test'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '../../src/core/services.ts'
import { openOffsets } from '../../src/store/open.ts'
import { openCopy } from '../../src/store/open-copy.ts'
import { tmp } from '../support/tmp.ts'

const LOG: Logger = { error() {}, warn() {}, info() {}, debug() {} }
const OPTIONS = { sync: 'normal', locking: false, journalMode: 'WAL' } as const
const ROW = {
  id: undefined,
  name: '/var/log/a.log',
  offset: 42,
  inode: 7n,
  created: 1,
  rotated: false,
  marker: 0n,
  markerSize: 0,
  openedAs: '/var/log/a.log',
  device: 1n,
  fingerprint: undefined,
  fingerprintSize: undefined,
  streamOffset: undefined,
  skipping: false,
}

function copies(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('shipper-positions-'))
}

test('has the rows of a database that an agent has open, whose last changes are in its log only', async () => {
  const folder = tmp()
  const path = join(folder, 'pos.db')
  const store = await openOffsets(path, OPTIONS, { log: LOG })
  store.write({ upsert: [{ ...ROW }], remove: [] })
  const before = readdirSync(folder).sort()
  expect(before).toContain('pos.db-wal')
  const copy = await openCopy(path, OPTIONS, { log: LOG })
  expect(copy.rows()).toMatchObject([{ name: '/var/log/a.log', offset: 42, inode: 7n }])
  copy.write({ upsert: [{ ...ROW, offset: 99 }], remove: [] })
  copy.close()
  expect(readdirSync(folder).sort()).toEqual(before)
  expect(store.rows()).toMatchObject([{ offset: 42 }])
  store.close()
})

test('is removed when it is closed', async () => {
  const path = join(tmp(), 'pos.db')
  const store = await openOffsets(path, OPTIONS, { log: LOG })
  store.write({ upsert: [{ ...ROW }], remove: [] })
  store.close()
  const before = copies()
  const copy = await openCopy(path, OPTIONS, { log: LOG })
  copy.close()
  expect(copies()).toEqual(before)
})

test('has nothing when there is no database, and creates none', async () => {
  const folder = tmp()
  const copy = await openCopy(join(folder, 'sub', 'pos.db'), OPTIONS, { log: LOG })
  expect(copy.rows()).toEqual([])
  copy.close()
  expect(readdirSync(folder)).toEqual([])
})

test('reads a damaged database as a start does, and leaves it as it is', async () => {
  const folder = tmp()
  const path = join(folder, 'pos.db')
  const store = await openOffsets(path, OPTIONS, { log: LOG })
  store.write({ upsert: [{ ...ROW }], remove: [] })
  store.close()
  const bytes = readFileSync(path)
  bytes.fill(0xff, 4096)
  writeFileSync(path, bytes)
  const copy = await openCopy(path, OPTIONS, { log: LOG })
  expect(copy.damaged).toBe(true)
  copy.close()
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

test('refuses what is no file, and a file of another program', async () => {
  const folder = tmp()
  mkdirSync(join(folder, 'directory'))
  writeFileSync(join(folder, 'text'), 'no database, but a text that is long enough to be one'.repeat(100))
  symlinkSync('/dev/zero', join(folder, 'zero'))
  for (const name of ['directory', 'text', 'zero'])
    await expect(openCopy(join(folder, name), OPTIONS, { log: LOG })).rejects.toThrow(name)
})
