import { describe, expect, test } from 'bun:test'
import type { BigIntStats } from 'node:fs'
import { appendFileSync, renameSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import type { ClosedFiles } from '../../../../../src/plugins/inputs/tail/rotation/closed-files.ts'
import { Copies } from '../../../../../src/plugins/inputs/tail/rotation/copies.ts'
import type { Sibling } from '../../../../../src/plugins/inputs/tail/rotation/siblings.ts'
import type { OpenFiles } from '../../../../../src/plugins/inputs/tail/tracking/open-files.ts'
import { SkippedFiles } from '../../../../../src/plugins/inputs/tail/tracking/skipped-files.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { readTo, tailFile } from '../../../../support/tail/tail-file.ts'
import { tmp } from '../../../../support/tmp.ts'

const WAIT_MS = 50
const LINE = 40

function lines(count: number, word = 'a'): string {
  return Array.from({ length: count }, (_, i) => `${`${word} ${i} `.padEnd(LINE - 1, word)}\n`).join('')
}

interface OpenOptions {
  isNew?: boolean
  onTruncated?: () => void
}

function setUp() {
  const dir = tmp()
  const clock = new ManualClock()
  const files = { byPath: new Map<string, TailFile>(), byKey: new Map<string, TailFile>() }
  const held = new Set<TailFile>()
  const again: [string, number][] = []
  const continued: [string, string][] = []
  const counted: string[] = []
  const skipped = new SkippedFiles([])
  const state = { closedAt: undefined as number | undefined, askedFor: '' }
  const nameOf = (file: TailFile): string => file.path.slice(dir.length + 1)
  const log = { error() {}, warn() {}, info() {}, debug() {} }
  const copies = new Copies({
    files: files as unknown as OpenFiles,
    closed: {
      readOf({ path }: Sibling) {
        state.askedFor = path
        return state.closedAt
      },
    } as unknown as ClosedFiles,
    skipped,
    held,
    waitMs: WAIT_MS,
    clock,
    counters: { add: (name: string) => void counted.push(name) } as never,
    log,
    continueInCopy: (original, copy) => {
      continued.push([nameOf(original), nameOf(copy)])
      original.handOver(copy)
    },
    again: (file, ms) => void again.push([nameOf(file), ms]),
  })
  /** Opens a file that was made `bornMs` after the start, and written to last `writtenMs` after it. */
  const open = (
    name: string,
    content: string | Buffer,
    [bornMs, writtenMs]: [number, number] = [0, 1000],
    { isNew = false, onTruncated = () => {} }: OpenOptions = {},
  ): TailFile => {
    const path = join(dir, name)
    writeFileSync(path, content)
    const file = tailFile(path, undefined, 0, onTruncated)
    setTimes(file, bornMs, writtenMs)
    file.stored.growFingerprint(file.handle, file.cursor.size)
    files.byPath.set(path, file)
    files.byKey.set(file.identity.key, file)
    if (isNew) file.newAt = { before: undefined }
    return file
  }
  const copy = (name: string, content: string | Buffer, times?: [number, number]): TailFile =>
    open(name, content, times ?? [500, 600], { isNew: true })
  return { dir, clock, files, held, again, continued, counted, state, skipped, copies, open, copy }
}

/** Sets the times that a look at the file tells, in milliseconds since some start. */
function setTimes(file: TailFile, bornMs: number, writtenMs: number, changedMs = writtenMs): void {
  const stat = file.handle.stat.bind(file.handle)
  const ns = (ms: number): bigint => BigInt(1_000_000 + ms) * 1_000_000n
  const times = { birthtimeNs: ns(bornMs), mtimeNs: ns(writtenMs), ctimeNs: ns(changedMs) }
  file.handle.stat = () => Object.assign(stat() as BigIntStats, times)
}

/** Calls `change` when the bytes of the file are compared for the `n`th time from now on. */
function whenCompared({ handle }: TailFile, change: () => void, n = 1): void {
  const { fd } = handle
  let times = 0
  Object.defineProperty(handle, 'fd', {
    get() {
      if (++times === n) change()
      return fd
    },
  })
}

/** Has the file continue a row of an earlier run. */
function asResumed(file: TailFile): TailFile {
  Object.defineProperty(file.stored, 'isResumed', { value: true })
  return file
}

/** Marks the file as a .gz with the size and offset of its content, as if it were inflated by another. */
function asCompressed(file: TailFile): TailFile {
  Object.defineProperty(file.handle.source, 'isCompressed', { value: true })
  // Its fingerprint is that of its content, and not of the bytes on disk.
  file.stored.restart(0)
  return file
}

function verdictOn(file: TailFile): [number, boolean] {
  return [file.cursor.offset, file.newAt === undefined]
}

describe('a new file', () => {
  test('that is empty is examined again once it has something, unless nothing is written to it any more', () => {
    const { copies, open, copy } = setUp()
    open('app.log', lines(10))
    const empty = copy('app.log.1', '')
    expect([copies.examine(empty, false), empty.newAt === undefined]).toEqual(['empty', false])
    expect([copies.examine(empty, true), empty.newAt === undefined]).toEqual(['read', true])
  })

  test('that was rewritten is examined when it begins anew', () => {
    const { copies, open, copy, continued } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 10 * LINE)
    const file = copy('app.log.1', lines(10))
    file.recordRewrite()
    expect([copies.examine(file, false), file.newAt === undefined, continued]).toEqual(['read', false, []])
  })

  test('with another content is read from its start', () => {
    const { copies, open, copy, counted } = setUp()
    open('app.log', lines(10))
    const file = copy('app.log.1', lines(10, 'b'))
    expect([copies.examine(file, false), ...verdictOn(file), counted]).toEqual(['read', 0, true, []])
  })

  test('is no copy of itself, nor of a log by another name', () => {
    const { copies, open, copy } = setUp()
    open('other.log', lines(10))
    const file = copy('app.log', lines(10))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })
})

