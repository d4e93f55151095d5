import type { Ack, Contributor } from '../../../core/plugin.ts'

/** The connection, as seen by its messages. */
export interface MessageOwner {
  /** Called when every record of the message has settled: acknowledges it. */
  settled(message: Message): void
  /** Called when some records will never settle: the message must not be acknowledged. */
  aborted(message: Message): void
}

/**
 * A received message. Its records may be in several chunks, which it shares with other messages.
 *
 * ```
 *   open: sealed chunks that have not settled     inOpenChunk: records of it are in a chunk that is not sealed
 *   settled = complete, not inOpenChunk, open = 0
 * ```
 */
export class Message implements Contributor {
  /** True while the current chunk has this message among its contributors. */
  inOpenChunk = false
  /** Size of its records. */
  bytes = 0
  /** Chunk id to acknowledge; undefined if the peer did not request it. */
  chunk: Buffer | undefined
  /** True when all of its records were read. */
  isComplete = false
  /** True when some of its records will never settle. */
  isAborted = false
  readonly #owner: MessageOwner
  readonly #identity: string
  #parts = 0
  #open = 0

  /** `identity` is unique among all messages of this agent. */
  constructor(owner: MessageOwner, identity: string) {
    this.#owner = owner
    this.#identity = identity
  }

  closeRange(): { identity: string; settle: Ack } {
    this.inOpenChunk = false
    this.#open++
    return {
      identity: `${this.#identity}:${this.#parts++}`,
      settle: (outcome) => {
        this.#open--
        // What is kept nowhere is not acknowledged, also where the configuration says to drop it: the sender has it still.
        if (outcome === 'aborted' || outcome === 'dropped') this.#abort()
        else this.#settleIfDone()
      },
    }
  }

  /** Marks the message as complete; `chunk` is the id to acknowledge. */
  end(chunk: Buffer | undefined): void {
    this.isComplete = true
    this.chunk = chunk
    this.#settleIfDone()
  }

  #abort(): void {
    if (this.isAborted) return
    this.isAborted = true
    this.#owner.aborted(this)
  }

  #settleIfDone(): void {
    if (this.isComplete && !this.isAborted && !this.inOpenChunk && this.#open === 0) this.#owner.settled(this)
  }
}
