import { ShipperError } from '../../core/error.ts'
import type { Failed } from './api.ts'
import type { KeyStates } from './key-states.ts'

/** Number of keys that are refused one after the other, with which it is the server that fails; the next attempt tries as many others. */
const MAX_KEYS_IN_A_ROW = 8

/**
 * Tells whether a request with a key of its records has failed because of the key (a tenant, a log stream) or of the server. A failure
 * with one key lets the others go on. With thousands of keys that would be as many requests to a server that is down, as fast as they go:
 * so a failure without an answer is one of the server, and so is a refusal of several keys in a row.
 */
export class KeyFailures {
  readonly #states: KeyStates
  /** Keys that have failed since a request was last answered, or the server has failed. */
  readonly #failed = new Set<string>()
  readonly #ofServer = new WeakSet<ShipperError>()
  #count = 0

  constructor(states: KeyStates) {
    this.#states = states
  }

  /** Returns the failure of a request; `isOfServer` is true for it when it is one of the server. */
  failed(key: string, failure: Failed): Failed {
    this.#states.of(key).failedAt = ++this.#count
    const { code, message, hint, retryable, scope } = failure.error
    if (scope === 'records' || scope === 'destination') return failure
    this.#failed.add(key)
    const isAnswer = code === 'E_HTTP_ANSWER' || code === 'E_PEER_AUTH'
    if ((isAnswer || scope === 'chunk') && this.#failed.size < MAX_KEYS_IN_A_ROW) return failure
    this.#failed.clear()
    const error =
      scope === 'peer'
        ? failure.error
        : new ShipperError(code, message, { hint, retryable, scope: 'peer', cause: failure.error })
    this.#ofServer.add(error)
    return { ...failure, error }
  }

  isOfServer({ error }: Failed): boolean {
    return this.#ofServer.has(error)
  }

  answered(key: string): void {
    this.#failed.clear()
    if (this.#count > 0) this.#states.of(key).failedAt = 0
  }

  /** Returns the place of a key among those that may be sent, the lowest first: of those that have failed the last one comes last. */
  rank(key: string): number {
    return this.#count === 0 ? 0 : this.#states.failedAt(key)
  }
}
