import { firstOf, type Part } from './batch.ts'
import { recordsOf } from './delivery.ts'

/** Returns the number of records. */
export function countOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { runs }) => sum + recordsOf(runs), 0)
}

/** Returns the first and the second half of the records. */
export function halvesOf(parts: readonly Part[]): [Part[], Part[]] {
  return splitAt(parts, countOf(parts) >> 1)
}

/** Returns the first `count` records, and the others. */
export function splitAt(parts: readonly Part[], count: number): [Part[], Part[]] {
  let left = count
  const halves: [Part[], Part[]] = [[], []]
  for (const { delivery, runs } of parts) {
    const [first, second] = firstOf(delivery, runs, left)
    left -= recordsOf(first)
    if (first.length > 0) halves[0].push({ delivery, runs: first })
    if (second.length > 0) halves[1].push({ delivery, runs: second })
  }
  return halves
}
