import type { FilterPlan, InputPlan, Plan } from '../core/plan.ts'
import { type Diagnostics, warn } from './config-tree.ts'
import { mayMatch, tagsOf } from './route-check.ts'

/** Warns of records that a filter is to delay and cannot, since nobody reads them from a place where they can wait. */
export function checkDelays({ inputs, filters }: Plan, diagnostics: Diagnostics): void {
  for (const [at, filter] of filters.entries()) {
    const option = optionOf(filter)
    if (option === undefined) continue
    const reached = inputs.filter((input) => tagsOf(input).some((tag) => isMatched(filter, tag)))
    for (const input of reached)
      if (input.spec.asksFilters !== true) warnOf(filter, option, input, diagnostics)
    const isAsked = reached.some(({ spec }) => spec.asksFilters === true)
    // A later filter is past the reading: the records have been counted by their first tag.
    const rewriting = filters.filter((other, i) => other.spec.newTags !== undefined && (i < at || !isAsked))
    for (const other of rewriting)
      for (const { pattern } of other.spec.newTags?.(other.options as never) ?? [])
        if (isMatched(filter, pattern))
          warn(
            diagnostics,
            `${textOf(filter, option)} has no effect on records to which ${other.name} gives the tag ${pattern}: they pass without a limit; place ${filter.name} before ${other.name} with a Match of the tags that are read, or use another ${titled(option)}`,
            placeOf(filter, option),
          )
  }
  for (const input of inputs)
    for (const filter of input.processors ?? []) {
      const option = optionOf(filter)
      if (option !== undefined && input.spec.asksFilters !== true) warnOf(filter, option, input, diagnostics)
    }
}

function optionOf({ spec, options }: FilterPlan): string | undefined {
  return spec.delaysBy?.(options as never)
}

function isMatched({ common: { match, matchRegex } }: FilterPlan, tag: string): boolean {
  return (match !== undefined || matchRegex !== undefined) && mayMatch(tag, match, matchRegex)
}

function warnOf(filter: FilterPlan, option: string, input: InputPlan, diagnostics: Diagnostics): void {
  warn(
    diagnostics,
    `${textOf(filter, option)} has no effect on ${input.name}: only inputs that read files can wait, so its records pass without a limit; use another ${titled(option)} for them`,
    placeOf(filter, option),
  )
}

function textOf({ spec, options }: FilterPlan, option: string): string {
  return `[${spec.name}] ${titled(option)} ${(options as Record<string, unknown>)[option]}`
}

function placeOf({ optionLocations, location }: FilterPlan, option: string): FilterPlan['location'] {
  return optionLocations.get(option) ?? location
}

function titled(option: string): string {
  return option.replace(/^./, (first) => first.toUpperCase())
}
