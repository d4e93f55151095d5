import { expect, test } from 'bun:test'
import { mkdirSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { takeLock } from '../../../../src/store/agent-lock.ts'
import { loadSqlite } from '../../../../src/store/driver.ts'
import { type Bench, bench, folderIn } from '../../../support/s3/bench.ts'
import { tmp } from '../../../support/tmp.ts'

const MEMORY = 50_000_000

/** Returns the path of the folder that an output has in `stateFolder`, after it has sent `count` records to a store. */
async function used(stateFolder: string, count: number): Promise<{ store: Bench['store']; folder: string }> {
  const a = await bench({}, {}, 'buffer', MEMORY, { stateFolder })
  await a.send(0, count)
  await a.output.finish?.()
  await a.close()
  return { store: a.store, folder: folderIn(stateFolder) }
}

test('a state folder that another agent uses is refused, and free when it has ended', async () => {
  const stateFolder = tmp()
  const open = await loadSqlite()
  const { store, folder } = await used(stateFolder, 1)
  const place = { stateFolder, store, takeLock: async (path: string) => takeLock(open, path) }
  const other = takeLock(open, folder)
  for (let i = 0; i < 2; i++)
    await expect(bench({}, {}, 'buffer', MEMORY, place)).rejects.toMatchObject({
      code: 'E_OUTPUT_WRITE',
      message: expect.stringContaining('in use by another agent'),
    })
  other.release()
  const b = await bench({}, {}, 'buffer', MEMORY, place)
  const c = await bench({}, {}, 'buffer', MEMORY, { ...place, name: 's3.1' })
  await b.close()
  expect(() => takeLock(open, folder)).toThrow()
  await c.close()
  takeLock(open, folder).release()
})

test('two outputs of one agent with one destination write each record that each of them is given', async () => {
  const stateFolder = tmp()
  const a = await bench({}, {}, 'buffer', MEMORY, { stateFolder })
  const b = await bench({}, {}, 'buffer', MEMORY, { name: 's3.1', stateFolder, store: a.store })
  await a.send(0, 5)
  await b.send(0, 5)
  await a.output.finish?.()
  await b.output.finish?.()
  expect(a.store.api.objects.size).toBe(2)
  expect(readdirSync(folderIn(stateFolder)).sort()).toEqual(['1.stored', '2.stored'])
})

test('a state folder that is removed is made again, with an error, and nothing waits', async () => {
  const stateFolder = tmp()
  const { store, folder } = await used(stateFolder, 1)
  const b = await bench({}, {}, 'buffer', MEMORY, { stateFolder, store })
  rmSync(folder, { recursive: true })
  await b.send(1, 19)
  await b.output.finish?.()
  expect(b.store.ledger.report(20)).toMatchObject({ kept: 20, missing: 0 })
  expect(b.failures).toEqual([])
  expect(b.lines.join()).toContain('was removed while in use')
  expect(readdirSync(folder)).toContain('2.stored')
})

test('what is no row at the path of one is set aside and named', async () => {
  const stateFolder = tmp()
  const { store, folder } = await used(stateFolder, 1)
  rmSync(join(folder, '1.stored'))
  mkdirSync(join(folder, '1.stored'))
  writeFileSync(join(folder, '2.object'), '')
  truncateSync(join(folder, '2.object'), 65_000_000)
  writeFileSync(join(folder, 'index'), 'x')
  const b = await bench({}, {}, 'buffer', MEMORY, { stateFolder, store })
  expect(readdirSync(folder).sort()).toEqual(['1.stored.corrupt', '2.object.corrupt', 'index'])
  for (const name of ['1.stored', '2.object']) expect(b.lines.join()).toContain(join(folder, name))
  await b.send(0, 20)
  await b.output.finish?.()
  expect(b.outcomes).toEqual(['delivered'])
})

test('records of an object are known however long the agent was not running', async () => {
  const stateFolder = tmp()
  const { store, folder } = await used(stateFolder, 20)
  const lastYear = Date.now() / 1000 - 31_536_000
  utimesSync(join(folder, '1.stored'), lastYear, lastYear)
  const b = await bench({}, {}, 'buffer', MEMORY, { stateFolder, store })
  await b.send(0, 20)
  await b.output.finish?.()
  expect(store.api.objects.size).toBe(1)
  expect(readdirSync(folder)).toEqual(['1.stored'])
})
