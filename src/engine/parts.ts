import { deadLettersOf, filtersOf, type Plan } from '../core/plan.ts'
import type { compileCondition } from '../lib/records/condition.ts'
import type { DiskBuffer } from './buffer/disk-buffer.ts'
import type { ConditionalFilter } from './conditional-filter.ts'
import type { FilterLetters } from './dead-letters/filter-letters.ts'
import type { orderedRouterOf } from './ordered-routing.ts'

/** Code that only some plans need, so that an agent does not keep what its configuration does not name. */
export interface Parts {
  /** Of a plan with conditions on processors or routes. */
  conditions?: {
    compileCondition: typeof compileCondition
    ConditionalFilter: typeof ConditionalFilter
  }
  /** Of a plan with filters that may give up records. */
  FilterLetters?: typeof FilterLetters
  /** Of a plan with a buffer on disk. */
  DiskBuffer?: typeof DiskBuffer
  /** Of a plan with ordered routing. */
  orderedRouterOf?: typeof orderedRouterOf
}

/** Loads the parts that a plan needs. */
export async function loadParts(plan: Plan): Promise<Parts> {
  const parts: Parts = {}
  if (hasConditions(plan)) {
    const { compileCondition } = await import('../lib/records/condition.ts')
    const { ConditionalFilter } = await import('./conditional-filter.ts')
    parts.conditions = { compileCondition, ConditionalFilter }
  }
  if (filtersOf(plan).some((filter) => deadLettersOf(filter) !== undefined))
    parts.FilterLetters = (await import('./dead-letters/filter-letters.ts')).FilterLetters
  if (plan.buffer !== undefined) parts.DiskBuffer = (await import('./buffer/disk-buffer.ts')).DiskBuffer
  if (plan.routing !== undefined)
    parts.orderedRouterOf = (await import('./ordered-routing.ts')).orderedRouterOf
  return parts
}

function hasConditions(plan: Plan): boolean {
  const routes = plan.inputs.flatMap((input) => input.routes ?? [])
  return [...filtersOf(plan), ...routes].some(
    (each) => 'condition' in each && typeof each.condition === 'object',
  )
}
