import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { type Cut, World, type WorldInit } from '../../../support/s3/world.ts'
import { seeded } from '../../../support/shipping.ts'

const SOURCES = [
  { name: 'a', tag: 'one', records: 60 },
  { name: 'b', tag: 'one', records: 40 },
  { name: 'c', tag: 'two', records: 30 },
]
const CUTS: Cut[] = ['before', 'after', 'late']

function world(seed: number, more: Partial<WorldInit> = {}): World {
  return new World({ random: seeded(seed), sources: SOURCES, ...more })
}

function expectEachOnce(w: World, others: string[] = []): void {
  expect(w.bucket.lines().sort()).toEqual([...w.expected(), ...others].sort())
  expect(w.bucket.overwritten).toBe(0)
}

/** Starts the agent until everything is stored. */
async function runToEnd(w: World): Promise<void> {
  for (let i = 0; i < 20; i++) if (await w.run()) return
  throw new Error('it does not end')
}

test('without a kill every record is in one object', async () => {
  const w = world(1)
  await runToEnd(w)
  expectEachOnce(w)
  expect(w.bucket.objects.size).toBeGreaterThan(3)
  expect(w.bucket.uploads.size).toBe(0)
})

test.each([
  ['multipart uploads', {}],
  ['whole objects', { usesPutObject: true }],
  ['multipart uploads whose keys are told apart by $UUID', { keyFormat: '/logs/$UUID.gz' }],
  ['whole objects whose keys are told apart by $UUID', { keyFormat: '/logs/$UUID.gz', usesPutObject: true }],
  ['an account that may not ask whether objects exist', { isBlind: true }],
])('a kill at any step of %s leaves every record in one object', async (_, more) => {
  const first = world(7, more)
  await runToEnd(first)
  const { steps } = first
  for (const how of CUTS)
    for (let step = 1; step <= steps; step++) {
      const w = world(7, more)
      const isOver = await w.run({ step, how })
      await runToEnd(w)
      expectEachOnce(w)
      if (!isOver) expect(w.bucket.uploads.size).toBeLessThanOrEqual(1)
    }
})

test.each(['/logs/$INDEX', '/logs/$TAG/$INDEX/x'])(
  'objects of others under the keys of %s cost no record, whatever request is interrupted',
  async (fixedKey) => {
    for (const usesPutObject of [true, false])
      for (const how of CUTS)
        for (let step = 1; step <= 30; step += 4) {
          const w = world(7, { fixedKey, usesPutObject, totalBytes: usesPutObject ? 1500 : 700 })
          for (const i of [0, 1, 2, 5, 9])
            w.bucket.put(
              {
                key: fixedKey.slice(1).replace('$TAG', 'one').replace('$INDEX', String(i)),
                isNew: true,
                isUnique: false,
              },
              Buffer.from('other\n'),
            )
          await w.run({ step, how })
          await runToEnd(w)
          expectEachOnce(w, ['other', 'other', 'other', 'other', 'other'])
        }
  },
)

test('an object under a fixed key that another run has written is no proof that this one was stored', async () => {
  for (const usesPutObject of [true, false])
    for (let step = 1; step <= 30; step += 4)
      for (const how of CUTS) {
        const fixedKey = '/logs/$TAG'
        const w = world(step, { fixedKey, usesPutObject, totalBytes: 700 })
        for (const tag of ['one', 'two'])
          w.bucket.put({ key: `logs/${tag}`, isNew: true, isUnique: false }, Buffer.from('old\n'))
        const { seen } = w.bucket
        await w.run({ step, how })
        await runToEnd(w)
        // Objects replace each other: each record was in one of them.
        expect(w.expected().filter((line) => !seen.has(line))).toEqual([])
      }
})

test('$INDEX goes on after a restart', async () => {
  const w = world(4, { fixedKey: '/logs/$INDEX', usesPutObject: true })
  await w.run({ step: 12, how: 'after' })
  const before = w.bucket.objects.size
  expect(before).toBeGreaterThan(1)
  await runToEnd(w)
  expect(w.bucket.refused).toBe(0)
  expectEachOnce(w)
})

test('many kills, requests that fail and answers that are lost leave every record in one object', async () => {
  let known = 0
  for (let seed = 100; seed < 130; seed++) {
    const random = seeded(seed * 7919)
    const w = world(seed, { failures: 0.2, usesPutObject: seed % 3 === 0, isBlind: seed % 4 === 0 })
    for (let kill = 0; kill < 20; kill++)
      await w.run({
        step: 1 + Math.floor(random() * 25),
        how: CUTS[Math.floor(random() * 3)] as Cut,
      })
    await runToEnd(w)
    expectEachOnce(w)
    known += w.known
  }
  // The test is one only if records were read again that an object had.
  expect(known).toBeGreaterThan(100)
})

test('an upload that something else ends costs no record: the run ends, and the next one reads them again', async () => {
  const w = world(3, { totalBytes: 100_000 })
  const step = 12
  let n = 0
  const { bucket } = w
  const part = bucket.part.bind(bucket)
  bucket.part = (...args) => {
    if (++n === step) bucket.uploads.clear()
    return part(...args)
  }
  await w.run()
  expect(w.ends).toContain(75)
  await runToEnd(w)
  expectEachOnce(w)
})

test('a kill at any step, after which the service ends all uploads, leaves every record in one object', async () => {
  const first = world(7)
  await runToEnd(first)
  for (const how of CUTS)
    for (let step = 1; step <= first.steps; step++) {
      const w = world(7)
      await w.run({ step, how })
      w.bucket.uploads.clear()
      await runToEnd(w)
      expectEachOnce(w)
      expect(w.ends).toEqual([])
    }
})

test('rows are forgotten when their objects are old', async () => {
  const w = world(5)
  await runToEnd(w)
  expect(readdirSync(w.folder).filter((name) => name.endsWith('.object'))).toEqual([])
})
