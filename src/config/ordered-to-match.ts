import { ERROR_LABEL } from '../core/plan.ts'
import { compileTagPatterns } from '../lib/tags/tag-pattern.ts'
import { propertyOf, type Section, type Tree, type TreeStep } from './config-tree.ts'
import { patternsMeet } from './route-check.ts'
import { lostAt } from './written-tree.ts'

const PLAIN = /^[\w-]+(?:\.[\w-]+)*$/
const SPECIAL = /[.+?*^$(){}|[\]\\]/g
const BLANKS = /\s+/
/** Label after the words of a rule of rewrite_tag. */
const RULE_LABEL = /\s(@\S+)$/
const DISCARD = 'null'

/**
 * Returns a tree of a fluentd file as one in which filters and outputs have a match, and what that cannot say. Where the order
 * of the file decides, a Match_Regex excludes the tags that an earlier match takes. The steps of a label that one match alone leads
 * to take the place of that match. Where inputs begin at several labels and no tag is that of two of them, each has the steps of its
 * label. A tree that has matches is returned as it is.
 */
export function withMatches(tree: Tree): { tree: Tree; lost: string[] } {
  const { routing } = tree
  if (routing === undefined) return { tree, lost: [] }
  const inputs = tree.sections.filter(({ name }) => name.toUpperCase() === 'INPUT')
  const [start = ''] = new Set(inputs.map(({ label = '' }) => label))
  const steps = new MatchedSteps(routing.labels, inputs)
  const apart = tagsByLabel(inputs)
  for (const [label, patterns] of apart ?? []) steps.add(label, [{ patterns, before: [] }])
  for (const input of apart === undefined ? inputs : [])
    if ((input.label ?? '') !== start)
      steps.lost.push(
        lostAt(
          input,
          `records of this input begin ${placeOf(input.label)}, those of another one ${placeOf(start)}: a match looks at the tag, not at the input; write these steps with a Match of ${tagText(input)}`,
        ),
      )
  if (apart === undefined) steps.add(start, [])
  steps.reportRest()
  const rank = ({ name }: Section): number => (name.toUpperCase() === 'SERVICE' ? 0 : 1)
  const others = tree.sections
    .filter(({ name }) => !['FILTER', 'OUTPUT'].includes(name.toUpperCase()))
    .sort((a, b) => rank(a) - rank(b))
  const { routing: _, ...rest } = tree
  return { tree: { ...rest, sections: [...others, ...steps.sections].map(withoutLabel) }, lost: steps.lost }
}

function withoutLabel({ label: _, ...section }: Section): Section {
  return section
}

/** Tags of inputs of which a pattern can be made. */
const TAG = /^[^\s{}\\,/<]+$/

/** Returns the tags of inputs as patterns by the labels at which they begin; undefined: there is one, or they may share tags. */
function tagsByLabel(inputs: readonly Section[]): Map<string, string[]> | undefined {
  const groups = Map.groupBy(inputs, ({ label = '' }) => label)
  if (groups.size < 2) return undefined
  const tags = inputs.map((input) => {
    const property = propertyOf(input, 'tag')
    // A tag with a variable is another one on another machine.
    return { label: input.label ?? '', tag: property?.written === undefined ? (property?.value ?? '') : '' }
  })
  if (!tags.every(({ tag }) => TAG.test(tag))) return undefined
  const isShared = tags.some((one, i) =>
    tags.slice(i + 1).some((other) => other.label !== one.label && patternsMeet(one.tag, other.tag)),
  )
  if (isShared) return undefined
  return new Map(
    [...groups.keys()].map((label) => {
      const own = tags.filter((one) => one.label === label)
      return [label, [...new Set(own.map(({ tag }) => tag.replaceAll('*', '**')))]]
    }),
  )
}

/** A condition on tags: one of the patterns, and none of those before. */
interface Restriction {
  patterns: readonly string[]
  before: readonly string[]
}

/** The sections of steps, each with the tags that reach it. */
class MatchedSteps {
  readonly sections: Section[] = []
  readonly lost: string[] = []
  readonly #labels: ReadonlyMap<string, readonly TreeStep[]>
  /** How many inputs and targets lead to a label. */
  readonly #uses = new Map<string, number>()
  readonly #done = new Set<string>()

  constructor(labels: ReadonlyMap<string, readonly TreeStep[]>, inputs: readonly Section[]) {
    this.#labels = labels
    const count = (label: string): void => void this.#uses.set(label, (this.#uses.get(label) ?? 0) + 1)
    for (const label of new Set(inputs.map(({ label = '' }) => label))) count(label)
    for (const { targets = [] } of [...labels.values()].flat())
      for (const target of targets) if ('label' in target) count(target.label)
  }

