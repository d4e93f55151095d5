import { Database as Sqlite } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OffsetStore, PositionChange } from '../../src/core/offset-store.ts'
import { openOffsets } from '../../src/store/open.ts'
import { OPTIONS } from '../contract/offset-store/bench.ts'
import { fc } from '../support/property.ts'
import { tmp } from '../support/tmp.ts'

const log = { error() {}, warn() {}, info() {}, debug() {} }

async function used<T>(path: string, owner: string, use: (store: OffsetStore) => T): Promise<T> {
  const store = await openOffsets(path, { ...OPTIONS, owner }, { log })
  try {
    return use(store)
  } finally {
    store.close()
  }
}

const write = (path: string, owner: string, position: PositionChange): Promise<void> =>
  used(path, owner, (store) => store.write({ upsert: [], remove: [], position }))

test('each owner has a position and marks of its own, which changes add to and remove from', async () => {
  const path = join(tmp(), 'pos.db')
  await write(path, 'a', { value: '1', add: ['x', 'y'] })
  await write(path, 'b', { value: '2', add: ['x'] })
  await write(path, 'a', { value: '3', add: ['z'], remove: ['x', 'none'] })
  expect(await used(path, 'a', (store) => store.position?.())).toEqual({ value: '3', marks: ['y', 'z'] })
  await write(path, 'a', { value: '4', remove: 'all', add: ['w'] })
  expect(await used(path, 'a', (store) => store.position?.())).toEqual({ value: '4', marks: ['w'] })
  expect(await used(path, 'b', (store) => store.position?.())).toEqual({ value: '2', marks: ['x'] })
  expect(await used(path, 'c', (store) => store.position?.())).toBeUndefined()
})

test('two inputs of one owner that are open at once do not share a position', async () => {
  const path = join(tmp(), 'pos.db')
  const stores = await Promise.all(
    ['a', 'a'].map((owner) => openOffsets(path, { ...OPTIONS, owner }, { log })),
  )
  for (const [i, store] of stores.entries())
    store.write({ upsert: [], remove: [], position: { value: `${i}` } })
  expect(stores.map((store) => store.position?.()?.value)).toEqual(['0', '1'])
  for (const store of stores) store.close()
})

test('a value or mark that no input writes is not read', async () => {
  const path = join(tmp(), 'pos.db')
  await write(path, 'a', { value: 'x'.repeat(2000) })
  await write(path, 'b', { value: '1', add: ['short', 'x'.repeat(500)] })
  expect(await used(path, 'a', (store) => store.position?.())).toBeUndefined()
  expect(await used(path, 'b', (store) => store.position?.())).toEqual({ value: '1', marks: ['short'] })
})

test('the versions of events that fluent-bit has sent are read from its table', async () => {
  const path = join(tmp(), 'pos.db')
  expect(await used(path, 'a', (store) => store.sentEvents?.())).toBeUndefined()
  const db = new Sqlite(path)
  db.exec(`CREATE TABLE in_kubernetes_events (id INTEGER PRIMARY KEY, uid TEXT NOT NULL,
    resourceVersion INTEGER NOT NULL, created INTEGER NOT NULL);
    INSERT INTO in_kubernetes_events (uid, resourceVersion, created) VALUES ('u', 12, 5), ('v', 13, 6)`)
  db.close()
  expect(await used(path, 'a', (store) => store.sentEvents?.())).toEqual([12, 13])
})

/** Bytes of the file at which a text begins, in its tables and indexes. */
function placesOf(bytes: Buffer, text: string): number[] {
  const places: number[] = []
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) places.push(at)
  return places
}

/** Stores positions of three inputs, changes a byte of the closed file, and returns what the next start reads. */
async function afterDamage(change: (bytes: Buffer) => void): Promise<{
  values: (string | undefined)[]
  marks: string[]
  damaged: boolean
  errors: string[]
  aside: number
}> {
  const dir = tmp()
  const path = join(dir, 'pos.db')
  for (const value of ['older', 'value-of-a']) await write(path, 'owner-a', { value })
  await write(path, 'owner-b', { value: 'value-of-b', add: ['mark-one', 'mark-two'] })
  await write(path, 'owner-c', { value: 'value-of-c' })
  const bytes = readFileSync(path)
  change(bytes)
  writeFileSync(path, bytes)
  const errors: string[] = []
  const owners = ['owner-a', 'owner-b', 'owner-c']
  const stores = await Promise.all(
    owners.map((owner) =>
      openOffsets(path, { ...OPTIONS, owner }, { log: { ...log, error: (line) => void errors.push(line) } }),
    ),
  )
  const positions = stores.map((store) => store.position?.())
  const damaged = stores.some((store) => store.damaged)
  // What the damage has left can be written, and a clean stop ends it.
  for (const [i, store] of stores.entries())
    store.write({ upsert: [], remove: [], position: { value: positions[i]?.value ?? 'new' } })
  for (const store of stores) store.close()
  const again = await used(path, 'owner-a', (store) => [store.position?.()?.value, store.damaged])
  expect(again).toEqual([positions[0]?.value ?? 'new', false])
  const aside = readdirSync(dir).filter((name) => name.includes('.corrupt-')).length
  const values = positions.map((position) => position?.value)
  return { values, marks: positions[1]?.marks ?? [], damaged, errors, aside }
}

