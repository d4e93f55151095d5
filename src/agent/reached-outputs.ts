import { patternsMeet, tagsOf } from '../config/route-check.ts'
import { type InputPlan, type OutputPlan, type Plan, ROOT } from '../core/plan.ts'
import { matchTag } from '../core/tag.ts'

const GROUP = /<[^>]*>/g

/**
 * Returns the outputs that may get records of an input, in the order of the plan. Where a path or a part of it stands in the
 * tag, which tags there will be is not known: then an output counts that some tag would reach.
 */
export async function reachedOutputs({ outputs, routing }: Plan, input: InputPlan): Promise<OutputPlan[]> {
  if (!input.common.routable) return []
  const tag = tagsOf(input).replace(GROUP, '*')
  if (routing !== undefined) {
    const { followLabels } = await import('./followed-labels.ts')
    const names = followLabels(routing, input.label ?? ROOT, tag)
    return outputs.filter(({ name }) => names.has(name))
  }
  const routed = new Set(input.routes?.flatMap((route) => route.outputs))
  return outputs.filter((output) => routed.has(output.name) || mayMatch(output, tag))
}

function mayMatch({ common: { match, matchRegex } }: OutputPlan, tag: string): boolean {
  if (matchRegex !== undefined) return true
  return match !== undefined && (tag.includes('*') ? patternsMeet(tag, match) : matchTag(match, tag))
}
