import { dirname } from 'node:path'
import { type Plan, statePathOf } from '../core/plan.ts'

/**
 * Returns the folder in which the agent keeps its state, as dead letters: that of the first offset database, without one that of the
 * buffer on disk; undefined when there is neither.
 */
export function stateFolderOf(plan: Plan): string | undefined {
  const path = statePathOf(plan)
  return path === undefined ? plan.buffer?.folder : dirname(path)
}

/** Returns the folder of dead letters: that of the state, without one the folder that SHIPPER_STATE in the environment names. */
export function deadLetterFolderOf(plan: Plan): string | undefined {
  return stateFolderOf(plan) ?? (process.env.SHIPPER_STATE?.trim() || undefined)
}
