import type { Appender, ClosedRange, Contributor, Outcome } from '../../core/plugin.ts'

/** Who answers the request. */
export interface RequestOwner {
  /** Returns an identity for the records of a request in a chunk, unique among all of this agent. */
  nextIdentity(): string
  /** A part of the records has settled, and others have not. */
  progressed(): void
  /** All records have settled: delivered, or kept where they are not lost, unless `isLost`. Called once. */
  settled(request: PendingRequest, isLost: boolean): void
}

/** A request whose records are in chunks that have not all settled. */
export class PendingRequest {
  /** Bytes of its records that have not settled. */
  unsettledBytes = 0
  /** True when some of its records are in chunks, or were. */
  hasWritten = false
  readonly #owner: RequestOwner
  /** The part that was written to last, if its chunk is open, and those in other open chunks. */
  #part: Part | undefined
  #others: Map<Appender, Part> | undefined
  #unsettledParts = 0
  #isComplete = false
  #isLost = false
  #isSettled = false

  constructor(owner: RequestOwner) {
    this.#owner = owner
  }

  /** Counts records that were written to the open chunk of the appender. */
  wrote(out: Appender, bytes: number): void {
    const part = this.#part?.appender === out ? this.#part : this.#use(out)
    part.bytes += bytes
    this.hasWritten = true
    this.unsettledBytes += bytes
  }

  #use(out: Appender): Part {
    if (this.#part !== undefined) {
      this.#others ??= new Map()
      this.#others.set(this.#part.appender, this.#part)
    }
    this.#part = this.#others?.get(out)
    if (this.#part !== undefined) return this.#part
    this.#part = new Part(this, out)
    this.#unsettledParts++
    out.addContributor(this.#part)
    return this.#part
  }

  /** All records are written, or, with `isLost`, will not be. */
  complete(isLost = false): void {
    this.#isComplete = true
    this.#isLost ||= isLost
    this.#settleIfDone()
  }

  /** The chunk of the part is sealed. Returns the identity of the part. */
  closed(part: Part): string {
    if (this.#part === part) this.#part = undefined
    this.#others?.delete(part.appender)
    return this.#owner.nextIdentity()
  }

  partSettled(part: Part, outcome: Outcome): void {
    this.unsettledBytes -= part.bytes
    this.#unsettledParts--
    // What is kept nowhere is not answered with success, also where the configuration says to drop it: the client has it still.
    if (outcome === 'aborted' || outcome === 'dropped') this.#isLost = true
    this.#settleIfDone()
    if (!this.#isSettled) this.#owner.progressed()
  }

  #settleIfDone(): void {
    if (!this.#isComplete || this.#unsettledParts > 0 || this.#isSettled) return
    this.#isSettled = true
    this.#owner.settled(this, this.#isLost)
  }
}

/** The records of a request in one chunk. */
class Part implements Contributor {
  readonly appender: Appender
  bytes = 0
  readonly #request: PendingRequest

  constructor(request: PendingRequest, appender: Appender) {
    this.#request = request
    this.appender = appender
  }

  closeRange(): ClosedRange {
    return {
      identity: this.#request.closed(this),
      settle: (outcome) => this.#request.partSettled(this, outcome),
    }
  }
}
