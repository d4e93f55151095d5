import { expect, test } from 'bun:test'
import { appendFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { moveBirths } from '../../../support/tail/births.ts'
import { MemoryStore, TailRun } from '../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

test.each([0n, 999_900n, 999_999n])(
  'a .gz that was skipped and then renamed is found if it was born %p ns after a millisecond',
  async (ns) => {
    moveBirths(ns)
    const path = join(tmp(), 'a.log.gz')
    writeFileSync(path, gzipSync(`${'old '.repeat(50)}\n`))
    utimesSync(path, 1, 1)
    const store = new MemoryStore()
    const tail = { path, read_from_head: 'off', ignore_older: '1d', refresh_interval: '50ms' }
    const run = new TailRun({ tail, store }).start()
    atEnd(() => run.abort())
    await until(() => store.skipped?.length === 1)
    appendFileSync(path, gzipSync('fresh\n'))
    renameSync(path, join(dirname(path), 'a.log.1.gz'))
    writeFileSync(path, gzipSync('n1\n'))
    expect((await run.waitForLines(2)).toSorted()).toEqual(['fresh', 'n1'])
  },
)
