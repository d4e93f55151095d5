import { BASE64URL, is, isWithinWord, runEnd, type Span, startsWith, UPPER } from './bytes.ts'

const DOT = 0x2e
const MIN_HEADER = 10
const MAX_JUDGED = 64

/** How `{"`, `{ "`, and a brace before a line end with what may follow it begin in base64. */
export const JWT_PREFIXES = ['eyJ', 'eyAi', 'ewog', 'ewoJ', 'ewoi'] as const
const PREFIXES = JWT_PREFIXES.map((text) => Buffer.from(text))

/**
 * Finds JSON Web Tokens, signed or encrypted: parts in base64url with dots between them, of which the second one is JSON too if there are
 * only two.
 */
export class JwtFinder {
  /** No token that begins before this offset is left in the text: each offset is passed once only. */
  #deadEnd = 0

  /** Begins another text. */
  begin(): void {
    this.#deadEnd = 0
  }

  /** Finds the token whose prefix is at `at`. */
  find(buf: Buffer, begin: number, at: number, end: number, span: Span): boolean {
    if (at < this.#deadEnd || isWithinWord(buf, begin, at)) return false
    if (!hasUpper(buf, at, end)) return false
    const header = runEnd(buf, at, end, BASE64URL)
    if (header - at < MIN_HEADER) return false
    let p = header
    let dots = 0
    // More parts than five are a token and another one after it.
    while (p < end && buf[p] === DOT) {
      p = runEnd(buf, p + 1, end, BASE64URL)
      dots++
    }
    if (
      dots === 0 ||
      (dots === 1 && !PREFIXES.some((prefix) => startsWith(buf, header + 1, end, prefix, false)))
    ) {
      this.#deadEnd = p
      return false
    }
    span.start = at
    span.end = p
    return true
  }
}

/** Base64 of JSON has an upper-case letter within its first bytes; words such as host names have none. */
function hasUpper(buf: Buffer, start: number, end: number): boolean {
  const stop = Math.min(end, start + MAX_JUDGED)
  for (let p = start; p < stop; p++) if (is(buf, p, UPPER)) return true
  return false
}
