import { patternsMeet, tagsOf } from '../config/route-check.ts'
import { type FilterPlan, filtersOf, type InputPlan, type OutputPlan, type Plan, ROOT } from '../core/plan.ts'
import { matchTag } from '../core/tag.ts'

const GROUP = /<[^>]*>/g

/**
 * Returns the outputs that may get records of an input, in the order of the plan. Where a path or a part of it stands in the
 * tag, which tags there will be is not known: then an output counts that some tag would reach. So it is with the tags that
 * filters give to records.
 */
export async function reachedOutputs(plan: Plan, input: InputPlan): Promise<OutputPlan[]> {
  const { outputs, routing } = plan
  if (!input.common.routable) return []
  const ownTags = tagsOf(input).map((tag) => tag.replace(GROUP, '*'))
  const newTags: { label: string; tag: string }[] = []
  for (const tag of ownTags) newTags.push(...(await newTagsFrom(plan, tag)))
  if (routing !== undefined) {
    const { followLabels } = await import('./followed-labels.ts')
    const ways = [...ownTags.map((tag) => ({ label: input.label ?? ROOT, tag })), ...newTags]
    const names = new Set(ways.flatMap((way) => [...followLabels(routing, way.label, way.tag)]))
    return outputs.filter(({ name }) => names.has(name))
  }
  const routed = new Set(input.routes?.flatMap((route) => route.outputs))
  const tags = [...ownTags, ...newTags.map((one) => one.tag)]
  return outputs.filter((output) => routed.has(output.name) || tags.some((one) => mayMatch(output, one)))
}

/** Returns the tags that filters may give to records with a tag, each with the label at which these begin. */
async function newTagsFrom(plan: Plan, tag: string): Promise<{ label: string; tag: string }[]> {
  const all = filtersOf(plan)
  if (all.every(({ spec }) => spec.newTags === undefined)) return []
  const { followNewTags, labelOfNewTag } = await import('./followed-tags.ts')
  const found: { label: string; tag: string }[] = []
  // The processors of another input are taken for one's own: they have no match.
  const passing = (one: string): string[] =>
    all
      .filter(
        (filter) => plan.routing !== undefined || !plan.filters.includes(filter) || mayMatch(filter, one),
      )
      .map(({ name }) => name)
  followNewTags(plan, passing(tag), tag, (filter, newTag) => {
    found.push({ label: labelOfNewTag(plan, filter, newTag), tag: newTag.pattern })
    return passing(newTag.pattern)
  })
  return found
}

function mayMatch({ common: { match, matchRegex } }: FilterPlan | OutputPlan, tag: string): boolean {
  if (matchRegex !== undefined) return true
  return match !== undefined && (tag.includes('*') ? patternsMeet(tag, match) : matchTag(match, tag))
}
