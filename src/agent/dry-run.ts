import { hostname } from 'node:os'
import type { ShipperError } from '../core/error.ts'
import type { Plan } from '../core/plan.ts'
import type { Logger } from '../core/services.ts'
import { Assembly } from '../engine/assembly.ts'
import { systemClock } from '../engine/clock.ts'

/** `warnings`: what they say of their options, which a start says in the log. */
interface Checked {
  problems: ShipperError[]
  warnings: string[]
}

/**
 * What is wrong with a plan that shows only when its plugins are created. They are made and closed again, and not
 * started: no file, database or socket is opened, and nothing is said.
 */
export async function checkPlan(plan: Plan, version: string): Promise<Checked> {
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
    openOffsets: () => Promise.reject(new Error('a check opens no database')),
    finished() {},
    signal: stop.signal,
  })
  stop.abort()
  assembly.stop()
  await Promise.all([assembly.closeInputs(), assembly.closeOutputs()])
  return { problems: assembly.problems, warnings }
}
