import base from 'fast-check'
import { shortOrLong } from './long.ts'

/**
 * Time after which a property is not tried with further cases: a slow machine tries fewer of them, instead of exceeding
 * the limit of a test.
 */
const MAX_PROPERTY_MS = shortOrLong(3000, 60_000)
/** Multiplier of the number of cases that a test asks for. */
const RUNS_FACTOR = shortOrLong(1, 100)
const DEFAULT_RUNS = 100
const MAX_TIMER_MS = 2 ** 31 - 1

base.configureGlobal({ interruptAfterTimeLimit: MAX_PROPERTY_MS })

function assert<T>(property: base.IRawProperty<T>, parameters: base.Parameters<T> = {}): unknown {
  const numRuns = (parameters.numRuns ?? DEFAULT_RUNS) * RUNS_FACTOR
  const all = { ...parameters, numRuns }
  const details = base.check(property, all) as base.RunDetails<T> | Promise<base.RunDetails<T>>
  const finish = (found: base.RunDetails<T>): unknown =>
    hasNoCase(found) ? one(property, all) : report(found)
  return details instanceof Promise ? details.then(finish) : finish(details)
}

/** True when the machine was too busy for a single case: fast-check would take that for a failure. */
function hasNoCase<T>({ interrupted, numRuns }: base.RunDetails<T>): boolean {
  return interrupted && numRuns === 0
}

/** Tries one case, however long it takes. */
function one<T>(property: base.IRawProperty<T>, parameters: base.Parameters<T>): unknown {
  return base.assert(property, { ...parameters, numRuns: 1, interruptAfterTimeLimit: MAX_TIMER_MS })
}

function report<T>(details: base.RunDetails<T>): void {
  if (details.failed) throw new Error(base.defaultReportMessage(details), { cause: details.errorInstance })
}

/** fast-check with the limits above. */
export const fc: typeof base = { ...base, assert: assert as typeof base.assert }

/** Types of fast-check that the tests name. */
export declare namespace fc {
  export type Arbitrary<T> = base.Arbitrary<T>
}
