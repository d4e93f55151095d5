import { expect, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { AnyValueWriter, bound } from '../../../src/protocol/otlp/any-value.ts'
import { type Fields, message } from '../../support/otlp.ts'
import { fc } from '../../support/property.ts'

const { value } = fc.letrec<{ value: Fields }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant([]),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((n): Fields => [[3, n]]),
    fc.bigInt({ min: 2n ** 32n, max: 2n ** 35n - 1n }).map((n): Fields => [[3, n]]),
    fc.string({ maxLength: 40 }).map((text): Fields => [[1, text]]),
    fc.double().map((double): Fields => [[4, { double }]]),
    fc.array(tie('value'), { maxLength: 20 }).map((items): Fields => [[5, items.map((item) => [1, item])]]),
    fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.option(tie('value'))), { maxLength: 20 }).map(
      (pairs): Fields => [
        [
          6,
          pairs.map(([key, item]) => [
            1,
            item === null
              ? [[1, key]]
              : [
                  [1, key],
                  [2, item],
                ],
          ]),
        ],
      ],
    ),
  ),
}))

const writer = new AnyValueWriter()

function written(bytes: Buffer): Buffer {
  const out = Buffer.alloc(bound(bytes.length) + 20, 0xaa)
  const end = writer.value(bytes, 0, bytes.length, out, 0)
  expect(end).toBeLessThanOrEqual(bound(bytes.length))
  expect(out.subarray(bound(bytes.length)).every((byte) => byte === 0xaa)).toBe(true)
  return out.subarray(0, end)
}

test('property: a value takes no more than its bound', () => {
  fc.assert(
    fc.property(value, (fields) => {
      decode(written(message(fields)), { useBigInt64: true })
    }),
  )
})

test.each([
  ['integers of 33 bits', [[5, Array.from({ length: 70_000 }, () => [1, [[3, 2n ** 33n]]])]]],
  ['empty values', [[5, Array.from({ length: 70_000 }, () => [1, []])]]],
  ['pairs without a value', [[6, Array.from({ length: 60_000 }, (_, n) => [1, [[1, String(n)]]])]]],
  ['pairs without anything', [[6, Array.from({ length: 60_000 }, () => [1, []])]]],
  ['a long text', [[1, 'x'.repeat(65_536)]]],
] as [string, Fields][])('%s take no more than the bound', (_, fields) => {
  written(message(fields))
})