  /** Adds the steps of a label; its records meet the restrictions. */
  add(label: string, outer: readonly Restriction[]): void {
    this.#done.add(label)
    const taken: string[] = []
    const steps = this.#labels.get(label) ?? []
    for (const [i, step] of steps.entries()) {
      const patterns = patternsOf(step)
      const before = taken.filter((pattern) => patterns.some((other) => mayMeet(pattern, other)))
      const all = [...outer, { patterns, before }]
      if (step.filter !== undefined)
        this.sections.push(withMatch(this.#withoutTimeout(step, steps.slice(i + 1)), step, matchOf(all)))
      if (step.targets === undefined) continue
      this.#addTargets(step, step.targets, all)
      taken.push(...patterns)
    }
  }

  #addTargets(step: TreeStep, targets: NonNullable<TreeStep['targets']>, all: readonly Restriction[]): void {
    // Discarded records need an output only so that they are not reported as without one.
    if (targets.length === 0) this.sections.push(withMatch(discarding(step), step, matchOf(all)))
    for (const target of targets) {
      if ('output' in target) this.sections.push(withMatch(target.output, step, matchOf(all)))
      else if (this.#canInline(target.label, targets.length > 1)) this.add(target.label, all)
      else
        this.lost.push(
          lostAt(
            step,
            `relabel of the tags ${step.patterns.join(' ')} to ${target.label}: there are no labels`,
          ),
        )
    }
  }

  /** True when nothing else leads to the label, and its filters concern no other target. */
  #canInline(label: string, hasOthers: boolean): boolean {
    if (this.#done.has(label) || this.#uses.get(label) !== 1) return false
    return !hasOthers || !this.#hasFilter(label, new Set())
  }

  #hasFilter(label: string, seen: Set<string>): boolean {
    if (seen.has(label)) return false
    seen.add(label)
    return (this.#labels.get(label) ?? []).some(
      ({ filter, targets = [] }) =>
        filter !== undefined ||
        targets.some((target) => 'label' in target && this.#hasFilter(target.label, seen)),
    )
  }

  /** Returns the filter of a step; without labels, what comes too late goes on as the others do. */
  #withoutTimeout({ filter, location }: TreeStep, following: readonly TreeStep[]): Section {
    const section = this.#withoutLabels(filter as Section, location)
    const late = propertyOf(section, 'timeout_label')
    if (late === undefined) return section
    const next = following.find(({ targets }) => targets !== undefined)
    const isNext = next?.targets?.some((target) => 'label' in target && target.label === late.value)
    if (isNext !== true)
      this.lost.push(lostAt({ location }, `Timeout_Label ${late.value}: there are no labels`))
    return { ...section, properties: section.properties.filter((property) => property !== late) }
  }

  /** Returns a filter whose rules send records to the beginning, and not to a label. */
  #withoutLabels(section: Section, location: TreeStep['location']): Section {
    const properties = section.properties.map((property) => {
      const label = property.key.toLowerCase() === 'rule' ? RULE_LABEL.exec(property.value) : null
      if (label === null) return property
      this.lost.push(lostAt({ location }, `the label ${label[1]} of a rule: there are no labels`))
      return { ...property, value: property.value.slice(0, label.index) }
    })
    return { ...section, properties }
  }

