import { resolve } from 'node:path'
import type { FilterPlan, InputPlan, OutputPlan } from '../core/plan.ts'
import { matchesText } from '../lib/regex/string-matcher.ts'
import { type Diagnostics, warn } from './config-tree.ts'

const GROUP = /<[^>]*>/g

/** Warns of filters and outputs that cannot get any records: without a match, or with one that no input's tag matches. */
export function checkMatches(
  inputs: readonly InputPlan[],
  stages: readonly (FilterPlan | OutputPlan)[],
  diagnostics: Diagnostics,
): void {
  const tags = inputs.filter((input) => input.common.routable).map(tagsOf)
  for (const { spec, common, location } of stages) {
    const { match, matchRegex } = common
    if (match === undefined && matchRegex === undefined) {
      warn(diagnostics, `[${spec.name}] has no Match: it gets no records`, location)
    } else if (!tags.some((tag) => mayMatch(tag, match, matchRegex))) {
      const tagsText = tags.length === 1 ? `the tag ${tags[0]}` : `any of the tags ${tags.join(', ')}`
      const what = matchRegex === undefined ? `Match ${match}` : `Match_Regex ${matchRegex}`
      warn(diagnostics, `[${spec.name}] ${what} does not match ${tagsText}: it gets no records`, location)
    }
  }
}

/**
 * Warns of an output that writes a file which an input reads whose records it gets: each line would be written again, without
 * an end. Not seen: links, and files that a tag names.
 */
export function checkLoops(
  inputs: readonly InputPlan[],
  outputs: readonly OutputPlan[],
  diagnostics: Diagnostics,
): void {
  for (const output of outputs) {
    const path = output.spec.writes?.(output.options as never)
    if (path === undefined) continue
    const { match, matchRegex } = output.common
    for (const input of inputs) {
      const reads = input.spec.reads?.(input.options as never, resolve(path)) === true
      if (!reads || !mayMatch(tagsOf(input), match, matchRegex)) continue
      const what = `${output.name} writes ${path}, which ${input.name} reads: its lines may be written again without an end`
      warn(
        diagnostics,
        `${what}; exclude it with Exclude_Path, or write to another directory`,
        output.location,
      )
    }
  }
}

/** Returns the tag of an input's records, or the pattern of the tags that they bring with them. */
export function tagsOf({ spec, common, options, tag }: InputPlan): string {
  return common.tag ?? spec.ownTags?.(options as never) ?? tag
}

/** Returns false only when no tag can match. In a tag `*` is any text, e.g. the path of a file, and `<name>` a part of it. */
function mayMatch(tag: string, match: string | undefined, matchRegex: string | undefined): boolean {
  const pattern = tag.replace(GROUP, '*')
  if (matchRegex === undefined) return patternsMeet(pattern, match ?? '')
  return pattern.includes('*') || matchesText(matchRegex, tag)
}

/**
 * Returns true when there is a text that both patterns match. Works from the ends to the beginnings; `row[j]` is the
 * result for a[i...] and b[j...].
 */
export function patternsMeet(a: string, b: string): boolean {
  let row: boolean[] = Array.from(`${b}.`, (_, j) => onlyStars(b, j))
  for (let i = a.length - 1; i >= 0; i--) {
    const below = row
    row = []
    row[b.length] = onlyStars(a, i)
    for (let j = b.length - 1; j >= 0; j--) {
      // A star matches nothing, or one more character of the other pattern.
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
