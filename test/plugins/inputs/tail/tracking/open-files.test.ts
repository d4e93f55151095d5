import { describe, expect, test } from 'bun:test'
import {
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { OffsetRow } from '../../../../../src/core/offset-store.ts'
import { OpenFiles } from '../../../../../src/plugins/inputs/tail/tracking/open-files.ts'
import { Positions } from '../../../../../src/plugins/inputs/tail/tracking/positions.ts'
import { ReadErrors } from '../../../../../src/plugins/inputs/tail/tracking/read-errors.ts'
import { row } from '../../../../contract/offset-store/bench.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { follow, MemoryStore } from '../../../../support/tail/run.ts'
import { failToOpen } from '../../../../support/tail/unopenable.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'

test('the debug line of a followed file has its tag, inode, size and start offset', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path }, { tag: 'service' })
  await run.waitForLines(1)
  const line = run.logs.find(({ level, message }) => level === 'debug' && message === `${path} is followed`)
  expect(line?.fields).toEqual({ tag: 'service', inode: statSync(path).ino.toString(), size: 4, from: 0 })
})

const BZIP2 = Buffer.from([0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59])

function setUp({ ignoreOlderMs = 0, readFromHead = false, stored = [] as OffsetRow[] } = {}) {
  const dir = tmp()
  const store = new MemoryStore()
  store.table = stored
  const clock = new ManualClock(Date.now())
  const counted: string[] = []
  const logged: string[] = []
  const add = (name: string): void => void counted.push(name)
  const counters = { add, get: () => 0 } as never
  const logAt = (level: string) => (message: string) => void logged.push(`${level}: ${message}`)
  const log = { error: logAt('error'), warn: logAt('warn'), info() {}, debug() {} }
  const garbage = { bytes: 0 }
  const leftGarbage = (bytes: number): void => {
    garbage.bytes += bytes
  }
  const positions = new Positions(store, ['/a/*.log'], clock, log, leftGarbage)
  const files = new OpenFiles({
    tag: 'app.*',
    tagRegex: undefined,
    format: { key: 'log', parser: undefined } as never,
    ignoreOlderMs,
    linkRule: () => 'on',
    findRotated: () => undefined,
    storeMark: () => true,
    onGone: () => {},
    leftGarbage,
    origin: 'agent',
    takeClosed: () => undefined,
    readErrors: new ReadErrors(counters, log),
    clock,
    onSettled: () => {},
    onTruncated: () => {},
    onSkippedTruncated: () => {},
    onMore: () => {},
    readFromHead,
    newFromHead: true,
    compareName: false,
    wasScanned: () => false,
    positions,
    counters,
    log,
  })
  atEnd(() => files.closeAll())
  const write = (name: string, content: string | Buffer): string => {
    writeFileSync(join(dir, name), content)
    return join(dir, name)
  }
  return { dir, store, clock, counted, logged, positions, files, write, garbage }
}

describe('a path', () => {
  test('of a directory, or of nothing, has no file', () => {
    const { dir, files, logged, positions } = setUp()
    mkdirSync(join(dir, 'a.log'))
    expect([files.open(join(dir, 'a.log'), true), files.open(join(dir, 'b.log'), true)]).toEqual([
      undefined,
      undefined,
    ])
    expect([logged, positions.skipped.all()]).toEqual([[], []])
  })

  test('that could not be read is not reported any more when it leads to an open file or to a new one', () => {
    const { dir, files, write, logged } = setUp()
    const [path, other] = [write('a.log', 'one\n'), write('b.log', 'one\n')]
    const link = join(dir, 'c.log')
    symlinkSync(other, link)
    let isDown = true
    failToOpen((one) => isDown && one !== path)
    const again = (): void => void files.open(link, false)
    again()
    again()
    expect(logged).toHaveLength(1)
    isDown = false
    unlinkSync(link)
    symlinkSync(path, link)
    expect(files.open(path, false)?.isNew).toBe(true)
    expect(files.open(link, false)?.isNew).toBe(false)
    isDown = true
    unlinkSync(link)
    symlinkSync(other, link)
    again()
    expect(logged).toHaveLength(2)
    isDown = false
    expect(files.open(link, false)?.isNew).toBe(true)
    isDown = true
    unlinkSync(link)
    symlinkSync(write('d.log', 'one\n'), link)
    again()
    expect(logged).toHaveLength(3)
  })
})

