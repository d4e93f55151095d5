import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { xxh3 } from '../../../src/lib/hash/xxh3.ts'
import { fc } from '../../support/property.ts'

const { vectors } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../fixtures/xxh3/vectors.json'), 'utf8'),
) as { vectors: [input: string, hash: string][] }

test('returns the hashes of the reference implementation for 1 to 32 bytes', () => {
  const wrong = vectors.filter(([input, hash]) => xxh3(Buffer.from(input, 'hex')) !== BigInt(hash))
  expect(wrong).toEqual([])
  expect(new Set(vectors.map(([input]) => input.length / 2)).size).toBe(32)
})

test('agrees with the hash built into the runtime', () => {
  const input = fc.uint8Array({ minLength: 1, maxLength: 32 })
  fc.assert(
    fc.property(input, (bytes) => xxh3(Buffer.from(bytes)) === BigInt.asIntN(64, Bun.hash.xxHash3(bytes))),
    { numRuns: 2000 },
  )
})

test('reads only the bytes of the view', () => {
  const surrounded = Buffer.from('..the last bytes before it..')
  expect(xxh3(surrounded.subarray(2, -2))).toBe(xxh3(Buffer.from('the last bytes before it')))
})

test('refuses other lengths', () => {
  expect(() => xxh3(Buffer.alloc(0))).toThrow('1 to 32 bytes, not 0')
  expect(() => xxh3(Buffer.alloc(33))).toThrow('1 to 32 bytes, not 33')
})
