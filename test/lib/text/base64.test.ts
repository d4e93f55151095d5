import { expect, test } from 'bun:test'
import { base64Length, writeBase64 } from '../../../src/lib/text/base64.ts'

test('base64 of any size is that of the runtime, also where it is made in pieces', () => {
  for (const bytes of [0, 1, 2, 3, 4, 100, 12_287, 12_288, 12_289, 24_576, 24_577, 100_000]) {
    const src = Buffer.alloc(bytes + 10, 'abc\xff\x00 é', 'latin1')
    const out = Buffer.alloc(base64Length(bytes) + 5, '.')
    const end = writeBase64(src, 7, 7 + bytes, out, 2)
    expect(end).toBe(2 + base64Length(bytes))
    expect(out.toString('latin1', 2, end)).toBe(src.toString('base64', 7, 7 + bytes))
    expect(out.toString('latin1', end)).toBe('...')
  }
})
