import { expect, test } from 'bun:test'
import { expectNoMemory, inChunks, includes, numbersOf, SAFE, settleUntil, started } from '../running.ts'
import type { InputCase, Source } from '../source.ts'
import { range } from '../sources/senders.ts'

export function testRecords(inputCase: InputCase): void {
  test('records have the configured tag and the right time, and use declared counters only', async () => {
    const running = await started(inputCase)
    const { bench, source } = running
    await source.give(0, 3, bench)
    const nowMs = bench.clock.nowMs()
    const records = await bench.has(3)
    expect(new Set(records.map(({ tag }) => tag))).toEqual(new Set(['t']))
    const { time } = inputCase
    for (const { seconds } of records)
      if (typeof time === 'number') expect(Math.floor(seconds)).toBe(time)
      else expect(Math.abs(seconds - nowMs / 1000)).toBeLessThan(30)
    if (source.numberOf !== undefined) expect(numbersOf(running)).toEqual(range(0, 3))
    await bench.close()
    expect(bench.counters.undeclared).toEqual([])
  })
}

export function testMemory(inputCase: InputCase): void {
  const { whenFull, full } = inputCase
  if (full === undefined || typeof whenFull === 'string')
    throw new Error('what it does without memory is not stated')
  const { limit, records, batch = records } = full
  test('while memory is used up no more is read; then it goes on, and nothing is lost or there twice', async () => {
    const running = await started(inputCase, undefined, limit)
    const { bench, source } = running
    let given = 0
    const giveAll = (async () => {
      for (; given < records; given += batch) await source.give(given, given + batch, bench)
    })()
    if (whenFull.is === 'waits' || whenFull.is === 'makes none') await bench.stands()
    else await giveAll
    const lost = (): number => (whenFull.is === 'loses' ? bench.counters.get(whenFull.counter) : 0)
    if (whenFull.is === 'loses') {
      await bench.until(() => bench.counters.get(whenFull.counter, whenFull.reason) > 0, 'a loss')
      await bench.until(() => bench.stage.records + lost() > 0, 'records')
    }
    expect(bench.account.recordBytes).toBeLessThanOrEqual(limit)
    expect(bench.stage.records).toBeLessThan(records)
    const before = bench.stage.records
    await settleUntil(running, () =>
      source.numberOf === undefined
        ? bench.made.length > before + 20
        : bench.made.length + lost() >= records && !isRefused(source),
    )
    await giveAll
    if (source.numberOf !== undefined) {
      const numbers = numbersOf(running)
      expect(new Set(numbers).size).toBe(numbers.length)
      expect(numbers.length + lost()).toBe(records)
    }
    await source.end?.()
    await bench.close()
    expect(bench.counters.undeclared).toEqual([])
  })
}

const isRefused = ({ refused }: Source): boolean => (refused?.().length ?? 0) > 0

/** For senders that are answered with the end of the connection. */
export function testEnd(inputCase: InputCase): void {
  if (inputCase.endsAfterSender !== true) return
  test.each(SAFE)(
    'a sender that has ended its side sees the end of the other when its records are %s',
    async (outcome) => {
      const { bench, source } = await started(inputCase)
      await source.give(0, 3, bench)
      source.finish?.()
      await bench.has(3)
      for (let i = 0; i < 20; i++) await bench.pass()
      expect(source.hasEnded?.()).toBe(false)
      bench.settleAll(outcome)
      await bench.until(() => source.hasEnded?.() === true, 'the end of the connection')
      await bench.close()
    },
  )
}

/** For senders that get no acknowledgements: what they have sent is here, although they are not. */
export function testGone(inputCase: InputCase): void {
  const { endsAfterSender, full } = inputCase
  if (endsAfterSender !== true || full === undefined) return
  test('what a sender has sent before its end waits for memory, and nothing of it is lost', async () => {
    const running = await started(inputCase, undefined, full.limit)
    const { bench, source } = running
    await source.give(0, full.records, bench)
    source.finish?.()
    await bench.stands()
    await settleUntil(running, () => bench.made.length >= full.records)
    expect(numbersOf(running)).toEqual(range(0, full.records))
    await bench.until(() => source.hasEnded?.() === true, 'the end of the connection')
    await bench.close()
    await expectNoMemory(bench)
  })
}

export function testOversize(inputCase: InputCase): void {
  const { oversize } = inputCase
  if (typeof oversize === 'string') return
  test('a record that is too large has a fate, which is counted', async () => {
    const running = await started(inputCase, oversize.texts)
    const { bench, source } = running
    await source.giveOversize?.(bench)
    await bench.until(() => bench.counters.get(oversize.counter, oversize.reason) > 0, oversize.counter)
    await bench.has(oversize.records)
    await source.end?.()
    await bench.close()
    expect(bench.made.length).toBe(oversize.records)
    expect(bench.counters.undeclared).toEqual([])
  })
}

/** For inputs that take the large record with their default options. */
export function testLarge(inputCase: InputCase): void {
  const { oversize } = inputCase
  if (typeof oversize === 'string' || oversize.texts === undefined) return
  test('a record that is larger than the memory limit passes when nothing else is in memory', async () => {
    const running = await started(inputCase, undefined, SMALL_LIMIT)
    const { bench, source } = running
    await inChunks(running, [0])
    await source.giveOversize?.(bench)
    await settleUntil(running, () => bench.largest > LARGE_BYTES)
    await source.give(10, 13, bench)
    await settleUntil(running, () => numbersOf(running).includes(12))
    await source.end?.()
    await bench.close()
    await expectNoMemory(bench)
  })
}

const SMALL_LIMIT = 8192

/** Some inputs split long lines. */
const LARGE_BYTES = 4000