describe('a copy', () => {
  test('goes on where its original was read to, and is counted', () => {
    const { copies, open, copy, continued, counted } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 10 * LINE)
    const file = copy('app.log.1', lines(10))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
    expect([continued, counted, file.acks.position]).toEqual([[], ['files_copied'], 10 * LINE])
  })

  test('with more than its original goes on with the records that are open there', () => {
    const { copies, open, copy, continued } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 10 * LINE)
    const file = copy('app.log.1', lines(12))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
    expect(continued).toEqual([['app.log', 'app.log.1']])
  })

  test('waits until its original is read, which does not wait for it', () => {
    const { copies, open, copy, again } = setUp()
    const original = open('app.log', lines(10))
    const file = copy('app.log.1', lines(10))
    original.readAfter(file)
    expect(copies.examine(file, false)).toBe('wait')
    expect(again).toEqual([
      ['app.log', 0],
      ['app.log.1', WAIT_MS],
    ])
    expect(original.predecessor).toBeUndefined()
    readTo(original, 10 * LINE)
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
  })

  test('leaves to what waits for it, and for its original, the file before', () => {
    const { copies, open, copy } = setUp()
    const [first, original] = [open('app.log.2', lines(3, 'c')), open('app.log', lines(10))]
    const file = copy('app.log.1', lines(10))
    file.readAfter(first)
    original.readAfter(file)
    expect(copies.examine(file, false)).toBe('wait')
    expect(original.predecessor).toBe(first)
  })

  test('that grows waits until it has what its original has, or for the time that a copy takes', () => {
    const { copies, open, copy, clock } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 5 * LINE)
    const file = copy('app.log.1', lines(6))
    expect(copies.examine(file, false)).toBe('wait')
    readTo(original, 10 * LINE)
    expect(copies.examine(file, false)).toBe('wait')
    clock.advance(WAIT_MS - 1)
    expect(copies.examine(file, false)).toBe('wait')
    clock.advance(1)
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 6 * LINE, true])
  })

  test('that is complete and was read to its end in the original goes on, although that has more', () => {
    const { copies, open, copy, clock } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 6 * LINE)
    const file = copy('app.log.1', lines(6))
    expect(copies.examine(file, false)).toBe('wait')
    clock.advance(WAIT_MS)
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 6 * LINE, true])
  })

  test('waits for nothing when nothing is written any more', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 5 * LINE)
    for (const size of [6, 10]) {
      const file = copy(`app.log.${size}`, lines(size))
      expect([copies.examine(file, true), ...verdictOn(file)]).toEqual(['read', 5 * LINE, true])
    }
  })

  test('waits for what its original got since the last look', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(10))
    const file = copy('app.log.1', lines(10))
    expect(copies.examine(file, false)).toBe('wait')
    readTo(original, 10 * LINE)
    appendFileSync(original.path, `${lines(11).slice(10 * LINE)}`)
    expect(copies.examine(file, false)).toBe('wait')
  })

  test('leaves the file before its original as it is', () => {
    const { copies, open, copy } = setUp()
    const [first, original] = [open('app.log.2', lines(3, 'c')), open('app.log', lines(10))]
    original.readAfter(first)
    expect(copies.examine(copy('app.log.1', lines(10)), false)).toBe('wait')
    expect(original.predecessor).toBe(first)
  })

  test('of a file that is closed meanwhile is read from its start', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(10))
    const file = copy('app.log.1', lines(10))
    expect(copies.examine(file, false)).toBe('wait')
    original.close()
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })

  test('that has come to differ from its original is read from its start', () => {
    const { copies, open, copy } = setUp()
    open('app.log', lines(10))
    const file = copy('app.log.1', lines(6))
    expect(copies.examine(file, false)).toBe('wait')
    appendFileSync(file.path, lines(4, 'b'))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })

  test('that was read already is left where it is', () => {
    const { copies, open, copy, counted } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 10 * LINE)
    const file = copy('app.log.1', lines(10))
    file.cursor.moveTo(2 * LINE)
    expect([copies.examine(file, false), ...verdictOn(file), counted]).toEqual(['read', 2 * LINE, true, []])
  })
})

