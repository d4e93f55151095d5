import { expect, test } from 'bun:test'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ar } from '../../../scripts/release/ar.ts'
import { gzip } from '../../../scripts/release/gzip.ts'
import { type Entry, tar, withDirectories } from '../../../scripts/release/tar.ts'
import { fc } from '../../support/property.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { tmp } from '../../support/tmp.ts'

const TIME = 1_700_000_000
const has = (name: string): boolean => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined
const testWithTar = peerOrSkip('tar', has('tar'), 'no `tar` on PATH')
const testWithAr = peerOrSkip('ar', has('ar'), 'no `ar` on PATH')

const entry = (path: string, text: string, mode = 0o644): Entry => ({ path, mode, bytes: Buffer.from(text) })

testWithTar('tar unpacks the packed bytes, modes and times', () => {
  const dir = tmp()
  const files = [
    entry('a/b/run', '#!/bin/sh\n', 0o755),
    entry('a/x', ''),
    entry('a/long', 'y'.repeat(512 * 3)),
  ]
  writeFileSync(join(dir, 'a.tar.gz'), gzip(tar(withDirectories(files, 'a/'), TIME)))
  execFileSync('tar', ['-xzf', 'a.tar.gz'], { cwd: dir })
  for (const { path, mode, bytes } of files) {
    const stat = statSync(join(dir, path))
    expect({ path, mode: stat.mode & 0o777, mtime: stat.mtimeMs }).toEqual({ path, mode, mtime: TIME * 1000 })
    expect(readFileSync(join(dir, path))).toEqual(Buffer.from(bytes))
  }
})

testWithTar('the entries are sorted, a directory before its contents, and owned by root', () => {
  const file = join(tmp(), 'a.tar')
  writeFileSync(
    file,
    tar(withDirectories([entry('./etc/b', ''), entry('./a', ''), entry('./etc/B', '')], './'), TIME),
  )
  const env = { ...process.env, TZ: 'UTC' }
  const listed = execFileSync('tar', ['-tvf', file, '--numeric-owner'], { encoding: 'utf8', env })
  expect(listed.trim().split('\n')).toEqual([
    'drwxr-xr-x 0/0               0 2023-11-14 22:13 ./',
    '-rw-r--r-- 0/0               0 2023-11-14 22:13 ./a',
    'drwxr-xr-x 0/0               0 2023-11-14 22:13 ./etc/',
    '-rw-r--r-- 0/0               0 2023-11-14 22:13 ./etc/B',
    '-rw-r--r-- 0/0               0 2023-11-14 22:13 ./etc/b',
  ])
})

test('the order of the given files does not change the archive', () => {
  const files = ['a', 'b/c', 'b/d', 'é', 'e'].map((path) => entry(path, path))
  const expected = tar(files, TIME)
  fc.assert(
    fc.property(fc.shuffledSubarray(files, { minLength: files.length }), (shuffled) => {
      expect(tar(shuffled, TIME).equals(expected)).toBe(true)
    }),
  )
})

test('names and numbers that do not fit are rejected', () => {
  expect(() => tar([entry('x'.repeat(101), '')], TIME)).toThrow('too long')
  expect(() => tar([entry('x', '')], 8 ** 11)).toThrow('does not fit')
  expect(() => ar([{ name: 'x'.repeat(17), bytes: Buffer.alloc(0) }], TIME)).toThrow('too long')
})

testWithAr('ar unpacks the members, also those of odd length', () => {
  const dir = tmp()
  const members = ['one', 'three', 'even'].map((name) => ({ name, bytes: Buffer.from(name) }))
  writeFileSync(join(dir, 'a.ar'), ar(members, TIME))
  execFileSync('ar', ['x', 'a.ar'], { cwd: dir })
  for (const { name } of members) expect(readFileSync(join(dir, name), 'utf8')).toBe(name)
})

test('gzip output contains neither a time nor a name', () => {
  const packed = gzip(Buffer.from('abc'))
  expect([...packed.subarray(0, 8)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])
  expect(packed).toEqual(gzip(Buffer.from('abc')))
})
