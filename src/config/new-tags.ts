import { ShipperError } from '../core/error.ts'
import { type FilterPlan, filtersOf, type Plan } from '../core/plan.ts'
import { matchTag } from '../core/tag.ts'
import { matchesText } from '../lib/regex/string-matcher.ts'
import type { Diagnostics } from './config-tree.ts'

/** Returns the tags that filters of a plan give to records, with `*` for what depends on the record or its tag. */
export function newTagsOf(plan: Plan): string[] {
  return filtersOf(plan).flatMap(({ spec, options }) =>
    (spec.newTags?.(options as never) ?? []).map(({ pattern }) => pattern),
  )
}

/**
 * Reports filters that give records another tag and are processors of outputs, and, of those that match by tag, what is
 * certain to be a circle: each of them gives, for the same records, a fixed tag that the next one matches.
 */
export function checkNewTags(plan: Plan, diagnostics: Diagnostics): void {
  for (const output of plan.outputs)
    for (const { spec, location } of output.processors ?? [])
      if (spec.newTags !== undefined)
        diagnostics.problems.push(
          new ShipperError('E_CONFIG_BAD_VALUE', `[${spec.name}] cannot be a processor of an output`, {
            hint: 'make it a [FILTER], or a processor of the input',
            location,
          }),
        )
  if (plan.routing !== undefined) return
  for (const circle of circlesOf(plan.filters)) {
    const names = [...circle, circle[0] as FilterPlan].map(({ name }) => name).join(' -> ')
    diagnostics.problems.push(
      new ShipperError('E_CONFIG_BAD_VALUE', `records go in a circle, with the same rule in each: ${names}`, {
        hint: 'give one of them a Match without the new tag of the one before it',
        ...(circle[0] === undefined ? {} : { location: circle[0].location }),
      }),
    )
  }
}

/** A filter, the fixed tag of the records of its first rule, and the filter of which they are records of the first rule as well. */
interface Step {
  filter: FilterPlan
  tag: string | undefined
  next: Step | undefined
  /** Number of the walk that has come here first. */
  walk: number
}

/** Returns the circles of two or more filters; each once, beginning with its first filter. */
function circlesOf(filters: readonly FilterPlan[]): FilterPlan[][] {
  const steps = stepsOf(filters)
  const circles: FilterPlan[][] = []
  // Each step has one that follows, so each is visited once, and a circle is what a walk comes back to.
  for (const [i, start] of steps.entries()) {
    let at: Step | undefined = start
    while (at !== undefined && at.walk < 0) {
      at.walk = i
      at = at.next
    }
    if (at === undefined || at.walk !== i) continue
    // The walk began before it reached the circle, whose first filter may be another one.
    const circle = [at]
    for (let next = at.next; next !== undefined && next !== at; next = next.next) circle.push(next)
    const places = circle.map((step) => filters.indexOf(step.filter))
    const first = places.indexOf(Math.min(...places))
    circles.push([...circle.slice(first), ...circle.slice(0, first)].map(({ filter }) => filter))
  }
  return circles
}

/** Returns the filters that give new tags. In a circle each has the rule of the one before it as its first. */
function stepsOf(filters: readonly FilterPlan[]): Step[] {
  const byRule = new Map<string, Step[]>()
  for (const filter of filters) {
    const newTags = filter.spec.newTags?.(filter.options as never) ?? []
    const rule = newTags[0]?.rule
    const tag = newTags.find((one) => one.rule === rule && !one.pattern.includes('*'))?.pattern
    if (rule === undefined) continue
    const step: Step = { filter, tag, next: undefined, walk: -1 }
    const others = byRule.get(rule)
    if (others === undefined) byRule.set(rule, [step])
    else others.push(step)
  }
  const groups = [...byRule.values()]
  for (const steps of groups)
    for (const step of steps) {
      const { tag } = step
      if (tag === undefined) continue
      step.next = steps.find((other) => other !== step && isMatched(other.filter, tag))
    }
  return groups.flat()
}

function isMatched({ common: { match, matchRegex } }: FilterPlan, tag: string): boolean {
  return matchRegex === undefined ? match !== undefined && matchTag(match, tag) : matchesText(matchRegex, tag)
}
