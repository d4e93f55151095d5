import { describe, expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ShipperError } from '../../../../../src/core/error.ts'
import type { OffsetRow } from '../../../../../src/core/offset-store.ts'
import type { TailFile } from '../../../../../src/plugins/inputs/tail/file/tail-file.ts'
import { Positions } from '../../../../../src/plugins/inputs/tail/tracking/positions.ts'
import { row } from '../../../../contract/offset-store/bench.ts'
import { ManualClock } from '../../../../support/engine/manual-clock.ts'
import { MemoryStore } from '../../../../support/tail/run.ts'
import { readTo, tailFile } from '../../../../support/tail/tail-file.ts'
import { tmp } from '../../../../support/tmp.ts'

const BUSY = new ShipperError('E_STORE_BUSY', 'busy')
const CONTENT = 'one\ntwo\nthree\n'

function setUp(stored: OffsetRow[] = []) {
  const store = new MemoryStore()
  store.table = stored
  const clock = new ManualClock()
  const logged: string[] = []
  const logAt = (level: string) => (message: string) => void logged.push(`${level}: ${message}`)
  const log = { error: logAt('error'), warn: logAt('warn'), info: logAt('info'), debug: logAt('debug') }
  const positions = new Positions(store, ['/a/*.log'], clock, log)
  return { store, clock, logged, positions, file: () => tailFile(join(tmp(), 'a.log'), CONTENT) }
}

describe('rows of one inode', () => {
  const old = row(1, { id: 1, inode: 7n, device: 1n })
  const other = row(2, { id: 2, inode: 7n, device: 2n })
  const last = row(3, { id: 3, inode: 7n, device: 1n })

  test('the newest one of the device is found, else the newest', () => {
    const { positions } = setUp([old, other, last])
    expect(positions.find(1n, 7n)?.id).toBe(3)
    expect(positions.find(2n, 7n)?.id).toBe(2)
    expect(positions.find(9n, 7n)?.id).toBe(3)
    expect(positions.find(1n, 8n)).toBeUndefined()
  })

  test('one of fluent-bit, without a device, is found for any', () => {
    const { positions } = setUp([old, row(4, { id: 4, inode: 7n, device: undefined })])
    expect(positions.find(1n, 7n)?.id).toBe(4)
    expect(positions.find(9n, 7n)?.id).toBe(4)
  })

  test('are claimed one by one', () => {
    const { positions } = setUp([old, other, last])
    const found = positions.find(1n, 7n) as OffsetRow
    positions.claim(found)
    positions.claim(found)
    expect([positions.isUnclaimed(found), positions.find(1n, 7n)?.id]).toEqual([false, 1])
    positions.claim(positions.find(1n, 7n) as OffsetRow)
    expect(positions.unclaimed().map(({ id }) => id)).toEqual([2])
    positions.claim(positions.find(2n, 7n) as OffsetRow)
    expect([positions.unclaimed(), positions.find(2n, 7n)]).toEqual([[], undefined])
  })

  test('include those of files that were skipped', () => {
    const { positions } = setUp([old])
    const skipped = positions.addSkipped({
      path: '/a/x.log',
      device: 1n,
      inode: 7n,
      birthMs: 5000,
      offset: 9,
    })
    expect(positions.unclaimed()).toHaveLength(2)
    expect(positions.find(1n, 7n)).toBe(skipped)
    expect(skipped).toMatchObject({ offset: 9, birthMs: 5000, openedAs: '/a/x.log', id: undefined })
  })
})

