import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { MAX_NESTING, Malformed, ValueScanner } from '../../../src/protocol/forward/value-scanner.ts'
import { fc } from '../../support/property.ts'

const scalar = fc.oneof(
  fc.constantFrom(null, true, -1, 300, -70_000, 2 ** 40, 1.5),
  fc.string({ maxLength: 400 }),
  fc.uint8Array({ maxLength: 400 }),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie('value'), { maxLength: 20 }), tie('map')),
  map: fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 20 }),
}))

describe('ValueScanner', () => {
  test('finds the end of any value, in any pieces and at any offset', () => {
    fc.assert(
      fc.property(value, fc.array(fc.nat(60)), fc.nat(9), (v, cuts, start) => {
        const bytes = Buffer.from(encode(v))
        const all = Buffer.concat([Buffer.alloc(start, 0xc1), bytes, Buffer.alloc(3, 0xc1)])
        const scanner = new ValueScanner(1_000_000)
        let seen = 0
        for (const cut of cuts) {
          if (seen + cut >= bytes.length) break
          seen += cut
          // Bytes that have not arrived may have any value.
          const piece = Buffer.alloc(all.length, 0xc1)
          all.copy(piece, 0, 0, start + seen)
          expect(scanner.scan(piece, start, start + seen)).toBe(-1)
        }
        expect(scanner.scan(all, start, all.length)).toBe(start + bytes.length)
        expect(scanner.scan(Buffer.from([7]), 0, 1)).toBe(1)
      }),
    )
  })

  test('finds an end, asks for more or throws Malformed, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const buf = Buffer.from(bytes)
        try {
          const end = new ValueScanner(1000).scan(buf, 0, buf.length)
          expect(end === -1 || (end > 0 && end <= buf.length)).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('rejects a value that is too large as soon as its length has been read', () => {
    const scan =
      (...bytes: number[]) =>
      () =>
        new ValueScanner(1000).scan(Buffer.from(bytes), 0, bytes.length)
    expect(scan(0xc6, 0, 0, 4, 0)).toThrow('more than 1000 bytes')
    expect(scan(0xdb, 255, 255, 255, 255)).toThrow('more than 1000 bytes')
    expect(scan(0xdd, 255, 255, 255, 255)).toThrow('container of 4294967295')
    expect(scan(0xdf, 0, 0, 2, 0)).toThrow('container of 1024')
    expect(scan(0xc1)).toThrow('0xc1')
    const many = new ValueScanner(1000)
    const zeros = Buffer.alloc(2000)
    zeros[0] = 0xdc
    zeros.writeUInt16BE(1000, 1)
    expect(() => many.scan(zeros, 0, 2000)).toThrow('more than 1000 bytes')
  })

  test('rejects nesting that would exhaust the stack of recursive code', () => {
    const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([1])])
    const scan = (buf: Buffer) => new ValueScanner(1_000_000).scan(buf, 0, buf.length)
    expect(scan(nested(MAX_NESTING))).toBe(MAX_NESTING + 1)
    expect(() => scan(nested(MAX_NESTING + 1))).toThrow('nested deeper')
  })
})
