import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { inspectBuffer } from '../../../src/lib/segments/inspect.ts'
import { openLog, stateAt, textChunk } from '../../support/segments/logs.ts'
import { tmp } from '../../support/tmp.ts'

/** Returns names, sizes, times and contents of all files. */
function contentOf(folder: string): unknown[] {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const path = join(folder, name)
      return [name, statSync(path).mtimeMs, readFileSync(path).toString('latin1')]
    })
}

const flip = (path: string, at: number): void => {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] as number) ^ 1
  writeFileSync(path, bytes)
}

describe('an inspection', () => {
  test('tells what waits for each output, as the log itself does, and changes nothing beside it', async () => {
    const folder = tmp()
    const { log } = openLog(folder, { segmentBytes: 600 })
    const stored = Array.from({ length: 8 }, (_, i) =>
      log.append(textChunk('x'.repeat(100 + i), { count: i + 1 }), i % 2 === 0 ? ['a'] : ['a', 'b']),
    )
    await log.sync()
    const at = (i: number) => stored[i] as (typeof stored)[0]
    const states = new Map([
      ['a', stateAt(at(5).next, [at(0).at, at(3).at])],
      ['b', stateAt(at(2).at)],
    ])
    log.commit(states)
    const before = contentOf(folder)
    for (const checksAll of [false, true]) {
      const found = inspectBuffer(folder, checksAll)
      expect(found.outputs.map(({ oldestMs, ...output }) => output)).toEqual(
        [...states].map(([name, state]) => ({ name, ...log.backlogOf(name, state) })),
      )
      expect(found.outputs.map(({ oldestMs }) => oldestMs)).toEqual([at(0).storedMs, at(3).storedMs])
      expect(found.segments.length).toBe(log.segments)
      expect(found.segments.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(log.bytes)
      expect(found.segments.flatMap(({ damage }) => damage)).toEqual([])
    }
    expect(contentOf(folder)).toEqual(before)
    await log.close()
    // With footers in all segments it is the same.
    expect(inspectBuffer(folder, false).outputs.map(({ name, chunks }) => [name, chunks])).toEqual([
      ['a', 4],
      ['b', 3],
    ])
  })

  test('does not take for damage what is being written at the end', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    log.append(textChunk('one', { count: 3 }), ['a'])
    await log.sync()
    const [name = ''] = readdirSync(folder).filter((each) => each.endsWith('.seg'))
    const path = join(folder, name)
    appendFileSync(path, readFileSync(path).subarray(-40))
    const found = inspectBuffer(folder, true)
    expect(found.segments.map(({ damage }) => damage)).toEqual([[]])
    expect(found.outputs).toMatchObject([{ name: 'a', records: 3 }])
    await log.close()
    const fresh = tmp()
    writeFileSync(join(fresh, '00000000000000000002.seg'), 'ship')
    expect(inspectBuffer(fresh, true).segments).toEqual([])
  })

  test('finds damage in the last chunk of a process that was killed', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    log.append(textChunk('one', { count: 3 }), ['a'])
    const last = log.append(textChunk('needle', { count: 4 }), ['a'])
    await log.sync()
    for (const offset of [last.next.offset - 3, last.at.offset + 20]) {
      const copy = tmp()
      cpSync(folder, copy, { recursive: true })
      flip(join(copy, '00000000000000000001.seg'), offset)
      const { segments } = inspectBuffer(copy, true)
      expect(segments.map(({ damage }) => damage)).toMatchObject([[{ offset: last.at.offset }]])
    }
    await log.close()
  })

  test('lists what is missing, and tells what waits in a file that has another name', async () => {
    const folder = tmp()
    const { log } = openLog(folder, { segmentBytes: 1 })
    for (let i = 0; i < 4; i++) log.append(textChunk(`${i}`, { count: 10 }), ['a'])
    await log.close()
    const path = (number: number): string => join(folder, `0000000000000000000${number}.seg`)
    rmSync(path(1))
    renameSync(path(3), path(1))
    const before = contentOf(folder)
    const { outputs, missing } = inspectBuffer(folder, false)
    expect(outputs).toMatchObject([{ name: 'a', records: 30 }])
    expect(missing).toMatchObject([{ path: path(1), records: 10, reason: 'the file is missing' }])
    expect(contentOf(folder)).toEqual(before)
  })

  test('finds records that have changed only when it verifies checksums', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    log.append(textChunk('needle', { count: 5 }), ['a'])
    log.append(textChunk('other', { count: 2 }), ['a'])
    await log.close()
    const path = join(folder, readdirSync(folder).find((name) => name.endsWith('.seg')) as string)
    flip(path, readFileSync(path).lastIndexOf('needle'))
    expect(inspectBuffer(folder, false).segments[0]?.damage).toEqual([])
    expect(inspectBuffer(folder, true).segments[0]?.damage).toMatchObject([
      { records: 5, reason: 'the records of a chunk are damaged' },
    ])
  })

  test('counts the records of a head that has changed', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    const first = log.append(textChunk('one', { count: 5 }), ['a'])
    log.append(textChunk('two', { count: 2 }), ['a'])
    await log.close()
    flip(join(folder, '00000000000000000001.seg'), first.at.offset + 5)
    const [segment] = inspectBuffer(folder, true).segments
    expect(segment?.damage).toMatchObject([{ offset: first.at.offset, end: first.next.offset, records: 5 }])
  })

  test('names a file without a header, one of a newer version, what was set aside, and what is no part of it', async () => {
    const folder = tmp()
    const { log } = openLog(folder)
    log.append(textChunk('one'), ['a'])
    await log.close()
    writeFileSync(join(folder, '00000000000000000002.seg'), 'x'.repeat(500))
    const newer = readFileSync(join(folder, '00000000000000000001.seg'))
    writeFileSync(join(folder, '00000000000000000003.seg'), newer)
    writeFileSync(join(folder, '00000000000000000009.seg.damaged'), '')
    mkdirSync(join(folder, 'tail.0'))
    writeFileSync(join(folder, 'tail.0', '1-2.3.flb'), '')
    const found = inspectBuffer(folder, false)
    expect(found.segments[1]).toMatchObject({
      name: '00000000000000000002.seg',
      damage: [{ offset: 0, end: 500, records: undefined, reason: 'the header of the file is damaged' }],
    })
    expect(found.setAside).toEqual(['00000000000000000009.seg.damaged'])
    expect(found.notes).toEqual([
      expect.stringContaining('1 chunk of fluent-bit (tail.0)'),
      expect.stringContaining('00000000000000000003.seg has the number 1 of another segment'),
    ])
  })

  test('of a folder that is not there says so', () => {
    const folder = join(tmp(), 'none')
    expect(() => inspectBuffer(folder, false)).toThrow(
      `cannot list the files in the buffer ${folder}: ENOENT: no such file or directory`,
    )
  })
})
