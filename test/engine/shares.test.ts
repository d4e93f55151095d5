import { describe, expect, test } from 'bun:test'
import { type Fate, SharesBench, TIMEOUT_MS } from '../support/engine/shares-bench.ts'
import { fc } from '../support/property.ts'

const LIMIT = 1_000_000
/** Time until every refused chunk was tried again. */
const RETRIED_MS = 6000

/** Writes a record of 300 bytes with each of 10,000 new tags, as long as there is room. */
function fill(bench: SharesBench, source: string, prefix: string, fate: Fate): void {
  for (let n = 0; n < 10_000; n++) {
    const tag = `${source}/${prefix}/${n}`
    bench.fates.set(tag, fate)
    if (!bench.write(source, tag, 300)) break
  }
}

interface Step {
  source: number
  tag: number
  bytes: number
  fate: Fate
  ms: number
}

const fate = fc.constantFrom<Fate>('delivered', 'refused', 'pending')
const step = (sources: number, tags: number): fc.Arbitrary<Step> =>
  fc.record({
    source: fc.nat(sources),
    tag: fc.nat(tags),
    bytes: fc.oneof(fc.integer({ min: 50, max: 500 }), fc.integer({ min: 50, max: 200_000 })),
    fate,
    ms: fc.constantFrom(0, 0, 0, 0, 20, 100),
  })

async function play(bench: SharesBench, steps: Step[]): Promise<void> {
  for (const { source, tag, bytes, fate, ms } of steps) {
    bench.fates.set(`t${tag}`, fate)
    bench.write(`s${source}`, `t${tag}`, bytes)
    await bench.pass(ms)
  }
}

describe('a source that holds nothing gets room', () => {
  test('within a flush timeout, whatever 20 others have sent with whatever tags and fates', async () => {
    const cases = fc.array(step(20, 300), { maxLength: 300 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(16_000, LIMIT), cases, async (limit, steps) => {
        const bench = new SharesBench(limit, { scope: 'chunk' })
        await play(bench, steps)
        expect(await bench.waitToWrite('new', 'new tag', 200, TIMEOUT_MS + 200)).toBeDefined()
      }),
      { numRuns: 30 },
    )
  })

  test('when refused records are given up for it, whatever any number of others have sent', async () => {
    const cases = fc.array(step(2000, 2000), { minLength: 100, maxLength: 500 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(16_000, LIMIT), cases, async (limit, steps) => {
        const bench = new SharesBench(limit)
        await play(bench, steps)
        expect(await bench.waitToWrite('new', 'new tag', 200, RETRIED_MS + TIMEOUT_MS)).toBeDefined()
      }),
      { numRuns: 20 },
    )
  })

  test.each<[number, Fate]>([
    [1, 'refused'],
    [1, 'pending'],
    [40, 'refused'],
    [40, 'pending'],
  ])('at once, while %i connections have sent 10,000 new tags each that are %s', async (sources, fate) => {
    const bench = new SharesBench(LIMIT, { scope: 'chunk' })
    for (let n = 0; n < 8; n++) {
      for (let i = 0; i < sources; i++) fill(bench, `bad ${i}`, `${n}`, fate)
      expect(bench.write(`new ${n}`, `new ${n}`, 1000)).toBe(true)
      await bench.pass(TIMEOUT_MS, 100)
    }
    expect(bench.account.doubtfulBytes).toBeLessThan(LIMIT * 0.6)
    if (fate === 'refused')
      for (let n = 0; n < 8; n++) expect(bench.outcomes.get(`new ${n}`)).toEqual(['delivered'])
  })

  test('while tags of which much was delivered are refused all at once', async () => {
    const bench = new SharesBench(LIMIT, { scope: 'chunk' })
    const tags = Array.from({ length: 30 }, (_, i) => `good ${i}`)
    for (const tag of tags) bench.write(tag, tag, 100)
    await bench.pass(1000)
    for (const tag of tags) bench.fates.set(tag, 'refused')
    for (let round = 0; round < 20; round++) for (const tag of tags) bench.write(tag, tag, 10_000)
    await bench.pass(200)
    expect(bench.account.doubtfulBytes).toBeGreaterThan(LIMIT / 2)
    expect(bench.write('new', 'new', 1000)).toBe(true)
  })

  test('of 500 files, of which 400 are refused: each of the others is delivered', async () => {
    const bench = new SharesBench(2_000_000, { scope: 'chunk' })
    const names = Array.from({ length: 500 }, (_, i) => `pod ${i}`)
    for (const [i, name] of names.entries()) if (i % 5 > 0) bench.fates.set(name, 'refused')
    const delivered = (name: string): boolean => bench.outcomes.get(name)?.includes('delivered') === true
    for (let round = 0; round < 40; round++) {
      for (const name of names) while (!delivered(name) && bench.write(name, name, 1500));
      await bench.pass(100)
    }
    expect(names.filter(delivered)).toEqual(names.filter((_, i) => i % 5 === 0))
  })
})

