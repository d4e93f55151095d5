import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

interface Entry {
  version?: string
  resolved?: string
  integrity?: string
  optionalDependencies?: Record<string, string>
}

const file = resolve(import.meta.dirname, '../package-lock.json')
const packages: Record<string, Entry> = JSON.parse(readFileSync(file, 'utf8')).packages

// npm omits the platforms that its registry does not have, and `npm ci` then rejects the file.
test('the lock file contains the packages of every platform', () => {
  const named = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).map((name) => [`${path}/node_modules/${name}`, `node_modules/${name}`]),
  )
  const missing = named.filter((places) => !places.some((place) => packages[place] !== undefined))
  expect(missing.map(([, name]) => name)).toEqual([])
})

test('the lock file names no registry', () => {
  expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([])
})

// Without one npm takes whatever the registry sends.
test('every package of the lock file has a hash', () => {
  const missing = Object.entries(packages).filter(
    ([path, { integrity }]) => path !== '' && !integrity?.startsWith('sha512-'),
  )
  expect(missing.map(([path]) => path)).toEqual([])
})
