import { type LineMatcher, matcherOf } from './line-matcher.ts'
import { MATCH } from './match-result.ts'
import type { TranslatedRegex } from './onigmo.ts'

/** Bytes of the text that was tested last, by any expression. */
let bytes = Buffer.alloc(4096)
let lastText = ''
let lastSize = 0

/** Tests texts whose characters are bytes (latin1). Several expressions are usually tested on the same text. */
export class TextMatcher {
  readonly #matcher: LineMatcher

  constructor(regex: TranslatedRegex) {
    this.#matcher = matcherOf(regex)
  }

  test(text: string): boolean {
    if (text !== lastText) {
      if (text.length > bytes.length) bytes = Buffer.alloc(text.length * 2)
      lastSize = bytes.write(text, 'latin1')
      lastText = text
    }
    return this.#matcher.match(bytes, 0, lastSize) === MATCH
  }
}
