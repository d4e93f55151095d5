import { expect, test } from 'bun:test'
import { DAMAGED, DataSection } from '../../../../src/plugins/filters/geoip2/data-section.ts'
import { encodeMmdb, type MmdbValue, pointer, RawBytes, uint32 } from '../../../support/mmdb.ts'

const step = (name: string) => ({
  key: Buffer.from(name),
  index: Number.isInteger(Number(name)) ? Number(name) : undefined,
})

/** Returns what a path leads to in a section with these values, and what it is as MessagePack. */
function found(values: MmdbValue[], path: string): number | string {
  const bytes = Buffer.concat(values.map(encodeMmdb))
  // What is around the section must not be read.
  const buf = Buffer.concat([Buffer.alloc(20, 0xe1), bytes, Buffer.alloc(20, 0x41)])
  const data = new DataSection(buf, 20, 20 + bytes.length)
  const at = data.find(20, path.split('.').map(step))
  const out = Buffer.alloc(5000)
  const end = at < 0 ? at : data.encode(at, out, 0)
  return end < 0 ? end : out.toString('hex', 0, end)
}

const raw = (hex: string): RawBytes => new RawBytes(Buffer.from(hex, 'hex'))

test('a pointer leads to a value, and is the key of a map too', () => {
  // The map has 1 byte, its key 2, the pointer 2: the text is at offset 5.
  expect(found([{ a: pointer(5) }, 'x'], 'a')).toBe('a178')
  expect(found([raw('e120050107416b')], 'k')).toBe('c3')
})

test('a pointer to a pointer, to itself or outside is damage', () => {
  expect(found([{ a: pointer(5) }, pointer(7), 'x'], 'a')).toBe(DAMAGED)
  expect(found([{ a: pointer(3) }], 'a')).toBe(DAMAGED)
  expect(found([{ a: pointer(5) }], 'a')).toBe(DAMAGED)
  expect(found([{ a: pointer(0) }], 'a.a.a.a.a.a.a.a')).toBe('c0')
})

test.each([
  ['a text that is longer than the section', 'e1416144616263'],
  ['a key that is no text', 'e1c1054161'],
  ['a type that there is not', 'e141610006'],
  ['a float64 of 4 bytes', 'e141616400000000'],
  ['an integer of 5 bytes', 'e14161c50000000001'],
  ['a size that is cut off', 'e141615d'],
  ['a pointer that is cut off', 'e1416138ff'],
  ['nothing after a key', 'e14161'],
])('%s is damage', (_what, hex) => {
  expect(found([raw(hex)], 'a')).toBe(DAMAGED)
})

test('a map with more pairs than bytes is damage for what is looked for in it, and null itself', () => {
  expect(found([raw('e14161ff0000ff')], 'a.b')).toBe(DAMAGED)
  expect(found([raw('e14161ff0000ff')], 'a')).toBe('c0')
})

test('a lookup ends after a limited number of steps', () => {
  const many = Object.fromEntries(Array.from({ length: 7000 }, (_, i) => [`k${i}`, uint32(i)]))
  expect(found([many], 'k100')).toBe('64')
  expect(found([many], 'gone')).toBe(DAMAGED)
})

test('metadata is sound if all of it, with its pointers, is well formed and small', () => {
  const isSound = (value: MmdbValue): boolean => {
    const bytes = encodeMmdb(value)
    return new DataSection(bytes, 0, bytes.length).isSound(0)
  }
  const nested = (levels: number): MmdbValue => (levels === 0 ? 'x' : [nested(levels - 1)])
  expect(isSound({ a: 'b', list: [uint32(1), { c: true }], again: pointer(1) })).toBe(true)
  expect(isSound(nested(16))).toBe(true)
  expect(isSound(nested(17))).toBe(false)
  expect(isSound([pointer(0)])).toBe(false)
  // Ten levels of lists that all lead to the next one ten times: 10^10 values for a reader without a limit.
  const bomb = Buffer.concat(
    Array.from({ length: 10 }, (_, i) => {
      const next = (i + 1) * 22
      return encodeMmdb(Array.from({ length: 10 }, () => (i === 9 ? pointer(0x100) : pointer(next))))
    }).concat(Buffer.alloc(100, 0x40)),
  )
  expect(new DataSection(bomb, 0, bomb.length).isSound(0)).toBe(false)
})
