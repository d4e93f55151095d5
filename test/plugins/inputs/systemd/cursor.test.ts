import { expect, test } from 'bun:test'
import {
  type Cursor,
  entriesBetween,
  isSameEntry,
  numberIn,
  parseCursor,
  timeCursor,
} from '../../../../src/plugins/inputs/systemd/cursor.ts'

const ENTRY = `b=${'b'.repeat(32)};m=131291d;t=60a24194f6918;x=8a81bd55eb94138a`
const cursor = (sequence: string, number: string, entry = ENTRY): Cursor => {
  const parsed = parseCursor(`s=${sequence.repeat(32)};i=${number};${entry}`)
  if (parsed === undefined) throw new Error('it is no cursor')
  return parsed
}

test('a cursor has a number in a sequence and a time', () => {
  expect(cursor('a', '4e20')).toMatchObject({
    sequence: 'a'.repeat(32),
    number: 20_000,
    us: 1_700_000_019_999_000,
  })
  expect(timeCursor(cursor('a', '4e20'))).toBe('t=60a24194f6918')
})

test('its number is read without making anything of it', () => {
  for (const number of ['0', 'f', '4e20', '1fffffffffffff'])
    expect(numberIn(Buffer.from(`__${cursor('a', number).text}`), 2)).toBe(Number.parseInt(number, 16))
  expect(numberIn(Buffer.from('s='), 0)).toBe(0)
})

test.each([
  '',
  '(null)',
  's=1;i=2',
  `s=${'a'.repeat(32)};i=1;${ENTRY} `,
  `s=${'a'.repeat(32)};i=1;${ENTRY};y=1`,
])('%j is no cursor', (text) => {
  expect(parseCursor(text)).toBeUndefined()
})

test('an entry is the same in another file, and another one has its number after the journal lost its end', () => {
  expect(isSameEntry(cursor('a', '5'), cursor('a', '5'))).toBe(true)
  expect(isSameEntry(cursor('a', '5'), cursor('c', '9'))).toBe(true)
  expect(isSameEntry(cursor('a', '5'), cursor('a', '6'))).toBe(false)
  expect(isSameEntry(cursor('a', '5'), cursor('a', '5', ENTRY.replace('t=6', 't=7')))).toBe(false)
})

test('how many are missing is known within one sequence only', () => {
  expect(entriesBetween(cursor('a', '5'), cursor('a', '9'))).toBe(3)
  expect(entriesBetween(cursor('a', '5'), cursor('a', '6'))).toBe(0)
  expect(entriesBetween(cursor('a', '5'), cursor('a', '5'))).toBeUndefined()
  expect(entriesBetween(cursor('a', '5'), cursor('a', '4'))).toBeUndefined()
  expect(entriesBetween(cursor('a', '5'), cursor('c', '9'))).toBeUndefined()
})
