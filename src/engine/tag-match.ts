import type { RegexLimit, RegexUse } from '../core/plugin.ts'
import { matchTag } from '../core/tag.ts'
import { MATCH, TOO_MANY_STEPS } from '../lib/regex/match-result.ts'
import { StringMatcher } from '../lib/regex/string-matcher.ts'

/** The tags of a filter or output: a pattern, or a regular expression, which takes precedence. With neither, no tag. */
export interface TagMatch {
  match: string | undefined
  matchRegex: { test(tag: string): boolean } | undefined
}

export function matches(stage: TagMatch, tag: string): boolean {
  if (stage.matchRegex !== undefined) return stage.matchRegex.test(tag)
  return stage.match !== undefined && matchTag(stage.match, tag)
}

/** Returns the tags of a stage, from its common options. */
export function tagMatch(
  plan: { common: { match: string | undefined; matchRegex: string | undefined } },
  limit: RegexLimit,
): TagMatch {
  const { match, matchRegex } = plan.common
  return { match, matchRegex: matchRegex === undefined ? undefined : new RegexTest(matchRegex, limit) }
}

const MATCHING: RegexUse = { reason: 'match', effect: 'the tag counts as matching' }

/**
 * Tests tags with a Match_Regex. A tag that cannot be decided counts as matching: its records are delivered and
 * no filter is passed over.
 */
class RegexTest {
  readonly #matcher: StringMatcher
  readonly #limit: RegexLimit

  constructor(expression: string, limit: RegexLimit) {
    this.#matcher = new StringMatcher(expression, limit.stepsPerByte)
    this.#limit = limit
  }

  test(tag: string): boolean {
    const result = this.#matcher.match(tag)
    if (result === TOO_MANY_STEPS) this.#limit.reached(this.#matcher.expression, 'Match_Regex', MATCHING)
    return result === MATCH || result === TOO_MANY_STEPS
  }
}
