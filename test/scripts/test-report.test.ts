import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { emptyTally, readReport, slowestFiles, summary } from '../../scripts/test-report.mjs'
import { tmp } from '../support/tmp.ts'

const SOURCE = `
import { describe, expect, test } from 'bun:test'
test('one is one', () => {})
describe('a < b & "c"', () => {
  test('two is three', () => expect(2).toBe(3))
})
test.skip('a broker answers', () => {})
`

test('counts and names the tests of a report', () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.test.ts'), SOURCE)
  spawnSync(process.execPath, ['test', '--reporter=junit', '--reporter-outfile=r.xml'], { cwd: dir })
  const tally = emptyTally()
  readReport(tally, readFileSync(join(dir, 'r.xml'), 'utf8'))
  expect(tally).toEqual({
    passed: 1,
    failed: [expect.stringMatching(/^a\.test\.ts > a < b & "c" > two is three\n/)],
    skipped: ['a.test.ts > a broker answers'],
    seconds: new Map([['a.test.ts', expect.any(Number)]]),
  })
})

test('shows the first lines of an error under the name of its test', () => {
  const dir = tmp()
  const long = "test('long', () => { throw new Error(Array.from({ length: 99 }, (_, i) => i).join('\\n')) })"
  writeFileSync(join(dir, 'a.test.ts'), `${SOURCE}${long}\n`)
  spawnSync(process.execPath, ['test', '--reporter=junit', '--reporter-outfile=r.xml'], { cwd: dir })
  const tally = emptyTally()
  readReport(tally, readFileSync(join(dir, 'r.xml'), 'utf8'))
  const [short, cut] = tally.failed.map((text) => text.split('\n'))
  expect(short).toContain('    Expected: 3')
  expect(cut?.slice(1, 3)).toEqual(['    Error: 0', '    1'])
  expect(cut?.at(-1)).toMatch(/^ {4}\(and \d+ lines\)$/)
})

test('the summary ends with the counts', () => {
  const text = summary({ ...emptyTally(), passed: 3, failed: ['f'] })
  expect(text).toBe('failed: f\n3 passed, 1 failed\n')
  expect(summary({ ...emptyTally(), passed: 3, skipped: ['s'] })).toEndWith('3 passed, 0 failed, 1 skipped\n')
})

test('lists the ten slowest files with the seconds of all their tests, the slowest first', () => {
  const tally = emptyTally()
  const cases = Array.from(
    { length: 12 },
    (_, n) => `<testcase name="a" file="f${n}.test.ts" time="${n}.25" />`,
  )
  readReport(tally, `${cases.join('')}<testcase name="b" file="f3.test.ts" time="100" />`)
  const lines = slowestFiles(tally).trimEnd().split('\n')
  expect(lines).toHaveLength(11)
  expect(lines.slice(0, 3)).toEqual(['slowest files:', '   103.3 s  f3.test.ts', '    11.3 s  f11.test.ts'])
  expect(slowestFiles(emptyTally())).toBe('')
})
