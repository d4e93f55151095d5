import { afterEach, describe, expect, test } from 'bun:test'
import { fstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import type { Position } from '../../../src/lib/segments/types.ts'
import {
  filesIn,
  openLog,
  readAll,
  stateAt,
  textChunk,
  textsOf,
  writeFiles,
} from '../../support/segments/logs.ts'
import { tmp } from '../../support/tmp.ts'

const original = { ...systemCalls }
afterEach(() => void Object.assign(systemCalls, original))

const path = (folder: string, number: number): string =>
  join(folder, `${String(number).padStart(20, '0')}.seg`)

/** Makes reads fail that touch a byte of a file; all files: undefined. */
function failReads(file: string | undefined, from: number, to: number): void {
  const inode = file === undefined ? undefined : statSync(file).ino
  const readSync = (fd: number, buf: Buffer, at: number, length: number, position: number): number => {
    const isFile = inode === undefined || fstatSync(fd).ino === inode
    if (isFile && position < to && position + length > from)
      throw Object.assign(new Error('EIO: no'), { code: 'EIO' })
    return original.readSync(fd, buf, at, length, position)
  }
  Object.assign(systemCalls, { readSync })
}

/** Makes a log of a process that was killed, with a segment for each text. */
async function killedLog(texts: string[], segmentBytes = 1): Promise<{ folder: string; offsets: number[] }> {
  const folder = tmp()
  const copy = tmp()
  const { log } = openLog(folder, { segmentBytes })
  const offsets = texts.map((text) => log.append(textChunk(text, { count: 2 }), ['a']).at.offset)
  await log.sync()
  writeFiles(copy, filesIn(folder))
  await log.close()
  return { folder: copy, offsets }
}

const segmentsOf = (folder: string): [string, Buffer][] =>
  readdirSync(folder)
    .filter((name) => name.includes('.seg'))
    .sort()
    .map((name) => [name, readFileSync(join(folder, name))])

describe('a disk that fails to read when a log is opened', () => {
  test('prevents it when it reads no segment, and nothing is changed', async () => {
    const { folder } = await killedLog(['one', 'two', 'three'])
    const before = segmentsOf(folder)
    const inodes = before.map(([name]) => statSync(join(folder, name)).ino)
    const readSync = (fd: number, buf: Buffer, at: number, length: number, position: number): number => {
      if (inodes.includes(fstatSync(fd).ino)) throw Object.assign(new Error('EIO: no'), { code: 'EIO' })
      return original.readSync(fd, buf, at, length, position)
    }
    Object.assign(systemCalls, { readSync })
    expect(() => openLog(folder)).toThrow('EIO')
    Object.assign(systemCalls, original)
    expect(segmentsOf(folder)).toEqual(before)
    expect(textsOf(openLog(folder).log, 'a')).toEqual(['one', 'two', 'three'])
  })

  test.each([1, 3])('leaves segment %d alone whose header it cannot read', async (number) => {
    const { folder } = await killedLog(['one', 'two', 'three'])
    const before = readFileSync(path(folder, number))
    failReads(path(folder, number), 0, 1e9)
    const { log, damage } = openLog(folder)
    expect(textsOf(log, 'a')).toHaveLength(2)
    // Nothing tells what was in the last one.
    expect(damage).toMatchObject([{ records: number === 3 ? undefined : 2 }])
    Object.assign(systemCalls, original)
    expect(readFileSync(path(folder, number))).toEqual(before)
  })

  test('keeps a segment that it could not read when an output goes on behind it', async () => {
    const { folder } = await killedLog(['one', 'two', 'three'])
    const before = readFileSync(path(folder, 2))
    failReads(path(folder, 2), 0, 1e9)
    const { log, damage } = openLog(folder)
    Object.assign(systemCalls, original)
    const [one, three] = readAll(log, 'a').map(({ chunk }) => chunk)
    log.commit(new Map([['a', stateAt(one?.next as Position)]]))
    // The next run may be able to read it.
    expect(readFileSync(path(folder, 2))).toEqual(before)
    log.commit(new Map([['a', stateAt(three?.next as Position)]]))
    await log.close()
    const again = openLog(folder)
    expect([textsOf(again.log, 'a', three?.next), damage.length, again.damage]).toEqual([[], 1, []])
    await again.log.close()
    expect(readFileSync(`${path(folder, 2)}.damaged`)).toEqual(before)
  })

  test('does not prevent it because of a bad sector in the last segment, of which nothing is cut off', async () => {
    const texts = Array.from({ length: 9 }, (_, i) => `${i}`.repeat(300_000))
    const { folder, offsets } = await killedLog(texts, 1e9)
    const before = readFileSync(path(folder, 1))
    failReads(path(folder, 1), (offsets[4] as number) + 150_000, (offsets[4] as number) + 150_512)
    const { log, damage } = openLog(folder)
    const found = new Set<string>()
    for (let i = 0; i < 20; i++)
      try {
        for (const text of textsOf(log, 'a')) found.add(text)
        break
      } catch {
        // The disk is tried again.
      }
    expect([...found].map((text) => text[0])).toEqual([...'01235678'])
    expect(damage).toMatchObject([{ records: 2 }])
    expect(readFileSync(path(folder, 1)).subarray(0, before.length)).toEqual(before)
  })
})
