import { messageOf, ShipperError } from '../../core/error.ts'
import type { Clock, Logger } from '../../core/services.ts'
import { unusable } from './credentials-form.ts'
import type { Credentials } from './signature.ts'

/** Source of cached credentials: a CredentialsChain. */
interface CredentialsLoader {
  readonly usedName: string
  load(signal: AbortSignal): Promise<Credentials>
  hasChanged(): boolean
}

/** Credentials are renewed at a random time between these two before they expire; short-lived ones in the last quarter of their lifetime. */
const EARLIEST_REFRESH_MS = 10 * 60_000
const LATEST_REFRESH_MS = 5 * 60_000
const SHORT_LIVED_SHARE = 0.25
/** Minimum time between two attempts, whatever the reason. All callers within it get the result of the failed one. */
const MIN_ATTEMPT_MS = 1000
const MAX_ATTEMPT_MS = 60_000
/** Maximum time of one attempt, with all its requests. */
const LOAD_TIMEOUT_MS = 30_000
const LOG_EVERY_MS = 60_000
/** Minimum interval between checks whether files have changed. */
const CHECK_EVERY_MS = 1000

/**
 * Credentials that are loaded when they are first needed and again before they expire. Concurrent callers wait for the same attempt;
 * while the current ones are valid nobody waits, and a failure is only logged, once a minute.
 *
 * ```
 *   loaded --random time before expiry--> loading, the old ones are used --> loaded
 *     |                                       +--fails--> the old ones are used until they expire; retried after 1 to 60 s
 *     +--refused by a service, or a file has changed--> no longer used: the next request loads
 * ```
 */
export class CredentialsCache {
  readonly #loader: CredentialsLoader
  readonly #clock: Clock
  readonly #log: Logger
  readonly #signal: AbortSignal
  #current: Credentials | undefined
  #refreshMs = Number.POSITIVE_INFINITY
  #loading: Promise<Credentials> | undefined
  #failure: unknown
  #failures = 0
  #nextAttemptMs = Number.NEGATIVE_INFINITY
  #loggedMs = Number.NEGATIVE_INFINITY
  #checkedMs = Number.NEGATIVE_INFINITY
  /** Source that was logged last. */
  #loggedName: string | undefined

  constructor(
    loader: CredentialsLoader,
    { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
  ) {
    this.#loader = loader
    this.#clock = clock
    this.#log = log
    this.#signal = signal
  }

  /** Resolves with valid credentials. Rejects with a retryable error of the scope `peer` while there are none. */
  async get(): Promise<Credentials> {
    const nowMs = this.#clock.nowMs()
    this.#checkFiles(nowMs)
    const current = this.#current
    if (current === undefined) return this.#load(nowMs)
    if (nowMs < this.#refreshMs) return current
    if (current.expiresMs !== undefined && nowMs >= current.expiresMs) return this.#load(nowMs)
    if (nowMs < this.#nextAttemptMs) return current
    this.#load(nowMs).catch((error) => this.#logFailure(error, current))
    return current
  }

  /**
   * Reports that a service has refused these credentials as expired or unknown. Returns true when the next `get` returns or loads
   * others: a request that is signed again may then be accepted.
   */
  refuse(refused: Credentials): boolean {
    if (this.#current !== undefined && this.#current !== refused) return true
    if (this.#clock.nowMs() < this.#nextAttemptMs) return this.#loading !== undefined
    this.#current = undefined
    return true
  }

  #checkFiles(nowMs: number): void {
    if (this.#current === undefined || nowMs - this.#checkedMs < CHECK_EVERY_MS) return
    this.#checkedMs = nowMs
    if (!this.#loader.hasChanged()) return
    // A file that is just being written may be incomplete: the current ones are used until others are loaded.
    this.#refreshMs = Math.min(this.#refreshMs, nowMs)
  }

  #load(nowMs: number): Promise<Credentials> {
    if (this.#loading !== undefined) return this.#loading
    if (nowMs < this.#nextAttemptMs) return Promise.reject(this.#failure ?? this.#tooShort())
    this.#loading = this.#attempt().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #attempt(): Promise<Credentials> {
    const limit = AbortSignal.any([this.#signal, AbortSignal.timeout(LOAD_TIMEOUT_MS)])
    try {
      const loaded = await this.#loader.load(limit)
      const nowMs = this.#clock.nowMs()
      this.#failures = 0
      this.#failure = undefined
      this.#nextAttemptMs = nowMs + MIN_ATTEMPT_MS
      this.#logPlace(this.#loader.usedName)
      this.#current = loaded
      this.#refreshMs = refreshTime(loaded, nowMs)
      return this.#current
    } catch (error) {
      this.#failures++
      const waitMs = Math.min(MIN_ATTEMPT_MS * 2 ** (this.#failures - 1), MAX_ATTEMPT_MS)
      this.#nextAttemptMs = this.#clock.nowMs() + waitMs * (0.5 + Math.random() / 2)
      this.#failure = error
      throw error
    }
  }

  /** Returns the last error while the next attempt is not due. */
  #tooShort(): ShipperError {
    return unusable(
      `credentials of ${this.#loader.usedName}`,
      `they expired within ${MIN_ATTEMPT_MS / 1000} s after they were issued`,
      'they are asked for again at once after that time; check what hands them out, and the clock of this machine',
    )
  }

  #logPlace(name: string): void {
    if (name === this.#loggedName) return
    this.#loggedName = name
    this.#log.info(`using credentials from ${name}`)
  }

  #logFailure(error: unknown, current: Credentials): void {
    const nowMs = this.#clock.nowMs()
    if (this.#signal.aborted || nowMs - this.#loggedMs < LOG_EVERY_MS) return
    this.#loggedMs = nowMs
    const until = current.expiresMs === undefined ? '' : ` until ${new Date(current.expiresMs).toISOString()}`
    const hint = error instanceof ShipperError ? { hint: error.hint } : {}
    this.#log.warn(
      `cannot renew credentials, still using the current ones${until}: ${messageOf(error)}`,
      hint,
    )
  }
}

/** Returns when credentials are to be renewed, at a random time, so that agents that started together spread their requests. */
function refreshTime({ expiresMs }: Credentials, nowMs: number): number {
  if (expiresMs === undefined) return Number.POSITIVE_INFINITY
  const lifeMs = expiresMs - nowMs
  const spread = LATEST_REFRESH_MS + Math.random() * (EARLIEST_REFRESH_MS - LATEST_REFRESH_MS)
  const beforeMs = Math.min(spread, lifeMs * SHORT_LIVED_SHARE * (0.5 + Math.random() / 2))
  // Issued with an end that has passed: this clock is ahead, or the service serves old ones during an outage.
  return lifeMs <= 0 ? nowMs + MAX_ATTEMPT_MS : expiresMs - beforeMs
}
