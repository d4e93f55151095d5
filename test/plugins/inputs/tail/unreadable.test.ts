import { expect } from 'bun:test'
import { openSync, readSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerOrSkip } from '../../../support/skip.ts'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** A file whose size is 4,096 bytes of which none can be read, like one on a failing disk. */
const BROKEN = '/sys/class/net/lo/speed'

function isBroken(): boolean {
  try {
    if (statSync(BROKEN).size === 0) return false
    readSync(openSync(BROKEN, 'r'), Buffer.alloc(1), 0, 1, 0)
  } catch (error) {
    return (error as { code?: string }).code === 'EINVAL'
  }
  return false
}

const withBroken = peerOrSkip('sysfs', isBroken(), `${BROKEN} is not there`, 'nowhere')

withBroken('logs a file that fails to read once, and reads the others', async () => {
  const dir = tmp()
  symlinkSync(BROKEN, join(dir, 'a.log'))
  writeFileSync(join(dir, 'b.log'), 'one\n')
  const run = follow({ path: `${dir}/*.log`, progress_check_interval: '20ms' })
  expect(await run.waitForLines(1)).toEqual(['one'])
  writeFileSync(join(dir, 'b.log'), 'two\n', { flag: 'a' })
  expect(await run.waitForLines(2)).toEqual(['one', 'two'])
  expect(run.logs.filter((l) => l.fields.code === 'E_TAIL_UNREADABLE')).toHaveLength(1)
  expect(run.count('files_unreadable')).toBe(1)
})

withBroken('reports at the end of a finite run how many paths could not be read', async () => {
  const dir = tmp()
  symlinkSync(BROKEN, join(dir, 'a.log'))
  writeFileSync(join(dir, 'b.log'), 'one\n')
  const run = follow({ path: `${dir}/*.log`, exit_on_eof: 'on' })
  await until(() => run.finished)
  expect(run.incomplete).toBe('1 path could not be read')
  expect(run.lines()).toEqual(['one'])
})
