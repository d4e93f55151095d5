import { afterEach, expect, spyOn, test } from 'bun:test'
import { closeSync, openSync, realpathSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCalls } from '../../../../../src/lib/fs/system-calls.ts'
import { lastKernelPathOf } from '../../../../../src/plugins/inputs/tail/tracking/link-target.ts'
import { follow } from '../../../../support/tail/run.ts'
import { tmp } from '../../../../support/tmp.ts'

const restores: (() => void)[] = []
afterEach(() => {
  for (const restore of restores.splice(0)) restore()
})

test('the last path of an open file has no link in it, and stays when the file is deleted', () => {
  const dir = realpathSync(tmp())
  const [path, link] = [join(dir, 'a.log'), join(dir, 'link.log')]
  writeFileSync(path, 'line\n')
  symlinkSync(path, link)
  const fd = openSync(link, 'r')
  restores.push(() => closeSync(fd))
  expect(lastKernelPathOf(fd)).toBe(path)
  unlinkSync(path)
  writeFileSync(path, 'another file\n')
  expect(lastKernelPathOf(fd)).toBe(path)
  expect(lastKernelPathOf(-1)).toBe(undefined)
})

test('the path of a file that is opened is resolved only if there is a link in it', async () => {
  const dir = realpathSync(tmp())
  const target = join(realpathSync(tmp()), 'target.log')
  writeFileSync(join(dir, 'a.log'), 'line of a\n')
  writeFileSync(target, 'line of b\n')
  symlinkSync(target, join(dir, 'b.log'))
  const spy = spyOn(systemCalls, 'realpathSync')
  restores.push(() => spy.mockRestore())
  const run = follow({ path: `${dir}/*.log` })
  await run.waitForLines(2)
  const resolved = new Set(spy.mock.calls.map(([path]) => String(path)))
  expect(resolved.has(join(dir, 'b.log'))).toBe(true)
  expect(resolved.has(join(dir, 'a.log'))).toBe(false)
})
