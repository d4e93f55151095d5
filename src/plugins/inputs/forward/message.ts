import type { Ack, Contributor } from '../../../core/plugin.ts'

/** What a message needs of its connection. */
export interface MessageOwner {
  /** Every record of it is settled: the peer may hear so. */
  settled(message: Message): void
  /** Some are not and will not be: the peer must not. */
  aborted(): void
}

/**
 * A message that came, in as many chunks as its records went into, which it shares with others.
 *
 * ```
 *   open: chunks sealed and not settled     joined: something of it is in a chunk that is not sealed
 *   settled = whole, not joined, open = 0
 * ```
 */
export class Message implements Contributor {
  /** The current chunk has it among its contributors. */
  joined = false
  /** To be sent back; undefined: the peer did not ask. */
  chunk: Buffer | undefined
  readonly #owner: MessageOwner
  readonly #identity: string
  #parts = 0
  #open = 0
  #whole = false
  #aborted = false

  /** `identity` is unique among all messages of this agent. */
  constructor(owner: MessageOwner, identity: string) {
    this.#owner = owner
    this.#identity = identity
  }

  closeRange(): { identity: string; settle: Ack } {
    this.joined = false
    this.#open++
    return {
      identity: `${this.#identity}:${this.#parts++}`,
      settle: (outcome) => {
        this.#open--
        // `dropped` is an answer too: an output was told to give up, and counted it. Sent again it would be dropped again.
        if (outcome === 'aborted') this.#abort()
        else this.#look()
      },
    }
  }

  /** Nothing more of it comes. */
  end(chunk: Buffer | undefined): void {
    this.#whole = true
    this.chunk = chunk
    this.#look()
  }

  #abort(): void {
    if (this.#aborted) return
    this.#aborted = true
    this.#owner.aborted()
  }

  #look(): void {
    if (this.#whole && !this.#aborted && !this.joined && this.#open === 0) this.#owner.settled(this)
  }
}
