import { ShipperError } from '../../../../core/error.ts'
import type { PartitionResponse } from '../../../../protocol/kafka/produce.ts'
import type { Batch } from '../delivery/chunk-delivery.ts'
import type { PartitionQueue } from '../delivery/partition-queue.ts'
import type { Address, Settings } from '../settings.ts'
import type { BrokerConnection } from './connection.ts'

/** A request is not made larger than this by a further batch. */
const MAX_REQUEST_BYTES = 1_000_000

/** One broker: the connection for the batches of the partitions that it leads, several requests in flight. */
export class Broker {
  address: Address
  readonly #settings: Settings
  readonly #openConnection: (address: Address) => Promise<BrokerConnection>
  readonly #partitions = new Set<PartitionQueue>()
  #connection: BrokerConnection | undefined
  #connecting: Promise<void> | undefined
  #wakeScheduled = false

  constructor(address: Address, settings: Settings, open: (address: Address) => Promise<BrokerConnection>) {
    this.address = address
    this.#settings = settings
    this.#openConnection = open
  }

  /** Resolves when it can take the batches of this partition. */
  async attach(partition: PartitionQueue): Promise<void> {
    if (this.#connection?.open !== true) {
      this.#connecting ??= this.#connect().finally(() => {
        this.#connecting = undefined
      })
      await this.#connecting
    }
    this.#partitions.add(partition)
  }

  detach(partition: PartitionQueue): void {
    this.#partitions.delete(partition)
  }

  /** Sends when the current turn is over, so that batches for many partitions go in one request. */
  wake(): void {
    if (this.#wakeScheduled) return
    this.#wakeScheduled = true
    queueMicrotask(() => {
      this.#wakeScheduled = false
      this.#sendPending()
    })
  }

  close(): void {
    const connection = this.#connection
    if (connection === undefined) return
    if (connection.inFlight > 0) connection.fail('E_PEER_CLOSED', 'the agent is stopping')
    else connection.end()
  }

  async #connect(): Promise<void> {
    const connection = await this.#openConnection(this.address)
    this.#connection = connection
    connection.onClose = () => {
      if (this.#connection === connection) this.#connection = undefined
      for (const partition of [...this.#partitions]) partition.onDisconnect()
    }
  }

  #sendPending(): void {
    const connection = this.#connection
    while (connection?.open && !connection.needsRecycle && connection.inFlight < this.#settings.maxInFlight) {
      const batches = this.#takeBatches()
      if (batches.length === 0) return
      // Settles every batch itself and never rejects.
      void this.#send(connection, batches)
    }
  }

  /** One batch of each partition that has one; those that got their turn are the last of the next round. */
  #takeBatches(): Batch[] {
    const batches: Batch[] = []
    let bytes = 0
    for (const partition of this.#partitions) {
      if (bytes >= MAX_REQUEST_BYTES) break
      const batch = partition.take()
      if (batch === undefined) continue
      batches.push(batch)
      bytes += batch.size
    }
    if (batches.length < 2) return batches
    for (const { target } of batches) {
      this.#partitions.delete(target)
      this.#partitions.add(target)
    }
    return batches.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0))
  }

  async #send(connection: BrokerConnection, batches: Batch[]): Promise<void> {
    let answers: PartitionResponse[]
    try {
      answers = await connection.produce(batches)
    } catch (error) {
      for (const batch of batches) batch.target.onNoResponse(batch, error as ShipperError)
      return
    }
    for (const batch of batches) {
      const answer = answers.find((a) => a.partition === batch.partition && a.topic === batch.topic)
      if (this.#settings.acks === 0) batch.target.onResponse(batch, 0)
      else if (answer === undefined) batch.target.onNoResponse(batch, missingResponse(connection, batch))
      else batch.target.onResponse(batch, answer.error)
    }
    this.#sendPending()
  }
}

function missingResponse(connection: BrokerConnection, { topic, partition }: Batch): ShipperError {
  const message = `${connection.peer}: its answer has nothing about ${topic}/${partition}`
  return new ShipperError('E_PEER_PROTOCOL', message, { retryable: true, scope: 'peer' })
}
