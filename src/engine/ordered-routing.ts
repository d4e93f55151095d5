import { ShipperError, type SourceLocation } from '../core/error.ts'
import { type OrderedRouting, type OrderedStep, type Plan, ROOT } from '../core/plan.ts'
import { compileTagPatterns, type TagTest } from '../lib/tags/tag-pattern.ts'
import { found, type Stages } from './match-routing.ts'
import { OrderedRouter, type StepStage } from './ordered-router.ts'
import type { Router } from './router.ts'

/**
 * Makes the router of a plan with ordered routing. Throws a ShipperError with a location for what is wrong with its labels,
 * also for an output or filter that is not in the plan.
 */
export function orderedRouterOf({ inputs }: Plan, { labels }: OrderedRouting, stages: Stages): Router {
  const steps = new Map<string, StepStage[]>()
  for (const [label, plans] of labels)
    steps.set(
      label,
      plans.map((step) => stepOf(step, stages)),
    )
  if (!steps.has(ROOT)) steps.set(ROOT, [])
  const labelOf = new Map<string, string>()
  for (const { name, label = ROOT, location } of inputs) {
    if (!steps.has(label))
      throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no label ${label}`, {
        hint: 'add the label, or remove @label from the source',
        location,
      })
    labelOf.set(name, label)
  }
  return new OrderedRouter(steps, labelOf)
}

function stepOf({ patterns, location, filter, targets }: OrderedStep, stages: Stages): StepStage {
  return {
    tags: tagsOf(patterns, location),
    location,
    filter: filter === undefined ? undefined : found(stages, 'filters', filter.name, filter.location)[0],
    targets: targets?.flatMap((target): Target | Target[] =>
      'label' in target
        ? target
        : found(stages, 'outputs', target.output.name, location).map((output) => ({ output })),
    ),
  }
}

function tagsOf(patterns: readonly string[], location: SourceLocation): TagTest {
  try {
    return compileTagPatterns(patterns)
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    const { code, message, hint } = error
    throw new ShipperError(code, message, { hint, location, cause: error })
  }
}

type Target = NonNullable<StepStage['targets']>[number]
