/** Factor of the time in the keys by which events are sorted: more than their number. */
const PLACES = 16_384

/**
 * Returns the numbers of events in the order of their times, those with equal ones as they are; undefined when they are in order. There
 * are at most 10,000, within a day.
 */
export function orderOf(times: Float64Array, count: number): Uint32Array | undefined {
  let isSorted = true
  let first = times[0] as number
  for (let i = 1; i < count; i++) {
    const time = times[i] as number
    if (time < (times[i - 1] as number)) isSorted = false
    if (time < first) first = time
  }
  if (isSorted) return undefined
  const keys = new Float64Array(count)
  for (let i = 0; i < count; i++) keys[i] = ((times[i] as number) - first) * PLACES + i
  return Uint32Array.from(keys.sort(), (key) => key % PLACES)
}
