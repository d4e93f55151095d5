import type { RegexLimit, RegexUse } from '../../../../core/plugin.ts'
import { MATCH, type MatchResult, TOO_MANY_STEPS } from '../../../../lib/regex/match-result.ts'
import { StringMatcher } from '../../../../lib/regex/string-matcher.ts'

const SEPARATORS = /[/\\:]/g
const STARS = /\*/g
const DOT_RUNS = /\.{2,}/g
const OUTER_DOTS = /^\.|\.$/g
const PLACEHOLDER = /<([A-Za-z_][A-Za-z0-9_]*)>/g

/**
 * Returns the tag of a file. `*` in the configured tag becomes the path with `/`, `\` and `:` as dots, without a
 * leading dot and with runs of dots as one: `kube.*` + `/var/log/a.log` = `kube.var.log.a.log`. With a Tag_Regex each
 * `<name>` becomes the group of that name, or `_`, also when the path takes the expression too many steps. Computed once per
 * file, when it is opened; a rotation does not change it.
 */
export function expandTag(tag: string, path: string, tagRegex: StringMatcher | undefined): string {
  if (tagRegex !== undefined) return expandGroups(tag, path, tagRegex)
  const star = tag.indexOf('*')
  if (star < 0) return tag
  const dotted = path.replace(SEPARATORS, '.')
  const expanded = tag.slice(0, star) + dotted + tag.slice(star + 1)
  return expanded.replace(STARS, '').replace(DOT_RUNS, '.').replace(OUTER_DOTS, '')
}

function expandGroups(tag: string, path: string, regex: StringMatcher): string {
  const isMatch = regex.match(path) === MATCH
  return tag.replace(PLACEHOLDER, (_, name: string) => (isMatch && regex.group(name)) || '_')
}

/** A Tag_Regex; a path on which it reaches Regex_Step_Limit is counted. */
export class TagRegex extends StringMatcher {
  readonly #limit: RegexLimit | undefined

  constructor(expression: string, limit: RegexLimit | undefined) {
    super(expression, limit?.stepsPerByte)
    this.#limit = limit
  }

  override match(path: string): MatchResult {
    const result = super.match(path)
    if (result === TOO_MANY_STEPS) this.#limit?.reached(this.expression, 'Tag_Regex', WITHOUT_GROUPS)
    return result
  }
}

const WITHOUT_GROUPS: RegexUse = {
  reason: 'tag',
  effect: 'the file is read, and each <name> in its tag becomes _',
}
