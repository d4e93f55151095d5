import { expect, test } from 'bun:test'
import {
  bootOffset,
  type Cursor,
  compareInBoot,
  entriesBetween,
  isSameEntry,
  laterInBoot,
  parseCursor,
  seqnumAt,
  sortsBefore,
  startOfBoot,
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
  expect([cursor('a', '4e20').boot, cursor('a', '4e20').monotonic]).toEqual(['b'.repeat(32), '131291d'])
})

test('the first later entry of a boot is one microsecond after, and the first of all at zero', () => {
  const boot = 'b'.repeat(32)
  expect(startOfBoot(boot)).toBe(`b=${boot};m=0`)
  expect(laterInBoot(cursor('a', '1'))).toBe(`b=${boot};m=131291e;t=60a24194f6918`)
  const last = cursor('a', '1', ENTRY.replace('m=131291d', `m=${'f'.repeat(16)}`))
  expect(laterInBoot(last)).toBe(`b=${boot};m=${'f'.repeat(16)};t=60a24194f6918`)
  expect(compareInBoot(cursor('a', '1'), last)).toBeLessThan(0)
})

test('entries sort by number in a sequence, by time since boot in a boot, else by the time of day', () => {
  const other = ENTRY.replace('b'.repeat(32), 'c'.repeat(32))
  const earlier = other.replace('t=60a', 't=50a')
  expect(sortsBefore(cursor('a', '1'), cursor('a', '2', earlier))).toBe(true)
  expect(sortsBefore(cursor('a', '9'), cursor('e', '1', ENTRY.replace('m=131291d', 'm=131291e')))).toBe(true)
  expect(sortsBefore(cursor('a', '1'), cursor('e', '2', earlier))).toBe(false)
})

test('bootOffset finds the boot id after a sequence number of any length', () => {
  for (const seqnum of ['0', '4e20', 'f'.repeat(16)]) {
    const bytes = Buffer.from(`__${cursor('a', seqnum).text}`)
    expect(bytes.toString('latin1', bootOffset(bytes, 2)).slice(0, 33)).toBe(`${'b'.repeat(32)};`)
  }
  expect(bootOffset(Buffer.from('s='), 0)).toBeGreaterThan(0)
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
