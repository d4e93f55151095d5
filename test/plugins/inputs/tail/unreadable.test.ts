import { expect } from 'bun:test'
import { openSync, readSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerOrSkip } from '../../../support/skip.ts'
import { follow } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** A file of 4,096 bytes, as its size says, of which none can be read: as one on a disk that fails. */
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

withBroken('a file that fails to read is said once, and holds up no other', async () => {
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

withBroken('a rotated file that fails to read is held for Hold_Time, and then counted as lost', async () => {
  const path = join(tmp(), 'a.log')
  symlinkSync(BROKEN, path)
  const run = follow({ path, hold_time: '300ms', rotate_wait: '20ms', progress_check_interval: '20ms' })
  await until(() => run.count('files_unreadable') === 1)
  unlinkSync(path)
  writeFileSync(path, 'next\n')
  expect(await run.waitForLines(1)).toEqual(['next'])
  await until(() => run.files.length === 1)
  expect(run.count('lost_bytes')).toBe(4096)
  expect(run.logs.find((l) => l.fields.code === 'E_TAIL_ABANDONED')?.fields).toMatchObject({
    from: 0,
    to: 4096,
  })
})

withBroken('a finite run says how many paths could not be read', async () => {
  const dir = tmp()
  symlinkSync(BROKEN, join(dir, 'a.log'))
  writeFileSync(join(dir, 'b.log'), 'one\n')
  const run = follow({ path: `${dir}/*.log`, exit_on_eof: 'on' })
  await until(() => run.finished)
  expect(run.incomplete).toBe('1 path could not be read')
  expect(run.lines()).toEqual(['one'])
})
