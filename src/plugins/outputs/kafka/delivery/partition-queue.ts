import { ShipperError } from '../../../../core/error.ts'
import { crc32c } from '../../../../lib/hash/crc32c.ts'
import { type Stamp, stampBatch } from '../../../../protocol/kafka/batch.ts'
import {
  errorName,
  INVALID_TIMESTAMP,
  isTopicRefusal,
  type Remedy,
  remedyOf,
} from '../../../../protocol/kafka/errors.ts'
import type { Batch, BatchTarget, ChunkDelivery } from './chunk-delivery.ts'

/** Producer id and epoch to which the sequence numbers of a partition belong. */
export type ProducerIdentity = Omit<Stamp, 'sequence'>

/** Services of the cluster for its partitions. */
export interface PartitionHost {
  /** Maximum batches in flight for one partition. */
  readonly maxInFlight: number
  readonly idempotent: boolean
  /** Resolves when the leader of the partition is connected and `identity` is set. Rejects with a ShipperError. */
  connectLeader(partition: PartitionQueue): Promise<void>
  /** Tells the leader's connection that there may be a batch to `take`. */
  wake(partition: PartitionQueue): void
  /**
   * Gives a batch that the broker refused for the times of its records the time of now; false when that was done before.
   */
  retime(batch: Batch): boolean
  /** Splits a refused batch; returns undefined for a single record. */
  split(batch: Batch): Batch[] | undefined
  /** Rejects the records of a batch that the broker will never accept; throws when they cannot be kept. */
  reject(batch: Batch, error: ShipperError): void
  /** True when a tag or a record has chosen the topic, and not the configuration. */
  isChosen(topic: string): boolean
  /** True when records of a delivery are to be rejected because the topic that they have chosen is refused. */
  isOverdue(delivery: ChunkDelivery): boolean
  count(name: 'batches' | 'resent_batches' | 'split_batches' | 'identity_resets'): void
}

/** Number of sequence numbers: after the last one they start again at 0. */
const SEQUENCE_COUNT = 2 ** 31
/** Failures in a row that are retried at once; after that the flush fails and the engine waits before the next retry. */
const MAX_IMMEDIATE_RETRIES = 2

/**
 * The batches for one partition, in order, and their sequence numbers. The invariant: a sequence number belongs to its
 * batch forever. As long as it is unknown whether a broker has written the batch, the same bytes are sent again, before
 * all later batches.
 *
 * ```
 *   batches:  b4 b5 b6  | b7 b8     push -->
 *             in flight   waiting   (a batch gets its sequence number when it is first sent)
 *
 *   idle --resume--> starting --leader, producer id--> running --failure--> (responses of all in flight) --+
 *    ^                                                                                                     |
 *    +-- flushes are rejected, or sending resumes at once; b4 b5 b6 keep their numbers --------------------+
 * ```
 * A new producer id (with sequence numbers from 0) is used only when the broker has confirmed that the first batch is not
 * written: because it no longer knows the producer, or because a record was rejected and left a gap in the sequence.
 *
 * A broker that does not know a producer id accepts any sequence number as the first. So one batch is sent alone until the
 * broker has written it: if it were refused, later batches in flight would be written before it.
 */
export class PartitionQueue implements BatchTarget {
  readonly topic: string
  readonly index: number
  /** Broker id of the leader; -1: unknown. */
  leader = -1
  /** True when the leader must be looked up again. */
  stale = true
  identity: ProducerIdentity | undefined
  /** Time since which the metadata lacks this partition, in milliseconds. */
  missingSinceMs: number | undefined
  /** True when this partition can no longer use the producer id that the others share. */
  needsOwnIdentity = false
  #batches: Batch[] = []
  #inFlight = 0
  /** True when the broker has written a batch since the last start: it knows the producer id and its sequence. */
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

  /** True when no batch waits, is in flight, or is being handed over. */
  get isEmpty(): boolean {
    return this.#batches.length === 0 && this.#successor === undefined
  }

  push(batch: Batch): void {
    if (this.#successor !== undefined) {
      this.#successor.push(batch.moveTo(this.#successor))
      return
    }
    this.#batches.push(batch)
    this.resume()
  }

