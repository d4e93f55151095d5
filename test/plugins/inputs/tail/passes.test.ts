import { expect, test } from 'bun:test'
import { EventEmitter } from 'node:events'
import {
  appendFileSync,
  copyFileSync,
  type Dirent,
  mkdirSync,
  renameSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import type { TailFile } from '../../../../src/plugins/inputs/tail/file/tail-file.ts'
import { Passes } from '../../../../src/plugins/inputs/tail/reading/passes.ts'
import { SLICE_MS } from '../../../../src/plugins/inputs/tail/reading/slices.ts'
import { follow, MemoryStore } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const QUICK = { refresh_interval: '20ms', progress_check_interval: '20ms', rotate_wait: '50ms' }

function replaceCall(name: 'openSync' | 'readdirSync' | 'watch', by: (...args: never[]) => unknown): void {
  const real = systemCalls[name]
  atEnd(() => void Object.assign(systemCalls, { [name]: real }))
  Object.assign(systemCalls, { [name]: by })
}

/**
 * Leaves finding files to the scans, which find a copy before its original, and have no time left in their slice
 * once they have opened it.
 */
function scanCopiesFirst(): void {
  const { openSync, readdirSync } = systemCalls
  replaceCall('watch', () => Object.assign(new EventEmitter(), { close: () => {} }))
  replaceCall('readdirSync', (...args: Parameters<typeof readdirSync>) => {
    const entries = readdirSync(...args) as unknown as Dirent[]
    return entries.sort((a, b) => (a.name < b.name ? 1 : -1))
  })
  replaceCall('openSync', (...args: Parameters<typeof openSync>) => {
    if (String(args[0]).endsWith('.1')) Bun.sleepSync(SLICE_MS)
    return openSync(...args)
  })
}

function logs(): string {
  const dir = join(tmp(), 'logs')
  mkdirSync(dir)
  return join(dir, 'a.log')
}

test('a copy that a scan finds before its original, which was too old, is read from where that was skipped', async () => {
  const path = logs()
  scanCopiesFirst()
  writeFileSync(path, 'old 1\nold 2\n')
  utimesSync(path, 1000, 1000)
  const store = new MemoryStore()
  const run = follow({ ...QUICK, path: `${path}*`, ignore_older: '1d', read_from_head: 'off' }, { store })
  await until(() => store.skipped?.length === 1)
  appendFileSync(path, 'fresh\n')
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  appendFileSync(path, 'n1\n')
  await run.waitForLines(2)
  appendFileSync(path, 'end\n')
  await until(() => run.lines().includes('end'))
  expect(run.lines()).toEqual(['fresh', 'n1', 'end'])
})

test('a log and its copy that appear between two scans are read once', async () => {
  const path = logs()
  scanCopiesFirst()
  const lines = Array.from({ length: 20 }, (_, n) => `${n} ${'x'.repeat(30)}`)
  const outside = join(tmp(), 'a.log')
  writeFileSync(outside, `${lines.join('\n')}\n`)
  const run = follow({ ...QUICK, path: `${path}*` })
  await until(() => run.logs.some(({ message }) => message.includes('waiting for files')))
  // A log that was there before the copy, and has not changed since, is the original.
  await until(() => Date.now() - statSync(outside).birthtimeMs > 100)
  copyFileSync(outside, `${path}.1`)
  renameSync(outside, path)
  await run.waitForLines(20)
  appendFileSync(path, 'end\n')
  await until(() => run.lines().includes('end'))
  await until(() => run.files.length === 2 && run.files.every(({ state }) => state === 'idle'))
  expect(run.lines().toSorted()).toEqual([...lines, 'end'].toSorted())
})

test('a new file waits for the passes that had begun, and not for those that begin later', () => {
  const released: string[] = []
  const passes = new Passes((file) => released.push(String(file)))
  const [a, b] = ['a', 'b'].map((name) => ({ toString: () => name }) as unknown as TailFile)
  const start = (): Generator<void> => {
    const steps = passes.run(
      (function* () {
        yield
      })(),
    )
    steps.next()
    return steps
  }
  expect(passes.awaits(a as TailFile)).toBe(false)
  const first = start()
  expect(passes.awaits(b as TailFile)).toBe(true)
  const second = start()
  expect(passes.awaits(a as TailFile)).toBe(true)
  first.next()
  expect(released).toEqual(['b'])
  expect(passes.awaits(b as TailFile)).toBe(false)
  second.next()
  expect(released).toEqual(['b', 'a'])
})
