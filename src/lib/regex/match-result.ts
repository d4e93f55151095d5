/** Result of a search: nothing matches, a match, or the limit of steps was reached before either was known. */
export type MatchResult = 0 | 1 | 2

export const NO_MATCH = 0
export const MATCH = 1
export const TOO_MANY_STEPS = 2

/** Default of Regex_Step_Limit. */
export const DEFAULT_STEPS_PER_BYTE = 100
/** Steps that any text may take beyond those of its bytes. */
const BASE_STEPS = 10_000

/**
 * Bytes of a text that add to its limit, by what counts the steps: without a module a step takes about 15 ns, in one 5 ns. So
 * a search ends within 50 ms, however long the text is.
 */
const COUNTED_BYTES = 16_000
const COUNTED_BYTES_IN_MODULE = 64_000

/** Returns the number of steps that a search in a text of `length` bytes may take. */
export function stepLimit(stepsPerByte: number, length: number): number {
  return BASE_STEPS + stepsPerByte * Math.min(length, COUNTED_BYTES)
}

/** Returns the number of steps of a WebAssembly module that a search may take. */
export function moduleStepLimit(stepsPerByte: number, length: number): number {
  return BASE_STEPS + stepsPerByte * Math.min(length, COUNTED_BYTES_IN_MODULE)
}
