import type { Appender, ClosedRange, Contributor, Outcome } from '../../../core/plugin.ts'
import { ACK_HEAD_BYTES, writeAck } from '../../../protocol/forward/option.ts'

const EMPTY = Buffer.alloc(0)
const MIN_BYTES = 256

/**
 * Encoded acknowledgements, one after the other. An object for each of them would take ten times its size while it waits for an
 * output, or in a socket that nobody reads.
 */
export class AckBytes {
  buf: Buffer = EMPTY
  length = 0

  /** Adds `{"ack": id}`, where the id is buf[start, end). */
  addId(buf: Buffer, start: number, end: number): void {
    this.#reserve(ackBytesOf(start, end))
    this.length = writeAck(this.buf, this.length, buf, start, end)
  }

  add({ buf, length }: AckBytes): void {
    this.#reserve(length)
    this.length += buf.copy(this.buf, this.length, 0, length)
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes
    if (needed <= this.buf.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(MIN_BYTES, 2 * needed))
    this.buf.copy(larger, 0, 0, this.length)
    this.buf = larger
  }
}

/** Returns the size of the acknowledgement of an id of which buf[start, end) is the encoded value. */
export function ackBytesOf(start: number, end: number): number {
  return ACK_HEAD_BYTES + end - start
}

/** A message whose records are in several chunks. */
export class SplitMessage {
  /** Number of chunks with records of it that have not settled. */
  open = 0
  /** True when all of its records were read. */
  isComplete = false
  /** True when some of its records will never settle: it must not be acknowledged. */
  isAborted = false
  readonly ack = new AckBytes()

  get isSettled(): boolean {
    return this.isComplete && !this.isAborted && this.open === 0
  }
}

/** The connection, as seen by its messages. */
export interface MessageOwner {
  /** Called when the chunk of the range is sealed. Returns the identity of the range, unique among all of this agent. */
  closed(range: MessageRange): string
  settled(range: MessageRange, outcome: Outcome): void
}

/**
 * The messages of one connection in one chunk, which it shares with other connections. There is one object for all of them: a
 * peer may have thousands of small messages on their way.
 *
 * ```
 *   messages of the peer   |--1--|--2--|-------3-------|--4--|--5--|---
 *   chunks                 |   range: 1, 2    |     range: 4, 5    |       3 is split, and settles with the second
 * ```
 */
export class MessageRange implements Contributor {
  /** Chunk of the range until it is sealed; the appender then has the next one. */
  readonly appender: Appender
  /** Size of its records. */
  bytes = 0
  /** Messages that have all of their records here. */
  messages = 0
  /** Acknowledgements that these have requested. */
  requested = 0
  readonly acks = new AckBytes()
  /** Messages that began before the range, or end after it. */
  readonly split: SplitMessage[] = []
  readonly #owner: MessageOwner

  constructor(owner: MessageOwner, appender: Appender) {
    this.#owner = owner
    this.appender = appender
  }

  /** True when it has records of messages that may request an acknowledgement. */
  get isTracked(): boolean {
    return this.messages > 0 || this.split.length > 0
  }

  /** Adds records of a message that has others elsewhere. */
  addPartOf(message: SplitMessage): void {
    if (this.split.at(-1) === message) return
    this.split.push(message)
    message.open++
  }

  closeRange(): ClosedRange {
    return {
      identity: this.#owner.closed(this),
      settle: (outcome) => this.#owner.settled(this, outcome),
    }
  }
}
