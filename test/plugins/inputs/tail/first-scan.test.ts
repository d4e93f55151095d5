import { afterEach, describe, expect, test } from 'bun:test'
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { OffsetChanges } from '../../../../src/core/offset-store.ts'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { countCallsPerTurn, MOST_CALLS, restoreCalls } from '../../../support/tail/calls-per-turn.ts'
import { follow, MemoryStore, TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

afterEach(restoreCalls)

/** More files than a slice has time for, as each takes some calls of a millisecond. */
const FILES = 60
const name = (i: number): string => `${String(i).padStart(2, '0')}.log`

/** Makes files with a line each, in a directory each. */
function manyLogs(): { path: string; logs: string[] } {
  const dir = tmp()
  const logs = Array.from({ length: FILES }, (_, i) => {
    mkdirSync(join(dir, `d${i}`))
    const log = join(dir, `d${i}`, name(i))
    writeFileSync(log, `line of ${i}\n`)
    return log
  })
  return { path: `${dir}/*/*.log`, logs }
}

/** Calls `then` before the file is opened first. */
function atOpen(log: string, then: () => void): void {
  const { openSync } = systemCalls
  let isDone = false
  Object.assign(systemCalls, {
    openSync: (...args: Parameters<typeof openSync>) => {
      if (args[0] === log && !isDone) {
        isDone = true
        then()
      }
      return openSync(...args)
    },
  })
}

/** Calls `act` in the middle of a scan, when one of the files is opened, and waits for what it returns. */
async function duringScan(logs: readonly string[], act: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  atOpen(logs[FILES / 2] as string, () => resolve(act()))
  await promise
}

describe('the first scan of many files', () => {
  test('does not hold the event loop, and its first lines leave before its last file is opened', async () => {
    const { path, logs } = manyLogs()
    const most = countCallsPerTurn()
    const run = follow({ path })
    let received = 0
    // Opening takes a while: else all files could be open before the timer is due that sends the first lines.
    for (const log of logs) atOpen(log, () => Bun.sleepSync(1))
    atOpen(logs[FILES - 1] as string, () => {
      received = run.received.length
    })
    await run.waitForLines(FILES)
    expect(received).toBeGreaterThan(0)
    expect(most()).toBeLessThan(MOST_CALLS)
    expect(run.lines().toSorted()).toEqual(Array.from({ length: FILES }, (_, i) => `line of ${i}`).toSorted())
  })

  test('does not hold it in a later run either, which reads nothing before the end of the scan', async () => {
    const { path, logs } = manyLogs()
    const store = new MemoryStore()
    const first = follow({ path }, { store })
    await first.waitForLines(FILES)
    await first.stop()
    for (const log of logs) {
      renameSync(log, `${log}.1`)
      appendFileSync(`${log}.1`, `rest of ${log}\n`)
      writeFileSync(log, `next of ${log}\n`)
    }
    const most = countCallsPerTurn()
    const next = follow({ path }, { store })
    await next.waitForLines(2 * FILES)
    expect(most()).toBeLessThan(2 * MOST_CALLS)
    const lines = next.lines()
    expect(lines).toHaveLength(2 * FILES)
    for (const log of logs)
      expect(lines.indexOf(`rest of ${log}`)).toBeLessThan(lines.indexOf(`next of ${log}`))
  })

  test('is completed by a stop in the very first run, so that the next one reads what was written since', async () => {
    const { path, logs } = manyLogs()
    const store = new MemoryStore()
    countCallsPerTurn()
    const first = follow({ path, read_from_head: 'off' }, { store })
    await duringScan(logs, () => {
      expect(first.files.length).toBeLessThan(FILES)
      return first.stop()
    })
    restoreCalls()
    for (const log of logs) appendFileSync(log, 'after the stop\n')
    const next = follow({ path, read_from_head: 'off' }, { store })
    await next.waitForLines(FILES)
    expect(new Set(next.lines())).toEqual(new Set(['after the stop']))
    expect(next.lines()).toHaveLength(FILES)
  })

  test('leaves the positions as they were when a later run is stopped before its end', async () => {
    const { path, logs } = manyLogs()
    const store = new MemoryStore()
    const first = follow({ path }, { store })
    await first.waitForLines(FILES)
    await first.stop()
    const before = structuredClone(store.table)
    // Both are new since the last scan: a row of the log alone would hide the other.
    const [log = ''] = logs
    writeFileSync(join(log, '..', 'new.log.1'), 'rotated\n')
    writeFileSync(join(log, '..', 'new.log'), 'live\n')
    countCallsPerTurn()
    const cut = follow({ path }, { store })
    await duringScan(logs, () => {
      expect(cut.files.length).toBeLessThan(FILES)
      return cut.abort()
    })
    restoreCalls()
    expect(cut.received).toEqual([])
    expect(store.table).toEqual(before)
    const next = follow({ path }, { store })
    await next.waitForLines(2)
    expect(next.lines()).toEqual(['rotated', 'live'])
  })

  test('a file that is created, or replaced, while it is under way is read from its start', async () => {
    const { path, logs } = manyLogs()
    const [first = '', last = ''] = [logs[0], logs[FILES - 1]]
    countCallsPerTurn()
    let isLate = false
    atOpen(logs[10] as string, () => {
      isLate = true
      renameSync(last, `${last}.1`)
      writeFileSync(last, 'in the place of another\n')
      writeFileSync(join(first, '..', 'created.log'), 'created\n')
    })
    const run = follow({ path, read_from_head: 'off' })
    await run.waitForLines(2)
    restoreCalls()
    expect(isLate).toBe(true)
    appendFileSync(first, 'end\n')
    await run.waitForLines(3)
    expect(run.lines().toSorted()).toEqual(['created', 'end', 'in the place of another'])
  })

  test('writes the rows of files that have not changed some at a time, after what is new', async () => {
    const dir = tmp()
    const most = 200
    for (let i = 0; i <= most; i++) writeFileSync(join(dir, `${i}.log`), `line of ${i}\n`)
    const writes: string[][] = []
    class Recorder extends MemoryStore {
      override write(changes: OffsetChanges): void {
        writes.push(changes.upsert.map((row) => row.name))
        super.write(changes)
      }
    }
    const store = new Recorder()
    const first = follow({ path: `${dir}/*.log` }, { store })
    await first.waitForLines(most + 1)
    await first.stop()
    const before = structuredClone(store.table).toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0))
    writes.length = 0
    const log = join(dir, 'new.log')
    writeFileSync(log, 'new\n')
    const next = follow({ path: `${dir}/*.log` }, { store })
    await until(() => writes.flat().length >= most + 2)
    expect(await next.waitForLines(1)).toEqual(['new'])
    expect(writes[0]).toContain(log)
    expect(writes[0]?.length).toBeLessThan(most + 2)
    const rows = store.table.filter(({ name }) => name !== log)
    expect(rows.toSorted((a, b) => (a.id ?? 0) - (b.id ?? 0))).toEqual(before)
  })

  test('of a later run writes the rows of new files some at a time, and the scan with the last of them', async () => {
    const dir = tmp()
    const most = 200
    const writes: { rows: number; hasScan: boolean }[] = []
    class Recorder extends MemoryStore {
      override write(changes: OffsetChanges): void {
        writes.push({ rows: changes.upsert.length, hasScan: changes.scanned !== undefined })
        super.write(changes)
      }
    }
    const store = new Recorder()
    writeFileSync(join(dir, 'a.log'), 'first\n')
    const first = follow({ path: `${dir}/*.log` }, { store })
    await first.waitForLines(1)
    await first.stop()
    writes.length = 0
    for (let i = 0; i < 2 * most; i++) writeFileSync(join(dir, `${i}.log`), '')
    const next = follow({ path: `${dir}/*.log` }, { store })
    await until(() => store.table.length === 2 * most + 1)
    await until(() => writes.some(({ hasScan }) => hasScan))
    expect(next.files).toHaveLength(2 * most + 1)
    const scan = writes.findIndex(({ hasScan }) => hasScan)
    expect(writes.slice(0, scan + 1).reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThanOrEqual(
      2 * most,
    )
    expect(Math.max(...writes.map(({ rows }) => rows))).toBeLessThanOrEqual(most)
  })

  test('two inputs scan at the same time', async () => {
    const [a, b] = [manyLogs(), manyLogs()]
    countCallsPerTurn()
    const one = new TailRun({ tail: { path: a.path, read_from_head: 'on' } }).start()
    const other = new TailRun({ tail: { path: b.path, read_from_head: 'on' }, name: 'tail.1' }).start()
    atEnd(() => Promise.all([one.abort(), other.abort()]).then(() => {}))
    // What the other has opened when an input opens its last file.
    const opened: number[] = []
    atOpen(a.logs[FILES - 1] as string, () => opened.push(other.files.length))
    atOpen(b.logs[FILES - 1] as string, () => opened.push(one.files.length))
    await until(() => opened.length === 2)
    expect(Math.min(...opened)).toBeGreaterThan(0)
  })
})