describe('a row is written', () => {
  test('at once when its file was opened, and 250 ms after an acknowledgement', () => {
    const { store, clock, positions, file } = setUp()
    const one = file()
    positions.adopt(one)
    clock.advance(0)
    expect(store.table).toMatchObject([{ id: 1, offset: 0, fingerprintSize: CONTENT.length }])
    readTo(one, 4)
    positions.touch(one, 4)
    clock.advance(249)
    expect(store.table[0]?.offset).toBe(0)
    clock.advance(1)
    expect(store.table).toMatchObject([{ id: 1, offset: 4, markerSize: 4, size: CONTENT.length }])
    expect([store.writes, clock.waiting]).toEqual([2, 0])
    // Nothing has changed since.
    positions.commit()
    expect(store.writes).toBe(2)
  })

  test('with its birth, and with its size while it has more', () => {
    const { store, positions, file } = setUp()
    const one = tailFile(join(tmp(), 'a.log'), CONTENT)
    positions.touch(one)
    positions.commit()
    expect(store.table[0]).toMatchObject({
      birthMs: Math.floor(one.identity.birthMs),
      size: CONTENT.length,
    })
    readTo(one, CONTENT.length)
    positions.touch(one)
    positions.commit()
    const { birthMs } = one.identity
    expect(store.table.map((row) => [row.birthMs, row.size])).toEqual([[Math.floor(birthMs), undefined]])
    // Its size is of another content.
    const two = file()
    two.cursor.recordTruncation(CONTENT.length, true)
    positions.touch(two)
    positions.commit()
    expect(store.table[1]?.size).toBeUndefined()
  })

  test('of a file that is opened while another write is due, at once', () => {
    const { store, clock, positions, file } = setUp()
    positions.touch(file(), 4)
    positions.adopt(file())
    clock.advance(0)
    expect([store.table.length, store.writes, clock.waiting]).toEqual([2, 1, 0])
  })

  test('without waiting after 4 MB, once for all that settles together', async () => {
    const { store, positions, file } = setUp()
    const [one, two] = [file(), file()]
    positions.touch(one, 3_999_999)
    await Promise.resolve()
    expect(store.writes).toBe(0)
    positions.touch(two, 1)
    positions.touch(two, 1)
    expect(store.writes).toBe(0)
    await Promise.resolve()
    expect([store.writes, store.table.length]).toEqual([1, 2])
    positions.touch(one, 4_000_000)
    await Promise.resolve()
    positions.touch(two, 1)
    await Promise.resolve()
    expect(store.writes).toBe(2)
  })

  test('not after the stop', async () => {
    const { store, positions, file, clock } = setUp()
    const one = file()
    positions.touch(one, 4_000_000)
    positions.close()
    expect(store.writes).toBe(1)
    positions.touch(one, 4_000_000)
    await Promise.resolve()
    expect(store.writes).toBe(1)
    expect(clock.waiting).toBe(0)
  })

  test('not when nothing has changed', () => {
    const { store, positions } = setUp()
    expect(positions.commit()).toBe(true)
    expect(store.writes).toBe(0)
  })

  test('as it was while its file is truncated and not read again, and as unread when it has none', () => {
    const { store, positions, file } = setUp()
    const [known, unknown] = [file(), file()]
    positions.touch(known)
    positions.commit()
    for (const one of [known, unknown]) {
      readTo(one, 8)
      writeFileSync(one.path, 'another')
      positions.touch(one)
    }
    positions.commit()
    expect(store.table.map(({ offset, markerSize }) => [offset, markerSize])).toEqual([
      [0, 0],
      [0, 0],
    ])
    expect(store.table.map(({ fingerprintSize }) => fingerprintSize)).toEqual([CONTENT.length, 0])
  })
})

describe('the rows of many files', () => {
  const MANY = 250

  function many() {
    const made = setUp()
    const dir = tmp()
    const files = Array.from({ length: MANY }, (_, i) => tailFile(join(dir, `${i}.log`), CONTENT))
    for (const one of files) made.positions.touch(one, 4)
    return { ...made, files }
  }

  test('are written in several turns, each once, and the scan that found them with the last ones', () => {
    const { store, clock, positions } = many()
    positions.recordScan(1000)
    clock.advance(250)
    expect(store.writes).toBeGreaterThan(1)
    expect(store.table).toHaveLength(MANY)
    expect(new Set(store.table.map(({ name }) => name)).size).toBe(MANY)
    expect(clock.waiting).toBe(0)
    const { positions: next, store: first } = many()
    next.recordScan(1000)
    next.commit()
    expect(first.table.length).toBeLessThan(MANY)
    expect(first.lastScan).toBeUndefined()
  })

  test('are written at once when 4 MB of them are acknowledged, when two may share a record, and at the stop', async () => {
    const big = many()
    big.positions.touch(big.file(), 4_000_000)
    await Promise.resolve()
    expect([big.store.writes, big.store.table.length]).toEqual([1, MANY + 1])
    const { store, positions, files } = many()
    files[MANY - 1]?.readAfter(files[0])
    positions.commit()
    expect([store.writes, store.table.length]).toEqual([1, MANY])
    const stopped = many()
    stopped.positions.close()
    expect([stopped.store.writes, stopped.store.table.length]).toEqual([1, MANY])
  })

  test('do not wait behind files that have nothing to be written', () => {
    const { store, clock, positions, files, file } = many()
    positions.commit()
    clock.advance(0)
    for (const one of files) {
      one.cursor.recordTruncation(1, true)
      positions.touch(one)
    }
    positions.touch(file())
    for (let i = 0; i < MANY / 8 && store.table.length === MANY; i++) clock.advance(250)
    expect(store.table).toHaveLength(MANY + 1)
  })
})

