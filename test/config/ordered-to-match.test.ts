import { expect, test } from 'bun:test'
import {
  emptyTree,
  newSection,
  type Section,
  type Tree,
  type TreeStep,
} from '../../src/config/config-tree.ts'
import { withMatches } from '../../src/config/ordered-to-match.ts'
import { matchTag } from '../../src/core/tag.ts'
import { matchesText } from '../../src/lib/regex/string-matcher.ts'
import { compileTagPatterns } from '../../src/lib/tags/tag-pattern.ts'

const at = { file: 'td.conf', line: 1, col: 1 }

function section(kind: string, name: string): Section {
  const made = newSection(kind, 'main', at)
  made.properties.push({ key: 'name', value: name, location: at, valueLocation: at })
  return made
}

function treeOf(steps: TreeStep[], label?: string): Tree {
  const input = section('INPUT', 'dummy')
  if (label !== undefined) input.label = label
  return { ...emptyTree(), sections: [input], routing: { labels: new Map([[label ?? '', steps]]) } }
}

const filter = (name: string, ...patterns: string[]): TreeStep => ({
  patterns,
  location: at,
  filter: section('FILTER', name),
})
const match = (name: string, ...patterns: string[]): TreeStep => ({
  patterns,
  location: at,
  targets: [{ output: section('OUTPUT', name) }],
})

/** Returns the names of the filters and outputs that a tag passes by their matches. */
function passedBy(tree: Tree, tag: string): string[] {
  return tree.sections.flatMap(({ name, properties }) => {
    if (name === 'INPUT') return []
    const value = (key: string): string | undefined => properties.find((p) => p.key === key)?.value
    const regex = value('match_regex')
    const isPassed = regex === undefined ? matchTag(value('match') ?? '', tag) : matchesText(regex, tag)
    return isPassed ? [value('name') as string] : []
  })
}

/** Returns the names of the steps that fluentd has a tag pass: filters up to the first match that takes it. */
function passedInOrder(steps: TreeStep[], tag: string): string[] {
  const names: string[] = []
  for (const { patterns, filter: own, targets } of steps) {
    if (!compileTagPatterns(patterns).test(tag)) continue
    const sections = [
      ...(own === undefined ? [] : [own]),
      ...(targets ?? []).flatMap((t) => ('output' in t ? [t.output] : [])),
    ]
    names.push(...sections.map((s) => s.properties[0]?.value as string))
    if (targets !== undefined) break
  }
  return names
}

const STEPS = [
  filter('f1', 'app.**'),
  match('o1', 'app.error', 'app.fatal.*'),
  filter('f2', '**'),
  match('o2', 'app.*'),
  match('o3', '{a,b}.c', '**.tail'),
  filter('f3', 'x.y'),
  match('o4', 'x.**.z'),
  match('o5', '**'),
]
const TAGS = [
  'app',
  'app.error',
  'app.web',
  'app.web.x',
  'app.fatal.1',
  'a.c',
  'b.c',
  'c.c',
  'tail',
  'q.tail',
  'x.y',
  'x.z',
  'x.1.z',
  'x1z',
  'appx',
  '',
]

test.each(TAGS)('the tag %p passes the steps that fluentd has it pass', (tag) => {
  const { tree, lost } = withMatches(treeOf(STEPS))
  expect(lost).toEqual([])
  expect(passedBy(tree, tag)).toEqual(passedInOrder(STEPS, tag))
})

test('a match that nothing precedes stays a plain one', () => {
  const { tree } = withMatches(treeOf([filter('f', '**'), match('a', 'app'), match('b', 'web')]))
  const matches = tree.sections.flatMap(({ properties }) =>
    properties.filter(({ key }) => key.startsWith('match')),
  )
  expect(matches.map(({ key, value }) => [key, value])).toEqual([
    ['match', '*'],
    ['match', 'app'],
    ['match', 'web'],
  ])
})

