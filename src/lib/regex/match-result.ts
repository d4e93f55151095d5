/** Result of a search: nothing matches, a match, or the limit of steps was reached before either was known. */
export type MatchResult = 0 | 1 | 2

export const NO_MATCH = 0
export const MATCH = 1
export const TOO_MANY_STEPS = 2

/** Default of Regex_Step_Limit. */
export const DEFAULT_STEPS_PER_BYTE = 100
/** Steps that any text may take beyond those of its bytes. */
const BASE_STEPS = 10_000

/** Returns the number of steps that a search in a text of `length` bytes may take. */
export function stepLimit(stepsPerByte: number, length: number): number {
  return BASE_STEPS + stepsPerByte * length
}
