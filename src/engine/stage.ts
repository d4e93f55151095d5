import { messageOf, ShipperError } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import type { TagMatch } from './router.ts'

export type AnyStage = Plan['inputs' | 'filters' | 'outputs'][number]

/** Why the stage cannot be made, with the place of the option that is named, else of the stage. */
export function problemOf({ spec, position, places }: AnyStage, error: unknown): ShipperError {
  if (!(error instanceof ShipperError)) {
    return new ShipperError('E_INTERNAL', `[${spec.name}] ${messageOf(error)}`, { position, cause: error })
  }
  const { code, message, hint, option } = error
  const place = error.position ?? (option === undefined ? undefined : places.get(option)) ?? position
  return new ShipperError(code, `[${spec.name}] ${message}`, { hint, position: place, cause: error })
}

export function tagMatch(plan: {
  common: { match: string | undefined; matchRegex: string | undefined }
}): TagMatch {
  const { match, matchRegex } = plan.common
  return { match, matchRegex: matchRegex === undefined ? undefined : new RegExp(matchRegex) }
}