  /** Reports the labels that get records and are not in the output. */
  reportRest(): void {
    for (const [label, steps] of this.#labels) {
      const [first] = steps
      if (first === undefined || this.#done.has(label)) continue
      if (!this.#uses.has(label) && label !== ERROR_LABEL) continue
      this.lost.push(lostAt(first, `the steps ${placeOf(label)}, ${stepsText(steps)}: there are no labels`))
    }
  }
}

function placeOf(label = ''): string {
  return label === '' ? 'outside of any label' : `at the label ${label}`
}

function tagText(input: Section): string {
  const tag = propertyOf(input, 'tag')?.value
  return tag === undefined ? 'its tag' : `its tag ${tag}`
}

/** Names the filters and outputs of steps with their tags. */
function stepsText(steps: readonly TreeStep[]): string {
  return steps
    .map(({ patterns, filter, targets = [] }) => {
      const names = targets.map((target) => ('label' in target ? target.label : nameOf(target.output)))
      const stage =
        filter === undefined ? `match to ${names.join(' and ') || DISCARD}` : `filter ${nameOf(filter)}`
      return `${stage} (${patterns.join(' ')})`
    })
    .join(', ')
}

function nameOf(section: Section): string {
  return propertyOf(section, 'name')?.value ?? ''
}

function patternsOf({ patterns }: TreeStep): string[] {
  return patterns.flatMap((text) => text.split(BLANKS)).filter((text) => text !== '')
}

function discarding({ location }: TreeStep): Section {
  const name = { key: 'name', value: DISCARD, location, valueLocation: location }
  return { name: 'OUTPUT', origin: 'main', location, properties: [name], groups: [] }
}

function withMatch(section: Section, { location }: TreeStep, match: [key: string, value: string]): Section {
  const [key, value] = match
  const properties = section.properties.filter(
    ({ key: name }) => !['match', 'match_regex'].includes(name.toLowerCase()),
  )
  return { ...section, properties: [...properties, { key, value, location, valueLocation: location }] }
}

/** Returns the match of tags that meet all restrictions. */
function matchOf(all: readonly Restriction[]): [key: string, value: string] {
  const restrictions = withoutDecided(withoutRepeated(all))
  const needed = restrictions.filter(({ patterns, before }) => before.length > 0 || !patterns.includes('**'))
  const [only] = needed
  if (only === undefined) return ['match', '*']
  const [pattern = ''] = only.patterns
  if (needed.length === 1 && only.before.length === 0 && only.patterns.length === 1 && isPlain(pattern))
    return ['match', pattern]
  const parts = needed.map(({ patterns, before }, i) => {
    const excluded = before.length === 0 ? '' : `(?!(?:${before.map(expressionOf).join('|')})\\z)`
    const wanted = `(?:${patterns.map(expressionOf).join('|')})\\z`
    return excluded + (i + 1 < needed.length ? `(?=${wanted})` : wanted)
  })
  return ['match_regex', `\\A${parts.join('')}`]
}

/** Returns the restrictions without those that a later one has, too. */
function withoutRepeated(restrictions: readonly Restriction[]): Restriction[] {
  return restrictions.filter(
    ({ patterns, before }, i) =>
      before.length > 0 ||
      !restrictions.slice(i + 1).some((later) => later.patterns.join(' ') === patterns.join(' ')),
  )
}

/** Where one of the restrictions names all tags there can be, returns those of them that meet the others, too. */
function withoutDecided(restrictions: readonly Restriction[]): readonly Restriction[] {
  const exact = restrictions.find(({ patterns, before }) => before.length === 0 && patterns.every(isPlain))
  const tests = restrictions.map(({ patterns, before }) => [
    compileTagPatterns(patterns),
    compileTagPatterns(before),
  ])
  const tags = exact?.patterns.filter((tag) =>
    tests.every(([wanted, excluded]) => wanted?.test(tag) && !excluded?.test(tag)),
  )
  return tags === undefined || tags.length === 0 ? restrictions : [{ patterns: tags, before: [] }]
}

function isPlain(pattern: string): boolean {
  return PLAIN.test(pattern)
}

/** Returns false only when no tag has both patterns. */
function mayMeet(a: string, b: string): boolean {
  if (isPlain(a) && isPlain(b)) return a === b
  if (isPlain(a)) return compileTagPatterns([b]).test(a)
  if (isPlain(b)) return compileTagPatterns([a]).test(b)
  return true
}

/** Returns a pattern of fluentd, see `compileTagPatterns`, as an expression for a whole tag. */
function expressionOf(pattern: string): string {
  if (pattern.startsWith('/')) return `.*(?:${pattern.slice(1, -1)}).*`
  let text = ''
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] as string
    if (pattern.startsWith('.**', i) && i + 3 === pattern.length) {
      text += '(?:\\..*)?'
      i += 2
    } else if (pattern.startsWith('**.', i) && i === 0) {
      text += '(?:.*\\.)?'
      i += 2
    } else if (pattern.startsWith('.**.', i)) {
      text += '\\.(?:.*\\.)?'
      i += 3
    } else if (pattern.startsWith('**', i)) {
      text += '.*'
      i++
    } else if (c === '*') text += '[^.]*'
    else if (c === '{') text += '(?:'
    else if (c === '}') text += ')'
    else if (c === ',') text += '|'
    else if (c === '\\') text += literal(pattern[++i] ?? '')
    else if (c !== '.' || i + 1 < pattern.length) text += literal(c)
  }
  return text
}

function literal(c: string): string {
  return c.replace(SPECIAL, '\\$&')
}
