import type { FilterPlan, InputPlan, OutputPlan } from '../core/plan.ts'
import { type Diagnostics, warn } from './config-tree.ts'

const GROUP = /<[^>]*>/g

/** Warns of filters and outputs that can get nothing: no match at all, or one that fits no input's tag. */
export function checkMatches(
  inputs: readonly InputPlan[],
  stages: readonly (FilterPlan | OutputPlan)[],
  findings: Diagnostics,
): void {
  const tags = inputs.filter((input) => input.common.routable).map((input) => input.tag)
  for (const { spec, common, location } of stages) {
    const { match, matchRegex } = common
    if (match === undefined && matchRegex === undefined) {
      warn(findings, `[${spec.name}] has no Match: it gets nothing`, location)
    } else if (!tags.some((tag) => mayMatch(tag, match, matchRegex))) {
      const tagsText = tags.length === 1 ? `the tag ${tags[0]}` : `any of the tags ${tags.join(', ')}`
      const what = matchRegex === undefined ? `Match ${match}` : `Match_Regex ${matchRegex}`
      warn(findings, `[${spec.name}] ${what} does not fit ${tagsText}: it gets nothing`, location)
    }
  }
}

/** False only when it is certain. In a tag `*` is the path of a file and `<name>` a part of it: they may be anything. */
function mayMatch(tag: string, match: string | undefined, matchRegex: string | undefined): boolean {
  const pattern = tag.replace(GROUP, '*')
  if (matchRegex === undefined) return patternsMeet(pattern, match ?? '')
  return pattern.includes('*') || new RegExp(matchRegex).test(tag)
}

/** Is there a text that both patterns match? `row[j]`: do a[i...] and b[j...] meet; from the ends to the beginnings. */
export function patternsMeet(a: string, b: string): boolean {
  let row: boolean[] = Array.from(`${b}.`, (_, j) => onlyStars(b, j))
  for (let i = a.length - 1; i >= 0; i--) {
    const below = row
    row = []
    row[b.length] = onlyStars(a, i)
    for (let j = b.length - 1; j >= 0; j--) {
      // A star stands for nothing, or takes one sign more of the other side.
      const star = a[i] === '*' || b[j] === '*'
      row[j] = star ? below[j] === true || row[j + 1] === true : a[i] === b[j] && below[j + 1] === true
    }
  }
  return row[0] === true
}

function onlyStars(pattern: string, from: number): boolean {
  for (let i = from; i < pattern.length; i++) if (pattern[i] !== '*') return false
  return true
}
