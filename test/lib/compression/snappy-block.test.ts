import { expect, test } from 'bun:test'
import snappy from 'snappyjs'
import { compressSnappyBlock } from '../../../src/lib/compression/snappy-block.ts'
import { fc } from '../../support/property.ts'

const uncompress = (block: Buffer): Buffer => Buffer.from(snappy.uncompress(block))

const parts = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(
    'level=info ',
    'a',
    'x'.repeat(63),
    'y'.repeat(64),
    'z'.repeat(67),
    '{"msg":"request handled"}\n',
  ),
)
const texts = fc
  .array(fc.tuple(parts, fc.integer({ min: 1, max: 40 })), { maxLength: 60 })
  .map((list) =>
    Buffer.concat(list.flatMap(([part, n]) => Array<Buffer>(n).fill(Buffer.from(part as string)))),
  )

test('snappyjs reads what was compressed', () => {
  fc.assert(
    fc.property(texts, (text) => expect(uncompress(compressSnappyBlock(text)).equals(text)).toBe(true)),
  )
})

test.each([0, 1, 7, 8, 9, 59, 60, 61, 255, 256, 257, 65_535, 65_536, 65_537, 200_000])(
  'texts of %d bytes: equal bytes, and none alike',
  (length) => {
    let state = 1
    const noise = Buffer.alloc(length)
    for (let i = 0; i < length; i++) {
      state = (state * 1103515245 + 12345) & 0x7fffffff
      noise[i] = state >>> 16
    }
    for (const text of [Buffer.alloc(length, 'a'), noise, Buffer.concat([noise, noise])])
      expect(uncompress(compressSnappyBlock(text)).equals(text)).toBe(true)
  },
)

test('a copy ends before the first byte that differs, in whichever bit', () => {
  const text = Buffer.from(Array.from({ length: 24 }, (_, i) => 0x20 + i))
  const rest = Buffer.from(Array.from({ length: 12 }, (_, i) => 0x60 + i))
  for (let length = 4; length <= 16; length++)
    for (let bit = 0; bit < 8; bit++) {
      const other = (text[length] as number) ^ (1 << bit)
      const all = Buffer.concat([
        Buffer.from('~'),
        text,
        text.subarray(0, length),
        Buffer.from([other]),
        rest,
      ])
      const block = compressSnappyBlock(all)
      expect(uncompress(block).equals(all)).toBe(true)
      // The length, a literal of 25 bytes, a copy, which has three bytes from 12 on, and a literal of 13.
      expect(block.length).toBe(1 + 26 + (length < 12 ? 2 : 3) + 14)
    }
})

test('log lines become no larger than with snappyjs', () => {
  const lines = Array.from(
    { length: 3000 },
    (_, i) => `{"level":"info","n":${i},"msg":"request ${i * 7919} of client handled"}`,
  )
  const text = Buffer.from(lines.join('\n'))
  expect(compressSnappyBlock(text).length).toBeLessThanOrEqual(Buffer.from(snappy.compress(text)).length)
})
