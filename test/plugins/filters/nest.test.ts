import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { spec } from '../../../src/plugins/filters/nest.ts'
import { type Body, filterContract } from '../../contract/filter.ts'
import { rawContract } from '../../contract/raw-filter.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../support/engine/chunk-of.ts'
import { lastOfEach, mapOfPairs, pairOf, pairsOf, type RawPair } from '../../support/records/raw-record.ts'

type Texts = Record<string, string | string[]>

const isMap = ({ value }: RawPair): boolean => {
  const type = value[0] as number
  return (type >= 0x80 && type <= 0x8f) || type === 0xde || type === 0xdf
}

/** Returns a pair with the key that `change` makes of its key. */
function rekeyed(pair: RawPair, change: (key: string) => string): RawPair {
  if (pair.key === undefined) return pair
  const key = change(pair.key)
  return key === pair.key ? pair : pairOf(key, pair.value)
}

function nested(
  pairs: RawPair[],
  test: (key: string) => boolean,
  under: string,
  change = (key: string) => key,
) {
  const isMoved = ({ key }: RawPair): boolean => key !== undefined && test(key)
  const moved = pairs.filter(isMoved)
  if (moved.length === 0) return undefined
  const map = mapOfPairs(lastOfEach(moved.map((pair) => rekeyed(pair, change))))
  return [...pairs.filter((pair) => !isMoved(pair) && pair.key !== under), pairOf(under, map)]
}

function lifted(pairs: RawPair[], under: string, change = (key: string) => key): RawPair[] | undefined {
  const last = pairs.findLast(({ key }) => key === under)
  if (last === undefined || !isMap(last)) return undefined
  const inner = pairsOf(last.value).map((pair) => rekeyed(pair, change))
  return lastOfEach([...pairs.filter(({ key }) => key !== under), ...inner])
}

rawContract({
  name: 'nest',
  spec: spec as never,
  texts: { operation: 'nest', wildcard: ['p_*', 'a'], nest_under: 'm' },
  expected: (pairs) => nested(pairs, (key) => key.startsWith('p_') || key === 'a', 'm'),
})

rawContract({
  name: 'nest of all keys without a prefix',
  spec: spec as never,
  texts: { operation: 'nest', wildcard: '*', nest_under: 'm', remove_prefix: 'p_' },
  expected: (pairs) =>
    nested(
      pairs,
      () => true,
      'm',
      (key) => (key.startsWith('p_') ? key.slice(2) : key),
    ),
})

rawContract({
  name: 'lift',
  spec: spec as never,
  texts: { operation: 'lift', nested_under: 'm' },
  expected: (pairs) => lifted(pairs, 'm'),
})

rawContract({
  name: 'lift with a prefix',
  spec: spec as never,
  texts: { operation: 'lift', nested_under: 'a', add_prefix: 'p_' },
  expected: (pairs) => lifted(pairs, 'a', (key) => `p_${key}`),
})

filterContract({
  name: 'nest',
  create: (ctx) =>
    spec.create(
      parseOptions(spec.options, { operation: 'nest', wildcard: 'mark', nest_under: 'under_' }) as never,
      ctx,
    ),
  expected: ({ mark, ...rest }: Body) => (mark === undefined ? rest : { ...rest, under_: { mark } }),
})

function through(texts: Texts, records: object[]): Body[] {
  const buffers = new LooseBuffers()
  const chunk = chunkOf(records, 'app', buffers)
  spec
    .create(parseOptions(spec.options, texts as never) as never, { buffers } as never)
    .apply(chunk, undefined as never)
  return recordsOf(chunk)
}

// The first two are what a real fluent-bit 5.1.1 prints.
test('nest with Remove_prefix and lift with Add_prefix undo each other', () => {
  const flat = { q: 2, p_a: 1, p_b: 'x' }
  const deep = { q: 2, in: { a: 1, b: 'x' } }
  const nest = { operation: 'nest', wildcard: 'p_*', nest_under: 'in', remove_prefix: 'p_' }
  expect(through(nest, [flat])).toEqual([deep])
  expect(through({ operation: 'lift', nested_under: 'in', add_prefix: 'p_' }, [deep])).toEqual([flat])
})

test('nest refuses options with which it would do nothing', () => {
  const refused = (texts: Texts) => () => through(texts, [])
  expect(refused({ operation: 'nest', nest_under: 'in' })).toThrow('Operation nest needs Wildcard')
  expect(refused({ operation: 'nest', wildcard: 'a' })).toThrow('Operation nest needs Nest_under')
  expect(refused({ operation: 'lift', wildcard: 'a' })).toThrow('Operation lift needs Nested_under')
  expect(refused({ operation: 'lift', nested_under: 'a', add_prefix: 'x', remove_prefix: 'y' })).toThrow(
    'Add_prefix and Remove_prefix cannot be combined',
  )
  expect(refused({ operation: 'flatten', nested_under: 'a' })).toThrow('must be one of nest, lift')
})

test('a chunk in which nest finds no key keeps its buffer', () => {
  const buffers = new LooseBuffers()
  const chunk = chunkOf([{ a: 1 }, { b: { c: 2 } }], 'app', buffers)
  const { buf } = chunk
  for (const texts of [
    { operation: 'nest', wildcard: 'z*', nest_under: 'a' },
    { operation: 'lift', nested_under: 'a' },
  ]) {
    const options = parseOptions(spec.options, texts as never)
    spec.create(options as never, { buffers } as never).apply(chunk, undefined as never)
  }
  expect(chunk.buf).toBe(buf)
})
