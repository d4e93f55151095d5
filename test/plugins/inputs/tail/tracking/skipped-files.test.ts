import { expect, test } from 'bun:test'
import type { BigIntStats } from 'node:fs'
import { SkippedFiles } from '../../../../../src/plugins/inputs/tail/tracking/skipped-files.ts'

function stat(ino: number, birthMs = 5000): BigIntStats {
  return { dev: 1n, ino: BigInt(ino), birthtimeNs: BigInt(birthMs) * 1_000_000n + 999n } as BigIntStats
}

test('a file is known by device, inode and birth', () => {
  const skipped = new SkippedFiles([{ path: '/a', device: 1n, inode: 2n, birthMs: 5000, offset: 9 }])
  expect(skipped.changed).toBeUndefined()
  expect([skipped.has(stat(2)), skipped.has(stat(3)), skipped.has(stat(2, 6000))]).toEqual([
    true,
    false,
    false,
  ])
  expect(skipped.take(stat(2, 6000))).toBeUndefined()
  expect(skipped.all()).toHaveLength(1)
  expect([skipped.take(stat(2)), skipped.take(stat(2)), skipped.all()]).toEqual([9, undefined, []])
})

test('every change is to be written, once', () => {
  const skipped = new SkippedFiles([])
  const isChanged = (): boolean => {
    const { changed } = skipped
    skipped.recordWritten()
    return changed !== undefined
  }
  expect(isChanged()).toBe(false)
  skipped.recordScan()
  expect([isChanged(), isChanged()]).toEqual([true, false])
  skipped.add('/a', stat(2), 9)
  expect([isChanged(), isChanged()]).toEqual([true, false])
  const [file] = skipped.all()
  if (file === undefined) throw new Error('not remembered')
  skipped.remove(file)
  expect([isChanged(), isChanged(), skipped.all()]).toEqual([true, false, []])
  skipped.remove(file)
  expect(isChanged()).toBe(false)
  skipped.restore(file)
  expect([isChanged(), skipped.all()]).toEqual([true, [file]])
  skipped.take(stat(2))
  expect(isChanged()).toBe(true)
})

test('of more than 20,000 files the oldest are forgotten', () => {
  const skipped = new SkippedFiles([])
  for (let i = 0; i < 20_005; i++) skipped.add(`/a/${i}`, stat(i), 0)
  expect(skipped.all()).toHaveLength(20_000)
  expect([skipped.has(stat(4)), skipped.has(stat(5))]).toEqual([false, true])
})
