import { expect, test } from 'bun:test'
import {
  type Cursor,
  entriesBetween,
  isSameEntry,
  parseCursor,
  seqnumAt,
  timeCursor,
} from '../../../../src/plugins/inputs/systemd/cursor.ts'

const ENTRY = `b=${'b'.repeat(32)};m=131291d;t=60a24194f6918;x=8a81bd55eb94138a`
const cursor = (seqnumId: string, seqnum: string, entry = ENTRY): Cursor => {
  const parsed = parseCursor(`s=${seqnumId.repeat(32)};i=${seqnum};${entry}`)
  if (parsed === undefined) throw new Error('not a cursor')
  return parsed
}

test('a cursor has a sequence number and a time', () => {
  expect(cursor('a', '4e20')).toMatchObject({
    seqnumId: 'a'.repeat(32),
    seqnum: 20_000,
    realtimeUs: 1_700_000_019_999_000,
  })
  expect(timeCursor(cursor('a', '4e20'))).toBe('t=60a24194f6918')
})

test('seqnumAt reads the sequence number from the bytes of a cursor', () => {
  for (const seqnum of ['0', 'f', '4e20', '1fffffffffffff'])
    expect(seqnumAt(Buffer.from(`__${cursor('a', seqnum).text}`), 2)).toBe(Number.parseInt(seqnum, 16))
  expect(seqnumAt(Buffer.from('s='), 0)).toBe(0)
})

test.each([
  '',
  '(null)',
  's=1;i=2',
  `s=${'a'.repeat(32)};i=1;${ENTRY} `,
  `s=${'a'.repeat(32)};i=1;${ENTRY};y=1`,
])('%j is not a cursor', (text) => {
  expect(parseCursor(text)).toBeUndefined()
})

test('two cursors name the same entry in another file, but not when its number was reused after the journal lost its end', () => {
  expect(isSameEntry(cursor('a', '5'), cursor('a', '5'))).toBe(true)
  expect(isSameEntry(cursor('a', '5'), cursor('c', '9'))).toBe(true)
  expect(isSameEntry(cursor('a', '5'), cursor('a', '6'))).toBe(false)
  expect(isSameEntry(cursor('a', '5'), cursor('a', '5', ENTRY.replace('t=6', 't=7')))).toBe(false)
})

test('the number of missing entries is known only within one sequence', () => {
  expect(entriesBetween(cursor('a', '5'), cursor('a', '9'))).toBe(3)
  expect(entriesBetween(cursor('a', '5'), cursor('a', '6'))).toBe(0)
  expect(entriesBetween(cursor('a', '5'), cursor('a', '5'))).toBeUndefined()
  expect(entriesBetween(cursor('a', '5'), cursor('a', '4'))).toBeUndefined()
  expect(entriesBetween(cursor('a', '5'), cursor('c', '9'))).toBeUndefined()
})
