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
import { follow, MemoryStore, readAll, resume } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Only events report changes. */
const EVENTS_ONLY = { progress_check_interval: '1h', watcher_interval: '1h', refresh_interval: '1h' }

function linesOf(what: string, count = 20): string[] {
  return Array.from({ length: count }, (_, i) => `${what} ${i} ${what.repeat(30)}`)
}

function text(lines: string[]): string {
  return `${lines.join('\n')}\n`
}

test('a copy in a directory that nobody watches is read at once when its original is truncated', async () => {
  const dir = tmp()
  const path = join(dir, 'app.log')
  mkdirSync(join(dir, 'old'))
  writeFileSync(path, text(linesOf('a')))
  const run = follow({ path, ...EVENTS_ONLY })
  await run.waitForLines(20)
  // Synchronous: the agent runs in this process and cannot read in between.
  appendFileSync(path, text(linesOf('b')))
  copyFileSync(path, join(dir, 'old/app.log.1'))
  truncateSync(path)
  expect(await run.waitForLines(40)).toEqual([...linesOf('a'), ...linesOf('b')])
  expect(run.count('lost_bytes')).toBe(0)
})

test('a copy whose original was read to its end is stored as read, in case the agent is killed', async () => {
  const path = join(tmp(), 'app.log')
  writeFileSync(path, text(linesOf('a')))
  const content = readFileSync(path)
  const store = new MemoryStore()
  const options = { path: `${path}*`, refresh_interval: '20ms', progress_check_interval: '20ms' }
  const run = follow({ ...options, rotate_wait: '1h' }, { store })
  await run.waitForLines(20)
  writeFileSync(`${path}.1`, content.subarray(0, 500))
  await until(() => run.files.some(({ state }) => state === 'waiting'))
  await until(() => store.table.length === 2)
  appendFileSync(`${path}.1`, content.subarray(500))
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  await run.stop()
  expect(store.table.find(({ name }) => name === `${path}.1`)?.offset).toBe(content.length)
  const next = resume(store, options)
  appendFileSync(path, 'end\n')
  expect(await next.waitForLines(1)).toEqual(['end'])
})

test('a copy of a file that waits for another one is read after that, and before what the file has since', async () => {
  const path = join(tmp(), 'app.log')
  const [first, second] = [linesOf('first', 20_000), linesOf('second', 500)]
  writeFileSync(path, text(first))
  // Each file takes several turns.
  const run = follow({ path, ...EVENTS_ONLY, static_batch_size: '20K' }, { memBufLimit: 300_000 })
  run.hold = true
  await until(() => run.received.length > 0 && run.assembly.inputs[0]?.account.paused)
  renameSync(path, `${path}.1`)
  writeFileSync(path, text(second))
  // The fingerprint, by which the copy is recognized, is taken when the row is written.
  const store = run.store as MemoryStore
  await until(() => store.table.filter((row) => (row.fingerprintSize ?? 0) > 0).length === 2)
  copyFileSync(path, `${path}.2`)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, text(linesOf('third')))
  run.ack()
  const lines = await run.waitForLines(first.length + second.length + 20)
  expect(lines.slice(first.length)).toEqual([...second, ...linesOf('third')])
  expect(lines.slice(0, first.length)).toEqual(first)
  expect(run.count('lost_bytes')).toBe(0)
})

test('a copy that is not read leaves no row, by which the next run would read it', async () => {
  const path = join(tmp(), 'app.log')
  const store = new MemoryStore()
  writeFileSync(path, text(linesOf('a')))
  const run = follow({ path, progress_check_interval: '20ms' }, { store })
  await run.waitForLines(20)
  // Synchronous: the agent runs in this process and cannot see what is in between.
  renameSync(path, `${path}.3`)
  writeFileSync(path, text(linesOf('b', 10)))
  copyFileSync(path, `${path}.2`)
  appendFileSync(path, text(linesOf('c', 10)))
  renameSync(path, `${path}.1`)
  writeFileSync(path, text(linesOf('d')))
  const expected = [...linesOf('a'), ...linesOf('b', 10), ...linesOf('c', 10), ...linesOf('d')]
  expect(await run.waitForLines(expected.length)).toEqual(expected)
  await run.stop()
  expect(store.table.map(({ name }) => name).filter((name) => name === `${path}.2`)).toEqual([])
  const next = resume(store, { path, progress_check_interval: '20ms' })
  appendFileSync(path, 'end\n')
  expect(await next.waitForLines(1)).toEqual(['end'])
})

for (const [state, rotate_wait] of [
  ['held open', '1h'],
  ['closed', '20ms'],
] as const)
  test(`a copy that is ${state} is not read again when the next rotation compresses it`, async () => {
    const path = join(tmp(), 'app.log')
    const store = new MemoryStore()
    const options = { path, rotate_wait, refresh_interval: '1h', progress_check_interval: '20ms' }
    writeFileSync(path, text(linesOf('a')))
    await readAll(store, options, 20)
    appendFileSync(path, text(linesOf('b')))
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    const run = resume(store, options)
    expect(await run.waitForLines(20)).toEqual(linesOf('b'))
    appendFileSync(path, text(linesOf('c')))
    await run.waitForLines(40)
    await until(() => run.files.length === (state === 'closed' ? 1 : 2))
    // logrotate with copytruncate and delaycompress.
    writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
    rmSync(`${path}.1`)
    copyFileSync(path, `${path}.1`)
    truncateSync(path)
    await until(() => run.count('files_truncated') === 1)
    appendFileSync(path, 'end\n')
    expect(await run.waitForLines(41)).toEqual([...linesOf('b'), ...linesOf('c'), 'end'])
  })

test('a copy that the previous run had read is not read again when the next rotation compresses it', async () => {
  const path = join(tmp(), 'app.log')
  const store = new MemoryStore()
  const options = { path, refresh_interval: '1h', progress_check_interval: '20ms' }
  writeFileSync(path, text(linesOf('a')))
  const run = resume(store, options)
  await run.waitForLines(20)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await until(() => run.count('files_truncated') === 1)
  appendFileSync(path, text(linesOf('b')))
  await run.waitForLines(40)
  await run.stop()
  const next = resume(store, options)
  appendFileSync(path, 'c\n')
  await next.waitForLines(1)
  // logrotate with copytruncate and delaycompress, a minute later; gzip keeps the time.
  const copiedS = statSync(`${path}.1`).mtimeMs / 1000 - 60
  writeFileSync(`${path}.2.gz`, gzipSync(readFileSync(`${path}.1`)))
  utimesSync(`${path}.2.gz`, copiedS, copiedS)
  rmSync(`${path}.1`)
  copyFileSync(path, `${path}.1`)
  truncateSync(path)
  await until(() => next.count('files_truncated') === 1)
  appendFileSync(path, 'end\n')
  expect(await next.waitForLines(2)).toEqual(['c', 'end'])
})