describe('the copy of a content that its original loses', () => {
  test('is the one that waits, and is settled then', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(10))
    const file = copy('app.log.1', lines(10))
    expect(copies.copyOf(original)).toBeUndefined()
    copies.examine(file, false)
    expect(copies.copyOf(file)).toBeUndefined()
    expect([copies.copyOf(original) === file, file.newAt]).toEqual([true, undefined])
    expect(copies.copyOf(original)).toBeUndefined()
  })

  test('is settled once when the loss is seen while it is examined', () => {
    const { copies, open, copy, continued, counted } = setUp()
    let found: TailFile | undefined
    const onTruncated = (): void => {
      found = copies.copyOf(original)
    }
    const original = open('app.log', lines(10), [0, 1000], { onTruncated })
    readTo(original, 5 * LINE)
    const file = copy('app.log.1', lines(10))
    expect(copies.examine(file, false)).toBe('wait')
    truncateSync(original.path, 5 * LINE)
    expect(copies.examine(file, false)).toBe('read')
    expect([found === file, continued, counted, file.cursor.offset]).toEqual([true, [], [], 0])
  })

  test('is found at the first look at its original, too', () => {
    const { copies, open, copy, continued } = setUp()
    const file: TailFile[] = []
    const onTruncated = (): void => {
      for (const one of file) one.newAt = undefined
    }
    const original = open('app.log', lines(10), [0, 1000], { onTruncated })
    readTo(original, 5 * LINE)
    file.push(copy('app.log.1', lines(10)))
    truncateSync(original.path, 7 * LINE)
    expect([copies.examine(file[0] as TailFile, false), continued]).toEqual(['read', []])
  })

  test.each([false, true])('is settled when that is lost while it is compared, after a wait: %p', (waits) => {
    const { copies, open, copy } = setUp()
    const lost: number[] = []
    const onTruncated = (): void => void lost.push(original.cursor.greatestSize)
    const original = open('app.log', lines(10), [0, 1000], { onTruncated })
    readTo(original, 5 * LINE)
    const file = copy('app.log.1', lines(10))
    if (waits) expect(copies.examine(file, false)).toBe('wait')
    whenCompared(file, () => truncateSync(original.path))
    expect([copies.examine(file, false), lost]).toEqual(['read', [0]])
  })

  test('is not a file that replaced its original', () => {
    const { copies, open } = setUp()
    const before = open('app.log', lines(10))
    unlinkSync(before.path)
    before.refresh()
    const file = open('app.log', lines(10), [500, 500], { isNew: true })
    file.newAt = { before }
    expect(copies.examine(file, false)).toBe('wait')
    expect([copies.copyOf(before), file.newAt]).toEqual([undefined, { before }])
  })
})

