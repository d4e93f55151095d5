import { describe, expect, test } from 'bun:test'
import { OrderedRouter, type StepStage } from '../../src/engine/ordered-router.ts'
import type { FilterStage, OutputStage } from '../../src/engine/path.ts'
import { compileTagPatterns } from '../../src/lib/tags/tag-pattern.ts'
import { QueueBench } from '../support/engine/queue-bench.ts'
import { filterStage, outputStage, shapeOf } from '../support/engine/stages.ts'

const filter = (name: string) => filterStage(() => {}, undefined, name)
const output = (name: string) => outputStage(new QueueBench().queue, undefined, name)
const location = { file: 'fluent.conf', line: 7 }

const on = (patterns: string, filter: FilterStage): StepStage => ({
  tags: compileTagPatterns([patterns]),
  location,
  filter,
})
/** A match with outputs, and labels as texts. */
const to = (patterns: string, ...targets: (OutputStage | string)[]): StepStage => ({
  tags: compileTagPatterns([patterns]),
  location,
  targets: targets.map((target) => (typeof target === 'string' ? { label: target } : { output: target })),
})
const router = (labels: Record<string, StepStage[]>, labelOf: Record<string, string> = {}) =>
  new OrderedRouter(new Map(Object.entries(labels)), new Map(Object.entries(labelOf)))

test('filters before the first match that takes the tag apply, in the order of the file', () => {
  const made = router({
    '': [
      on('a.**', filter('f1')),
      to('a.b', output('o1')),
      on('**', filter('f2')),
      to('a.** b', output('o2')),
      to('**', output('o3')),
      on('**', filter('never')),
    ],
  })
  expect(['a.b', 'a.c', 'b', 'c'].map((tag) => shapeOf(made.path('in.0', tag)))).toEqual([
    'f1 -> o1',
    'f1 f2 -> o2',
    'f2 -> o2',
    'f2 -> o3',
  ])
})

test('a tag that no match takes is unrouted after its filters; one that is sent to nothing is discarded', () => {
  const made = router({ '': [on('**', filter('f')), to('null.**')] })
  expect(
    ['x', 'null.x'].map((tag) => [shapeOf(made.path('i', tag)), made.path('i', tag).isUnrouted]),
  ).toEqual([
    ['f ->', true],
    ['f ->', false],
  ])
})

describe('a label', () => {
  test('begins with its own steps, for an input that names it', () => {
    const made = router(
      { '': [to('**', output('root'))], '@A': [on('**', filter('f')), to('**', output('a'))] },
      { 'in.1': '@A' },
    )
    expect([shapeOf(made.path('in.0', 't')), shapeOf(made.path('in.1', 't'))]).toEqual(['-> root', 'f -> a'])
    expect([shapeOf(made.ofLabel('@A', 't') as never), made.ofLabel('@B', 't')]).toEqual([
      'f -> a',
      undefined,
    ])
  })

  test('as the only target goes on without a copy; one without filters shares the chunk', () => {
    const made = router({
      '': [on('**', filter('f1')), to('one', '@A'), to('two', output('o'), '@B')],
      '@A': [on('**', filter('f2')), to('**', output('a'))],
      '@B': [to('**', output('b'))],
    })
    expect(shapeOf(made.path('i', 'one'))).toBe('f1 f2 -> a')
    expect(shapeOf(made.path('i', 'two'))).toBe('f1 -> o b')
    expect([made.path('i', 'one').copies, made.path('i', 'two').copies]).toEqual([0, 0])
  })

  test('with filters gets a copy when the records go elsewhere, too', () => {
    const made = router({
      '': [to('**', output('o'), '@A', '@B')],
      '@A': [on('**', filter('f1')), to('**', output('a'), '@B')],
      '@B': [on('**', filter('f2')), to('**', output('b'))],
    })
    expect(shapeOf(made.path('i', 't'))).toBe('-> o [f1 -> a [f2 -> b]] [f2 -> b]')
    expect(made.path('i', 't').allOutputs.map(({ name }) => name)).toEqual(['o', 'a', 'b'])
  })

  test('that is reached twice delivers twice, with copies of different names', () => {
    const made = router({
      '': [to('**', '@A', '@B', '@A')],
      '@A': [on('**', filter('f')), to('**', '@C')],
      '@B': [to('**', '@C', '@C')],
      '@C': [to('**', output('c'))],
    })
    const path = made.path('i', 't')
    expect(shapeOf(path)).toBe('-> c [f -> c] [-> c] [f -> c]')
    expect(new Set(path.branches.map(({ key }) => key)).size).toBe(3)
  })

  test('@ROOT is the steps outside of any label', () => {
    const made = router({ '': [to('**', output('root'))], '@A': [to('**', '@ROOT')] }, { 'in.0': '@A' })
    expect(shapeOf(made.path('in.0', 't'))).toBe('-> root')
  })

  test('that sends records in a circle is refused, and so is one that does not exist', () => {
    const circle = { '': [to('a', '@A')], '@A': [to('**', '@B')], '@B': [to('x', '@A')] }
    expect(() => router(circle)).toThrow('labels send records in a circle: @A -> @B -> @A')
    expect(() => router({ '': [to('**', '@ROOT')] })).toThrow('@ROOT -> @ROOT')
    expect(() => router({ '': [to('a', '@X')], '@Y': [] })).toThrow('there is no label @X')
  })

  test('that would make thousands of copies of a record is refused', () => {
    const labels: Record<string, StepStage[]> = { '': [to('**', '@0')] }
    for (let i = 0; i < 12; i++) labels[`@${i}`] = [to('**', `@${i + 1}`, `@${i + 1}`)]
    labels['@12'] = [to('**', output('o'))]
    expect(() => router(labels)).toThrow('make 1024 copies of a record')
    for (const label of ['@0', '@1', '@2']) delete labels[label]
    labels[''] = [to('**', '@3')]
    expect(router(labels).path('i', 't').copies).toBe(511)
  })
})

test('what a filter emits goes to the steps behind it, however its label was reached', () => {
  const [f1, f2] = [filter('f1'), filter('f2')]
  const made = router({
    '': [on('a.**', f1), on('**', f2), to('**', output('o'), '@A')],
    '@A': [on('**', filter('f3')), to('**', output('a'))],
    '@E': [on('**', filter('g1')), on('b', filter('g2')), to('**', output('e'))],
  })
  expect(shapeOf(made.behind(f1, 'i', 'a.x'))).toBe('f2 -> o [f3 -> a]')
  expect(shapeOf(made.behind(f2, 'i', 'a.x'))).toBe('-> o [f3 -> a]')
  const g1 = made.ofLabel('@E', 'b')?.filters[0] as FilterStage
  expect(shapeOf(made.behind(g1, 'i', 'b'))).toBe('g2 -> e')
})

test('tags with the same steps share one path', () => {
  const made = router({ '': [on('*.1', filter('f')), to('**', output('o'))] })
  const paths = new Set(Array.from({ length: 12_000 }, (_, i) => made.path('i', `t${i}.${i % 2}`)))
  expect(paths.size).toBeLessThanOrEqual(4)
})
