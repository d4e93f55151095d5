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

base.configureGlobal({ interruptAfterTimeLimit: MAX_PROPERTY_MS })

function assert<T>(property: base.IRawProperty<T>, parameters: base.Parameters<T> = {}): unknown {
  const numRuns = (parameters.numRuns ?? DEFAULT_RUNS) * RUNS_FACTOR
  return base.assert(property, { ...parameters, numRuns })
}

/** fast-check with the limits above. */
export const fc: typeof base = { ...base, assert: assert as typeof base.assert }

/** Types of fast-check that the tests name. */
export declare namespace fc {
  export type Arbitrary<T> = base.Arbitrary<T>
}
