import { afterEach, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, openSync, statSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { systemCalls } from '../../../../src/lib/fs/system-calls.ts'
import { follow, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

/**
 * Follows a file that is deleted, and quiet for Rotate_Wait, while what was read of it is not acknowledged: it is closed at that moment
 * unless there is more in it.
 */
async function deleted(content: string, lines: number, more: Record<string, string> = {}) {
  const path = join(tmp(), 'a.log')
  const fd = openSync(path, 'w+')
  writeSync(fd, content, 0)
  const run = follow({ path, rotate_wait: '20ms', progress_check_interval: '60s', ...more })
  run.hold = true
  await run.waitForLines(lines)
  await until(() => run.files[0]?.state === 'idle')
  unlinkSync(path)
  await until(() => run.logs.some(({ message }) => message.endsWith('was deleted')))
  const deletedMs = Date.now()
  await until(() => Date.now() > deletedMs + 50)
  return { run, fd }
}

async function isClosed(run: TailRun, fd: number): Promise<void> {
  closeSync(fd)
  run.ack()
  await until(() => run.files.length === 0)
}

describe('a deleted file that is written anew just before it is closed is read again', () => {
  test('when its size is the same', async () => {
    const { run, fd } = await deleted('one\nhalf', 1)
    writeSync(fd, 'two\nmore', 0)
    await isClosed(run, fd)
    expect(run.lines()).toEqual(['one', 'two', 'more'])
    expect(run.count('files_truncated')).toBe(1)
  })

  test('when it was read up to a line that is skipped', async () => {
    const long = { buffer_max_size: '2K', buffer_chunk_size: '2K', skip_long_lines: 'on' }
    const { run, fd } = await deleted(`one\n${'x'.repeat(5000)}`, 1, long)
    expect(run.files[0]?.read).toBe(5004)
    ftruncateSync(fd)
    writeSync(fd, 'two\n', 0)
    await isClosed(run, fd)
    expect(run.lines()).toEqual(['one', 'two'])
  })
})

describe('a .gz that is written anew while it is inflated is read from its start', () => {
  const LINES = Array.from({ length: 200 }, (_, i) => `line ${i}`)
  const text = (bytes: number): string => `${LINES.join('\n')}\n${randomBytes(bytes).toString('hex')}\n`
  const noise = `${randomBytes(100_000).toString('hex')}\n`
  const begun = text(80_000)

  // Written anew when the block at this position is to be read: what is before it was read, or is being inflated.
  for (const [how, old, now, at, times] of [
    ['shorter', noise, `${LINES.join('\n')}\n`, 65_536, 1],
    ['longer', noise, text(300_000), 65_536, 1],
    ['shorter and begins as before', begun, begun.slice(0, 100_000), 131_072, 2],
  ] as const) {
    test(`when it is ${how}`, async () => {
      const path = join(tmp(), 'a.log.gz')
      writeFileSync(path, gzipSync(old, { level: 0 }))
      const { ino } = statSync(path)
      let isWritten = false
      Object.assign(systemCalls, {
        readSync: (fd: number, buf: Buffer, to: number, length: number, position: number) => {
          if (position === at && !isWritten && original.fstatSync(fd).ino === ino) {
            isWritten = true
            writeFileSync(path, gzipSync(now, { level: 0 }))
          }
          return original.readSync(fd, buf, to, length, position)
        },
      })
      const run = follow({ path, progress_check_interval: '20ms', buffer_max_size: '1M' })
      const lines = (): string[] => run.lines().filter((line) => line.startsWith('line '))
      await until(() => lines().length >= times * LINES.length)
      expect(lines()).toEqual(times === 1 ? LINES : [...LINES, ...LINES])
      expect([run.count('files_truncated'), run.count('gzip_errors')]).toEqual([1, 0])
    })
  }
})
