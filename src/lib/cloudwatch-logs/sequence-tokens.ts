/** Number of streams whose token is kept. */
const MAX_STREAMS = 10_000
const MAX_TOKEN_CHARS = 256

/**
 * Sequence tokens of log streams. The service ignores them since 2023; emulators of an older version refuse a request without the expected
 * one and return it: from then on the requests to this stream have one.
 */
export class SequenceTokens {
  readonly #tokens = new Map<string, string>()

  /** Returns the token for the next request; undefined: none. */
  of(key: string): string | undefined {
    return this.#tokens.get(key)
  }

  /** Takes the token of an answer that accepts events, where tokens are asked for. */
  next(key: string, token: unknown): void {
    if (this.#tokens.has(key)) this.#set(key, token)
  }

  /** Takes the token of an answer that refuses another one: `{"__type": "..", "expectedSequenceToken": ".."}`. */
  expect(key: string, text: string): void {
    try {
      const { expectedSequenceToken: token } = JSON.parse(text) as { expectedSequenceToken?: unknown }
      this.#set(key, token)
    } catch {
      // Without a token that can be read the next request has none.
      this.#tokens.delete(key)
    }
  }

  #set(key: string, token: unknown): void {
    this.#tokens.delete(key)
    if (typeof token !== 'string' || token === '' || token.length > MAX_TOKEN_CHARS) return
    this.#tokens.set(key, token)
    if (this.#tokens.size <= MAX_STREAMS) return
    const [oldest = ''] = this.#tokens.keys()
    this.#tokens.delete(oldest)
  }
}
