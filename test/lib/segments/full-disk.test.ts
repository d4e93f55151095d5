import { afterEach, describe, expect, test } from 'bun:test'
import { fstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import type { SegmentLog, StoredChunk } from '../../../src/lib/segments/types.ts'
import { openLog, stateAt, textChunk, textsOf } from '../../support/segments/logs.ts'
import { tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

const OPTIONS = { segmentBytes: 1 }

const segmentsIn = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.seg'))

/** Makes a disk full: `mayWrite` says whether a write within a file, which needs no new space, succeeds. */
function fillDisk(mayWrite: (isState: boolean) => boolean): void {
  const writeSync = (fd: number, bytes: Buffer, at: number, length: number, position: number): number => {
    const { size, blocks } = fstatSync(fd)
    const isWithin = position + length <= size && blocks * 512 >= size
    if (isWithin && mayWrite(size === 196_608))
      return original.writeSync(fd, bytes, at, length, position) as number
    throw Object.assign(new Error('ENOSPC: no'), { code: 'ENOSPC' })
  }
  const writevSync = (): never => {
    throw Object.assign(new Error('ENOSPC: no'), { code: 'ENOSPC' })
  }
  Object.assign(systemCalls, { writeSync, writevSync })
}

async function backlog(folder: string): Promise<void> {
  const { log } = openLog(folder, OPTIONS)
  for (const text of ['one', 'two', 'three']) log.append(textChunk(text), ['a', 'b'])
  await log.close()
}

const settle = (log: SegmentLog): void =>
  log.commit(new Map(['a', 'b'].map((name) => [name, stateAt(log.end)])))

describe('a disk that is full to its last page', () => {
  test('takes the states of outputs for which something was written, and segments are deleted', async () => {
    const folder = tmp()
    await backlog(folder)
    fillDisk(() => true)
    const { log, lines } = openLog(folder, OPTIONS)
    expect(textsOf(log, 'a')).toHaveLength(3)
    settle(log)
    await until(() => segmentsIn(folder).length === 0)
    expect(lines).toEqual([])
    await log.close()
    expect(openLog(folder).log.stateOf('a')?.position.segment).toBe(4)
  })

  test.each([
    ['copies what it overwrites', (): void => {}],
    ['has no state', (folder: string): void => removeStates(folder)],
  ])('and %s: segments that outputs have settled are deleted all the same', async (_, prepare) => {
    const folder = tmp()
    await backlog(folder)
    prepare(folder)
    fillDisk(() => false)
    const { log, lines } = openLog(folder, OPTIONS)
    settle(log)
    await until(() => segmentsIn(folder).length === 0)
    expect(lines).toEqual([expect.stringContaining('cannot store the positions of outputs')])
    Object.assign(systemCalls, original)
    await log.close()
    const again = openLog(folder)
    expect([again.damage, textsOf(again.log, 'a'), again.log.stateOf('a')?.position.segment]).toEqual([
      [],
      [],
      4,
    ])
    await again.log.close()
  })

  test('takes no chunk whose output could not be stored', async () => {
    const folder = tmp()
    fillDisk(() => true)
    const { log } = openLog(folder, OPTIONS)
    expect(() => log.append(textChunk('one'), ['a'])).toThrow(
      'cannot reserve space for the positions of outputs',
    )
    Object.assign(systemCalls, original)
    log.append(textChunk('one'), ['a'])
    await log.close()
  })
})

test('a state whose sync failed is written again before anything relies on it', async () => {
  const folder = tmp()
  const { log } = openLog(folder, OPTIONS)
  log.append(textChunk('one'), ['a'])
  log.append(textChunk('two'), ['a'])
  await log.sync()
  let written = 0
  const count = (...args: Parameters<typeof original.writeSync>): number => {
    written++
    return original.writeSync(...args)
  }
  const fdatasync = (_: number, done: (error: unknown) => void): void =>
    done(Object.assign(new Error('EIO: no'), { code: 'EIO' }))
  Object.assign(systemCalls, { fdatasync, writeSync: count })
  const first = log.find('a', log.start) as StoredChunk
  log.commit(new Map([['a', stateAt(first.next)]]))
  await until(() => segmentsIn(folder).length === 1)
  Object.assign(systemCalls, { fdatasync: original.fdatasync })
  const before = written
  await log.close()
  expect(written).toBeGreaterThan(before)
})

function removeStates(folder: string): void {
  for (const name of readdirSync(folder)) if (name.endsWith('.state')) rmSync(join(folder, name))
}
