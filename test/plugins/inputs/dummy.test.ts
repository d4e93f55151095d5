import { expect, test } from 'bun:test'
import { spec } from '../../../src/plugins/inputs/dummy.ts'
import { InputRun } from '../../support/engine/input-run.ts'

async function recordsOf(texts: Record<string, string>, ms: number) {
  const run = new InputRun(spec, texts)
  await run.pass(ms)
  const records = run.takeRecords()
  await run.stop()
  expect(run.bench.clock.waiting).toBe(0)
  return records
}

test('the record is created once a second, with the time of the clock', async () => {
  const records = await recordsOf({}, 3005)
  expect(records.map((r) => r.record)).toEqual([
    { message: 'dummy' },
    { message: 'dummy' },
    { message: 'dummy' },
  ])
  expect(new Set(records.map((r) => r.time.slice(0, 10))).size).toBe(3)
})

test('Rate is samples per second, Copies is records per sample, Samples is the number of samples', async () => {
  expect(await recordsOf({ rate: '50' }, 1000)).toHaveLength(50)
  expect(await recordsOf({ rate: '1000' }, 1000)).toHaveLength(1000)
  expect(await recordsOf({ copies: '3', rate: '2' }, 1000)).toHaveLength(6)
  expect(await recordsOf({ copies: '3', samples: '2', rate: '10' }, 3000)).toHaveLength(6)
  expect(await recordsOf({ interval_sec: '2', rate: '10' }, 6000)).toHaveLength(3)
  expect(await recordsOf({ interval_nsec: '500000000' }, 2000)).toHaveLength(4)
})

test('with Flush_On_Startup the first sample comes at once, and counts', async () => {
  expect(await recordsOf({ flush_on_startup: 'on' }, 100)).toHaveLength(1)
  expect(await recordsOf({ flush_on_startup: 'on', interval_sec: '2' }, 4100)).toHaveLength(3)
  expect(await recordsOf({ flush_on_startup: 'on', samples: '1' }, 3000)).toHaveLength(1)
})

test('timestamps begin at Start_Time, exact to the nanosecond, and stay there with Fixed_Timestamp', async () => {
  const start = { start_time_sec: '1700000000', start_time_nsec: '123456789', rate: '2' }
  const fixed = await recordsOf({ ...start, fixed_timestamp: 'on' }, 1000)
  expect(fixed.map((r) => r.time)).toEqual(['1700000000.123456789', '1700000000.123456789'])
  const moving = await recordsOf(start, 1000)
  expect(moving.map((r) => r.time.slice(0, 12))).toEqual(['1700000000.6', '1700000001.1'])
})

test('the memory limit delays records and loses none', async () => {
  const run = new InputRun(spec, { copies: '20000', dummy: `{"m":"${'x'.repeat(100)}"}` }, 200_000)
  await run.pass(1000, 100)
  let count = 0
  for (let i = 0; i < 200 && count < 20_000; i++) {
    expect(run.bench.account.used).toBeLessThanOrEqual(200_000)
    count += run.takeRecords().length
    await run.pass(10)
  }
  expect(count).toBe(20_000)
  await run.stop()
})

test('a value that is not a JSON object is rejected and quoted', () => {
  for (const dummy of ['[1]', '{"a":}', '{} x', 'text']) {
    expect(() => new InputRun(spec, { dummy })).toThrow(`"dummy" must be a JSON object, not "${dummy}"`)
  }
})
