import type { Clock } from '../../../../core/services.ts'

const BASE_MS = 500
const CAP_MS = 60_000

/** Exponential, from a quarter of the bound up to it: never at once, never all agents at the same time. */
export function backoffMs(failures: number): number {
  const bound = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(failures - 1, 20))
  return bound * (0.25 + 0.75 * Math.random())
}
