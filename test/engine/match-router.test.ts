import { describe, expect, test } from 'bun:test'
import { MatchRouter } from '../../src/engine/match-router.ts'
import type { Path } from '../../src/engine/path.ts'
import type { RecordTest } from '../../src/lib/records/condition.ts'
import { QueueBench } from '../support/engine/queue-bench.ts'
import { filterStage, outputStage, shapeOf } from '../support/engine/stages.ts'

const filter = (name: string, match = '*') => filterStage(() => {}, match, name)
const output = (name: string, match?: string, processors: string[] = []) =>
  outputStage(
    new QueueBench().queue,
    match,
    name,
    processors.map((p) => filter(p)),
  )
const any: RecordTest = { test: () => true }

test('filters and outputs whose Match matches are found in order of declaration, also from the cache', () => {
  const filters = [filter('f1'), filter('f2', 'a.*'), filter('f3', 'b')]
  const router = new MatchRouter(filters, [output('o1'), output('o2', 'a.*'), output('o3', 'b')])
  for (let i = 0; i < 2; i++) {
    expect(shapeOf(router.path('in.0', 'a.x'))).toBe('f1 f2 -> o1 o2')
    expect(shapeOf(router.path('in.0', 'b'))).toBe('f1 f3 -> o1 o3')
    expect(shapeOf(router.path('in.0', 'c'))).toBe('f1 -> o1')
  }
})

test('a tag that no output matches is unrouted', () => {
  const router = new MatchRouter([filter('f')], [output('o', 'a')])
  expect([router.path('in.0', 'a').isUnrouted, router.path('in.0', 'b').isUnrouted]).toEqual([false, true])
})

test('tags with the same stages share one path, and more tags than the cache holds are still routed', () => {
  const router = new MatchRouter([filter('f', '*1')], [output('seven', '*7'), output('one', '*1', ['p'])])
  const paths = new Set<Path>()
  for (let i = 0; i < 9000; i++) {
    const path = router.path('in.0', `t${i}`)
    expect(shapeOf(path)).toBe(i % 10 === 7 ? '-> seven' : i % 10 === 1 ? 'f p -> one' : '->')
    paths.add(path)
  }
  expect(paths.size).toBe(3)
  for (let i = 0; i < 25_000; i++)
    expect(router.path('in.0', `t${i}`).outputs.length).toBe(i % 10 === 7 || i % 10 === 1 ? 1 : 0)
})

describe('processors', () => {
  test('of an input are before all filters, for its records only', () => {
    const inputs = new Map([['in.0', { processors: [filter('p1'), filter('p2')], routes: [] }]])
    const router = new MatchRouter([filter('f')], [output('o')], inputs)
    expect(shapeOf(router.path('in.0', 't'))).toBe('p1 p2 f -> o')
    expect(shapeOf(router.path('in.1', 't'))).toBe('f -> o')
  })

  test('of the only output of a tag are the end of the path; those of one of several make it a branch', () => {
    const outputs = [output('plain', 'two'), output('shaped', '*', ['p1', 'p2'])]
    const router = new MatchRouter([filter('f')], outputs)
    expect(shapeOf(router.path('in.0', 'one'))).toBe('f p1 p2 -> shaped')
    expect(router.path('in.0', 'one').copies).toBe(0)
    expect(shapeOf(router.path('in.0', 'two'))).toBe('f -> plain [p1 p2 -> shaped]')
    expect(router.path('in.0', 'two').copies).toBe(1)
    expect(router.path('in.0', 'two').allOutputs.map(({ name }) => name)).toEqual(['plain', 'shaped'])
    expect(router.path('in.0', 'two').allFilters.map(({ name }) => name)).toEqual(['f', 'p1', 'p2'])
  })
})

describe('routes of an input', () => {
  const route = (name: string, condition: RecordTest | 'default' | undefined, ...outputs: unknown[]) => ({
    name,
    condition,
    outputs: outputs as ReturnType<typeof output>[],
  })

  test('give its records to the outputs that they name, which get them in no other way', () => {
    const [one, two, others] = [output('one', '*'), output('two'), output('others', '*')]
    const routes = [route('errors', any, one), route('rest', 'default', two)]
    const router = new MatchRouter([], [one, two, others], new Map([['in.0', { processors: [], routes }]]))
    expect(shapeOf(router.path('in.0', 't'))).toBe('-> others (0: -> one) (1: -> two)')
    expect(shapeOf(router.path('in.1', 't'))).toBe('-> one two others')
  })

  test('that name the same output give it each record once', () => {
    const [one, two, three] = [output('one'), output('two'), output('three')]
    const routes = [route('a', any, one, two), route('b', any, two, three), route('c', 'default', three)]
    const router = new MatchRouter([], [one, two, three], new Map([['in.0', { processors: [], routes }]]))
    expect(shapeOf(router.path('in.0', 't'))).toBe('-> (0: -> one) (0 1: -> two) (1 2: -> three)')
  })

  test('without a condition take everything, and leave nothing for default', () => {
    const [one, two, three] = [output('one'), output('two'), output('three', undefined, ['p'])]
    const routes = [
      route('all', undefined, one, three),
      route('errors', any, one, two),
      route('rest', 'default', two),
    ]
    const router = new MatchRouter([], [one, two, three], new Map([['in.0', { processors: [], routes }]]))
    expect(shapeOf(router.path('in.0', 't'))).toBe('-> one [p -> three] (0: -> two)')
  })
})

test('what a filter emits goes to what is behind it, in a branch as well', () => {
  const [f1, f2, p1, p2] = [filter('f1'), filter('f2', 't'), filter('p1'), filter('p2')]
  const shaped = outputStage(new QueueBench().queue, '*', 'shaped', [p1, p2])
  const i1 = filter('i1')
  const inputs = new Map([['in.0', { processors: [i1], routes: [] }]])
  const router = new MatchRouter([f1, f2], [output('plain'), shaped], inputs)
  expect(shapeOf(router.behind(i1, 'in.0', 't'))).toBe('f1 f2 -> plain [p1 p2 -> shaped]')
  expect(shapeOf(router.behind(f2, 'in.0', 't'))).toBe('-> plain [p1 p2 -> shaped]')
  expect(shapeOf(router.behind(p1, 'in.0', 't'))).toBe('p2 -> shaped')
  // With a tag that its filter does not match, a record begins anew, without the processors of its input.
  expect(shapeOf(router.behind(f2, 'in.0', 'other'))).toBe('f1 -> plain [p1 p2 -> shaped]')
})
