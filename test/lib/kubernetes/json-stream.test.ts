import { expect, test } from 'bun:test'
import { JsonStream, type JsonStreamOptions } from '../../../src/lib/kubernetes/json-stream.ts'
import { fc } from '../../support/property.ts'

interface Result {
  found: [number, unknown][]
  large: [string, number][]
  complete: boolean
}

/** Feeds the text in pieces of these sizes, then the rest. */
function parse(text: string, sizes: number[], options: Partial<JsonStreamOptions> = {}): Result {
  const result: Result = { found: [], large: [], complete: false }
  const objects = new JsonStream({
    minDepth: 0,
    maxDepth: 0,
    maxObjectBytes: 1e6,
    onObject: (one, depth) => result.found.push([depth, JSON.parse(one.toString())]),
    onOversize: (head, bytes) => result.large.push([head, bytes]),
    ...options,
  })
  const bytes = Buffer.from(text)
  let at = 0
  for (const size of sizes) {
    // Clears the piece, as its buffer may be reused for the next one.
    const piece = Buffer.from(bytes.subarray(at, at + size))
    objects.push(piece)
    piece.fill(0)
    at += size
  }
  objects.push(bytes.subarray(at))
  result.complete = objects.isComplete
  return result
}

const object = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 })
const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 60 })

test('property: objects are extracted wherever the stream is split', () => {
  fc.assert(
    fc.property(fc.array(object), sizes, fc.constantFrom('\n', '', ' \r\n'), (all, pieces, between) => {
      const expected = all.map((o) => JSON.parse(JSON.stringify(o)))
      const { found, complete } = parse(all.map((o) => JSON.stringify(o) + between).join(''), pieces)
      expect(found.map(([, o]) => o)).toEqual(expected)
      expect(complete).toBe(true)
    }),
    { numRuns: 300 },
  )
})

test('property: the items of a list are extracted one by one, with the list’s own metadata', () => {
  fc.assert(
    fc.property(object, fc.array(object), sizes, (metadata, items, pieces) => {
      const list = { kind: 'List "{[', metadata, items, end: null }
      const { found } = parse(JSON.stringify(list, null, 1), pieces, { minDepth: 1, maxDepth: 2 })
      const expected = JSON.parse(JSON.stringify(list)) as typeof list
      expect(found).toEqual([
        [1, expected.metadata],
        ...expected.items.map((o) => [2, o] as [number, unknown]),
      ])
    }),
    { numRuns: 300 },
  )
})

test('an object above the limit is skipped and reported with its first bytes, and the next one is extracted', () => {
  const large = JSON.stringify({ name: 'big', pad: 'x'.repeat(5000) })
  const { found, large: skipped } = parse(`${large}\n{"a":1}\n`, [100, 3000], { maxObjectBytes: 1000 })
  expect(found).toEqual([[0, { a: 1 }]])
  expect(skipped.map(([head, bytes]) => [head.startsWith('{"name":"big"'), bytes])).toEqual([
    [true, large.length],
  ])
})

test('a truncated stream is not complete, and anything but objects is rejected', () => {
  expect(parse('{"a":1}\n{"b":', []).complete).toBe(false)
  expect(() => parse('<html>', [])).toThrow(SyntaxError)
  expect(() => parse('{"a":1}}', [])).toThrow(SyntaxError)
})

test('an object nested more than 100 levels deep is skipped as too large, and the next one is extracted', () => {
  const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  expect(parse(nested(100), []).found).toHaveLength(1)
  for (const depth of [101, 100_000]) {
    const { found, large, complete } = parse(`${nested(depth)}\n{"a":1}`, [500, 100_000])
    expect([found, large.length, complete]).toEqual([[[0, { a: 1 }]], 1, true])
  }
})

test('brackets outside of objects that are nested more than 100 levels deep end the stream', () => {
  expect(() => parse('['.repeat(10_000), [])).toThrow()
  expect(() => parse(`{"items":${'['.repeat(200)}`, [], { minDepth: 1, maxDepth: 2 })).toThrow(
    'nested more than 100 levels',
  )
})

test('an object of more than 100,000 values is skipped as too large, whatever its size', () => {
  const values = (count: number): string => `{"name":"many","a":[${'0,'.repeat(count)}0]}`
  expect(parse(values(90_000), [100, 5000]).found).toHaveLength(1)
  for (const pieces of [[], [100, 5000], Array.from({ length: 200 }, () => 1000)]) {
    const { found, large } = parse(`${values(110_000)}{"a":1}`, pieces)
    expect(found).toEqual([[0, { a: 1 }]])
    expect(large.map(([head]) => [head.length, head.startsWith('{"name":"many"')])).toEqual([[4096, true]])
  }
})

test('an object in pieces of one byte takes its own size of memory', () => {
  const objects = new JsonStream({
    minDepth: 0,
    maxDepth: 0,
    maxObjectBytes: 4e6,
    onObject: () => {},
    onOversize: () => {},
  })
  objects.push(Buffer.from('{"a":"'))
  Bun.gc(true)
  const before = process.memoryUsage().rss
  const piece = Buffer.from('x')
  for (let i = 0; i < 3e6; i++) objects.push(piece)
  Bun.gc(true)
  expect(process.memoryUsage().rss - before).toBeLessThan(40e6)
})
