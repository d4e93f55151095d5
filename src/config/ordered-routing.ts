import {
  type FilterPlan,
  type InputPlan,
  type OrderedRouting,
  type OrderedStep,
  type OrderedTarget,
  type OutputPlan,
  ROOT,
  ROOT_LABEL,
} from '../core/plan.ts'
import { compileTagPatterns } from '../lib/tags/tag-pattern.ts'
import type { Section, TreeRouting, TreeStep } from './config-tree.ts'
import { tagsOf } from './route-check.ts'

/** Returns the routing of a tree with the plans of its sections. A section without a plan is left out: it has a problem. */
export function orderedRouting(routing: TreeRouting, plans: ReadonlyMap<Section, unknown>): OrderedRouting {
  const labels = new Map<string, OrderedStep[]>()
  for (const [label, steps] of routing.labels)
    labels.set(
      label,
      steps.flatMap((step) => stepOf(step, plans) ?? []),
    )
  return { labels }
}

function stepOf(step: TreeStep, plans: ReadonlyMap<Section, unknown>): OrderedStep | undefined {
  const { patterns, location, filter, targets } = step
  if (filter !== undefined) {
    const plan = plans.get(filter) as FilterPlan | undefined
    return plan === undefined ? undefined : { patterns, location, filter: plan }
  }
  const planned = (targets ?? []).flatMap((target): OrderedTarget[] => {
    if ('label' in target) return [target]
    const output = plans.get(target.output) as OutputPlan | undefined
    return output === undefined ? [] : [{ output }]
  })
  return { patterns, location, targets: planned }
}

const GROUP = /<[^>]*>/g
/** Texts for what a star in a tag stands for, of one part and of several. */
const STAR_TEXTS = ['x', 'x.y.z']

/**
 * Returns a test whether records of an input may reach an output by the steps. Of a tag with a star, a step is passed over only
 * if its patterns fit neither of two texts in its place, and ends the way only if they fit both.
 */
export function reachesInOrder({
  labels,
}: OrderedRouting): (input: InputPlan, output: OutputPlan) => boolean {
  const reached = new Map<InputPlan, ReadonlySet<OutputPlan>>()
  return (input, output) => {
    let outputs = reached.get(input)
    if (outputs === undefined) {
      const tags = tagsOf(input)
        .map((tag) => tag.replace(GROUP, '*'))
        .flatMap((tag) => (tag.includes('*') ? STAR_TEXTS.map((text) => tag.replaceAll('*', text)) : [tag]))
      outputs = new Set(outputsFrom(labels, input.label ?? ROOT, tags, new Set()))
      reached.set(input, outputs)
    }
    return outputs.has(output)
  }
}

/** Returns the outputs that a record with one of the tags may reach from the first step of a label. */
function outputsFrom(
  labels: OrderedRouting['labels'],
  label: string,
  tags: readonly string[],
  seen: Set<string>,
): OutputPlan[] {
  if (seen.has(label)) return []
  seen.add(label)
  const found: OutputPlan[] = []
  for (const { patterns, targets } of labels.get(label) ?? []) {
    if (targets === undefined) continue
    const test = compileTagPatterns(patterns)
    const fitting = tags.filter((tag) => test.test(tag))
    if (fitting.length === 0) continue
    for (const target of targets) {
      if ('output' in target) found.push(target.output)
      else found.push(...outputsFrom(labels, target.label === ROOT_LABEL ? ROOT : target.label, tags, seen))
    }
    if (fitting.length === tags.length) break
  }
  return found
}
