import { expect, test } from 'bun:test'
import { strftime } from '../../../src/lib/time/strftime.ts'

const SEC = Date.UTC(2026, 0, 4, 0, 5, 9) / 1000

function utc(format: string, sec = SEC): string {
  return strftime(format, sec, 7_000_001, 'utc')
}

// Values of Ruby 3.4; more are in test/fixtures/ruby/expressions.json.
test('formats as Ruby does, with flags and widths', () => {
  expect(utc('%Y-%m-%dT%H:%M:%S.%L%z')).toBe('2026-01-04T00:05:09.007+0000')
  expect(utc('%-d/%-m/%y %e %j')).toBe('4/1/26  4 004')
  expect(utc('%I:%M %p %P %l %k')).toBe('12:05 AM am 12  0')
  expect(utc('%a %A %^a %b %B %#B %h')).toBe('Sun Sunday SUN Jan January JANUARY Jan')
  expect(utc('%N %3N %6N %12N')).toBe('007000001 007 007000 007000001000')
  expect(utc('%:z %::z %Z')).toBe('+00:00 +00:00:00 UTC')
  expect(utc('%010Y|%_5d|%-5d|%3S')).toBe('0000002026|    4|4|009')
  expect(utc('%% %Q')).toBe('% %Q')
})

test('knows the weeks of a year by Sunday, Monday and ISO 8601', () => {
  expect(utc('%U %W %V %G %u %w')).toBe('01 00 01 2026 7 0')
  expect(utc('%V %G', Date.UTC(2027, 0, 1) / 1000)).toBe('53 2026')
  expect(utc('%V %G', Date.UTC(2024, 11, 30) / 1000)).toBe('01 2025')
})

test('uses the zone of the machine for local times', () => {
  const minutes = -new Date(SEC * 1000).getTimezoneOffset()
  const local = strftime('%Y-%m-%dT%H:%M:%S%:z', SEC, 0, 'local')
  expect(Date.parse(local)).toBe(SEC * 1000)
  expect(strftime('%z', SEC, 0, 'local')).toBe(
    `${minutes < 0 ? '-' : '+'}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0')}${String(Math.abs(minutes) % 60).padStart(2, '0')}`,
  )
})

test('formats in the zone of an offset', () => {
  expect(strftime('%F %T%z|%:z|%Z|', SEC, 0, 19_800)).toBe('2026-01-04 05:35:09+0530|+05:30||')
})

test('limits the width of a field', () => {
  expect(utc('%999d')).toHaveLength(100)
})
