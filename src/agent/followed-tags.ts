import { type FilterPlan, filtersOf, type Plan, ROOT } from '../core/plan.ts'
import type { NewTag } from '../core/plugin.ts'

/** Most tags that are followed: filters may give each other's records new ones. */
const MAX_FOLLOWED = 100

/**
 * Finds the tags that filters give to records which pass the filters with these names under a tag, and to those records in turn.
 * `visit` is called for each and returns the names of the filters that records with the new tag pass.
 */
export function followNewTags(
  plan: Plan,
  names: readonly string[],
  tag: string,
  visit: (filter: FilterPlan, newTag: NewTag) => readonly string[],
): void {
  const all = filtersOf(plan)
  const seen = new Set<string>()
  const ways = names.map((name) => ({ name, tag }))
  // More are added while it is read.
  for (const way of ways) {
    const filter = all.find(({ name }) => name === way.name)
    if (filter === undefined) continue
    for (const newTag of filter.spec.newTags?.(filter.options as never, way.tag) ?? []) {
      const key = JSON.stringify([filter.name, newTag.pattern, newTag.label])
      if (seen.has(key) || seen.size >= MAX_FOLLOWED) continue
      seen.add(key)
      for (const name of visit(filter, newTag))
        if (name !== filter.name) ways.push({ name, tag: newTag.pattern })
    }
  }
}

/** Returns the label at which records begin to which a filter has given a tag. */
export function labelOfNewTag({ routing }: Plan, { name }: FilterPlan, { label }: NewTag): string {
  if (label !== undefined || routing === undefined) return label ?? ROOT
  for (const [own, steps] of routing.labels) if (steps.some(({ filter }) => filter?.name === name)) return own
  return ROOT
}