describe('the file that follows a deleted one at its path', () => {
  /** A file of 10 lines that was deleted, of which some were read, and the next at its path. */
  function replaced(read: number, content: string, changedMs?: number, first = lines(10)) {
    const parts = setUp()
    const before = parts.open('app.log', first)
    if (read > 0) readTo(before, read)
    unlinkSync(before.path)
    before.refresh()
    const file = parts.open('app.log', content, [2000, 9000], { isNew: true })
    if (changedMs !== undefined) setTimes(file, 2000, 9000, changedMs)
    file.newAt = { before }
    return { ...parts, before, file }
  }

  test('goes on where that was read to when it has all of it and more', () => {
    const { copies, file } = replaced(10 * LINE, lines(12))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
  })

  test('waits until that is read', () => {
    const { copies, file, before } = replaced(5 * LINE, lines(12))
    expect(copies.examine(file, false)).toBe('wait')
    readTo(before, 10 * LINE)
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
  })

  test('is read from its start when it has less', () => {
    const { copies, file } = replaced(10 * LINE, lines(8))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })

  test('is read from its start when it was written line by line with the same lines, and not when it was put there', () => {
    const written = replaced(10 * LINE, lines(10))
    expect([written.copies.examine(written.file, false), ...verdictOn(written.file)]).toEqual([
      'read',
      0,
      true,
    ])
    const put = replaced(10 * LINE, lines(10), 9001)
    expect([put.copies.examine(put.file, false), ...verdictOn(put.file)]).toEqual(['read', 10 * LINE, true])
  })

  test('is read from its start when that had but a few words', () => {
    const { copies, file } = replaced(LINE, lines(1), 9001, lines(1))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })

  test('is read from its start when that is closed', () => {
    const { copies, file, before } = replaced(10 * LINE, lines(12))
    before.handle.close()
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })
})

test('a file that takes the place of a renamed one is no copy of that', () => {
  const { copies, open } = setUp()
  const before = open('app.log', lines(10))
  readTo(before, 10 * LINE)
  renameSync(before.path, `${before.path}.1`)
  const file = open('app.log', lines(12), [2000, 9000], { isNew: true })
  file.newAt = { before }
  expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
})

