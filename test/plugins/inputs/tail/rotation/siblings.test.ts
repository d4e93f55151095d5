import { afterEach, expect, setSystemTime, test } from 'bun:test'
import { mkdirSync, renameSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../../src/lib/fs/system-calls.ts'
import { fingerprintOf } from '../../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { DirectoryNames } from '../../../../../src/plugins/inputs/tail/rotation/directory-names.ts'
import { isCopyOfContent } from '../../../../../src/plugins/inputs/tail/rotation/same-content.ts'
import {
  hasSiblings,
  type Sibling,
  siblingsOf,
} from '../../../../../src/plugins/inputs/tail/rotation/siblings.ts'
import { tmp } from '../../../../support/tmp.ts'

const original = { ...systemCalls }
afterEach(() => {
  Object.assign(systemCalls, original)
  setSystemTime()
})

test('finds files with siblings in one read of their directory, through links too', () => {
  const dir = tmp()
  const logs = join(dir, 'logs')
  mkdirSync(logs)
  const names = ['a.log', 'a.log.1', 'a.logs', 'b.log', 'b.log.old', 'c.log', 'd.log', 'd.log.json', 'z.log']
  for (const name of names) writeFileSync(join(logs, name), '')
  symlinkSync(join(logs, 'b.log'), join(dir, 'link.log'))
  const paths = ['a', 'b', 'c', 'd', 'z', 'gone'].map((name) => join(logs, `${name}.log`))
  const known = new DirectoryNames()
  const found = [...paths, join(dir, 'link.log'), join(dir, 'none/x.log')].filter((path) =>
    hasSiblings(path, known),
  )
  expect(found).toEqual([...['a', 'b'].map((name) => join(logs, `${name}.log`)), join(dir, 'link.log')])
  expect(found.map((path) => siblingsOf(path).length)).toEqual([1, 1, 1])
})

test('finds a file under its new name when another one got its name after the directory was read', () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  for (const name of ['a.log', 'a.log.1']) writeFileSync(join(dir, name), name)
  systemCalls.statSync = ((name: string, ...rest: [{ bigint: true }]) => {
    if (name !== `${path}.1`) return original.statSync(name, ...rest)
    Object.assign(systemCalls, original)
    renameSync(`${path}.1`, `${path}.2`)
    writeFileSync(`${path}.1`, 'next')
    return original.statSync(name, ...rest)
  }) as typeof original.statSync
  expect(siblingsOf(path).map((s) => s.path)).toEqual([`${path}.2`, `${path}.1`])
})

test('finds a file under its new name when it was renamed after its directory was read', () => {
  const dir = tmp()
  const path = join(dir, 'a.log')
  for (const name of ['a.log', 'a.log.1', 'b.log', 'b.log.1']) writeFileSync(join(dir, name), '')
  const names = new DirectoryNames()
  expect(siblingsOf(path, {}, names).map((s) => s.path)).toEqual([`${path}.1`])
  renameSync(`${path}.1`, `${path}.2`)
  expect(siblingsOf(path, {}, names).map((s) => s.path)).toEqual([`${path}.2`])
})

test('finds a file under its new name when another one got its name after the directory was listed', () => {
  const path = join(tmp(), 'a.log')
  for (const name of [path, `${path}.1`]) writeFileSync(name, name)
  utimesSync(`${path}.1`, 1000, 1000)
  const names = new DirectoryNames()
  expect(siblingsOf(path, {}, names).map((s) => s.path)).toEqual([`${path}.1`])
  renameSync(`${path}.1`, `${path}.2`)
  renameSync(path, `${path}.1`)
  writeFileSync(path, '')
  expect(siblingsOf(path, {}, names).map((s) => s.path)).toEqual([`${path}.2`, `${path}.1`])
})

