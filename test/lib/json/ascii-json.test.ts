import { expect, test } from 'bun:test'
import { asciiEnd, writeAsciiJson } from '../../../src/lib/json/ascii-json.ts'

test('JSON with every kind of character becomes ASCII with the same value', () => {
  const text = JSON.stringify({
    a: 'ä\u07ff',
    'ключ\u0800': ['日本\uffff', '😀\u{10ffff}', 'plain "x" \\ \n'],
  })
  const src = Buffer.from(`[${text}]`)
  const out = Buffer.alloc(src.length * 3)
  const end = writeAsciiJson(src, 1, src.length - 1, out, 0)
  const written = out.toString('latin1', 0, end)
  expect(asciiEnd(out, 0, end)).toBe(end)
  expect(written).toContain('\\u00e4')
  expect(written).toContain('\\ud83d\\ude00')
  expect(JSON.parse(written)).toEqual(JSON.parse(text))
})

test('the first byte beyond ASCII is found', () => {
  expect(asciiEnd(Buffer.from('abc'), 1, 3)).toBe(3)
  expect(asciiEnd(Buffer.from('abä'), 0, 4)).toBe(2)
})
