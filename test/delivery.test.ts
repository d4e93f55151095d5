import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const PAGE = readFileSync(join(ROOT, 'docs/DELIVERY.md'), 'utf8')
/** `| 1 | what MUST be | tests |` */
const PROMISE = /^\| (\d+) \| .* \| (.*) \|$/gm
/** `file`: “name”, “name” */
const TESTED = /`(test\/[^`]+)`: (“[^”]+”(?:, “[^”]+”)*)/g
const NAME = /“([^”]+)”/g

const promises = [...PAGE.matchAll(PROMISE)].map(([, number, tests = '']) => ({
  number: Number(number),
  tests: [...tests.matchAll(TESTED)].flatMap(([, file = '', names = '']) =>
    [...names.matchAll(NAME)].map(([, name = '']) => ({ file, name })),
  ),
}))

test('every promise has a number and tests', () => {
  expect(promises.length).toBeGreaterThan(10)
  expect(promises.map(({ number }) => number)).toEqual(promises.map((_, i) => i + 1))
  expect(promises.filter(({ tests }) => tests.length === 0)).toEqual([])
})

test('every test named by a promise exists', () => {
  const named = promises.flatMap(({ tests }) => tests)
  const missing = named.filter(({ file, name }) => {
    const path = join(ROOT, file)
    return !existsSync(path) || !readFileSync(path, 'utf8').includes(name)
  })
  expect(missing).toEqual([])
})