describe('of two files with the same lines', () => {
  test.each([
    ['app.log', 'x.log'],
    ['x.log', 'app.log'],
  ])('one is a copy that is named after the other, which was opened as %s and is at %s', (openedAs, path) => {
    const { copies, open, copy, held, dir, files } = setUp()
    const original = open(openedAs, lines(10), [0, 100])
    files.byPath.clear()
    original.rename(join(dir, path), join(dir, path))
    readTo(original, 10 * LINE)
    held.add(original)
    const file = copy('app.log.1', lines(11), [500, 600])
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
  })

  test.each([10, 11])(
    'one is no copy of the other once that was renamed, if only the name suggests it: %d lines',
    (count) => {
      const { copies, open, copy, clock, held } = setUp()
      const original = open('app.log', lines(10), [0, 100])
      readTo(original, 10 * LINE)
      original.rotation.markRotated(0, original.path)
      held.add(original)
      const file = copy('app.log.1', lines(count), [500, 600])
      expect(copies.examine(file, false)).toBe('wait')
      clock.advance(WAIT_MS)
      expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
    },
  )

  test('the one without a row waits for the one with a row, and neither when both have one', () => {
    const { copies, open, copy } = setUp()
    asResumed(open('app.log', lines(10), [500, 900], { isNew: true }))
    expect(copies.examine(copy('app.log.1', lines(10)), false)).toBe('wait')
    expect(copies.examine(asResumed(copy('app.log.2', lines(10))), false)).toBe('read')
  })

  test('neither is a copy while both names may be those of two programs, and nothing tells otherwise', () => {
    const { copies, open, copy, clock } = setUp()
    const original = open('app.log', lines(10), [0, 100])
    readTo(original, 10 * LINE)
    const file = copy('app1.log', lines(11), [500, 600])
    expect(copies.examine(file, false)).toBe('wait')
    clock.advance(WAIT_MS)
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })

  test('one is a copy when it was completed while the other was written', () => {
    const { copies, open, copy, clock } = setUp()
    const original = open('app.log', lines(10), [0, 1000])
    readTo(original, 10 * LINE)
    const file = copy('app1.log', lines(11), [500, 600])
    expect(copies.examine(file, false)).toBe('read')
    clock.advance(WAIT_MS)
    expect(verdictOn(file)).toEqual([10 * LINE, true])
  })

  test('one is a copy when it was made after the last change of the other, with its size', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(10), [0, 100])
    readTo(original, 10 * LINE)
    const file = copy('app1.log', lines(10), [500, 600])
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
  })

  test.each([
    ['is a copy when the other is deleted', lines(10), [500, 600], 10 * LINE],
    [
      'of equal lines is a copy when it has the time of the deleted one',
      lines(1).repeat(10),
      [500, 100],
      10 * LINE,
    ],
    [
      'of equal lines is read when it may be the log after the deleted one',
      lines(1).repeat(10),
      [500, 600],
      0,
    ],
  ] as const)('one %s', (_, content, [bornMs, writtenMs], from) => {
    const { copies, open, copy, held, clock } = setUp()
    const original = open('app.log', content, [0, 100])
    readTo(original, 10 * LINE)
    original.rotation.markRotated(0, original.path)
    unlinkSync(original.path)
    original.refresh()
    held.add(original)
    const file = copy('app1.log', content, [bornMs, writtenMs])
    copies.examine(file, false)
    clock.advance(WAIT_MS)
    if (file.newAt !== undefined) copies.examine(file, false)
    expect(verdictOn(file)).toEqual([from, true])
  })

  test('the newer one of two that are unread waits for the other', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(10), [0, 100], { isNew: true })
    const file = copy('app.log.1', lines(10), [500, 600])
    expect(copies.examine(original, false)).toBe('read')
    original.newAt = { before: undefined }
    expect(copies.examine(file, false)).toBe('wait')
  })

  test('neither waits when both are unread and nothing tells which one was first', () => {
    const { copies, open, copy } = setUp()
    open('app.log', lines(10), [500, 900], { isNew: true })
    const file = copy('app.log.1', lines(10), [500, 600])
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })
})

describe('a file that its copies wait for, when it is closed,', () => {
  test('has them go on where it was read to', () => {
    const { copies, open, copy, again } = setUp()
    const original = open('app.log', lines(10))
    const file = copy('app.log.1', lines(10))
    copies.examine(file, false)
    again.splice(0)
    readTo(original, 7 * LINE)
    copies.release(original)
    expect([...verdictOn(file), again]).toEqual([7 * LINE, true, [['app.log.1', 0]]])
    expect(copies.copyOf(original)).toBeUndefined()
  })

  test('leaves the copies of others alone', () => {
    const { copies, open, copy } = setUp()
    open('app.log', lines(10))
    const other = open('other.log', lines(10, 'b'))
    const file = copy('app.log.1', lines(10))
    copies.examine(file, false)
    copies.release(other)
    expect(verdictOn(file)).toEqual([0, false])
  })

  test('has those with another content by now read from their start', () => {
    const { copies, open, copy, counted } = setUp()
    const original = open('app.log', lines(10))
    const file = copy('app.log.1', lines(6))
    copies.examine(file, false)
    appendFileSync(file.path, lines(2, 'b'))
    file.refresh()
    copies.release(original)
    expect([...verdictOn(file), counted]).toEqual([0, true, []])
  })
})

