import { describe, expect, test } from 'bun:test'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ReadCursor } from '../../../../../src/plugins/inputs/tail/file/read-cursor.ts'
import { readTo, tailFile } from '../../../../support/tail/tail-file.ts'
import { tmp } from '../../../../support/tmp.ts'

test('what is unread is told by the offset in the present content', () => {
  const cursor = new ReadCursor(40, 100, false, 5)
  expect([cursor.unread, cursor.isAtEnd, cursor.isAt(40), cursor.presentOffset]).toEqual([
    60,
    false,
    false,
    40,
  ])
  cursor.advance(60)
  expect([cursor.unread, cursor.isAtEnd, cursor.isAt(100), cursor.isAt(99)]).toEqual([0, true, true, false])
  cursor.recordTruncation(100, true)
  expect([cursor.unread, cursor.isAtEnd, cursor.isAt(100), cursor.presentOffset]).toEqual([
    100,
    false,
    false,
    0,
  ])
  // It stays so, whatever is seen before the file is read from its start.
  cursor.recordTruncation(20, false)
  expect([cursor.isRewritten, cursor.unread]).toEqual([true, 20])
  cursor.restart(30)
  expect([cursor.isRewritten, cursor.offset, cursor.startedAt]).toEqual([false, 0, 0])
  expect([cursor.size, cursor.greatestSize]).toEqual([30, 30])
})

test('a size that is smaller than one that was seen is no growth', () => {
  const cursor = new ReadCursor(0, 100, false, 5)
  cursor.recordGrowth(90)
  expect([cursor.size, cursor.greatestSize]).toEqual([100, 100])
  cursor.recordTruncation(50, false)
  cursor.recordGrowth(60)
  expect([cursor.size, cursor.greatestSize, cursor.isRewritten]).toEqual([60, 60, false])
})

test('a line that is skipped is skipped no more where reading begins again', () => {
  const cursor = new ReadCursor(7, 100, true, 5)
  expect(cursor.isSkipping).toBe(true)
  cursor.restart(0)
  expect(cursor.isSkipping).toBe(false)
  cursor.startSkipping()
  expect(cursor.isSkipping).toBe(true)
  cursor.stopSkipping()
  expect(cursor.isSkipping).toBe(false)
})

describe('the bytes before the offset', () => {
  const CONTENT = 'a first line of more than thirty-two bytes\na second line\n'

  test('are compared with those of the file', () => {
    const path = join(tmp(), 'a.log')
    const { cursor, handle } = tailFile(path, CONTENT)
    expect([cursor.lastBytesMatch(handle), cursor.lastBytesDiffer(handle)]).toEqual([true, false])
    cursor.moveTo(CONTENT.length)
    cursor.loadLastBytes(handle)
    expect(cursor.lastBytesLength).toBe(32)
    expect([cursor.lastBytesMatch(handle), cursor.lastBytesDiffer(handle)]).toEqual([true, false])
    writeFileSync(path, CONTENT.replace('second', 'sEcond'))
    expect([cursor.lastBytesMatch(handle), cursor.lastBytesDiffer(handle)]).toEqual([false, true])
    // They cannot be read: nothing is known.
    truncateSync(path, 10)
    expect([cursor.lastBytesMatch(handle), cursor.lastBytesDiffer(handle)]).toEqual([false, false])
    cursor.restart(10)
    expect([cursor.lastBytesLength, cursor.lastBytesMatch(handle)]).toEqual([0, true])
    cursor.recordTruncation(10, true)
    expect(cursor.lastBytesMatch(handle)).toBe(false)
    handle.close()
    expect(cursor.lastBytesDiffer(handle)).toBe(false)
  })

  test('are taken for the same when the file is closed: its last row is written', () => {
    const { cursor, handle } = tailFile(join(tmp(), 'a.log'), CONTENT)
    cursor.moveTo(CONTENT.length)
    cursor.loadLastBytes(handle)
    handle.close()
    expect([cursor.lastBytesMatch(handle), cursor.lastBytesDiffer(handle)]).toEqual([true, false])
  })

  test('are kept of the block that was read, and told when the next block begins with others', () => {
    const cursor = new ReadCursor(0, 0, false, 0)
    cursor.advance(5)
    cursor.keepLastBytes(Buffer.from('abcdefgh'), 5)
    expect([cursor.lastBytesLength, cursor.startsWithLastBytes(Buffer.from('abcdefgh'))]).toEqual([5, true])
    expect(cursor.startsWithLastBytes(Buffer.from('abcdXfgh'))).toBe(false)
    const long = Buffer.from('x'.repeat(40) + 'end')
    cursor.advance(38)
    cursor.keepLastBytes(long, 43)
    expect(cursor.lastBytesLength).toBe(32)
    expect(cursor.startsWithLastBytes(long.subarray(11))).toBe(true)
    expect(cursor.startsWithLastBytes(long)).toBe(false)
    expect(cursor.lastBytesMarker().markerSize).toBe(32)
    expect(new ReadCursor(0, 0, false, 0).startsWithLastBytes(long)).toBe(true)
  })
})

test('an unread file begins elsewhere with its bytes before that, and skips nothing', () => {
  const { cursor, handle } = tailFile(join(tmp(), 'a.log'), 'one\ntwo\n')
  cursor.startSkipping()
  cursor.startAt(4, handle)
  expect([cursor.offset, cursor.startedAt, cursor.size, cursor.isSkipping, cursor.lastBytesLength]).toEqual([
    4,
    4,
    8,
    false,
    4,
  ])
})

test('an acknowledged range ends where reading was', () => {
  const file = tailFile(join(tmp(), 'a.log'), 'one\ntwo\n')
  expect([file.isUnread, file.isUnsettled]).toEqual([true, false])
  readTo(file, 4)
  expect([file.isUnread, file.acks.position, file.isUnsettled]).toEqual([false, 4, false])
})
