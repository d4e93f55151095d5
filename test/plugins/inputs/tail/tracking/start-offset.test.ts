import { describe, expect, test } from 'bun:test'
import { closeSync, openSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { OffsetRow } from '../../../../../src/core/offset-store.ts'
import { fingerprintOf, markerOf } from '../../../../../src/plugins/inputs/tail/file/fingerprint.ts'
import { Positions } from '../../../../../src/plugins/inputs/tail/tracking/positions.ts'
import {
  AT_HEAD,
  type Start,
  StartOffset,
  type StartOffsetOptions,
} from '../../../../../src/plugins/inputs/tail/tracking/start-offset.ts'
import { row } from '../../../../contract/offset-store/bench.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { MemoryStore } from '../../../../support/tail/run.ts'
import { atEnd, tmp } from '../../../../support/tmp.ts'

const CONTENT = 'one\ntwo\nthree\n'

function setUp(options: Partial<StartOffsetOptions> = {}, store = new MemoryStore()) {
  const logged: string[] = []
  const counted: string[] = []
  const logAt = (level: string) => (message: string) => void logged.push(`${level}: ${message}`)
  const log = { error: logAt('error'), warn: logAt('warn'), info: logAt('info'), debug: logAt('debug') }
  const positions = new Positions(store, ['/a/*.log'], new ManualClock(), log)
  const add = (name: string): void => void counted.push(name)
  const startOffset = new StartOffset({
    readFromHead: false,
    newFromHead: true,
    compareName: false,
    wasScanned: () => true,
    positions,
    counters: { add, get: () => 0 } as StartOffsetOptions['counters'],
    log,
    ...options,
  })
  /** Decides for a file, found by the first scan if `isFirstScan`. */
  const start = (path: string, of: OffsetRow | undefined, isFirstScan: boolean): Start => {
    const fd = openSync(path, 'r')
    atEnd(() => closeSync(fd))
    return startOffset.forFile(of, fd, statSync(path, { bigint: true }), path, isFirstScan)
  }
  return { start, startOffset, positions, logged, counted }
}

function made(content: string | Buffer = CONTENT, name = 'a.log'): string {
  const path = join(tmp(), name)
  writeFileSync(path, content)
  return path
}

/** Returns the row of a file that was read up to `offset`, with what is given. */
function rowOf(path: string, offset: number, change: Partial<OffsetRow> = {}): OffsetRow {
  const bytes = Buffer.from(CONTENT)
  return row(1, {
    id: 1,
    name: path,
    offset,
    ...markerOf(bytes.subarray(Math.max(0, offset - 32), offset)),
    fingerprint: fingerprintOf(bytes),
    fingerprintSize: bytes.length,
    ...change,
  })
}

describe('a file without a row is read', () => {
  test('from its end if it was there at the first start, else from its start', () => {
    const path = made()
    expect(setUp().start(path, undefined, true)).toEqual({ ...AT_HEAD, offset: CONTENT.length })
    expect(setUp().start(path, undefined, false)).toEqual(AT_HEAD)
    expect(setUp({ readFromHead: true }).start(path, undefined, true)).toEqual(AT_HEAD)
    expect(setUp({ newFromHead: false }).start(path, undefined, false).offset).toBe(CONTENT.length)
  })

  test('from its start if it appeared between two runs, at a path that was looked for', () => {
    const path = made()
    const store = new MemoryStore()
    store.lastScan = 1000
    expect(setUp({}, store).start(path, undefined, true).offset).toBe(0)
    expect(setUp({ wasScanned: () => false }, store).start(path, undefined, true).offset).toBe(CONTENT.length)
    store.lastScan = Date.now() + 60_000
    expect(setUp({}, store).start(path, undefined, true).offset).toBe(CONTENT.length)
  })

  test('from its end if it was made in the millisecond in which the first scan began, else from its start', () => {
    const path = made()
    const { positions, startOffset } = setUp({ wasScanned: () => false })
    positions.beginFirstScan(5000)
    const offset = (birthtimeNs: bigint): number => {
      const stat = Object.assign(statSync(path, { bigint: true }), { birthtimeNs })
      return startOffset.forSkipped(stat, path, true)
    }
    expect([offset(4_999_999_999n), offset(5_000_999_999n)]).toEqual([CONTENT.length, CONTENT.length])
    expect(offset(5_001_000_000n)).toBe(0)
  })

  test('from its start if rows may be missing', () => {
    const store = new MemoryStore()
    store.damaged = true
    expect(setUp({}, store).start(made(), undefined, true).offset).toBe(0)
  })

  test('from where it was when it could not be opened, if it has that much', () => {
    const path = made()
    const { start, positions, startOffset } = setUp()
    const stat = statSync(path, { bigint: true })
    const skip = (offset: number): void => positions.skipped.add(path, stat, offset, false)
    skip(4)
    expect(start(path, undefined, false)).toMatchObject({ offset: 4, row: undefined })
    skip(CONTENT.length)
    expect(start(path, undefined, false).offset).toBe(CONTENT.length)
    skip(CONTENT.length + 1)
    expect(start(path, undefined, false).offset).toBe(0)
    skip(4)
    expect(start(path, rowOf(path, 8), false).offset).toBe(8)
    expect(positions.skipped.all()).toEqual([])
    expect(startOffset.forSkipped(stat, path, true)).toBe(CONTENT.length)
    expect(startOffset.forSkipped(stat, path, false)).toBe(0)
  })
})

describe('a file with a row', () => {
  test('is read on, within a line that is skipped too', () => {
    const path = made()
    const own = rowOf(path, 8)
    expect(setUp().start(path, own, true)).toEqual({ offset: 8, isSkipping: false, row: own })
    expect(setUp().start(path, { ...own, skipping: true }, true).isSkipping).toBe(true)
  })

  test.each([
    ['another marker', { marker: 1n }, 'the bytes before the stored offset differ'],
    ['other first bytes', { fingerprint: 'a' }, 'its first bytes differ'],
    ['an offset beyond its size', { offset: 99 }, 'the stored offset 99 is beyond its size 14'],
  ])('that has %s is read from its start', (_, change, reason) => {
    const path = made()
    const { start, logged, counted } = setUp()
    expect(start(path, rowOf(path, 8, { created: 4e9, ...change }), true)).toEqual(AT_HEAD)
    expect(logged).toEqual([
      `warn: ${path} is not the file that was read before (${reason}): reading it from the start`,
    ])
    expect(counted).toEqual(['files_replaced'])
  })

  test('of another name counts as another file if names are compared', () => {
    const path = made()
    const other = rowOf('/x/other.log', 8, { created: 1 })
    expect(setUp().start(path, other, true).offset).toBe(8)
    const { start, logged } = setUp({ compareName: true })
    expect(start(path, other, true)).toEqual(AT_HEAD)
    // It was created after the row: the other file is looked for.
    expect(logged.join()).toStartWith('info: ')
    expect(setUp({ compareName: true }).start(path, rowOf(`/x/${basename(path)}`, 8), true).offset).toBe(8)
  })
})

describe('a .gz', () => {
  const first = gzipSync('one\n')
  const both = Buffer.concat([first, gzipSync('two\n')])
  const gzip = (change: Partial<OffsetRow>): OffsetRow => {
    const offset = change.offset ?? 0
    const marks = markerOf(both.subarray(Math.max(0, offset - 32), offset))
    return row(1, {
      id: 1,
      name: '/x/a.gz',
      fingerprint: undefined,
      fingerprintSize: 0,
      ...marks,
      ...change,
      offset,
    })
  }

  test('without a row is read from its start, or what is appended', () => {
    const path = made(both, 'a.gz')
    expect(setUp({ readFromHead: true }).start(path, undefined, true)).toEqual(AT_HEAD)
    expect(setUp().start(path, undefined, false)).toEqual(AT_HEAD)
    // As it was complete when it appeared, also if new files are not read from their start.
    expect(setUp({ newFromHead: false }).start(path, undefined, false)).toEqual(AT_HEAD)
    const skipped = { ...AT_HEAD, gzip: { memberAt: 0, skipTo: both.length } }
    expect(setUp().start(path, undefined, true)).toEqual(skipped)
    const { start, positions } = setUp()
    positions.skipped.add(path, statSync(path, { bigint: true }), 7, false)
    expect(start(path, undefined, true)).toEqual({ ...AT_HEAD, gzip: { memberAt: 0, skipTo: 7 } })
  })

  test('that is plain is read as that, and what is empty by its name', () => {
    expect(setUp().start(made(''), undefined, true)).toEqual(AT_HEAD)
    expect(setUp().start(made('one\n', 'a.gz'), undefined, true)).toEqual({ ...AT_HEAD, offset: 4 })
  })

  test('is read on at the decompressed position, from a member where one begins there', () => {
    const path = made(both, 'a.gz')
    const at = (change: Partial<OffsetRow>): Start => setUp().start(path, gzip(change), true)
    expect(at({ offset: 0, streamOffset: 3 })).toMatchObject({ offset: 3 })
    expect(at({ offset: 0, streamOffset: 3 }).gzip).toBeUndefined()
    expect(at({ offset: first.length, streamOffset: 4 })).toMatchObject({
      offset: 4,
      gzip: { memberAt: first.length },
    })
    expect(at({ offset: both.length, streamOffset: 8 })).toMatchObject({
      offset: 8,
      gzip: { memberAt: both.length },
    })
    expect(at({ offset: first.length - 3, streamOffset: 2 })).toMatchObject({
      offset: 2,
      gzip: { memberAt: 0 },
    })
    expect(at({ offset: first.length, streamOffset: 4, skipping: true }).isSkipping).toBe(true)
    expect(at({ offset: first.length, streamOffset: 4, marker: 1n })).toEqual(AT_HEAD)
    // Nothing is known of the bytes on disk: the position counts.
    const unknown = at({ offset: first.length, streamOffset: 4, marker: 1n, markerSize: 0 })
    expect([unknown.offset, unknown.gzip]).toEqual([4, undefined])
  })

  test('with a row of fluent-bit is read on where that can be: at its end, or at a member', () => {
    const path = made(both, 'a.gz')
    const theirs = { openedAs: undefined, streamOffset: undefined }
    const skipTo = (change: Partial<OffsetRow>): number | undefined =>
      setUp().start(path, gzip({ ...theirs, ...change }), true).gzip?.skipTo
    expect(skipTo({ offset: both.length })).toBe(both.length)
    expect(skipTo({ offset: first.length })).toBe(first.length)
    expect(skipTo({ offset: first.length - 3 })).toBe(0)
    // Ours, of a .gz that is skipped up to there.
    expect(skipTo({ offset: first.length - 3, openedAs: path })).toBe(first.length - 3)
  })

  test('of another name counts as another one if names are compared', () => {
    const path = made(both, 'b.gz')
    const other = gzip({ offset: first.length, streamOffset: 4 })
    expect(setUp({ compareName: true }).start(path, other, false)).toEqual(AT_HEAD)
    expect(setUp().start(path, other, false).offset).toBe(4)
    const same = gzip({ name: '/y/b.gz', offset: first.length, streamOffset: 4 })
    expect(setUp({ compareName: true }).start(path, same, false).offset).toBe(4)
  })
})