test('inputs of one label keep its steps; other labels, relabel and inputs of other labels are lost with their place', () => {
  const one = withMatches(treeOf([match('a', '**')], '@X'))
  expect(one.lost).toEqual([])
  expect(one.tree.sections.map(({ name, label }) => [name, label])).toEqual([
    ['INPUT', undefined],
    ['OUTPUT', undefined],
  ])
  const tree = treeOf([{ patterns: ['**'], location: at, targets: [{ label: '@Y' }] }])
  const second = section('INPUT', 'mem')
  second.label = '@Y'
  tree.sections.push(second)
  tree.routing?.labels.set('@Y', [match('b', '**')])
  expect(withMatches(tree).lost).toEqual([
    'td.conf:1:1: records of this input begin at the label @Y, those of another one outside of any label: a match looks at the tag, not at the input; write these steps with a Match of its tag',
    'td.conf:1:1: relabel of the tags ** to @Y: there are no labels',
    'td.conf:1:1: the steps at the label @Y, match to b (**): there are no labels',
  ])
})

const relabel = (label: string, ...patterns: string[]): TreeStep => ({
  patterns,
  location: at,
  targets: [{ label }],
})

const LABELS = new Map([
  ['@A', [filter('f1', 'app.**'), relabel('@B', 'app.x', 'sys.**'), match('rest', '**')]],
  ['@B', [filter('f2', '**.x'), match('m1', 'sys.x'), relabel('@C', 'app.**'), match('m2', '**')]],
  ['@C', [match('m3', '*.x'), match('m4', '**')]],
])

/** Returns what a tag passes from a label on. */
function passedFrom(label: string, tag: string): string[] {
  const names: string[] = []
  for (const step of LABELS.get(label) ?? []) {
    if (!compileTagPatterns(step.patterns).test(tag)) continue
    if (step.filter !== undefined) names.push(step.filter.properties[0]?.value as string)
    const [target] = step.targets ?? []
    if (target === undefined) continue
    if ('label' in target) return [...names, ...passedFrom(target.label, tag)]
    return [...names, target.output.properties[0]?.value as string]
  }
  return names
}

test.each(['app.x', 'app.y', 'sys', 'sys.x', 'sys.a.x', 'x', 'other'])(
  'the steps of labels to which one match leads are passed by the tag %s as before',
  (tag) => {
    const input = section('INPUT', 'dummy')
    input.label = '@A'
    const { tree, lost } = withMatches({ ...emptyTree(), sections: [input], routing: { labels: LABELS } })
    expect(lost).toEqual([])
    expect(passedBy(tree, tag)).toEqual(passedFrom('@A', tag))
  },
)

test('a label next to another target keeps its place only without filters, and one that gets no records is not lost', () => {
  const copy = (label: string): TreeStep => ({
    patterns: ['**'],
    location: at,
    targets: [{ output: section('OUTPUT', 'one') }, { label }],
  })
  const labels = (steps: TreeStep[]): Map<string, TreeStep[]> =>
    new Map([
      ['', [copy('@C')]],
      ['@C', steps],
      ['@UNUSED', [match('unused', '**')]],
    ])
  const of = (steps: TreeStep[]): string[] => {
    const tree = { ...treeOf([]), routing: { labels: labels(steps) } }
    return withMatches(tree).lost
  }
  expect(of([match('two', 'a')])).toEqual([])
  expect(of([filter('f', '**'), match('two', 'a')])).toEqual([
    'td.conf:1:1: relabel of the tags ** to @C: there are no labels',
    'td.conf:1:1: the steps at the label @C, filter f (**), match to two (a): there are no labels',
  ])
})

