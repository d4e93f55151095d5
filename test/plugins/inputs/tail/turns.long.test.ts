import { afterEach, expect, test } from 'bun:test'
import { appendFileSync, copyFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { countCallsPerTurn, MOST_CALLS, restoreCalls } from '../../../support/tail/calls-per-turn.ts'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

afterEach(restoreCalls)

const LOGS = 30

test('logs that are all rotated at once, by copytruncate and delaycompress within Path, do not hold it', async () => {
  const dir = tmp()
  const text = (i: number, n: number): string => `line ${n} of log ${i}, ${'x'.repeat(80)}\n`
  for (let i = 0; i < LOGS; i++) {
    writeFileSync(join(dir, `${i}.log`), text(i, 2))
    writeFileSync(join(dir, `${i}.log.1`), text(i, 1))
  }
  const run = follow({
    path: `${dir}/*`,
    progress_check_interval: '50ms',
    refresh_interval: '100ms',
    rotate_wait: '20ms',
  })
  await run.waitForLines(2 * LOGS)
  const most = countCallsPerTurn()
  for (let i = 0; i < LOGS; i++) {
    const path = join(dir, `${i}.log`)
    writeFileSync(`${path}.2.gz`, gzipSync(text(i, 1)))
    renameSync(path, `${path}.kept`)
    copyFileSync(`${path}.kept`, `${path}.1`)
    renameSync(`${path}.kept`, path)
    truncateSync(path)
    appendFileSync(path, text(i, 3))
  }
  await until(() =>
    Array.from({ length: LOGS }, (_, i) => text(i, 3).trim()).every((line) => run.lines().includes(line)),
  )
  expect(most()).toBeLessThan(2 * MOST_CALLS)
  expect(run.count('lost_bytes')).toBe(0)
})
