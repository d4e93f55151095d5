/** Least size of a body that a refusal may lead to. */
const MIN_BYTES = 16_384
/** Number of requests of nearly the largest size that are accepted until a larger one is tried again. */
const FORGET_AFTER = 100
/** Size from which on a body may be why a connection was closed. */
const LARGE_BYTES = 65_536
/** Number of such closed connections in a row from which on smaller bodies are tried. */
const MAX_CLOSED = 2

/**
 * The size of bodies with several records: that of the API, or less when a server has refused one as too large, or has closed connections
 * over large ones without an answer, or did not answer in time. It grows again with what is accepted, up to nearly what was refused, and after many requests beyond
 * it: the server, or a proxy before it, may have another limit by then.
 */
export class SizeLimit {
  bytes: number
  readonly #max: number
  #refused = Number.POSITIVE_INFINITY
  #accepted = 0
  #closed = 0
  /** Size of the least body at which a connection was closed. */
  #closedBytes = Number.POSITIVE_INFINITY

  constructor(max: number) {
    this.#max = max
    this.bytes = max
  }

  /** Handles an answer that says that a body is too large. */
  refused(bytes: number): void {
    this.#lower(Math.max(bytes, MIN_BYTES), 2, MIN_BYTES)
  }

  /**
   * Handles a connection that was closed without an answer after a body was sent, or an answer that did not come in time. That may have any
   * reason; servers and firewalls that cut off a large body do it each time, and so do servers that need longer for it than the timeout.
   */
  closed(bytes: number): void {
    if (bytes < LARGE_BYTES) return
    this.#closedBytes = Math.min(this.#closedBytes, bytes)
    if (++this.#closed >= MAX_CLOSED) this.#lower(bytes, 4, LARGE_BYTES)
  }

  /** Makes the next bodies smaller than this one, which may be accepted at another time. */
  reduce(bytes: number): void {
    this.bytes = Math.min(this.bytes, Math.max(MIN_BYTES, Math.floor(bytes / 2)))
  }

  accepted(bytes: number): void {
    if (bytes >= this.#closedBytes * 0.75) this.#closed = 0
    if (this.bytes === this.#max || bytes < this.bytes * 0.75) return
    if (++this.#accepted > FORGET_AFTER) {
      this.#accepted = 0
      this.#refused *= 2
    }
    this.bytes = Math.floor(Math.max(this.bytes, Math.min(this.bytes * 1.1, this.#refused * 0.9, this.#max)))
  }

  #lower(bytes: number, divisor: number, least: number): void {
    this.#accepted = 0
    this.#refused = Math.min(this.#refused, bytes)
    this.bytes = Math.min(this.bytes, Math.max(least, Math.floor(this.#refused / divisor)))
  }
}