describe('the original of a copy', () => {
  test('may be a rotated file in another directory', () => {
    const { copies, open, copy, held, files } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 10 * LINE)
    files.byPath.clear()
    files.byKey.clear()
    original.rotation.markRotated(0, original.path)
    const file = copy('app.log.1', lines(10))
    expect(copies.examine(file, false)).toBe('read')
    expect(file.cursor.offset).toBe(0)
    const again = copy('app.log.2', lines(10))
    held.add(original)
    expect([copies.examine(again, false), ...verdictOn(again)]).toEqual(['read', 10 * LINE, true])
  })

  test('is not a held file with an unrelated name', () => {
    const { copies, open, copy, held } = setUp()
    const other = open('other.log', lines(10))
    readTo(other, 10 * LINE)
    held.add(other)
    const file = copy('app.log.1', lines(10))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })

  test('is known by the target of its link', () => {
    const { copies, open, copy, held, dir } = setUp()
    const original = open('current', lines(10))
    readTo(original, 10 * LINE)
    original.rename(join(dir, 'current'), join(dir, 'app.log'))
    held.add(original)
    const file = copy('app.log.1', lines(10))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
  })

  test('is the file that was held at a name before it was rotated from another', () => {
    const { copies, open, copy, held, dir } = setUp()
    const original = open('x.log', lines(10))
    readTo(original, 10 * LINE)
    original.rotation.markRotated(0, join(dir, 'app.log'))
    held.add(original)
    const file = copy('app.log.1', lines(10))
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
  })

  test('is no rotated file for one that is not compressed, and any of its log for a .gz', () => {
    const { copies, open, copy, held, clock } = setUp()
    const original = open('app.log.2', lines(10))
    readTo(original, 10 * LINE)
    // gzip sets the time of the file that it compresses.
    const gz = asCompressed(copy('app.log.1.gz', gzipSync(lines(10)), [700, 600]))
    expect(copies.examine(gz, false)).toBe('wait')
    clock.advance(WAIT_MS)
    expect([copies.examine(gz, false), ...verdictOn(gz)]).toEqual(['read', 10 * LINE, true])
    held.add(original)
    const plain = copy('app.log.3', lines(10))
    expect([copies.examine(plain, false), ...verdictOn(plain)]).toEqual(['read', 0, true])
  })

  test('is a rotated file when the copy has a few lines of it, or all of its few words', () => {
    const { copies, open, copy, clock } = setUp()
    for (const [name, size, ofCopy] of [
      ['app', 10, 3],
      ['web', 1, 1],
    ] as const) {
      const original = open(`${name}.log`, lines(size, name))
      readTo(original, size * LINE)
      original.rotation.markRotated(0, original.path)
      const file = copy(`${name}.log.1`, lines(ofCopy, name))
      copies.examine(file, false)
      clock.advance(WAIT_MS)
      if (file.newAt !== undefined) copies.examine(file, false)
      expect(verdictOn(file)).toEqual([ofCopy * LINE, true])
    }
  })

  test('is not a rotated file when the copy has but a few words of it', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(10))
    readTo(original, 10 * LINE)
    const first = copy('app.log.1', lines(1))
    expect(copies.examine(first, false)).toBe('wait')
    original.rotation.markRotated(0, original.path)
    const second = copy('app.log.2', lines(1))
    expect([copies.examine(second, false), ...verdictOn(second)]).toEqual(['read', 0, true])
  })

  test('is not a deleted file of one line when the copy has more', () => {
    const { copies, open, copy } = setUp()
    const original = open('app.log', lines(1))
    readTo(original, LINE)
    unlinkSync(original.path)
    original.refresh()
    const longer = copy('app.log.1', lines(10))
    expect([copies.examine(longer, false), ...verdictOn(longer)]).toEqual(['read', 0, true])
    const same = copy('app.log.2', lines(1))
    expect([copies.examine(same, false), ...verdictOn(same)]).toEqual(['read', LINE, true])
  })
})

