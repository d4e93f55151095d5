import { expect, test } from 'bun:test'
import { escapeControls, escapeJsonControls, truncate } from '../../src/core/escape-controls.ts'

test('control characters are escaped, so that a text stays on one line and moves no cursor', () => {
  expect(escapeControls('a\nb\r\t\x00\x1b[2J\x7f\u0085\u2028\u202e')).toBe(
    'a\\nb\\r\\t\\x00\\x1b[2J\\x7f\\x85\\u2028\\u202e',
  )
  expect(escapeControls('größe 大 \\ 😀')).toBe('größe 大 \\ 😀')
  expect(JSON.parse(escapeJsonControls(JSON.stringify('a\u0085\n')))).toBe('a\u0085\n')
  expect(escapeJsonControls(JSON.stringify('\u0085'))).toBe('"\\u0085"')
})

test('a long text is truncated and ends with dots', () => {
  expect([truncate('abc', 3), truncate('abcd', 3)]).toEqual(['abc', 'abc...'])
})
