import { describe, expect, test } from 'bun:test'
import type { Filter } from '../../src/core/plugin.ts'
import { ConditionalFilter } from '../../src/engine/conditional-filter.ts'
import {
  account,
  keep,
  type Numbered,
  numbered,
  numbersOf,
  range,
  twice,
  when,
} from '../support/engine/routed.ts'
import { fc } from '../support/property.ts'

const isOdd = when(({ n }) => n % 2 === 1)
const deferral = (buffers: ReturnType<typeof account>) => ({ buffers, defer: () => () => {}, onSettled() {} })

/** Applies the filter to the records that meet the condition; returns the numbers that come out. */
function apply(filter: Filter, test: (record: Numbered) => boolean, records: Numbered[]): number[] {
  const buffers = account()
  const chunk = numbered(records, 'c', buffers)
  new ConditionalFilter(filter, when(test)).apply(chunk, deferral(buffers))
  const numbers = numbersOf(chunk)
  expect(chunk.count).toBe(numbers.length)
  chunk.release()
  expect(buffers.used).toBe(0)
  return numbers
}

test('records that do not meet the condition keep their places, whatever the filter drops and adds', () => {
  const numbers = fc.array(fc.nat(20), { maxLength: 40 })
  fc.assert(
    fc.property(numbers, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }), (list, a, b) => {
      fc.pre(list.length > 0)
      const records = list.map((n) => ({ n }))
      const isMet = ({ n }: Numbered): boolean => n % a === 0
      const isKept = ({ n }: Numbered): boolean => n % b === 0
      expect(apply(keep(isKept), isMet, records)).toEqual(list.filter((n) => n % a !== 0 || n % b === 0))
      expect(apply(twice(), isMet, records)).toEqual(list.flatMap((n) => (n % a === 0 ? [n, n] : n)))
    }),
  )
})

test('a chunk of which all records meet the condition is filtered as it is; one without any is not touched', () => {
  const seen: unknown[] = []
  const filter: Filter = { apply: (chunk) => void seen.push(chunk) }
  const buffers = account()
  const conditional = new ConditionalFilter(filter, isOdd)
  const odd = numbered([{ n: 1 }, { n: 3 }], 'odd', buffers)
  const even = numbered([{ n: 2 }], 'even', buffers)
  const used = buffers.used
  conditional.apply(odd, deferral(buffers))
  conditional.apply(even, deferral(buffers))
  expect([seen, buffers.used]).toEqual([[odd], used])
})

test('each run of records is a chunk with the tag, the origins and the input of the whole, and an id of its own', () => {
  const seen: unknown[] = []
  const filter: Filter = {
    apply: (chunk) => void seen.push([chunk.tag, chunk.input, chunk.origins.length, numbersOf(chunk)]),
  }
  const ids: string[] = []
  const buffers = account()
  const chunk = numbered(range(1, 5), 'c', buffers)
  const both: Filter = {
    apply: (run, later) => {
      ids.push(run.id)
      filter.apply(run, later)
    },
  }
  new ConditionalFilter(
    both,
    when(({ n }) => n !== 3),
  ).apply(chunk, deferral(buffers))
  expect(seen).toEqual([
    ['t', 'in.0', 1, [1, 2]],
    ['t', 'in.0', 1, [4, 5]],
  ])
  expect([new Set(ids).size, chunk.id]).toEqual([2, 'c'])
})

test('metadata that a filter has added to some records is known of the whole chunk', () => {
  const buffers = account()
  const chunk = numbered(range(1, 3), 'c', buffers)
  const marking: Filter = {
    apply: (run) => {
      run.hasMetadata = true
    },
  }
  new ConditionalFilter(marking, isOdd).apply(chunk, deferral(buffers))
  expect(chunk.hasMetadata).toBe(true)
})

test('a filter that throws, or a condition, leaves no buffer behind', () => {
  const buffers = account()
  const thrower: Filter = {
    apply: () => {
      throw new Error('no')
    },
  }
  const failing = when(() => {
    throw new Error('no')
  })
  for (const filter of [new ConditionalFilter(thrower, isOdd), new ConditionalFilter(twice(), failing)]) {
    const chunk = numbered(range(1, 4), 'c', buffers)
    expect(() => filter.apply(chunk, deferral(buffers))).toThrow('no')
    chunk.release()
    expect(buffers.used).toBe(0)
  }
})

describe('start, close and ready', () => {
  test('are those of the filter', async () => {
    const calls: string[] = []
    const wait = Promise.resolve()
    const filter: Filter = {
      apply() {},
      start: async () => void calls.push('start'),
      close: () => void calls.push('close'),
      ready: () => wait,
    }
    const conditional = new ConditionalFilter(filter, isOdd)
    await conditional.start()
    await conditional.close()
    expect([calls, conditional.ready?.('t', '/a')]).toEqual([['start', 'close'], wait])
    expect(new ConditionalFilter({ apply() {} }, isOdd).ready).toBeUndefined()
  })
})
