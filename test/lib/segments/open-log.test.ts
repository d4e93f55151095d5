import { describe, expect, test } from 'bun:test'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { ShipperError } from '../../../src/core/error.ts'
import { encodeHeader } from '../../../src/lib/segments/segment-codec.ts'
import type { Position } from '../../../src/lib/segments/types.ts'
import { testAsOtherUser } from '../../support/other-user.ts'
import { filesIn, openLog, stateAt, textChunk, textsOf, writeFiles } from '../../support/segments/logs.ts'
import { tmp } from '../../support/tmp.ts'

function refusal(open: () => unknown): ShipperError {
  try {
    open()
  } catch (error) {
    return error as ShipperError
  }
  throw new Error('it was opened')
}

const path = (folder: string, number: number): string =>
  join(folder, `${String(number).padStart(20, '0')}.seg`)
const segmentsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.includes('.seg'))
    .sort()

/** Makes a log with a segment for each text, for `a` and `b`. */
async function logOf(folder: string, texts: string[], outputs = ['a', 'b']): Promise<void> {
  const { log } = openLog(folder, { outputs, segmentBytes: 1 })
  for (const text of texts) log.append(textChunk(text, { count: 2 }), outputs)
  await log.close()
}

describe('opening a log', () => {
  test('takes the lock, and says who has it', () => {
    const folder = tmp()
    const opened = openLog(folder)
    expect(opened.locks).toEqual([join(folder, 'buffer')])
    const takeLock = (): never => {
      throw new ShipperError('E_STORE_LOCKED', 'x', { details: { pid: 77 } })
    }
    const refused = refusal(() => openLog(folder, { takeLock }))
    expect(refused).toMatchObject({
      code: 'E_BUFFER_LOCKED',
      message: `the buffer ${folder} is in use by another agent (pid 77)`,
    })
  })

  test('releases the lock when it fails', () => {
    const folder = tmp()
    writeFileSync(
      path(folder, 1),
      encodeHeader({ number: 1, before: 0, mark: 1, seed: 1, table: [], beforeOf: [] }, 1),
    )
    let locked = 0
    const takeLock = (): { release(): void } => {
      locked++
      return { release: () => void locked-- }
    }
    // A version that this program does not know.
    const bytes = readFileSync(path(folder, 1))
    bytes.writeUInt16LE(2, 8)
    writeFileSync(path(folder, 1), withChecksum(bytes))
    const refused = refusal(() => openLog(folder, { takeLock }))
    expect(refused.message).toBe(`${path(folder, 1)} was written by a newer version of shipper (format 2)`)
    expect([refused.code, refused.retryable, locked]).toEqual(['E_BUFFER', false, 0])
    expect(segmentsIn(folder)).toHaveLength(1)
  })

  test('refuses what is no folder, and says why one cannot be created', () => {
    const file = join(tmp(), 'file')
    writeFileSync(file, '')
    expect(refusal(() => openLog(file)).message).toBe(`the buffer ${file} cannot be used: it is not a folder`)
    expect(refusal(() => openLog(join(file, 'x')))).toMatchObject({ code: 'E_BUFFER' })
    expect(refusal(() => openLog('/proc/x/buffer'))).toMatchObject({
      code: 'E_BUFFER',
      details: { errno: 'ENOENT' },
    })
  })

  testAsOtherUser('refuses a link of another user, and follows one of its own', async () => {
    const root = tmp()
    const [own, foreign] = [join(root, 'own'), join(root, 'foreign')]
    for (const link of [own, foreign]) symlinkSync(tmp(), link)
    lchownSync(foreign, 65_534, 65_534)
    expect(refusal(() => openLog(foreign)).message).toContain('it is a link that belongs to another user')
    await openLog(own).log.close()
  })

  test.each([
    [0o777, true],
    [0o770, true],
    [0o702, true],
    [0o755, false],
    [0o700, false],
  ])('says that others may write in a folder with the permissions %o: %p', async (mode, isSaid) => {
    const folder = tmp()
    chmodSync(folder, mode)
    const { log, lines } = openLog(folder)
    expect(lines).toEqual(isSaid ? [expect.stringContaining(`(permissions ${mode.toString(8)})`)] : [])
    await log.close()
  })

  test('refuses names that no state file has room for', () => {
    expect(refusal(() => openLog(tmp(), { outputs: ['x'.repeat(4097)] })).message).toContain(
      'is longer than 4096 bytes',
    )
  })

  test('never uses a number again that a file or a state has', async () => {
    const folder = tmp()
    await logOf(folder, ['one'])
    const first = openLog(folder)
    first.log.commit(new Map([['a', stateAt({ segment: 40, offset: 7 }, [{ segment: 50, offset: 1 }])]]))
    await first.log.close()
    const second = openLog(folder)
    expect(second.log.end.segment).toBe(51)
    await second.log.close()
    writeFileSync(`${path(folder, 90)}.damaged`, '')
    expect(openLog(folder).log.end.segment).toBe(91)
  })

  test('removes empty segments, and reads none that is a copy, a link or of a foreign number', async () => {
    const folder = tmp()
    await logOf(folder, ['one'])
    copyFileSync(path(folder, 1), path(folder, 3))
    symlinkSync(path(folder, 1), path(folder, 4))
    writeFileSync(join(folder, '99999999999999999999.seg'), 'x')
    mkdirSync(path(folder, 5))
    writeFileSync(path(folder, 6), '')
    const { log, damage, lines } = openLog(folder)
    expect(textsOf(log, 'a')).toEqual(['one'])
    expect(log.end.segment).toBe(7)
    expect(damage).toEqual([])
    expect(lines).toEqual([
      expect.stringContaining('has files that are not part of it'),
      `${path(folder, 3)} is a copy of segment 1, and is not read`,
    ])
    expect(segmentsIn(folder)).not.toContain('00000000000000000006.seg')
    await log.close()
  })

  test('writes no segment with a number that the next start would not read', async () => {
    const folder = tmp()
    writeFileSync(path(folder, 2 ** 52 - 1), 'x')
    const { log } = openLog(folder)
    expect(() => log.append(textChunk('one'), ['a'])).toThrow('has no number left for a segment')
    await log.close()
  })

  test('takes a torn end for one though a file with a higher number is no segment', async () => {
    const folder = tmp()
    const copy = tmp()
    const { log } = openLog(folder)
    log.append(textChunk('one'), ['a'])
    await log.sync()
    writeFiles(copy, filesIn(folder))
    await log.close()
    appendFileSync(path(copy, 1), 'torn')
    copyFileSync(path(copy, 1), path(copy, 7))
    const again = openLog(copy)
    expect([textsOf(again.log, 'a'), again.damage]).toEqual([['one'], []])
    await again.log.close()
  })

  test('says that it does not read chunks of fluent-bit, and other files', () => {
    const folder = tmp()
    mkdirSync(join(folder, 'tail.0'))
    writeFileSync(join(folder, 'tail.0', '1-2.flb'), 'x')
    writeFileSync(join(folder, 'notes.txt'), 'x')
    // What the agent keeps there is not reported.
    for (const name of ['dead-letters.a.jsonl.1', 'kubernetes.0.pods', 'buffer.targets.json', 'buffer.lock'])
      writeFileSync(join(folder, name), '')
    writeFileSync(join(folder, 'my.state'), 'x')
    expect(openLog(folder).lines).toEqual([
      `the buffer ${folder} has 1 chunk of fluent-bit (tail.0), which is not read: run fluent-bit with this storage.path until it has sent it`,
      `the buffer ${folder} has files that are not part of it: notes.txt`,
    ])
    expect(readdirSync(folder)).toContain('my.state')
  })

  test('keeps what an output needs that is no longer named, tells it, and deletes the rest', async () => {
    const folder = tmp()
    const first = openLog(folder, { outputs: ['a', 'old', 'older'], segmentBytes: 1 })
    const stored = [['a', 'old'], ['a', 'older'], ['a'], ['old']].map((outputs, i) =>
      first.log.append(textChunk(`${i}`.repeat(10), { count: 3 }), outputs),
    )
    await first.log.sync()
    first.log.commit(
      new Map([
        ['a', stateAt(stored[1]!.at)],
        ['old', stateAt(stored[0]!.next)],
        ['older', stateAt(stored[3]!.at)],
      ]),
    )
    await first.log.close()
    const { log, lines } = openLog(folder)
    expect([...log.unknownOutputs]).toEqual([['old', { chunks: 1, records: 3, bytes: 10 }]])
    expect(lines).toEqual([])
    log.commit(new Map([['a', stateAt(log.end)]]))
    await log.close()
    expect(segmentsIn(folder)).toEqual(['00000000000000000004.seg'])
    const again = openLog(folder, { outputs: ['old'] })
    expect(textsOf(again.log, 'old', again.log.stateOf('old')?.position)).toEqual(['3333333333'])
    await again.log.close()
  })

  test('without a state sends all again to an output that has chunks, and has none for a new one', async () => {
    const folder = tmp()
    await logOf(folder, ['one', 'two'], ['a'])
    for (const name of readdirSync(folder)) if (name.endsWith('.state')) rmSync(join(folder, name))
    const { log } = openLog(folder)
    expect([log.stateOf('a'), log.stateOf('b')]).toEqual([stateAt({ segment: 0, offset: 0 }), undefined])
    await log.close()
  })
})

