import { expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { addTimes, SLOW_SECONDS } from '../../scripts/test-times.mjs'
import { tmp } from '../support/tmp.ts'

const OUTAGE = 'test/e2e/outage.test.ts'

function timesAfter(path: string, files: string[]): Record<string, number> {
  addTimes(path, files)
  return JSON.parse(readFileSync(path, 'utf8')).files
}

test('every file gets a time: the measured one, else a known one, else a short one', () => {
  const path = join(tmp(), 'times.json')
  const first = timesAfter(path, [OUTAGE, 'test/a.test.ts'])
  expect(first[OUTAGE]).toBeGreaterThan(first['test/a.test.ts'] as number)
  writeFileSync(path, JSON.stringify({ version: 1, files: { [OUTAGE]: 17 } }))
  expect(timesAfter(path, [OUTAGE, 'test/a.test.ts'])).toEqual({ ...first, [OUTAGE]: 17 })
})

test('a file of times that is cut off counts as none', () => {
  const path = join(tmp(), 'times.json')
  writeFileSync(path, '{"version":1,"fil')
  expect(Object.keys(timesAfter(path, ['test/a.test.ts']))).toEqual(['test/a.test.ts'])
})

test('the files whose times are known exist', () => {
  expect([...SLOW_SECONDS.keys()].filter((path) => !existsSync(path))).toEqual([])
})
