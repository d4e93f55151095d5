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
  readonly window: number
  readonly idempotent: boolean
  /** Resolves when the partition's leader is known and connected, and `identity` is set. Rejects with a ShipperError. */
  ready(partition: PartitionQueue): Promise<void>
  /** There may be something to `take`. */
  wake(partition: PartitionQueue): void
  /** Parts of a batch that is refused as a whole; undefined: it is a single record. */
  split(batch: Batch): Batch[] | undefined
  /** Keeps a single record that will never be taken, in a file; throws when that is not possible. */
  deadLetter(batch: Batch, reason: string): void
  count(name: 'batches' | 'resent_batches' | 'split_batches' | 'identity_resets'): void
}

/** Sequence numbers wrap to 0. */
const SEQUENCES = 2 ** 31
/** How often in a row a failure may be answered at once, before the engine is asked to wait. */
const QUICK_TRIES = 2

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
  missingMs: number | undefined
  /** The identity that all share is of no use to this one any more. */
  ownIdentity = false
  #batches: Batch[] = []
  #flying = 0
  /** The broker has taken a batch since the start: it knows the identity and its number. */
  #known = false
  #sequence = 0
  #state: 'idle' | 'starting' | 'running' | 'closed' = 'idle'
  #failed: { batch: Batch; code: number; error: ShipperError } | undefined
  #quickTries = 0
  #heir: PartitionQueue | undefined
  readonly #around: PartitionHost

  constructor(topic: string, index: number, around: PartitionHost) {
    this.topic = topic
    this.index = index
    this.#around = around
  }

  get running(): boolean {
    return this.#state === 'running'
  }

  push(batch: Batch): void {
    if (this.#heir !== undefined) {
      this.#heir.push(batch.movedTo(this.#heir))
      return
    }
    this.#batches.push(batch)
    this.resume()
  }

  /** It is gone with its topic, and with it all that was written: what is left, and still comes, is for another one. */
  handOver(heir: PartitionQueue): void {
    this.#state = 'closed'
    this.#heir = heir
    for (const batch of this.#batches.splice(0)) this.push(batch)
  }

  /** Goes on sending, if there is something and nothing hinders it. */
  resume(): void {
    if (this.#batches.length === 0) return
    if (this.#state === 'running') this.#around.wake(this)
    if (this.#state !== 'idle') return
    this.#state = 'starting'
    this.#around.ready(this).then(
      () => {
        if (this.#state !== 'starting') return
        this.#state = 'running'
        this.#known = false
        this.#around.wake(this)
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
    const window = this.#known ? this.#around.window : 1
    if (this.#state !== 'running' || this.#failed !== undefined || this.#flying >= window) return undefined
    const batch = this.#batches[this.#flying]
    if (batch === undefined) return undefined
    if (batch.stamp === undefined) this.#stamp(batch)
    batch.inFlight = true
    this.#flying++
    if (batch.tries++ > 0) this.#around.count('resent_batches')
    return batch
  }

  /** The broker's word on a batch; 0: written. */
  answered(batch: Batch, code: number): void {
    const error = code === 0 ? undefined : this.#errorOf(code)
    this.#landed(batch, code === 0 || remedyOf(code) === 'written', code, error)
  }

  /** No word on a batch: it may have been written or not. */
  lost(batch: Batch, error: ShipperError): void {
    this.#landed(batch, false, 0, error)
  }

  /** Nothing that was taken is without an answer, and the connection is gone. */
  disconnected(): void {
    if (this.#state !== 'running' || this.#flying > 0) return
    this.#state = 'idle'
    this.resume()
  }

  /** The chunk is given up: what of it was never sent is not sent any more. What was sent has a number, and stays. */
  forget(shipment: ChunkDelivery): void {
    const gone = (b: Batch) => b.delivery === shipment && b.stamp === undefined
    for (const batch of this.#batches.filter(gone)) shipment.settle(batch)
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
    batch.stamp = { ...identity, sequence: this.#around.idempotent ? this.#sequence : -1 }
    this.#sequence = (this.#sequence + batch.count) % SEQUENCES
    stampBatch(batch.buf, batch.start, batch.end, batch.stamp, crc32c)
  }

  #landed(batch: Batch, written: boolean, code: number, error: ShipperError | undefined): void {
    if (!batch.inFlight) return
    batch.inFlight = false
    this.#flying--
    if (this.#state === 'closed') return
    if (written) {
      this.#batches.splice(this.#batches.indexOf(batch), 1)
      this.#quickTries = 0
      this.#known = true
      this.#around.count('batches')
      batch.delivery.settle(batch)
    } else if (this.#failed === undefined || this.#isBefore(batch, this.#failed.batch)) {
      // The first of the batches says what is wrong; those behind it fail because it did.
      this.#failed = { batch, code, error: error as ShipperError }
    }
    if (this.#failed !== undefined && this.#flying === 0) this.#sortOut(this.#failed)
  }

  #isBefore(a: Batch, b: Batch): boolean {
    return this.#batches.indexOf(a) < this.#batches.indexOf(b)
  }

  /** Everything has answered: what is still in `batches` was not written, or it is not known. */
  #sortOut({ batch, code, error }: { batch: Batch; code: number; error: ShipperError }): void {
    this.#failed = undefined
    this.#state = 'idle'
    // A batch without an answer has no code, and may be of an old leader.
    const remedy: Remedy = code === 0 ? 'leader' : remedyOf(code)
    if (remedy === 'refused') {
      this.#refused(batch, error)
      return
    }
    this.stale = true
    const quick = remedy === 'identity' || (remedy === 'leader' && code !== 0)
    if (!quick || this.#quickTries >= QUICK_TRIES) {
      this.#reject(error)
      return
    }
    this.#quickTries++
    if (remedy === 'identity') this.#renew()
    this.resume()
  }

  /** Not written, and never will be: in smaller parts perhaps, and what is left of it in the end is buried. */
  #refused(batch: Batch, error: ShipperError): void {
    const at = this.#batches.indexOf(batch)
    try {
      const parts = this.#around.split(batch)
      if (parts === undefined) {
        this.#around.deadLetter(batch, error.message)
        this.#batches.splice(at, 1)
        this.#renew()
        batch.delivery.settle(batch)
      } else {
        this.#batches.splice(at, 1, ...parts)
        this.#around.count('split_batches')
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
  #renew(): void {
    if (!this.#around.idempotent) return
    this.#around.count('identity_resets')
    this.identity = undefined
    this.ownIdentity = true
    this.#sequence = 0
    for (const batch of this.#batches) batch.stamp = undefined
  }

  #reject(error: ShipperError): void {
    for (const { delivery: shipment } of this.#batches) shipment.fail(error)
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
