import { afterEach, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { Random } from '../../fuzz/random.ts'
import { shortOrLong } from '../../support/long.ts'
import { TestDisk } from '../../support/segments/disk.ts'
import { openLog, stateAt, textChunk, textsOf, writeFiles } from '../../support/segments/logs.ts'
import { Work } from '../../support/segments/work.ts'
import { tmp } from '../../support/tmp.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

const ERRNOS = ['ENOSPC', 'EIO', 'EDQUOT', 'EROFS', 'EMFILE']
const CHUNKS = 8

/** Number of calls that the work makes when none fails. */
async function callsOfWork(): Promise<TestDisk> {
  const disk = new TestDisk()
  try {
    await new Work(tmp()).run(CHUNKS)
  } finally {
    disk.restore()
  }
  return disk
}

/** Runs `each` with every index of a call, with a disk of its own. */
async function atEveryCall(
  each: (index: number, disk: TestDisk, work: Work) => Promise<void>,
): Promise<void> {
  const { calls, names } = await callsOfWork()
  expect(names).toContain('unlinkSync')
  const root = tmp()
  for (let index = 0; index < calls; index++) {
    const disk = new TestDisk()
    const work = new Work(join(root, String(index)))
    try {
      await each(index, disk, work)
    } finally {
      disk.restore()
    }
  }
}

describe('what was acknowledged is there', () => {
  test('after any call has failed once, and nothing is reported as lost', async () => {
    await atEveryCall(async (index, disk, work) => {
      for (const [n, code] of ERRNOS.entries()) {
        if (n !== index % ERRNOS.length && shortOrLong(true, false)) continue
        const again = new Work(`${work.folder}-${code}`)
        const from = disk.calls + index
        disk.fails = (i) => (i === from ? code : undefined)
        disk.partial = index % 3 === 0 ? 20 : 0
        await again.run(CHUNKS)
        disk.fails = () => undefined
        await again.check(`${code} at call ${index}, ${disk.names[from]}`)
        expect([index, again.lost, again.acknowledged.length >= 10]).toEqual([index, 0, true])
      }
    })
  })

  test('after a kill at any call', async () => {
    await atEveryCall(async (index, disk, work) => {
      disk.partial = (index % 5) * 17
      disk.fails = (i) => {
        if (i > index) disk.partial = 0
        return i >= index ? 'EIO' : undefined
      }
      await work.run(CHUNKS)
      disk.fails = () => undefined
      await work.check(`killed at call ${index}, ${disk.names[index]}`)
    })
  })

  test('after a power failure at any call, whatever has reached the disk of what was not synced', async () => {
    await atEveryCall(async (index, disk, work) => {
      disk.partial = (index % 5) * 17
      disk.fails = (i) => (i >= index ? 'EIO' : undefined)
      await work.run(CHUNKS)
      disk.fails = () => undefined
      for (let n = 0; n < shortOrLong(3, 100); n++) {
        const seed = index * 1000 + n
        const files = disk.afterPowerFailure(work.folder, new Random(seed))
        const folder = `${work.folder}-after`
        writeFiles(folder, files)
        await work.check(`power failure ${seed} at call ${index}, ${disk.names[index]}`, folder)
      }
    })
  })
})

describe('a failed call', () => {
  const failing = (call: keyof typeof systemCalls, code: string): void => {
    Object.assign(systemCalls, {
      [call]: (...args: unknown[]) => {
        const error = Object.assign(new Error(`${code}: no, ${call}`), { code })
        const done = args.at(-1)
        if (typeof done === 'function') return done(error)
        throw error
      },
    })
  }

  test('names folder, errno and what to do, and leaves nothing of the chunk', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    log.append(textChunk('one'), ['a'])
    failing('writeSync', 'ENOSPC')
    let refused: unknown
    try {
      log.append(textChunk('two'), ['a'])
    } catch (error) {
      refused = error
    }
    expect(refused).toMatchObject({
      code: 'E_BUFFER',
      retryable: true,
      message: `cannot write to the buffer ${folder}: ENOSPC: no`,
      hint: expect.stringContaining('free space on its disk'),
    })
    Object.assign(systemCalls, original)
    await log.sync()
    log.append(textChunk('three'), ['a'])
    await log.close()
    const again = openLog(folder)
    expect(textsOf(again.log, 'a')).toEqual(['one', 'three'])
    await again.log.close()
  })

  test('to store states is logged once, and made good when the log is closed', async () => {
    const folder = tmp()
    const { log, lines } = openLog(folder)
    const { next } = log.append(textChunk('one'), ['a', 'b'])
    await log.sync()
    failing('writeSync', 'ENOSPC')
    for (let i = 0; i < 3; i++)
      log.commit(
        new Map([
          ['a', stateAt(next)],
          ['b', stateAt(next)],
        ]),
      )
    expect(lines).toEqual([
      `cannot store the positions of outputs in the buffer ${folder}: ENOSPC: no; until this succeeds, a restart sends delivered records again`,
    ])
    Object.assign(systemCalls, original)
    await log.close()
    const again = openLog(folder)
    expect([again.log.stateOf('a'), again.log.stateOf('b')]).toEqual([stateAt(next), stateAt(next)])
    await again.log.close()
  })

  test('of fdatasync cuts off what was not synced, for all that wait', async () => {
    const { log } = openLog(tmp())
    log.append(textChunk('one'), ['a'])
    await log.sync()
    const { synced } = log
    log.append(textChunk('two'), ['a'])
    failing('fdatasync', 'EIO')
    const first = log.sync()
    log.append(textChunk('three'), ['a'])
    const results = await Promise.allSettled([first, log.sync(), log.sync()])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect([log.end, log.synced]).toEqual([synced, synced])
    expect(log.backlogOf('a', { position: { segment: 0, offset: 0 }, open: [] })).toEqual({
      chunks: 1,
      records: 1,
      bytes: 3,
    })
    Object.assign(systemCalls, original)
    expect(log.append(textChunk('two'), ['a']).at.segment).toBe(2)
    await log.sync()
    expect(textsOf(log, 'a')).toEqual(['one', 'two'])
    await log.close()
  })
})
