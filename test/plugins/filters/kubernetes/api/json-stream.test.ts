import { expect, test } from 'bun:test'
import {
  JsonStream,
  type JsonStreamOptions,
} from '../../../../../src/plugins/filters/kubernetes/api/json-stream.ts'
import { fc } from '../../../../support/property.ts'

interface Seen {
  found: [number, unknown][]
  large: [string, number][]
  complete: boolean
}

/** Feeds the text in pieces of these sizes, and what is left. */
function cut(text: string, sizes: number[], options: Partial<JsonStreamOptions> = {}): Seen {
  const seen: Seen = { found: [], large: [], complete: false }
  const objects = new JsonStream({
    minDepth: 0,
    maxDepth: 0,
    maxObjectBytes: 1e6,
    onObject: (one, depth) => seen.found.push([depth, JSON.parse(one)]),
    onOversize: (head, bytes) => seen.large.push([head, bytes]),
    ...options,
  })
  const bytes = Buffer.from(text)
  let at = 0
  for (const size of sizes) {
    // The buffer of a piece is used again for the next one.
    const piece = Buffer.from(bytes.subarray(at, at + size))
    objects.push(piece)
    piece.fill(0)
    at += size
  }
  objects.push(bytes.subarray(at))
  seen.complete = objects.isComplete
  return seen
}

const object = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 })
const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 })

test('property: objects of a stream come whole, wherever it is split', () => {
  fc.assert(
    fc.property(fc.array(object), sizes, fc.constantFrom('\n', '', ' \r\n'), (all, pieces, between) => {
      const expected = all.map((o) => JSON.parse(JSON.stringify(o)))
      const { found, complete } = cut(all.map((o) => JSON.stringify(o) + between).join(''), pieces)
      expect(found.map(([, o]) => o)).toEqual(expected)
      expect(complete).toBe(true)
    }),
    { numRuns: 300 },
  )
})

test('property: the items of a list come one by one, with what stands beside them', () => {
  fc.assert(
    fc.property(object, fc.array(object), sizes, (metadata, items, pieces) => {
      const list = { kind: 'List "{[', metadata, items, end: null }
      const { found } = cut(JSON.stringify(list, null, 1), pieces, { minDepth: 1, maxDepth: 2 })
      const expected = JSON.parse(JSON.stringify(list)) as typeof list
      expect(found).toEqual([
        [1, expected.metadata],
        ...expected.items.map((o) => [2, o] as [number, unknown]),
      ])
    }),
    { numRuns: 300 },
  )
})

test('an object beyond the limit is passed over, with how it begins, and the next one comes', () => {
  const large = JSON.stringify({ name: 'big', pad: 'x'.repeat(5000) })
  const { found, large: said } = cut(`${large}\n{"a":1}\n`, [100, 3000], { maxObjectBytes: 1000 })
  expect(found).toEqual([[0, { a: 1 }]])
  expect(said.map(([head, bytes]) => [head.startsWith('{"name":"big"'), bytes])).toEqual([
    [true, large.length],
  ])
})

test('what is cut off is not complete, and what is no object is refused', () => {
  expect(cut('{"a":1}\n{"b":', []).complete).toBe(false)
  expect(() => cut('<html>', [])).toThrow(SyntaxError)
  expect(() => cut('{"a":1}}', [])).toThrow(SyntaxError)
})