describe('of a content that its original has lost just now', () => {
  function lost(content = lines(10)) {
    const parts = setUp()
    const original = parts.open('app.log', lines(10))
    readTo(original, 5 * LINE)
    original.recordRewrite()
    truncateSync(original.path)
    original.rotation.markReplaced(0)
    return { ...parts, original, file: parts.copy('app.log.1', content) }
  }

  test('the copy goes on, and is the heir', () => {
    const { copies, file, original, continued } = lost()
    expect([copies.examine(file, false), continued]).toEqual(['read', [['app.log', 'app.log.1']]])
    expect(original.rotation.isHeir(file.identity.key)).toBe(true)
  })

  test('the copy goes on, also when the original was deleted since', () => {
    const { copies, file, original, continued } = lost()
    unlinkSync(original.path)
    original.refresh()
    expect([copies.examine(file, false), continued]).toEqual(['read', [['app.log', 'app.log.1']]])
  })

  test('the heir is left where it is', () => {
    const { copies, file, original, continued } = lost()
    original.rotation.recordHeir(file.identity.key, file.cursor.size)
    file.startAt(5 * LINE)
    expect([copies.examine(file, false), ...verdictOn(file), continued]).toEqual(['read', 5 * LINE, true, []])
  })

  test('a second copy is read no more than what it has beyond what was read', () => {
    const { copies, file, original, continued } = lost()
    original.rotation.recordHeir('another', 0)
    expect([copies.examine(file, false), ...verdictOn(file), continued]).toEqual([
      'read',
      10 * LINE,
      true,
      [],
    ])
  })

  for (const isRestarted of [false, true])
    test(`a second copy is not read when the content was lost while the two were compared, restarted: ${isRestarted}`, () => {
      const { copies, open, copy } = setUp()
      const original = open('app.log', lines(10))
      readTo(original, 10 * LINE)
      const file = copy('app.log.1', lines(10))
      const lose = (): void => {
        original.recordRewrite()
        truncateSync(original.path)
        original.rotation.markReplaced(0)
        original.rotation.recordHeir('another', 10 * LINE)
        if (isRestarted) original.restart(1_002_000, undefined)
      }
      whenCompared(file, lose, 2)
      expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
    })

  test('a file with another content is read from its start', () => {
    const { copies, file, continued } = lost(lines(10, 'b'))
    expect([copies.examine(file, false), ...verdictOn(file), continued]).toEqual(['read', 0, true, []])
  })
})

test('the copy of a content that was read and closed goes on where that was read to, at most at its own end', () => {
  const { copies, copy, state } = setUp()
  state.closedAt = 7 * LINE
  const file = copy('app.log.1', lines(10))
  expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 7 * LINE, true])
  state.closedAt = 70 * LINE
  const shorter = copy('app.log.2', lines(10))
  expect([copies.examine(shorter, false), ...verdictOn(shorter)]).toEqual(['read', 10 * LINE, true])
})

test('the copy of a content that a file had before its truncation goes on where that was read to', () => {
  const { copies, open, copy } = setUp()
  const original = open('app.log', lines(10))
  readTo(original, 7 * LINE)
  original.rotation.recordRewrite(Number.MAX_SAFE_INTEGER, original.content())
  writeFileSync(original.path, lines(10, 'b'))
  original.stored.restart(0)
  const [same, other] = [copy('app.log.1', lines(10)), copy('app.log.2', lines(10, 'c'))]
  expect([copies.examine(same, false), ...verdictOn(same)]).toEqual(['read', 7 * LINE, true])
  expect([copies.examine(other, false), ...verdictOn(other)]).toEqual(['read', 0, true])
})

test('rotation may have made a name of that of a followed file', () => {
  const { copies, open } = setUp()
  const [log, rotated, other] = [open('app.log', 'x'), open('app.log.1', 'x'), open('other', 'x')]
  expect([log, rotated, other].map((file) => copies.mayBeCopy(file))).toEqual([false, true, false])
})

test('a .gz waits until what it was made of is deleted, or for the time that a copy takes', () => {
  const { copies, open, copy, clock } = setUp()
  const original = open('app.log.1', lines(10))
  readTo(original, 10 * LINE)
  const file = asCompressed(copy('app.log.1.gz', gzipSync(lines(10))))
  expect(copies.examine(file, false)).toBe('wait')
  clock.advance(WAIT_MS)
  expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 10 * LINE, true])
})

test('a .gz with more than a file is not made of that', () => {
  const { copies, open, copy, clock } = setUp()
  const original = open('app.log.1', lines(10))
  readTo(original, 10 * LINE)
  const file = asCompressed(copy('app.log.1.gz', gzipSync(lines(12))))
  expect(copies.examine(file, false)).toBe('wait')
  clock.advance(WAIT_MS)
  expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
})