test('what 10,000 connections with one refused tag each hold goes to the dead letters when nothing else is left', async () => {
  const bench = new SharesBench(LIMIT)
  let kept = 0
  for (let i = 0; i < 10_000; i++) {
    bench.fates.set(`bad ${i}`, 'refused')
    if (bench.write(`bad ${i}`, `bad ${i}`, 500)) kept++
    if (i % 100 === 0) await bench.pass(20)
  }
  expect(kept).toBeGreaterThan(100)
  expect(await bench.waitToWrite('new', 'new', 500, RETRIED_MS)).toBeDefined()
  await bench.pass(1000)
  expect(bench.outcomes.get('new')).toEqual(['delivered'])
  const given = [...bench.outcomes.values()].flat().filter((outcome) => outcome === 'dead_letter')
  expect(given.length).toBeGreaterThan(0)
})

test('only while newcomers find nothing: a refused tag alone waits for Dead_Letter_After', async () => {
  const bench = new SharesBench(16_000)
  bench.fates.set('bad', 'refused')
  for (let i = 0; i < 100; i++) {
    bench.write('bad', 'bad', 500)
    await bench.pass(100)
  }
  await bench.pass(60_000, 500)
  expect(bench.outcomes.get('bad')).toBeUndefined()
})

test('while all tags are refused and the dead letters are full everything waits, and goes on by itself', async () => {
  const bench = new SharesBench(LIMIT)
  bench.isFull = true
  const sources = Array.from({ length: 600 }, (_, i) => `s${i}`)
  for (const source of sources) bench.fates.set(source, 'refused')
  for (let round = 0; round < 30; round++) {
    for (const source of sources) bench.write(source, source, 1000)
    await bench.pass(200, 100)
  }
  expect([...bench.outcomes.values()]).toEqual([])
  expect(bench.account.recordBytes).toBeLessThanOrEqual(LIMIT * 1.125)
  bench.isFull = false
  expect(await bench.waitToWrite('new', 'new', 500, RETRIED_MS)).toBeDefined()
  await bench.pass(400_000, 2000)
  expect([bench.account.used, bench.account.doubtfulBytes]).toEqual([0, 0])
})

test('when the last chunk has settled nothing is counted any more', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step(10, 30), { maxLength: 100 }), async (steps) => {
      const bench = new SharesBench(LIMIT, { scope: 'chunk' })
      await play(bench, steps)
      bench.fates.clear()
      await bench.pass(20_000, 500)
      const { used, doubtfulBytes } = bench.account
      expect([used, doubtfulBytes, bench.budget.doubtfulBytes]).toEqual([0, 0, 0])
      expect([...bench.unsettled.values()].every((bytes) => bytes === 0)).toBe(true)
    }),
    { numRuns: 20 },
  )
})
