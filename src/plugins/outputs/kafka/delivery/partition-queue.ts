import { ShipperError } from '../../../../core/error.ts'
import { crc32c } from '../../../../lib/hash/crc32c.ts'
import { type Stamp, stampBatch } from '../../../../protocol/kafka/batch.ts'
import { errorName, type Remedy, remedyOf } from '../../../../protocol/kafka/errors.ts'
import type { Batch, ChunkDelivery } from './chunk-delivery.ts'

/** Producer id and epoch, under which a partition's sequence numbers count. */
export type ProducerIdentity = Omit<Stamp, 'sequence'>

/** What a partition needs from the cluster it is in. */
export interface PartitionHost {
  /** Most batches of a partition on their way. */
  readonly maxInFlight: number
  readonly idempotent: boolean
  /** Resolves when the partition's leader is known and connected, and `identity` is set. Rejects with a ShipperError. */
  connectLeader(partition: PartitionQueue): Promise<void>
  /** There may be something to `take`. */
  wake(partition: PartitionQueue): void
  /** Parts of a batch that is refused as a whole; undefined: it is a single record. */
  split(batch: Batch): Batch[] | undefined
  /** Keeps a single record that will never be taken, in a file; throws when that is not possible. */
  deadLetter(batch: Batch, reason: string): void
  count(name: 'batches' | 'resent_batches' | 'split_batches' | 'identity_resets'): void
}

/** Sequence numbers wrap to 0. */
const SEQUENCE_COUNT = 2 ** 31
/** How often in a row a failure may be answered at once, before the engine is asked to wait. */
const MAX_IMMEDIATE_RETRIES = 2

/**
 * The batches for one partition, in order, and their sequence numbers. The one rule is that a number belongs to its
 * batch for ever: as long as it cannot be known whether a broker has written it, the same bytes are sent again, before
 * everything behind it.
 *
 * ```
 *   batches:  b4 b5 b6 | b7 b8      push -->
 *             flying     waiting    (a number is given when a batch first flies)
 *
 *   idle --kick--> starting --leader, identity--> running --failure--> (answers of all that fly) --+
 *    ^                                                                                             |
 *    +-- flushes are rejected, or it goes on at once; b4 b5 b6 keep their numbers -----------------+
 * ```
 * A new identity (numbers from 0) is taken only when the broker has said that the first batch is not written: because
 * it does not know us any more, or because a record was given up and has left a hole in the numbers.
 *
 * To a broker that does not know an identity any number is its first. So one batch flies alone until the broker has
 * taken it: were it refused, those behind it would be written before it.
 */
export class PartitionQueue {
  readonly topic: string
  readonly index: number
  /** Broker id; -1: not known. */
  leader = -1
  /** The leader has to be asked for. */
  stale = true
  identity: ProducerIdentity | undefined
  /** Since when the brokers do not name it any more, in milliseconds. */
  missingSinceMs: number | undefined
  /** The identity that all share is of no use to this one any more. */
  needsOwnIdentity = false
  #batches: Batch[] = []
  #inFlight = 0
  /** The broker has taken a batch since the start: it knows the identity and its number. */
  #isIdentityKnown = false
  #sequence = 0
  #state: 'idle' | 'starting' | 'running' | 'closed' = 'idle'
  #firstFailure: { batch: Batch; code: number; error: ShipperError } | undefined
  #immediateRetries = 0
  #successor: PartitionQueue | undefined
  readonly #host: PartitionHost

  constructor(topic: string, index: number, host: PartitionHost) {
    this.topic = topic
    this.index = index
    this.#host = host
  }

  get running(): boolean {
    return this.#state === 'running'
  }

  push(batch: Batch): void {
    if (this.#successor !== undefined) {
      this.#successor.push(batch.moveTo(this.#successor))
      return
    }
    this.#batches.push(batch)
    this.resume()
  }

