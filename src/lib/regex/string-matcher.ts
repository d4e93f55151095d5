import { type InvalidValue, invalidIfThrows } from '../../core/options/checks.ts'
import { type LineMatcher, matcherOf } from './line-matcher.ts'
import { MATCH, type MatchResult } from './match-result.ts'
import { translateOnigmo } from './onigmo.ts'

/** Matches an expression against strings, as UTF-8: tags and paths. */
export class StringMatcher {
  readonly expression: string
  readonly #matcher: LineMatcher
  readonly #names: readonly (string | undefined)[]
  #bytes = Buffer.alloc(0)

  /** Throws E_PARSER_REGEX for an unsupported expression. */
  constructor(expression: string, stepsPerByte?: number) {
    const regex = translateOnigmo(expression)
    this.expression = expression
    this.#matcher = matcherOf(regex, stepsPerByte)
    this.#names = regex.names
  }

  match(text: string): MatchResult {
    this.#bytes = Buffer.from(text)
    return this.#matcher.match(this.#bytes, 0, this.#bytes.length)
  }

  /** Returns what the last group of this name captured in the last text, which matched. */
  group(name: string): string | undefined {
    for (let i = this.#names.length - 1; i > 0; i--) {
      const [from, to] = [this.#matcher.spans[i * 2] as number, this.#matcher.spans[i * 2 + 1] as number]
      if (this.#names[i] === name && from >= 0) return this.#bytes.toString('utf8', from, to)
    }
    return undefined
  }
}

/** Checks an expression in Onigmo's syntax. */
export function checkExpression(text: string): InvalidValue | undefined {
  return invalidIfThrows('a regular expression', () => translateOnigmo(text))
}

/** Returns true when the expression matches the text, without a limit of its own: for the texts of a configuration. */
export function matchesText(expression: string, text: string): boolean {
  return new StringMatcher(expression).match(text) === MATCH
}
