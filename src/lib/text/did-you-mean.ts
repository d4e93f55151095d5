/** Longest name that is compared: the time grows with the product of the lengths. */
const MAX_CHARS = 100

/** Returns the candidate most similar to `name`, ignoring case; undefined when none is similar enough. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > MAX_CHARS) return undefined
  const wanted = name.toLowerCase()
  let best: string | undefined
  // One mistake in three letters: more would suggest an unrelated name.
  let limit = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - wanted.length) >= limit) continue
    const distance = editDistance(wanted, candidate.toLowerCase())
    if (distance < limit && distance < candidate.length) {
      best = candidate
      limit = distance
    }
  }
  return best
}

/** Returns ` (did you mean X?)`, or an empty string. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const near = nearest(name, candidates)
  return near === undefined ? '' : ` (did you mean ${near}?)`
}

/** Returns the Damerau-Levenshtein distance (optimal string alignment): letters inserted, removed, replaced or swapped. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let cost = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + change,
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] as number) + 1)
      }
      row.push(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] as number
}