test('a changed byte of a value, which SQLite does not notice, loses this position and no other', async () => {
  const { values, damaged, errors, aside } = await afterDamage((bytes) => {
    for (const at of placesOf(bytes, 'value-of-b')) bytes[at + 3] = 0x58
  })
  expect(values).toEqual(['value-of-a', undefined, 'value-of-c'])
  expect([damaged, aside, errors.length]).toEqual([true, 1, 1])
  expect(errors[0]).toContain('a position in')
  expect(errors[0]).toContain('recovered 2 positions')
  expect(errors[0]).toContain('events as far back as their source has them')
})

test('a changed byte of an owner in the index does not hide its position', async () => {
  const { values } = await afterDamage((bytes) => {
    const [first = 0] = placesOf(bytes, 'owner-b')
    // The index is on a page of its own.
    for (const at of placesOf(bytes, 'owner-b'))
      if (Math.floor(at / 4096) !== Math.floor(first / 4096)) bytes[at] = 0x58
  })
  expect(values).toEqual(['value-of-a', 'value-of-b', 'value-of-c'])
})

test('a changed row number in the index does not lead a write to the row of another owner', async () => {
  const { values, marks, damaged } = await afterDamage((bytes) => {
    const place = placesOf(bytes, 'owner-b').find(
      (at) => bytes.toString('latin1', at - 12, at - 5) === 'owner-c',
    )
    if (place === undefined) throw new Error('there is no index entry of owner-b after that of owner-c')
    bytes[place + 'owner-b'.length] = 200
  })
  expect(values).toEqual(['value-of-a', 'value-of-b', 'value-of-c'])
  expect([marks, damaged]).toEqual([['mark-one', 'mark-two'], false])
})

test('a changed byte of a mark loses this mark', async () => {
  const { values, marks, damaged } = await afterDamage((bytes) => {
    for (const at of placesOf(bytes, 'mark-two')) bytes[at + 5] = 0x58
  })
  expect(values).toEqual(['value-of-a', 'value-of-b', 'value-of-c'])
  expect([marks, damaged]).toEqual([['mark-one'], false])
})

test('without its first page a database keeps every position, and not an older one', async () => {
  const { values, damaged, errors } = await afterDamage((bytes) => bytes.fill(0x61, 0, 4096))
  expect(values).toEqual(['value-of-a', 'value-of-b', 'value-of-c'])
  expect(damaged).toBe(true)
  expect(errors[0]).toContain('recovered 3 positions')
})

test.each([
  ['the version that is written', (bytes: Buffer) => bytes.writeUInt8(66, 18)],
  ['the format of the schema', (bytes: Buffer) => bytes.writeUInt8(66, 44)],
  ['a column', (bytes: Buffer) => bytes.write('vahue TEXT', bytes.indexOf('value TEXT'))],
  ['the name of the table', (bytes: Buffer) => bytes.write('shipper_pasi', bytes.indexOf('shipper_posi'))],
])('a changed byte of %s loses no position', async (_what, change) => {
  const { values, damaged, aside } = await afterDamage(change)
  expect(values).toEqual(['value-of-a', 'value-of-b', 'value-of-c'])
  expect([damaged, aside]).toEqual([true, 1])
})

test('after any damage each position is the stored one, or missing in a store that says that it was damaged', async () => {
  const flip = fc.record({ at: fc.nat(1e6), by: fc.integer({ min: 1, max: 255 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 30 }), async (flips) => {
      const { values, damaged } = await afterDamage((bytes) => {
        for (const { at, by } of flips) {
          const place = at % bytes.length
          // Damage to the definition of the table of files may look like a foreign database, which is refused.
          if (place < 100 || place >= 4096) bytes[place] = (bytes[place] as number) ^ by
        }
      })
      const stored = ['value-of-a', 'value-of-b', 'value-of-c']
      const isOlder = values[0] === 'older'
      return values.every(
        (value, i) => value === stored[i] || (isOlder && i === 0) || (value === undefined && damaged),
      )
    }),
    { numRuns: 150 },
  )
})
