import { afterEach, expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SLICE_MS, Slices } from '../../../../src/plugins/inputs/tail/reading/slices.ts'
import { countCallsPerTurn, MOST_CALLS, restoreCalls } from '../../../support/tail/calls-per-turn.ts'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

afterEach(restoreCalls)

/** Number of logs. */
const MANY = 100

test('logs that appear, and are read, at the same time do not hold the event loop', async () => {
  const dir = tmp()
  const run = follow({ path: `${dir}/*.log` })
  await until(() => run.logs.some(({ message }) => message.includes('waiting for files')))
  const most = countCallsPerTurn()
  for (let i = 0; i < MANY; i++) writeFileSync(join(dir, `${i}.log`), `first of ${i}\n`)
  await run.waitForLines(MANY)
  // All of them are ready to be read at once.
  for (let i = 0; i < MANY; i++) appendFileSync(join(dir, `${i}.log`), `second of ${i}\n`)
  await run.waitForLines(2 * MANY)
  expect(most()).toBeLessThan(MOST_CALLS)
})

test('a chunk has lines of a limited number of files, so that they settle in one turn', async () => {
  const dir = tmp()
  const files = 600
  for (let i = 0; i < files; i++) writeFileSync(join(dir, `${i}.log`), `line of ${i}\n`)
  // Nothing else ends a chunk.
  const run = follow({ path: `${dir}/*.log` }, { service: { flush: 3_600_000 } })
  await run.waitForLines(500)
  expect(Math.max(...run.chunks.map(({ count }) => count))).toBeLessThanOrEqual(500)
})

test('short work is done at once, and long work lets timers have their turn', async () => {
  const slices = new Slices()
  const done: string[] = []
  slices.run(
    (function* () {
      for (let i = 0; i < 3; i++) {
        done.push(`short ${i}`)
        yield
      }
    })(),
  )
  expect(done).toHaveLength(3)
  slices.run(
    (function* () {
      for (let i = 0; i < 3; i++) {
        Bun.sleepSync(SLICE_MS)
        done.push(`long ${i}`)
        yield
      }
    })(),
  )
  slices.run(
    (function* () {
      done.push('next')
      yield
    })(),
  )
  setTimeout(() => done.push('timer'))
  await until(() => done.includes('next'))
  expect(done.indexOf('timer')).toBeLessThan(done.indexOf('long 2'))
  expect(done.indexOf('long 2')).toBeLessThan(done.indexOf('next'))
})

test('work that is left is dropped when it is stopped', async () => {
  const slices = new Slices()
  let steps = 0
  slices.run(
    (function* () {
      for (;;) {
        steps++
        Bun.sleepSync(SLICE_MS)
        yield
      }
    })(),
  )
  slices.stop()
  await new Promise((resolve) => setTimeout(resolve, 2 * SLICE_MS))
  expect(steps).toBe(1)
})

test('chunks are filled with the lines of many small files before they are sealed', async () => {
  const dir = tmp()
  const files = 40
  for (let i = 0; i < files; i++) writeFileSync(join(dir, `${i}.log`), `${'x'.repeat(199)}\n`.repeat(100))
  // Nothing but its size ends a chunk.
  const run = follow({ path: `${dir}/*.log` }, { service: { flush: 3_600_000 } })
  await until(() => run.chunks.length >= 3)
  // Chunk_Size is 256 KB, a file has 20 KB. What comes after an idle time, as at the start, is sent with the turn that read it.
  for (const { count } of run.chunks.slice(1)) expect(count).toBeGreaterThan(1000)
})