test('a filter loses its Timeout_Label, which is said unless the records go there anyway', () => {
  const timed = (): TreeStep => {
    const step = filter('concat', '**')
    step.filter?.properties.push({ key: 'Timeout_Label', value: '@B', location: at, valueLocation: at })
    return step
  }
  const of = (next: TreeStep) => {
    const tree = treeOf([timed(), next])
    tree.routing?.labels.set('@B', [match('m', '**')])
    return withMatches(tree)
  }
  const { tree, lost } = of(relabel('@B', '**'))
  expect(lost).toEqual([])
  expect(tree.sections.flatMap(({ properties }) => properties.map(({ key }) => key))).not.toContain(
    'Timeout_Label',
  )
  expect(of(match('other', '**')).lost).toEqual(['td.conf:1:1: Timeout_Label @B: there are no labels'])
})

const STARTS = new Map([
  ['', [filter('f0', 'web.**'), match('m0', '**.error'), match('m1', 'web.**')]],
  ['@A', [filter('f1', 'app.**'), match('m2', 'app.*'), relabel('@B', '**')]],
  ['@B', [filter('f2', 'app.x.y', 'app.z'), match('m3', '**')]],
  ['@C', [match('m4', 'sys'), filter('f3', '**'), match('m5', '*')]],
])
const STARTS_OF_TAGS = { 'web.*': '', 'app.*': '@A', sys: '@C', db: '@C' }

function passedFromStart(label: string, tag: string): string[] {
  for (const names = [] as string[], steps = STARTS.get(label) ?? []; ; ) {
    for (const step of steps) {
      if (!compileTagPatterns(step.patterns).test(tag)) continue
      if (step.filter !== undefined) names.push(step.filter.properties[0]?.value as string)
      const [target] = step.targets ?? []
      if (target === undefined) continue
      if ('label' in target) return [...names, ...passedFromStart(target.label, tag)]
      return [...names, target.output.properties[0]?.value as string]
    }
    return names
  }
}

function withStarts(tags: Record<string, string>): ReturnType<typeof withMatches> {
  const inputs = Object.entries(tags).map(([tag, label]) => {
    const input = section('INPUT', 'dummy')
    input.properties.push({ key: 'Tag', value: tag, location: at, valueLocation: at })
    return label === '' ? input : { ...input, label }
  })
  return withMatches({ ...emptyTree(), sections: inputs, routing: { labels: STARTS } })
}

test.each([
  ['web.a', ''],
  ['web.b.error', ''],
  ['app.x', '@A'],
  ['app.x.y', '@A'],
  ['app.x.z', '@A'],
  ['sys', '@C'],
  ['db', '@C'],
])('inputs of several labels keep their steps where their tags differ: %p', (tag, label) => {
  const { tree, lost } = withStarts(STARTS_OF_TAGS)
  expect(lost).toEqual([])
  expect(passedBy(tree, tag)).toEqual(passedFromStart(label, tag))
})

test('a tag that is known has a plain match', () => {
  const { tree } = withStarts({ 'web.*': '', sys: '@C' })
  const match = tree.sections.find(({ properties }) => properties[0]?.value === 'm4')?.properties.at(-1)
  expect([match?.key, match?.value]).toEqual(['match', 'sys'])
})

test('inputs of several labels do not keep their steps where one tag may be that of both', () => {
  for (const tags of [
    { 'web.*': '', '*.x': '@A' },
    { web: '', '': '@A' },
    { 'a<b>': '', c: '@A' },
  ])
    expect(withStarts(tags).lost[0]).toContain('a match looks at the tag, not at the input')
})

test('nor where a tag has a variable', () => {
  const input = section('INPUT', 'dummy')
  const tag = { key: 'Tag', value: 'app', written: '${A}', location: at, valueLocation: at }
  input.properties.push(tag)
  const other = section('INPUT', 'dummy')
  other.label = '@A'
  other.properties.push({ ...tag, value: 'web' })
  const { lost } = withMatches({ ...emptyTree(), sections: [input, other], routing: { labels: STARTS } })
  expect(lost[0]).toContain('a match looks at the tag, not at the input')
})
