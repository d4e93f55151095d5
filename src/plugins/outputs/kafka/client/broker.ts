import { ShipperError } from '../../../../core/error.ts'
import type { PartitionResponse } from '../../../../protocol/kafka/produce.ts'
import type { Batch, BatchTarget } from '../delivery/chunk-delivery.ts'
import type { Address, KafkaSettings } from '../settings.ts'
import type { BrokerConnection } from './connection.ts'

/** Size from which no further batch is added to a request. */
const MAX_REQUEST_BYTES = 1_000_000

/** A broker and its connection, which sends the batches of the partitions it leads, with several requests in flight. */
export class Broker {
  address: Address
  readonly #settings: KafkaSettings
  readonly #openConnection: (address: Address) => Promise<BrokerConnection>
  readonly #partitions = new Set<BatchTarget>()
  #connection: BrokerConnection | undefined
  #connecting: Promise<void> | undefined
  #wakeScheduled = false

  constructor(
    address: Address,
    settings: KafkaSettings,
    open: (address: Address) => Promise<BrokerConnection>,
  ) {
    this.address = address
    this.#settings = settings
    this.#openConnection = open
  }

  /** Resolves when the broker is connected and sends the batches of this partition. */
  async attach(partition: BatchTarget): Promise<void> {
    if (this.#connection?.open !== true) {
      this.#connecting ??= this.#connect().finally(() => {
        this.#connecting = undefined
      })
      await this.#connecting
    }
    this.#partitions.add(partition)
  }

  /** True when it has neither a connection nor partitions. */
  get isUnused(): boolean {
    return this.#connection === undefined && this.#connecting === undefined && this.#partitions.size === 0
  }

  detach(partition: BatchTarget): void {
    this.#partitions.delete(partition)
  }

  /** Sends after the current task, so that batches for many partitions share one request. */
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
      // Reports to every batch itself and never rejects.
      void this.#send(connection, batches)
    }
  }

  /** Takes one batch of each partition that has one; partitions that were served go last in the next request. */
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
    let responses: PartitionResponse[]
    try {
      responses = await connection.produce(batches)
    } catch (error) {
      for (const batch of batches) batch.target.onNoResponse(batch, error as ShipperError)
      return
    }
    for (const [i, batch] of batches.entries()) {
      const isOfBatch = (r?: PartitionResponse) => r?.partition === batch.partition && r.topic === batch.topic
      // Brokers respond in the order of the request, though nothing says so.
      const response = isOfBatch(responses[i]) ? responses[i] : responses.find(isOfBatch)
      if (this.#settings.acks === 0) batch.target.onResponse(batch, 0)
      else if (response === undefined) batch.target.onNoResponse(batch, missingResponse(connection, batch))
      else batch.target.onResponse(batch, response.error)
    }
    this.#sendPending()
  }
}

function missingResponse(connection: BrokerConnection, { topic, partition }: Batch): ShipperError {
  const message = `${connection.peer}: the Produce response lacks ${topic}/${partition}`
  return new ShipperError('E_PEER_PROTOCOL', message, { retryable: true, scope: 'peer' })
}