  /** It is gone with its topic, and with it all that was written: what is left, and still comes, is for another one. */
  handOver(successor: PartitionQueue): void {
    this.#state = 'closed'
    this.#successor = successor
    for (const batch of this.#batches.splice(0)) this.push(batch)
  }

  /** Goes on sending, if there is something and nothing hinders it. */
  resume(): void {
    if (this.#batches.length === 0) return
    if (this.#state === 'running') this.#host.wake(this)
    if (this.#state !== 'idle') return
    this.#state = 'starting'
    this.#host.connectLeader(this).then(
      () => {
        if (this.#state !== 'starting') return
        this.#state = 'running'
        this.#isIdentityKnown = false
        this.#host.wake(this)
      },
      (error: ShipperError) => {
        if (this.#state === 'starting') this.#state = 'idle'
        // The leader that was named may be the one that is gone: the others had not yet chosen a new one.
        this.stale = true
        this.#reject(error)
      },
    )
  }

  /** The next batch to send, now flying. */
  take(): Batch | undefined {
    const window = this.#isIdentityKnown ? this.#host.maxInFlight : 1
    if (this.#state !== 'running' || this.#firstFailure !== undefined || this.#inFlight >= window)
      return undefined
    const batch = this.#batches[this.#inFlight]
    if (batch === undefined) return undefined
    if (batch.stamp === undefined) this.#stamp(batch)
    batch.inFlight = true
    this.#inFlight++
    if (batch.attempts++ > 0) this.#host.count('resent_batches')
    return batch
  }

  /** The broker's word on a batch; 0: written. */
  onResponse(batch: Batch, code: number): void {
    const error = code === 0 ? undefined : this.#errorOf(code)
    this.#completed(batch, code === 0 || remedyOf(code) === 'written', code, error)
  }

  /** No word on a batch: it may have been written or not. */
  onNoResponse(batch: Batch, error: ShipperError): void {
    this.#completed(batch, false, 0, error)
  }

  /** Nothing that was taken is without an answer, and the connection is gone. */
  onDisconnect(): void {
    if (this.#state !== 'running' || this.#inFlight > 0) return
    this.#state = 'idle'
    this.resume()
  }

  /** The chunk is given up: what of it was never sent is not sent any more. What was sent has a number, and stays. */
  forget(delivery: ChunkDelivery): void {
    const gone = (b: Batch) => b.delivery === delivery && b.stamp === undefined
    for (const batch of this.#batches.filter(gone)) delivery.settle(batch)
    this.#batches = this.#batches.filter((b) => !gone(b))
  }

  close(error: ShipperError): void {
    this.#state = 'closed'
    for (const batch of this.#batches.splice(0)) {
      batch.delivery.fail(error)
      batch.release()
    }
  }

  #stamp(batch: Batch): void {
    const identity = this.identity ?? { producerId: -1n, epoch: -1 }
    batch.stamp = { ...identity, sequence: this.#host.idempotent ? this.#sequence : -1 }
    this.#sequence = (this.#sequence + batch.count) % SEQUENCE_COUNT
    stampBatch(batch.buf, batch.start, batch.end, batch.stamp, crc32c)
  }

  #completed(batch: Batch, written: boolean, code: number, error: ShipperError | undefined): void {
    if (!batch.inFlight) return
    batch.inFlight = false
    this.#inFlight--
    if (this.#state === 'closed') return
    if (written) {
      this.#batches.splice(this.#batches.indexOf(batch), 1)
      this.#immediateRetries = 0
      this.#isIdentityKnown = true
      this.#host.count('batches')
      batch.delivery.settle(batch)
    } else if (this.#firstFailure === undefined || this.#isBefore(batch, this.#firstFailure.batch)) {
      // The first of the batches says what is wrong; those behind it fail because it did.
      this.#firstFailure = { batch, code, error: error as ShipperError }
    }
    if (this.#firstFailure !== undefined && this.#inFlight === 0) this.#recover(this.#firstFailure)
  }

  #isBefore(a: Batch, b: Batch): boolean {
    return this.#batches.indexOf(a) < this.#batches.indexOf(b)
  }

  /** Everything has answered: what is still in `batches` was not written, or it is not known. */
  #recover({ batch, code, error }: { batch: Batch; code: number; error: ShipperError }): void {
    this.#firstFailure = undefined
    this.#state = 'idle'
    // A batch without an answer has no code, and may be of an old leader.
    const remedy: Remedy = code === 0 ? 'leader' : remedyOf(code)
    if (remedy === 'refused') {
      this.#splitOrDeadLetter(batch, error)
      return
    }
    this.stale = true
    const quick = remedy === 'identity' || (remedy === 'leader' && code !== 0)
    if (!quick || this.#immediateRetries >= MAX_IMMEDIATE_RETRIES) {
      this.#reject(error)
      return
    }
    this.#immediateRetries++
    if (remedy === 'identity') this.#resetIdentity()
    this.resume()
  }

  /** Not written, and never will be: in smaller parts perhaps, and what is left of it in the end is buried. */
  #splitOrDeadLetter(batch: Batch, error: ShipperError): void {
    const at = this.#batches.indexOf(batch)
    try {
      const parts = this.#host.split(batch)
      if (parts === undefined) {
        this.#host.deadLetter(batch, error.message)
        this.#batches.splice(at, 1)
        this.#resetIdentity()
        batch.delivery.settle(batch)
      } else {
        this.#batches.splice(at, 1, ...parts)
        this.#host.count('split_batches')
        for (const part of parts) {
          batch.delivery.batches.add(part)
          if (part.stamp !== undefined) stampBatch(part.buf, part.start, part.end, part.stamp, crc32c)
        }
        batch.delivery.settle(batch)
      }
      this.resume()
    } catch (failure) {
      this.#reject(failure instanceof ShipperError ? failure : error)
    }
  }

  /** Of the batches that are left none is written: they get numbers of another identity. */
  #resetIdentity(): void {
    if (!this.#host.idempotent) return
    this.#host.count('identity_resets')
    this.identity = undefined
    this.needsOwnIdentity = true
    this.#sequence = 0
    for (const batch of this.#batches) batch.stamp = undefined
  }

  #reject(error: ShipperError): void {
    for (const { delivery } of this.#batches) delivery.fail(error)
  }

  #errorOf(code: number): ShipperError {
    const message = `${this.topic}/${this.index}: ${errorName(code)}`
    const operator = remedyOf(code) === 'operator'
    return new ShipperError(operator ? 'E_KAFKA_TOPIC' : 'E_KAFKA_BROKER', message, {
      retryable: true,
      scope: operator ? 'chunk' : 'peer',
    })
  }
}
