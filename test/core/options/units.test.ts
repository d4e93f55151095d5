import { describe, expect, test } from 'bun:test'
import { formatSize, formatTime, parseBool, parseSize, parseTime } from '../../../src/core/options/units.ts'
import { fc } from '../../support/property.ts'

describe('sizes', () => {
  test('have units that are powers of 1000, with or without B, in any case', () => {
    for (const text of ['5M', '5m', '5MB', '5mb', '5 M']) expect(parseSize(text)).toBe(5_000_000)
    expect(parseSize('32K')).toBe(32_000)
    expect(parseSize('2G')).toBe(2_000_000_000)
    expect(parseSize('1.5M')).toBe(1_500_000)
    expect(parseSize('123')).toBe(123)
    expect(parseSize('100b')).toBe(100)
  })

  test('false, off and no are 0', () => {
    expect(['false', 'Off', 'no'].map(parseSize)).toEqual([0, 0, 0])
    expect(parseSize('False')).toBe(0)
  })

  test('return undefined for invalid text', () => {
    for (const text of ['', 'M', '5X', '5MiB', '5 5', '0x10', 'true']) expect(parseSize(text)).toBeUndefined()
  })

  test('survive formatting and parsing', () => {
    expect([4096, 32_000, 1_500_000, 2_000_000_000, 0].map(formatSize)).toEqual([
      '4096',
      '32K',
      '1.5M',
      '2G',
      '0',
    ])
    fc.assert(fc.property(fc.nat(), (n) => parseSize(formatSize(n)) === n))
  })
})

describe('times', () => {
  test('are seconds without a suffix, and milliseconds when parsed', () => {
    expect(['60', '0.5', '5s', '5m', '2h', '1d', '250ms', '.25'].map(parseTime)).toEqual([
      60_000, 500, 5000, 300_000, 7_200_000, 86_400_000, 250, 250,
    ])
  })

  test('accept sec.nsec, rounded to nanoseconds', () => {
    expect(parseTime('1.250000000')).toBe(1250)
    expect(parseTime('0.000000001')).toBe(0.000001)
    expect(parseTime('0.07')).toBe(70)
    expect(parseTime('False')).toBe(0)
  })

  test('return undefined for invalid text', () => {
    for (const text of ['', 's', 'abc', '5w', '5 5', '1:30', '.']) expect(parseTime(text)).toBeUndefined()
  })

  test('survive formatting and parsing', () => {
    expect([0, 1, 1500, 60_000, 86_400_000].map(formatTime)).toEqual(['0s', '1ms', '1500ms', '1m', '1d'])
    fc.assert(fc.property(fc.nat(), (n) => parseTime(formatTime(n)) === n))
  })
})

test('a switch is one of three words for each state', () => {
  expect(['true', 'On', 'YES'].map(parseBool)).toEqual([true, true, true])
  expect(['false', 'Off', 'no'].map(parseBool)).toEqual([false, false, false])
  for (const text of ['1', '0', '', 'enabled', 'y']) expect(parseBool(text)).toBeUndefined()
})
