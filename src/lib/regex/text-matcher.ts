import type { RegexLimit, RegexUse } from '../../core/plugin.ts'
import { type LineMatcher, matcherOf } from './line-matcher.ts'
import { MATCH, TOO_MANY_STEPS } from './match-result.ts'
import type { TranslatedRegex } from './onigmo.ts'

/** Bytes of the text that was tested last, by any expression. */
let bytes = Buffer.alloc(4096)
let lastText = ''
let lastSize = 0
/** Number of the text, by which a matcher knows that it has the result already. */
let textNumber = 0

const NO_MATCH: RegexUse = { reason: 'multiline', effect: 'the rule does not match the line' }

/** The section that an expression belongs to, for what is logged. */
export interface RuleOwner {
  name: string
  limit: RegexLimit | undefined
  /** `Regex_Step_Limit` of the section; undefined for that of `limit`. */
  stepsPerByte: number | undefined
}

/** Tests texts whose characters are bytes (latin1). Several expressions are usually tested on the same text. One that takes too many steps does not match. */
export class TextMatcher {
  readonly #matcher: LineMatcher

  readonly #expression: string
  readonly #owner: RuleOwner | undefined
  #tested = -1
  #matches = false

  constructor(regex: TranslatedRegex, owner?: RuleOwner) {
    this.#matcher = matcherOf(regex, owner?.stepsPerByte ?? owner?.limit?.stepsPerByte)
    this.#expression = regex.source
    this.#owner = owner
  }

  test(text: string): boolean {
    if (text !== lastText) {
      if (text.length > bytes.length) bytes = Buffer.alloc(text.length * 2)
      lastSize = bytes.write(text, 'latin1')
      lastText = text
      textNumber++
    }
    // A line for which there was no memory is classified once more: a long one costs up to 50 ms.
    if (this.#tested === textNumber) return this.#matches
    const result = this.#matcher.match(bytes, 0, lastSize)
    if (result === TOO_MANY_STEPS) this.#owner?.limit?.reached(this.#expression, this.#owner.name, NO_MATCH)
    this.#tested = textNumber
    this.#matches = result === MATCH
    return this.#matches
  }
}