describe('a write that fails', () => {
  test('is retried after 2 s, not earlier, whatever is opened and acknowledged, and logged once', async () => {
    const { store, clock, logged, positions, file } = setUp()
    store.failing = BUSY
    const one = file()
    positions.adopt(one)
    clock.advance(0)
    expect(positions.commit()).toBe(false)
    store.failing = undefined
    positions.adopt(file())
    positions.touch(one, 4_000_000)
    await Promise.resolve()
    clock.advance(1999)
    expect(store.writes).toBe(0)
    clock.advance(1)
    expect([store.writes, store.table.length]).toEqual([1, 2])
    expect(logged).toEqual([
      'warn: cannot write positions, retrying: busy',
      'info: positions are being written again',
    ])
  })

  test('at the end is an error: the next run may send lines again', () => {
    const { store, logged, positions, file } = setUp()
    store.failing = BUSY
    positions.adopt(file())
    positions.close()
    expect(logged).toEqual([
      'warn: cannot write positions, retrying: busy',
      'error: positions could not be stored: the next run may send acknowledged lines again',
    ])
  })

  test('keeps what was to be removed, closed and recorded', () => {
    const { store, positions, file, clock } = setUp([row(1, { id: 11 }), row(2, { id: 12, closedAt: 5 })])
    const [gone] = positions.unclaimed() as [OffsetRow]
    const [closed] = positions.closedBefore as [OffsetRow]
    store.failing = BUSY
    positions.recordScan(1000)
    positions.remove(gone)
    positions.forgetClosed(closed)
    const kept = positions.keepClosed(file())
    positions.commit()
    store.failing = undefined
    clock.advance(2000)
    expect(store.table.map(({ name, closedAt }) => [name, closedAt])).toEqual([
      [kept.name, Math.floor(clock.nowMs() / 1000) - 2],
    ])
    expect([store.lastScan, store.skipped]).toEqual([1000, []])
  })

  test('does not keep a commit that was already under way from ending', async () => {
    const { store, positions, file } = setUp()
    const one = file()
    positions.touch(one, 4_000_000)
    store.failing = BUSY
    expect(positions.commit()).toBe(false)
    store.failing = undefined
    await Promise.resolve()
    expect(store.writes).toBe(0)
    expect(positions.commit()).toBe(true)
    positions.touch(one, 4_000_000)
    await Promise.resolve()
    expect(store.writes).toBe(2)
  })
})

describe('the row of a file that is closed', () => {
  test('is removed when nothing more is expected of it, and not written again', () => {
    const { store, positions, file, clock } = setUp()
    const [one, never] = [file(), file()]
    positions.adopt(one)
    positions.commit()
    positions.touch(one)
    positions.touch(never)
    for (const each of [one, never]) positions.forget(each)
    clock.advance(250)
    expect([store.table, store.writes]).toEqual([[], 2])
  })

  test('is kept with the time, is left to the file when it is opened again, and can be forgotten', () => {
    const { store, positions, file, clock } = setUp()
    const one = file()
    positions.adopt(one)
    positions.commit()
    positions.touch(one)
    const closed = positions.keepClosed(one)
    clock.advance(250)
    const closedAt = Math.floor((clock.nowMs() - 250) / 1000)
    expect(store.table).toMatchObject([{ id: 1, closedAt }])
    const again = positions.keepClosed(one)
    positions.reopen(again)
    clock.advance(250)
    expect(store.writes).toBe(2)
    const unwritten = positions.keepClosed(file())
    positions.forgetClosed(unwritten)
    positions.forgetClosed(closed)
    clock.advance(250)
    expect(store.table).toEqual([])
  })
})

