const BLANK = /\s/

/**
 * Splits words = word *( blanks word ); word = 1*non-blank | '"' *( char | '\"' ) '"'. With `count` the last word is the
 * rest of the text, unchanged; returns undefined when there are fewer words.
 */
export function splitWords(text: string, count = Number.POSITIVE_INFINITY): string[] | undefined {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (at < text.length && BLANK.test(text[at] as string)) at++
    if (at === text.length) break
    if (words.length === count - 1) {
      words.push(text.slice(at).trimEnd())
      break
    }
    const end = endOfWord(text, at)
    words.push(unquoted(text.slice(at, end)))
    at = end
  }
  return count === Number.POSITIVE_INFINITY || words.length === count ? words : undefined
}

/** Returns a text that is one word in quotation marks without them, and any other text as it is. */
export function unquoted(text: string): string {
  const isQuoted = text.length > 1 && text.startsWith('"') && endOfWord(text, 0) === text.length
  return isQuoted && text.endsWith('"') ? text.slice(1, -1).replaceAll('\\"', '"') : text
}

function endOfWord(text: string, start: number): number {
  const quoted = text[start] === '"'
  for (let at = start + 1; at < text.length; at++) {
    if (quoted && text[at] === '"' && text[at - 1] !== '\\') return at + 1
    if (!quoted && BLANK.test(text[at] as string)) return at
  }
  return text.length
}