/** Returns a header with the checksum of its changed bytes. */
function withChecksum(header: Buffer): Buffer {
  header.writeUInt32LE(crc32(header.subarray(20), crc32(header.subarray(0, 16))), 16)
  return header
}

describe('damage', () => {
  test('that makes a segment unreadable is counted from those around it, and the file is kept', async () => {
    const folder = tmp()
    await logOf(folder, ['one', 'two', 'three'])
    writeFileSync(path(folder, 2), 'x'.repeat(500))
    const { log, damage, lines } = openLog(folder)
    expect(damage).toEqual([
      { path: path(folder, 2), offset: 0, end: 500, records: 2, reason: 'the header of the file is damaged' },
    ])
    expect(lines).toEqual([expect.stringContaining('is kept as 00000000000000000002.seg.damaged')])
    expect(textsOf(log, 'a')).toEqual(['one', 'three'])
    await log.close()
  })

  test('is reported once for all outputs, and the segment is kept when they have passed it: eight of them', async () => {
    const folder = tmp()
    const texts = Array.from({ length: 12 }, (_, i) => `text ${i}`)
    await logOf(folder, texts)
    for (let i = 1; i <= 10; i++) {
      const bytes = readFileSync(path(folder, i))
      const at = bytes.lastIndexOf('text')
      bytes[at] = 0
      writeFileSync(path(folder, i), bytes)
    }
    const { log, damage, lines } = openLog(folder)
    for (const output of ['a', 'b']) expect(textsOf(log, output)).toEqual(texts.slice(10))
    expect(damage.map(({ records, reason }) => [records, reason])).toEqual(
      Array(10).fill([2, 'the records of a chunk are damaged']),
    )
    log.commit(new Map(['a', 'b'].map((name) => [name, stateAt(log.end)])))
    await log.close()
    expect(segmentsIn(folder)).toEqual(
      [3, 4, 5, 6, 7, 8, 9, 10].map((i) => `${String(i).padStart(20, '0')}.seg.damaged`),
    )
    expect(lines.filter((line) => line.includes('was deleted'))).toHaveLength(2)
  })

  test('leaves no file with storage.delete_irrecoverable_chunks', async () => {
    const folder = tmp()
    await logOf(folder, ['one', 'two'])
    writeFileSync(path(folder, 1), 'x'.repeat(500))
    const { log } = openLog(folder, { deletesDamaged: true })
    expect(segmentsIn(folder)).toEqual(['00000000000000000002.seg'])
    await log.close()
  })

  test('of a file that is removed while the log is open is counted', async () => {
    const folder = tmp()
    await logOf(folder, ['one', 'two'])
    const { log, damage } = openLog(folder)
    rmSync(path(folder, 1))
    expect(textsOf(log, 'a')).toEqual(['two'])
    expect(damage).toMatchObject([{ path: path(folder, 1), records: 2, reason: 'the file is missing' }])
    await log.close()
  })

  test('of a file that is missing is reported for chunks before the position beside the number of those behind it', async () => {
    const folder = tmp()
    const first = openLog(folder)
    const [one, two] = ['one', 'two'].map((text) => first.log.append(textChunk(text, { count: 2 }), ['a']))
    await first.log.sync()
    first.log.commit(new Map([['a', stateAt(two?.at as Position, [one?.at as Position])]]))
    await first.log.close()
    const second = openLog(folder)
    second.log.append(textChunk('three'), ['a'])
    await second.log.close()
    rmSync(path(folder, 1))
    const { log, damage } = openLog(folder)
    expect(damage.map((part) => [part.path, part.records])).toEqual([
      [path(folder, 1), 2],
      [path(folder, 1), undefined],
    ])
    await log.close()
  })

  test('of the last file is of unknown number beside what was there when a state was written', async () => {
    const folder = tmp()
    const copy = tmp()
    const { log } = openLog(folder)
    const [one] = ['one', 'two'].map((text) => log.append(textChunk(text, { count: 2 }), ['a']))
    await log.sync()
    log.commit(new Map([['a', stateAt(one?.next as Position)]]))
    log.append(textChunk('three', { count: 2 }), ['a'])
    await log.sync()
    // As a kill leaves it.
    writeFiles(copy, filesIn(folder))
    await log.close()
    const first = one?.at.offset as number
    writeFileSync(path(copy, 1), readFileSync(path(copy, 1)).fill(0, 0, first))
    const again = openLog(copy)
    // After a run whose disk took no positions, this is no loss.
    expect(again.damage[0]?.reason).toContain('unless it was delivered and deleted while positions could not')
    expect(again.damage.map((part) => [part.path, part.records])).toEqual([
      [copy, 2],
      [path(copy, 1), undefined],
    ])
    await again.log.close()
  })

  test('of a file that is missing when the log is opened is reported for chunks that are known to be in it', async () => {
    const folder = tmp()
    await logOf(folder, ['one', 'two', 'three'])
    const first = openLog(folder)
    const [one] = [first.log.find('a', first.log.start)] as [{ at: Position }]
    first.log.commit(
      new Map([
        ['a', stateAt({ segment: 3, offset: 0 }, [one.at, { segment: 70, offset: 0 }])],
        ['b', stateAt({ segment: 3, offset: 0 })],
      ]),
    )
    await first.log.close()
    rmSync(path(folder, 1))
    const { log, damage } = openLog(folder)
    expect(damage).toMatchObject([
      { path: path(folder, 1), records: undefined, reason: 'the file is missing' },
    ])
    await log.close()
  })

  test.each([
    ['removed', undefined],
    ['a folder', (at: string) => mkdirSync(at)],
    ['a link', (at: string) => symlinkSync('/etc/hostname', at)],
    ['without a header', (at: string) => writeFileSync(at, 'x'.repeat(500))],
  ])('of a file that is %s when the log is opened is counted exactly', async (_, replace) => {
    const folder = tmp()
    await logOf(folder, ['1', '2', '3', '4', '5'])
    for (const number of [1, 3, 4]) {
      rmSync(path(folder, number))
      replace?.(path(folder, number))
    }
    const { log, damage } = openLog(folder)
    expect(textsOf(log, 'a')).toEqual(['2', '5'])
    expect(damage.map(({ records }) => records)).toEqual([2, 4])
    await log.close()
  })

  test.each([
    ['is missing', (at: string) => rmSync(at)],
    ['is empty', (at: string) => truncateSync(at, 0)],
    ['ends earlier', (at: string) => truncateSync(at, 200)],
  ])('of the last file of a log that was closed is counted exactly: it %s', async (_, change) => {
    const folder = tmp()
    await logOf(folder, ['1', '2'])
    const next = openLog(folder)
    next.log.append(textChunk('3', { count: 3 }), ['a', 'b'])
    next.log.append(textChunk('4'.repeat(300), { count: 4 }), ['a'])
    await next.log.close()
    change(path(folder, 3))
    const { log, damage } = openLog(folder)
    expect(textsOf(log, 'a')).toEqual(['1', '2'])
    expect(damage).toMatchObject([{ records: 7 }])
    log.append(textChunk('5'), ['a'])
    await log.close()
    // In the next run the header of what follows tells the same.
    expect(openLog(folder).damage).toMatchObject([{ records: 7 }])
  })

  test('of a missing file is counted for the outputs that need it, and not when it had nothing for them', async () => {
    const folder = tmp()
    const first = openLog(folder, { segmentBytes: 1 })
    const stored = ['a', 'b', 'b', 'a', 'b'].map((output, i) =>
      first.log.append(textChunk(`${i}`, { count: 10 ** i }), [output]),
    )
    await first.log.sync()
    // The second and the third segment are deleted: they had nothing for `a`, which is at the first one.
    first.log.commit(new Map([['b', stateAt(stored[4]!.at)]]))
    await first.log.close()
    expect(segmentsIn(folder).map((name) => Number(name.slice(0, 20)))).toEqual([1, 4, 5])
    const second = openLog(folder)
    expect(second.damage).toEqual([])
    await second.log.close()
    rmSync(path(folder, 4))
    rmSync(path(folder, 1))
    const { log, damage } = openLog(folder)
    expect(damage).toMatchObject([{ records: 1001, reason: 'the file is missing' }])
    await log.close()
  })

  test('of no file leaves nothing out when files have each the name of another one', async () => {
    const folder = tmp()
    await logOf(folder, ['one', 'two', 'three'])
    renameSync(path(folder, 1), path(folder, 9))
    renameSync(path(folder, 3), path(folder, 1))
    renameSync(path(folder, 9), path(folder, 3))
    const { log, damage, lines } = openLog(folder)
    expect([textsOf(log, 'a'), damage, lines]).toEqual([['one', 'two', 'three'], [], []])
    log.commit(new Map(['a', 'b'].map((name) => [name, stateAt(log.end)])))
    await log.close()
    expect(segmentsIn(folder)).toEqual([])
  })

  test('does not let the data of a sender be taken for chunks', async () => {
    const folder = tmp()
    const inner = openLog(join(folder, 'inner'))
    inner.log.append(textChunk('forged'), ['a'])
    await inner.log.close()
    const segment = readFileSync(path(join(folder, 'inner'), 1))
    const outer = openLog(join(folder, 'outer'))
    const stored = outer.log.append(textChunk(segment), ['a'])
    outer.log.append(textChunk('after'), ['a'])
    await outer.log.close()
    const file = path(join(folder, 'outer'), 1)
    const bytes = readFileSync(file)
    bytes[stored.at.offset + 12] = (bytes[stored.at.offset + 12] as number) ^ 1
    writeFileSync(file, bytes)
    const { log, damage } = openLog(join(folder, 'outer'))
    expect(textsOf(log, 'a')).toEqual(['after'])
    expect(damage).toMatchObject([{ records: 1 }])
    await log.close()
  })

  test('a position within a chunk reads that chunk again, and is no damage', async () => {
    const { log, damage } = openLog(tmp())
    const [first] = ['one', 'two'].map((text) => log.append(textChunk(text), ['a']))
    await log.sync()
    const inside = { segment: 1, offset: first!.at.offset + 1 }
    expect(textsOf(log, 'a', inside)).toEqual(['one', 'two'])
    expect(damage).toEqual([])
    await log.close()
  })
})

describe('many chunks', () => {
  test('100,000 small ones in several segments are all read back, and few segments are read to count them', async () => {
    const folder = tmp()
    const first = openLog(folder, { segmentBytes: 1 << 20 })
    const chunk = textChunk('small', { count: 2 })
    for (let i = 0; i < 100_000; i++) first.log.append(chunk, i % 1000 === 0 ? ['a', 'b'] : ['a'])
    await first.log.close()
    const { log } = openLog(folder)
    const backlog = { chunks: 100_000, records: 200_000, bytes: 500_000 }
    expect(log.backlogOf('a', stateAt(log.start))).toEqual(backlog)
    expect([textsOf(log, 'a').length, textsOf(log, 'b').length]).toEqual([100_000, 100])
    await log.close()
  })
})
