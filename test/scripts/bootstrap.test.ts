import { expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findBun, installed, ROOT } from '../../scripts/bootstrap.mjs'
import { tmp } from '../support/tmp.ts'

function project(lock: object, present: object | undefined): string {
  const dir = tmp()
  mkdirSync(join(dir, 'node_modules'))
  writeFileSync(join(dir, 'package-lock.json'), JSON.stringify({ packages: lock }))
  if (present)
    writeFileSync(join(dir, 'node_modules/.package-lock.json'), JSON.stringify({ packages: present }))
  return dir
}

const LOCK = {
  '': { version: '0.1.0' },
  'node_modules/a': { version: '1.0.0' },
  'node_modules/for-another-platform': { version: '1.0.0', optional: true },
}

test('the versions in the lock file need no installation', () => {
  expect(installed(project(LOCK, { 'node_modules/a': { version: '1.0.0' } }))).toBe(true)
})

test('a changed version, a missing package and a missing record need an installation', () => {
  expect(installed(project(LOCK, { 'node_modules/a': { version: '0.9.0' } }))).toBe(false)
  expect(installed(project(LOCK, {}))).toBe(false)
  expect(installed(project(LOCK, undefined))).toBe(false)
})

test('finds bun in the package of the platform if its install script did not run', () => {
  const dir = tmp()
  const bin = join(dir, 'node_modules/@oven/bun-linux-x64/bin')
  mkdirSync(join(dir, 'node_modules/bun/bin'), { recursive: true })
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(dir, 'node_modules/bun/bin/bun.exe'), 'echo "bun was not installed"', { mode: 0o755 })
  symlinkSync(process.execPath, join(bin, 'bun'))
  expect(findBun(dir)).toBe(join(bin, 'bun'))
})

test('finds no bun where nothing is installed', () => {
  expect(findBun(tmp())).toBeUndefined()
  expect(findBun(ROOT)).toBeDefined()
})
