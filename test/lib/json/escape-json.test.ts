import { expect, test } from 'bun:test'
import { escapeJson } from '../../../src/lib/json/escapes.ts'
import { seeded } from '../../support/shipping.ts'

test('escapeJson writes what JSON.stringify does', () => {
  const random = seeded(17)
  const parts = [
    'a',
    'text',
    '"',
    '\\',
    '\n',
    '\u0000',
    '\u001f',
    '\u007f',
    ' ',
    'ä',
    '日',
    '\u{1f600}',
    '!',
    '#',
    '[',
  ]
  for (let i = 0; i < 2000; i++) {
    const count = Math.floor(random() * 12)
    const text = Array.from({ length: count }, () => parts[Math.floor(random() * parts.length)]).join('')
    const src = Buffer.from(`"${text}\\`)
    const out = Buffer.alloc(6 * src.length + 1, '~')
    const end = escapeJson(src, 1, src.length - 1, out, 1)
    expect(out.toString('utf8', 1, end)).toBe(JSON.stringify(text).slice(1, -1))
    expect(out.subarray(end).every((byte) => byte === 0x7e)).toBe(true)
  }
})
