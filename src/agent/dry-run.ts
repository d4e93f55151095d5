import { hostname } from 'node:os'
import type { ShipperError } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import type { Logger } from '../core/services.ts'
import { Assembly } from '../engine/assembly.ts'
import { systemClock } from '../engine/clock.ts'

/** Result of a check. */
interface PlanCheck {
  problems: ShipperError[]
  /** Warnings of plugins about their options, which a start writes to the log. */
  warnings: string[]
}

/**
 * Finds the problems of a plan that only show when its plugins are created. The plugins are created and closed again but
 * not started: no file, database or socket is opened, and nothing is logged.
 */
export async function checkPlan(plan: Plan, version: string): Promise<PlanCheck> {
  const stop = new AbortController()
  const warnings: string[] = []
  const log = (name: string): Logger => ({
    error() {},
    warn: (message) => void warnings.push(`${name}: ${message}`),
    info() {},
    debug() {},
  })
  const assembly = new Assembly(plan, {
    clock: systemClock,
    log,
    agent: { version, id: 'check', hostname: hostname() },
    openOffsets: () => Promise.reject(new Error('a check does not open a database')),
    finished() {},
    signal: stop.signal,
  })
  stop.abort()
  assembly.stop()
  await Promise.all([assembly.closeInputs(), assembly.closeOutputs()])
  return { problems: assembly.problems, warnings }
}
