import { expect, test } from 'bun:test'
import { bytesText } from '../../../src/lib/text/bytes.ts'
import { countText, durationText } from '../../../src/lib/text/duration.ts'
import { timeText } from '../../../src/observe/terminal/human-units.ts'

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 KB'],
  [999_949, '999.9 KB'],
  [999_951, '1.0 MB'],
  [16_000_000, '16.0 MB'],
  [5e15, '5000.0 TB'],
] as [number, string][])('%d bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text)
})

test.each([
  [-5, '0:00'],
  [6_600, '0:07'],
  [727_000, '12:07'],
  [3_723_000, '1:02:03'],
  [176_523_000, '2 d 01:02:03'],
] as [number, string][])('%d ms are %s', (ms, text) => {
  expect(timeText(ms)).toBe(text)
})

test.each([
  [0, '0 s'],
  [12_999, '12 s'],
  [60_000, '1 min'],
  [65_000, '1 min 5 s'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [273_600_000, '3 d 4 h'],
  [-5, '0 s'],
])('%d ms are %s', (ms, text) => {
  expect(durationText(ms)).toBe(text)
})

test.each([
  [0, '0'],
  [999, '999'],
  [8408, '8,408'],
  [1_234_567, '1,234,567'],
])('%d is written %s', (n, text) => {
  expect(countText(n)).toBe(text)
})
