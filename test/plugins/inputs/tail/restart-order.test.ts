import { expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { TICK_MS } from '../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { follow, MemoryStore, readAll, resume } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

function home(): string {
  const dir = join(tmp(), 'logs', 'app')
  mkdirSync(dir, { recursive: true })
  return dir
}

/** Compresses a file and keeps its time, as gzip does. */
function compress(path: string, copy = `${path}.gz`): void {
  const { atime, mtime } = statSync(path)
  writeFileSync(copy, gzipSync(readFileSync(path)))
  utimesSync(copy, atime, mtime)
  rmSync(path)
}

/** Waits until new files get later times than those written so far. */
async function tick(): Promise<void> {
  const begun = Date.now()
  await until(() => Date.now() > begun + 2 * TICK_MS)
}

test('a log that is renamed while the first scan opens it is read after what was compressed before it', async () => {
  const path = join(home(), 'app.log')
  const store = new MemoryStore()
  const empty = follow({ path }, { store })
  await until(() => store.lastScan !== undefined)
  await empty.stop()
  await tick()
  writeFileSync(path, 'one\n')
  await tick()
  compress(path, `${path}.2.gz`)
  writeFileSync(path, 'two\n')
  const { openSync } = systemCalls
  atEnd(() => {
    systemCalls.openSync = openSync
  })
  systemCalls.openSync = ((opened: string, ...rest: [number]) => {
    const fd = openSync(opened, ...rest)
    if (opened === path) {
      systemCalls.openSync = openSync
      renameSync(path, `${path}.1`)
    }
    return fd
  }) as typeof openSync
  const run = resume(store, { path, refresh_interval: '0.05' })
  await run.waitForLines(2)
  writeFileSync(path, 'three\n')
  expect(await run.waitForLines(3)).toEqual(['one', 'two', 'three'])
})

test('a file of which a run that was killed had stored neither position nor content is read when it was compressed', async () => {
  const path = join(home(), 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, 'one\n')
  await readAll(store, { path }, 1)
  await tick()
  compress(path, `${path}.3.gz`)
  writeFileSync(path, 'two\n')
  await tick()
  const begun = follow({ path }, { store })
  await begun.waitForLines(1)
  await begun.stop()
  // As the row is that the first scan writes before anything is read, in the second after the last write.
  const { ino } = statSync(path, { bigint: true })
  for (const row of store.table)
    if (row.inode === ino) {
      row.created++
      row.offset = 0
      row.markerSize = 0
      row.fingerprint = undefined
      row.fingerprintSize = 0
      row.placeId = undefined
      row.placeMark = undefined
    }
  await tick()
  compress(path, `${path}.2.gz`)
  writeFileSync(`${path}.1`, 'three\n')
  await tick()
  compress(`${path}.1`)
  writeFileSync(path, 'four\n')
  const run = resume(store, { path, refresh_interval: '0.05' })
  await until(() => run.lines().includes('four'))
  expect(run.lines()).toEqual(['two', 'three', 'four'])
  appendFileSync(path, 'five\n')
  expect((await run.waitForLines(4)).at(-1)).toBe('five')
})

for (const numbers of [
  [1, 2],
  [2, 1],
] as const)
  test(`both of two copies of one clock tick, first .${numbers[0]}, are read after a log was truncated twice`, async () => {
    const path = join(home(), 'app.log')
    const store = new MemoryStore()
    writeFileSync(path, 'read\n')
    await readAll(store, { path }, 1)
    await tick()
    for (const [i, n] of numbers.entries()) {
      appendFileSync(path, `unread ${i} ${'x'.repeat(100)}\n`)
      copyFileSync(path, `${path}.${n}`)
      truncateSync(path)
    }
    appendFileSync(path, 'end\n')
    const { birthtimeNs, mtimeNs } = statSync(`${path}.1`, { bigint: true })
    const { statSync: stat } = systemCalls
    atEnd(() => {
      systemCalls.statSync = stat
    })
    systemCalls.statSync = ((...args: Parameters<typeof stat>) => {
      const found = stat(...args)
      if (found !== undefined && /\.log\.\d$/.test(String(args[0])))
        Object.assign(found, { birthtimeNs, mtimeNs })
      return found
    }) as typeof stat
    const run = resume(store, { path, refresh_interval: '0.05' })
    await until(() => run.lines().includes('end'))
    expect(run.lines().map((line) => line.slice(0, 8))).toEqual(['unread 0', 'unread 1', 'end'])
  })
