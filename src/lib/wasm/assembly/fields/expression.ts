import { MATCHER, MAX_STEPS, OTHER_PLAIN, OTHER_STEPS, PLAIN_PER_BYTE, setting, STEPS_PER_BYTE } from './parser'

/** Results of `match`. */
export const MATCH: i32 = 1
/** The search took too many steps. */
export const TIRED: i32 = 2

/** Steps of all searches since `clearSteps`. */
export let steps: i64 = 0
/** Where a matcher stores the steps that it did not take. */
let stepsLeft: usize = 0

export function setStepsLeft(at: usize): void {
  stepsLeft = at
}

@inline
export function clearSteps(): void {
  steps = 0
}

/** Searches the line [p, e) for the expression of the current parser; the byte after the line is in the memory of the caller. */
@inline
export function match(p: usize, e: usize): i32 {
  const length = (e - p) as i64
  const most = setting(MAX_STEPS) as i64
  const limit = min<i64>((setting(OTHER_STEPS) as i64) + (setting(STEPS_PER_BYTE) as i64) * length, most) as i32
  const plain = min<i64>((setting(OTHER_PLAIN) as i64) + (setting(PLAIN_PER_BYTE) as i64) * length, limit) as i32
  // A matcher needs a newline at the end of its text.
  const last = load<u8>(e)
  store<u8>(e, 10)
  const result = call_indirect<i32>(setting(MATCHER), p, e, plain, limit - plain)
  store<u8>(e, last)
  steps += (limit - load<i32>(stepsLeft)) as i64
  return result
}