describe('a file that is not opened', () => {
  test('is remembered with its end if it is compressed, and its content is known', () => {
    const { files, write, positions } = setUp()
    files.open(write('a.log', Buffer.concat([BZIP2, Buffer.alloc(100, 1)])), true)
    expect(positions.skipped.all()).toMatchObject([{ offset: 110, fingerprintSize: 110 }])
  })

  test('is not remembered if it is compressed and new: it is read from its start', () => {
    const { files, write, positions } = setUp({ readFromHead: true })
    files.open(write('a.log', Buffer.concat([BZIP2, Buffer.alloc(100, 1)])), true)
    expect(positions.skipped.all()).toEqual([])
  })

  test('is remembered if it cannot be read, even with nothing in it to skip', () => {
    const { files, write, positions } = setUp({ readFromHead: true })
    failToOpen(() => true)
    files.open(write('a.log', 'one\n'), true)
    expect(positions.skipped.all()).toMatchObject([{ offset: 0 }])
  })

  test('is not remembered if it is too old and is read from its start later', () => {
    const { files, write, positions, clock } = setUp({ ignoreOlderMs: 1000, readFromHead: true })
    const path = write('a.log', 'one\n')
    clock.advance(60_000)
    expect(files.open(path, true)).toBeUndefined()
    expect(positions.skipped.all()).toEqual([])
  })

  test('is remembered once, at the offset that it had first', () => {
    const { files, write, positions } = setUp()
    failToOpen(() => true)
    const path = write('a.log', 'one\n')
    files.open(path, true)
    writeFileSync(path, 'one\ntwo\n')
    files.open(path, true)
    expect(positions.skipped.all()).toMatchObject([{ offset: 4 }])
  })

  test('is not remembered if it has a row', () => {
    const { dir } = setUp()
    const path = join(dir, 'a.log')
    writeFileSync(path, 'one\n')
    const { ino, dev } = statSync(path, { bigint: true })
    const { files, positions } = setUp({ stored: [row(1, { id: 1, inode: ino, device: dev })] })
    failToOpen(() => true)
    files.open(path, true)
    expect(positions.skipped.all()).toEqual([])
  })

  test('has its truncation counted while it cannot be read, and not while it is only too old', () => {
    for (const isUnreadable of [true, false]) {
      const { files, write, counted, clock } = setUp({ ignoreOlderMs: 1000 })
      let isDown = isUnreadable
      failToOpen(() => isDown)
      const path = write('a.log', 'one\ntwo\n')
      if (!isUnreadable) clock.advance(60_000)
      files.open(path, true)
      files.open(path, true)
      truncateSync(path, 0)
      if (!isUnreadable) utimesSync(path, 1, 1)
      files.open(path, true)
      isDown = false
      expect(counted.includes('files_truncated')).toBe(isUnreadable)
    }
  })
})

describe('a rotated file', () => {
  test('is not opened when another is at its path by now', () => {
    const { files, write } = setUp()
    const path = write('a.log.1', 'one\n')
    expect(files.openRotated(path, 'another', '/a/a.log', undefined)).toBeUndefined()
    expect(files.byKey.size).toBe(0)
  })

  test('is opened once', () => {
    const { files, write } = setUp()
    const path = write('a.log.1', 'one\n')
    const file = files.open(path, true)?.file
    expect(files.openRotated(path, file?.identity.key ?? '', '/a/a.log', undefined)).toBe(file as never)
    expect(files.byKey.size).toBe(1)
  })

  test('is read from its start under the tag of its log, unless it was skipped before', () => {
    const { files, write, positions } = setUp()
    const paths = [write('a.log.1', 'one\n'), write('a.log.2', 'two\n')]
    positions.skipped.add(paths[1] ?? '', statSync(paths[1] ?? '', { bigint: true }), 4, true)
    const opened = paths.map((path) => {
      const { dev, ino } = statSync(path, { bigint: true })
      return files.openRotated(path, `${dev}:${ino}`, '/a/a.log', undefined)
    })
    expect(opened.map((file) => [file?.cursor.offset, file?.tag])).toEqual([
      [0, 'app.a.a.log'],
      [4, 'app.a.a.log'],
    ])
  })
})