test('orders files that were last written in one clock tick by their birth time', () => {
  const path = join(tmp(), 'a.log')
  const names = ['10', '9', '8', '2', '1'].map((n) => `${path}.${n}`)
  for (const name of names) writeFileSync(name, '')
  for (const name of names) utimesSync(name, 1000, 1000)
  expect(siblingsOf(path).map((s) => s.path)).toEqual(names)
})

test('orders compressed files of one clock tick by their numbers, whichever was compressed first', () => {
  const path = join(tmp(), 'a.log')
  const names = ['10', '9', '8', '2', '1'].map((n) => `${path}.${n}.gz`)
  for (const name of names.toReversed()) writeFileSync(name, gzipSync('line\n'))
  for (const name of names) utimesSync(name, 1000, 1000)
  expect(siblingsOf(path).map((s) => s.path)).toEqual(names)
})

test('orders files of one clock tick by the direction in which the numbers of the others go', () => {
  const path = join(tmp(), 'a.log')
  const names = ['1', '2', '9', '10'].map((n) => path.replace('.log', `-${n}.log`))
  for (const name of names) writeFileSync(`${name}.gz`, gzipSync('line\n'))
  for (const [i, name] of names.entries()) utimesSync(`${name}.gz`, 1000, i < 2 ? 1000 + i : 1002)
  expect(siblingsOf(path).map((s) => s.path)).toEqual(names.map((name) => `${name}.gz`))
})

test('finds a file that is compressed right after its directory was listed', () => {
  // However busy the machine is, all of this is a moment ago.
  setSystemTime(new Date())
  const dir = tmp()
  const path = join(dir, 'a.log')
  for (const name of [path, `${path}.1`]) writeFileSync(name, 'line\n')
  symlinkSync(join(dir, 'nothing'), `${path}.2`)
  let listings = 0
  Object.assign(systemCalls, {
    readdirSync: (directory: string) => {
      const names = original.readdirSync(directory)
      if (++listings > 1) return names
      writeFileSync(`${path}.1.gz`, gzipSync('line\n'))
      unlinkSync(`${path}.1`)
      return names
    },
  })
  expect(siblingsOf(path).map((s) => s.path)).toEqual([`${path}.1.gz`])
  // A dangling link is not a renamed file.
  expect(siblingsOf(path).map((s) => s.path)).toEqual([`${path}.1.gz`])
  // What has changed a moment ago may just have been renamed: each result is compared with another one.
  expect(listings).toBe(5)
})

test('finds the former targets of a link, compressed or not', () => {
  const dir = tmp()
  const link = join(dir, 'a.log')
  for (const day of ['20.log', '21.log.gz', '22.log.gz', '23.log'])
    writeFileSync(join(dir, `a-202611${day}`), '')
  writeFileSync(join(dir, 'b-20261121.log.gz'), '')
  symlinkSync(join(dir, 'a-20261123.log'), link)
  const scope = { targetBefore: join(dir, 'a-20261120.log') }
  // Another file may have the name of the previous target.
  const expected = ['20.log', '21.log.gz', '22.log.gz'].map((day) => join(dir, `a-202611${day}`))
  expect(siblingsOf(link, scope).map((s) => s.path)).toEqual(expected)
  expect(siblingsOf(link, scope, new DirectoryNames()).map((s) => s.path)).toEqual(expected)
})

test('is not compared with another file that has its path by now', () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(`${path}.1`, 'first content\n')
  const [sibling] = siblingsOf(path) as [Sibling]
  const content = { offset: 14, marker: 0n, markerSize: 0, ...fingerprint('first content\n') }
  expect(isCopyOfContent(content, sibling, true)).toBe(true)
  renameSync(`${path}.1`, `${path}.2`)
  writeFileSync(`${path}.1`, 'first content\n')
  expect(isCopyOfContent(content, sibling, true)).toBe(false)
})

function fingerprint(text: string): { fingerprint: string; fingerprintSize: number } {
  return { fingerprint: fingerprintOf(Buffer.from(text)), fingerprintSize: text.length }
}