test('a .gz waits for what it was made of to be read, and not once that is deleted', () => {
  const { copies, open, copy, clock } = setUp()
  const original = open('app.log.1', lines(10))
  const file = asCompressed(copy('app.log.1.gz', gzipSync(lines(10))))
  expect(copies.examine(file, false)).toBe('wait')
  clock.advance(WAIT_MS)
  expect(copies.examine(file, false)).toBe('wait')
  readTo(original, 10 * LINE)
  unlinkSync(original.path)
  original.refresh()
  const second = asCompressed(copy('app.log.1.2.gz', gzipSync(lines(10))))
  expect([copies.examine(second, false), ...verdictOn(second)]).toEqual(['read', 10 * LINE, true])
})

test('a .gz waits for one that is new as well', () => {
  const { copies, open, copy } = setUp()
  open('app.log.1', lines(10), [500, 900], { isNew: true })
  expect(copies.examine(asCompressed(copy('app.log.1.gz', gzipSync(lines(10)))), false)).toBe('wait')
})

test('a file that was renamed since it was opened is looked for among the closed ones under its present name', () => {
  const { copies, copy, state, dir } = setUp()
  const file = copy('app.log.1', lines(10))
  renameSync(file.path, join(dir, 'app.log.2'))
  copies.examine(file, false)
  expect(state.askedFor).toBe(join(dir, 'app.log.2'))
})

describe('the content of a skipped file', () => {
  /** A file that was skipped at its end, and a new one. */
  function skip(name: string, content: string, kept: string, whatHappens: (path: string) => void) {
    const parts = setUp()
    const path = join(parts.dir, 'app.log')
    writeFileSync(path, kept)
    parts.skipped.add(path, statSync(path, { bigint: true }), kept.length, true)
    whatHappens(path)
    const file = parts.copy(name, content)
    const judge = (): [string, number, boolean] => [parts.copies.examine(file, false), ...verdictOn(file)]
    return { file, judge }
  }
  const keep = (): void => {}
  const remove = (path: string): void => renameSync(path, join(tmp(), 'kept'))
  const replace = (path: string): void => {
    remove(path)
    writeFileSync(path, 'another')
  }

  test.each([
    ['app.log.1', 'is still there', keep],
    ['app1.log', 'is gone', remove],
    ['app1.log', 'was replaced', replace],
  ])('is not read again from %s when the file %s', (name, _, whatHappens) => {
    const { judge } = skip(name, lines(12), lines(10), whatHappens)
    expect(judge()).toEqual(['read', 10 * LINE, true])
  })

  test('is read from a file that another program may have written', () => {
    expect(skip('app1.log', lines(12), lines(10), keep).judge()).toEqual(['read', 0, true])
  })

  test('is not that of a file with other lines', () => {
    expect(skip('app.log.1', lines(12, 'b'), lines(10), remove).judge()).toEqual(['read', 0, true])
  })

  test('is known by a few words when the file is gone', () => {
    expect(skip('app.log.1', lines(2), lines(1), remove).judge()).toEqual(['read', LINE, true])
    expect(skip('app.log.1', lines(2), lines(1), keep).judge()).toEqual(['read', 0, true])
  })

  test('is not read again where it was restored, unless it is a few words', () => {
    for (const [count, from] of [
      [10, 10 * LINE],
      [1, 0],
    ] as const) {
      const { file, judge } = skip('app.log', lines(count), lines(count), remove)
      setTimes(file, 500, 600, 601)
      expect(judge()).toEqual(['read', from, true])
    }
  })

  test('does not make a file a copy of itself', () => {
    const { dir, skipped, copies, copy } = setUp()
    const file = copy('app.log', lines(10))
    skipped.add(join(dir, 'app.log'), statSync(file.path, { bigint: true }), 10 * LINE, true)
    setTimes(file, 500, 600, 601)
    expect([copies.examine(file, false), ...verdictOn(file)]).toEqual(['read', 0, true])
  })

  test('is read again where a program wrote it again', () => {
    expect(skip('app.log', lines(12), lines(10), remove).judge()).toEqual(['read', 0, true])
  })
})