test('a row that is removed is not found any more, and written out soon; a file without one causes no write', () => {
  const { store, positions, clock, file } = setUp([row(1, { id: 11, inode: 7n, device: 1n })])
  positions.forget(file())
  clock.advance(1000)
  expect([store.writes, clock.waiting]).toEqual([0, 0])
  positions.remove(positions.find(1n, 7n) as OffsetRow)
  expect(positions.find(1n, 7n)).toBeUndefined()
  clock.advance(250)
  expect([store.writes, store.table]).toEqual([1, []])
  // Once: the store may have given its id to another file since.
  positions.commit()
  positions.adopt(file())
  positions.commit()
  expect([store.writes, store.table.length]).toEqual([2, 1])
  let isClosed = false
  store.close = () => {
    isClosed = true
  }
  positions.close()
  expect(isClosed).toBe(true)
})

test.each(['forget', 'keepClosed'] as const)(
  '%s: what is acknowledged later writes no row of the file',
  (release) => {
    const { store, positions, file, clock } = setUp()
    const made = file()
    positions.adopt(made)
    positions.commit()
    positions[release](made)
    positions.commit()
    const rows = store.table
    positions.touch(made, 4)
    clock.advance(60_000)
    expect(store.table).toEqual(rows)
  },
)
test('a file that is closed before its row was written has one row', () => {
  const { store, positions, file } = setUp()
  const one = file()
  positions.touch(one)
  positions.keepClosed(one)
  positions.commit()
  expect(store.table.map(({ closedAt }) => closedAt !== undefined)).toEqual([true])
})

test('the row of a closed file has its birth time, which tells it from the next file with its inode', () => {
  const { positions, file } = setUp()
  const one = file()
  readTo(one, CONTENT.length)
  expect(positions.keepClosed(one).birthMs).toBe(Math.floor(one.identity.birthMs))
})

describe('scans', () => {
  test('are known by their time before they are written: that of the previous run until the first', () => {
    const { store, clock, positions } = setUp()
    expect(positions.lastScanMs).toBe(0)
    store.lastScan = 1000
    const log = { error() {}, warn() {}, info() {}, debug() {} }
    const next = new Positions(store, ['/a/*.log'], clock, log)
    expect(next.lastScanMs).toBe(1000)
    next.recordScan(2000)
    expect([next.lastScanMs, store.lastScan]).toEqual([2000, 1000])
  })

  test('are written with rows, but cause no write, except the first', () => {
    const { store, positions, file, clock } = setUp()
    positions.recordScan(1000)
    positions.commit()
    expect([store.writes, store.lastScan, store.skipped]).toEqual([1, 1000, []])
    positions.recordScan(2000)
    positions.commit()
    expect([store.writes, store.lastScan]).toEqual([1, 1000])
    positions.adopt(file())
    clock.advance(0)
    expect([store.writes, store.lastScan]).toEqual([2, 2000])
  })

  test('are written only when nothing is searched for any more', () => {
    const { store, positions, file, clock } = setUp()
    positions.holdScans(true)
    positions.recordScan(1000)
    positions.adopt(file())
    clock.advance(0)
    expect([store.writes, store.lastScan]).toEqual([1, undefined])
    positions.holdScans(false)
    positions.adopt(file())
    clock.advance(0)
    expect([store.writes, store.lastScan]).toEqual([2, 1000])
  })

  test('tell what is new: by birth, or, when it is known what was skipped, by having no row', () => {
    const { store, clock } = setUp()
    const log = { error() {}, warn() {}, info() {}, debug() {} }
    const made = (): Positions => new Positions(store, ['/a/*.log'], clock, log)
    expect([made().createdSinceLastScan(5), made().appearedSinceLastScan(5)]).toEqual([false, false])
    store.skipped = []
    expect(made().appearedSinceLastScan(5)).toBe(false)
    store.lastScan = 1000
    expect([made().appearedSinceLastScan(5), made().createdSinceLastScan(5)]).toEqual([true, false])
    store.skipped = undefined
    expect([made().appearedSinceLastScan(1000), made().appearedSinceLastScan(1001)]).toEqual([false, true])
  })
})

