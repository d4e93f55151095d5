/**
 * Tests a tag against fluent-bit's match pattern: `*` is any run of characters, dots included, several allowed; anchored
 * at both ends; case-sensitive; no other wildcard.
 */
export function matchTag(pattern: string, tag: string): boolean {
  if (pattern === '*') return true
  let p = 0
  let t = 0
  let star = -1
  let resume = 0
  while (t < tag.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++
      resume = t
    } else if (p < pattern.length && pattern[p] === tag[t]) {
      p++
      t++
    } else if (star >= 0) {
      // The last star takes one more character; backtracking to earlier stars is never needed.
      p = star + 1
      t = ++resume
    } else {
      return false
    }
  }
  while (p < pattern.length && pattern[p] === '*') p++
  return p === pattern.length
}