  /** Moves all batches, also those still to come, to another partition: this one was deleted with all its records. */
  handOver(successor: PartitionQueue): void {
    this.#state = 'closed'
    this.#successor = successor
    for (const batch of this.#batches.splice(0)) this.push(batch)
  }

  /** Starts or continues sending, unless there is nothing to send. */
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
        // The metadata may have named a leader that is down, because no new one was elected yet.
        this.stale = true
        this.#refuse(error)
      },
    )
  }

  /** Returns the next batch to send, which is in flight from now on. */
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

  /** Handles the broker's response to a batch; error code 0: written. */
  onResponse(batch: Batch, code: number): void {
    const error = code === 0 ? undefined : this.#errorOf(code)
    this.#complete(batch, code === 0 || remedyOf(code) === 'written', code, error)
  }

  /** Handles a missing response: the batch may have been written or not. */
  onNoResponse(batch: Batch, error: ShipperError): void {
    this.#complete(batch, false, 0, error)
  }

  /** Reconnects after the loss of the connection, when no batch is in flight. */
  onDisconnect(): void {
    if (this.#state !== 'running' || this.#inFlight > 0) return
    this.#state = 'idle'
    this.resume()
  }

  /** Drops the batches of a chunk that were never sent. Batches with a sequence number must stay. */
  forget(delivery: ChunkDelivery): void {
    const isUnsent = (b: Batch) => b.delivery === delivery && b.stamp === undefined
    for (const batch of this.#batches.filter(isUnsent)) delivery.settle(batch)
    this.#batches = this.#batches.filter((b) => !isUnsent(b))
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

  #complete(batch: Batch, written: boolean, code: number, error: ShipperError | undefined): void {
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
      // The first batch has the cause; later ones fail because of it.
      this.#firstFailure = { batch, code, error: error as ShipperError }
    }
    if (this.#firstFailure !== undefined && this.#inFlight === 0) this.#recover(this.#firstFailure)
  }

  #isBefore(a: Batch, b: Batch): boolean {
    return this.#batches.indexOf(a) < this.#batches.indexOf(b)
  }

  /** Decides how to continue after a failure. Nothing is in flight; remaining batches are not written, or it is unknown. */
  #recover({ batch, code, error }: { batch: Batch; code: number; error: ShipperError }): void {
    this.#firstFailure = undefined
    this.#state = 'idle'
    // A batch without a response has no code; it may have been sent to an old leader.
    const remedy: Remedy = code === 0 ? 'leader' : remedyOf(code)
    if (code === INVALID_TIMESTAMP && this.#host.retime(batch)) {
      if (batch.stamp !== undefined) stampBatch(batch.buf, batch.start, batch.end, batch.stamp, crc32c)
      this.resume()
      return
    }
    if (remedy === 'refused') {
      this.#splitOrDeadLetter(batch, error)
      return
    }
    this.stale = true
    const retriesAtOnce = remedy === 'identity' || (remedy === 'leader' && code !== 0)
    if (!retriesAtOnce || this.#immediateRetries >= MAX_IMMEDIATE_RETRIES) {
      this.#refuse(error)
      return
    }
    this.#immediateRetries++
    if (remedy === 'identity') this.#resetIdentity()
    this.resume()
  }

  /** Splits a batch that the broker will never accept; a single record is rejected. */
  #splitOrDeadLetter(batch: Batch, error: ShipperError): void {
    const at = this.#batches.indexOf(batch)
    try {
      const parts = this.#host.split(batch)
      if (parts === undefined) {
        this.#rejectRecords(batch, error)
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

  /** Removes a batch whose records the topic will not accept; throws when they cannot be kept. */
  #rejectRecords(batch: Batch, error: ShipperError): void {
    this.#host.reject(batch, error)
    this.#batches.splice(this.#batches.indexOf(batch), 1)
    this.#resetIdentity()
    batch.delivery.settle(batch)
  }

  /** Fails the flushes of all batches, except for records that have waited for their refused topic long enough. */
  #refuse(error: ShipperError): void {
    try {
      if (error.scope === 'records')
        for (const batch of [...this.#batches])
          if (this.#host.isOverdue(batch.delivery)) this.#rejectRecords(batch, error)
    } catch (failure) {
      this.#reject(failure instanceof ShipperError ? failure : error)
      return
    }
    this.#reject(error)
  }

  /** Resets producer id and sequence numbers; only called when no remaining batch was written. */
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
    const needsOperator = remedyOf(code) === 'operator'
    const isRefused = isTopicRefusal(code) && this.#host.isChosen(this.topic)
    return new ShipperError(needsOperator ? 'E_KAFKA_TOPIC' : 'E_KAFKA_BROKER', message, {
      retryable: true,
      scope: needsOperator ? (isRefused ? 'records' : 'chunk') : 'peer',
    })
  }
}
