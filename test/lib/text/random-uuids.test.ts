import { expect, test } from 'bun:test'
import { RandomUuids, UUID_BYTES } from '../../../src/lib/text/random-uuids.ts'

const VERSION_4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('random UUIDs have version 4 and are different, also when the pool is filled again', () => {
  const uuids = new RandomUuids()
  const out = Buffer.alloc(UUID_BYTES + 2, 'x')
  const found = new Set<string>()
  for (let i = 0; i < 1000; i++) {
    expect(uuids.write(out, 1)).toBe(UUID_BYTES + 1)
    const text = out.toString('latin1', 1, UUID_BYTES + 1)
    expect(text).toMatch(VERSION_4)
    found.add(text)
  }
  expect(found.size).toBe(1000)
  expect([out[0], out.at(-1)]).toEqual([0x78, 0x78])
})
