import { ShipperError, type SourceLocation } from '../core/error.ts'
import type { Condition, InputPlan, Plan, ProcessorPlan } from '../core/plan.ts'
import type { RecordTest } from '../lib/records/condition.ts'
import { type InputRouting, MatchRouter } from './match-router.ts'
import type { FilterStage, OutputStage } from './path.ts'
import type { Router } from './router.ts'

/** The stages of a plan that could be made. */
export interface Stages {
  filters: ReadonlyMap<string, FilterStage>
  outputs: ReadonlyMap<string, OutputStage>
  processors: ReadonlyMap<ProcessorPlan, FilterStage>
  /** False when some could not be made, which is reported elsewhere: what is missing is left out. */
  isComplete: boolean
  /** Returns the test for a condition on a route of an input. */
  conditionOf(input: InputPlan, condition: Condition): RecordTest
}

/**
 * Makes the router of a plan without ordered routing. Throws a ShipperError with a location for what is wrong with its
 * routes, also for an output that is not in the plan.
 */
export function matchRouterOf(plan: Plan, stages: Stages): Router {
  const inputs = new Map<string, InputRouting>()
  for (const input of plan.inputs) {
    const { processors = [], routes = [] } = input
    if (processors.length + routes.length === 0) continue
    inputs.set(input.name, {
      processors: processors.flatMap((processor) => stages.processors.get(processor) ?? []),
      routes: routes.map(({ name, condition, outputs, location }) => ({
        name,
        condition: typeof condition === 'object' ? stages.conditionOf(input, condition) : condition,
        outputs: outputs.flatMap((output) => found(stages, 'outputs', output, location)),
      })),
    })
  }
  return new MatchRouter([...stages.filters.values()], [...stages.outputs.values()], inputs)
}

/** Returns the stage with this name, or none when it could not be made. */
export function found<K extends 'filters' | 'outputs'>(
  stages: Stages,
  kind: K,
  name: string,
  location: SourceLocation,
): StageOf<K>[] {
  const stage = stages[kind].get(name) as StageOf<K> | undefined
  if (stage !== undefined) return [stage]
  if (!stages.isComplete) return []
  throw new ShipperError('E_CONFIG_BAD_VALUE', `there is no ${kind.slice(0, -1)} ${name}`, {
    hint: `${kind}: ${[...stages[kind].keys()].join(', ')}`,
    location,
  })
}

type StageOf<K> = K extends 'filters' ? FilterStage : OutputStage