describe('the paths of a file', () => {
  test('are its name, and the target of a link to it, until it is closed', () => {
    const { dir, files, write } = setUp()
    mkdirSync(join(dir, 'real'))
    const target = write('real/a.log', 'one\n')
    const link = join(dir, 'current')
    symlinkSync(target, link)
    const file = files.open(link, true)?.file
    if (file === undefined) throw new Error('not opened')
    expect(files.bind(link, file)).toBe(join(dir, 'real'))
    expect(files.bind(link, file)).toBe(join(dir, 'real'))
    expect([files.pathsOf(file).sort(), [...(files.linksTo(target) ?? [])]]).toEqual([
      [link, target].sort(),
      [link],
    ])
    expect([...files.folders()].sort()).toEqual([dir, join(dir, 'real')].sort())
    files.close(file)
    expect([files.byPath.size, files.byKey.size]).toEqual([0, 0])
    // The link still leads there: the next file is to be seen at once.
    expect([...files.folders()]).toEqual([join(dir, 'real')])
    files.forgetLink(link)
    expect([[...files.folders()], files.linksTo(target)]).toEqual([[], undefined])
  })

  test('have no target where a link has been switched to another file since it was opened', () => {
    const { dir, files, write } = setUp()
    const [first, second] = [write('1.log', 'one\n'), write('2.log', 'two\n')]
    const link = join(dir, 'current')
    symlinkSync(first, link)
    const file = files.open(link, true)?.file
    if (file === undefined) throw new Error('not opened')
    unlinkSync(link)
    symlinkSync(second, link)
    files.bind(link, file)
    expect([file.target, files.byPath.has(second)]).toEqual([first, false])
  })

  test('forget one of two links without the other', () => {
    const { dir, files, write } = setUp()
    const [first, second] = [write('1.log', 'one\n'), write('2.log', 'two\n')]
    const links = [join(dir, 'a'), join(dir, 'b')]
    for (const link of links) {
      symlinkSync(first, link)
      const file = files.open(link, true)?.file
      if (file !== undefined) files.bind(link, file)
    }
    unlinkSync(links[0] ?? '')
    symlinkSync(second, links[0] ?? '')
    const moved = files.open(links[0] ?? '', true)?.file
    if (moved !== undefined) files.bind(links[0] ?? '', moved)
    expect([[...(files.linksTo(first) ?? [])], [...(files.linksTo(second) ?? [])]]).toEqual([
      [links[1] as string],
      [links[0] as string],
    ])
  })
})

test('a plain file by the name of a .gz is read as it is, and one that is compressed is inflated', () => {
  const { files, write } = setUp({ readFromHead: true })
  const [plain, gz] = [write('a.gz', 'one\n'), write('b.gz', gzipSync('two\n'))]
  expect([plain, gz].map((path) => files.open(path, true)?.file.handle.isCompressed)).toEqual([false, true])
  expect(files.open(gz, true)?.file.cursor.size).toBe(0)
})

test('a file that is opened is written to the database at once', () => {
  const { files, write, clock, store } = setUp()
  files.open(write('a.log', 'one\n'), true)
  clock.advance(0)
  expect(store.table).toMatchObject([{ offset: 4 }])
})

test('a file is too old only where a limit is set', () => {
  for (const ignoreOlderMs of [0, 1000]) {
    const { files, write, clock } = setUp({ ignoreOlderMs })
    const path = write('a.log', 'one\n')
    renameSync(path, `${path}.1`)
    clock.advance(60_000)
    expect(files.open(`${path}.1`, true) === undefined).toBe(ignoreOlderMs > 0)
  }
})

test('what opening files and writing their rows leaves is counted, so that it is collected before the process has grown', () => {
  const { files, positions, write, garbage } = setUp()
  for (let i = 0; i < 10; i++) files.open(write(`${i}.log`, 'one\n'), true)
  const { bytes } = garbage
  expect(bytes).toBeGreaterThanOrEqual(10 * 4096)
  files.open(write('0.log', 'one\n'), true)
  expect(garbage.bytes).toBe(bytes)
  positions.commit(true)
  expect(garbage.bytes).toBeGreaterThanOrEqual(2 * bytes)
})