describe('a file of whose records places are wanted', () => {
  const wanted = () => {
    const path = join(tmp(), 'a.log')
    return tailFile(path, CONTENT, 0, undefined, 'agent')
  }

  test('waits until the name of its content is stored, also after a truncation', async () => {
    const { store, clock, positions } = setUp()
    const file = wanted()
    positions.adopt(file)
    const wait = positions.placeStored(file)
    expect(wait).toBeInstanceOf(Promise)
    clock.advance(0)
    await wait
    expect(store.table.map(({ placeId }) => placeId)).toEqual([file.stored.placeId])
    expect(positions.placeStored(file)).toBeUndefined()
    const before = file.stored.placeId
    file.restart(0, undefined)
    const again = positions.placeStored(file)
    expect(again).toBeInstanceOf(Promise)
    clock.advance(0)
    await again
    expect(file.stored.placeId).not.toBe(before)
    expect(store.table.map(({ placeId }) => placeId)).toEqual([file.stored.placeId])
    expect(positions.placeStored(file)).toBeUndefined()
  })

  test('does not wait while nothing can be written', async () => {
    const { store, clock, positions } = setUp()
    store.failing = BUSY
    const file = wanted()
    positions.adopt(file)
    const wait = positions.placeStored(file)
    clock.advance(0)
    await wait
    expect(positions.placeStored(file)).toBeUndefined()
    store.failing = undefined
    clock.advance(5000)
    expect(store.table.map(({ placeId }) => placeId)).toEqual([file.stored.placeId])
  })

  test('waits for its row, if that is written later than others', async () => {
    const { clock, positions } = setUp()
    const files = Array.from({ length: 500 }, wanted)
    for (const file of files) positions.adopt(file)
    const waits = files.map((file) => positions.placeStored(file))
    clock.advance(5000)
    await Promise.all(waits)
    expect(files.filter((file) => !file.stored.isPlaceStored)).toEqual([])
  })

  test('has no name in its row where no output wants places', () => {
    const { store, positions, file } = setUp()
    positions.adopt(file())
    expect(positions.placeStored(file())).toBeUndefined()
    positions.commit()
    expect(store.table.map(({ placeId }) => placeId)).toEqual([undefined])
  })
})

describe('the mark of a content', () => {
  function marking() {
    const made = setUp()
    made.store.path = '/pos.db'
    const file = (): ReturnType<typeof tailFile> => {
      const one = tailFile(join(tmp(), 'a.log'), CONTENT, 0, undefined, 'agent')
      made.positions.touch(one)
      return one
    }
    const files = [file(), file(), file()] as const
    made.positions.commit()
    const read = (one: TailFile, offset: number): void => {
      one.cursor.moveTo(offset)
      one.cursor.loadLastBytes(one.handle)
      made.positions.beginRead(one)
    }
    return { ...made, files, read }
  }
  const sizes = ({ table }: MemoryStore): (number | undefined)[] =>
    table.map(({ placeMark }) => placeMark?.size)

  test('is stored for all files that were read, in one write, and not again before the end of what it covers', () => {
    const { store, positions, files, read } = marking()
    expect(sizes(store)).toEqual([undefined, undefined, undefined])
    const [one, two] = files
    read(one, 4)
    read(two, 8)
    expect(positions.storeMark(one)).toBe(true)
    // All that the file has, as that ends with a line.
    expect([sizes(store), store.writes]).toEqual([[14, 14, undefined], 2])
    expect(positions.storeMark(two)).toBe(true)
    read(one, 14)
    expect([positions.storeMark(one), store.writes]).toEqual([true, 2])
    appendFileSync(one.path, 'four\nfi')
    one.refresh()
    read(one, 19)
    expect(positions.storeMark(one)).toBe(true)
    expect([sizes(store), store.writes]).toEqual([[19, 14, undefined], 3])
  })

  test('is of what was read, when the file has something else by now', () => {
    const { store, positions, files, read } = marking()
    read(files[0], 8)
    const { placeId } = files[0].stored
    writeFileSync(files[0].path, 'ONE\nTWO\nTHREE\n')
    expect(positions.storeMark(files[0])).toBe(true)
    expect(store.table[0]).toMatchObject({ placeId, placeMark: { size: 8, hashed: 8 } })
  })

  test('that cannot be stored is known to the file, whose content then has a name that is not stored', () => {
    const { store, clock, positions, files, read } = marking()
    const [one] = files
    const { placeId } = one.stored
    read(one, 4)
    store.failing = BUSY
    expect(positions.storeMark(one)).toBe(false)
    one.stored.leavePlace(one.stored.placeMark)
    store.failing = undefined
    expect(one.stored.placeId).not.toBe(placeId)
    positions.touch(one)
    clock.advance(2000)
    expect(store.table[2]).toMatchObject({ placeId: one.stored.placeId, placeMark: { size: 14 } })
  })
})
