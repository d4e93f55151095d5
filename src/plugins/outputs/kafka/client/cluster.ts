import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { OutputContext } from '../../../../core/plugin.ts'
import { sleep } from '../../../../lib/async/sleep.ts'
import { stopped } from '../../../../lib/net/stopped.ts'
import { errorName, isTopicRefusal, remedyOf } from '../../../../protocol/kafka/errors.ts'
import {
  type Api,
  INIT_PRODUCER_ID,
  initProducerIdBody,
  METADATA,
  type Metadata,
  metadataBody,
  readInitProducerId,
  readMetadata,
} from '../../../../protocol/kafka/requests.ts'
import { type PartitionHost, PartitionQueue, type ProducerIdentity } from '../delivery/partition-queue.ts'
import type { Address, KafkaSettings } from '../settings.ts'
import { authenticate } from './authenticate.ts'
import { Broker } from './broker.ts'
import { brokerName, connectBroker } from './connect.ts'
import { BrokerConnection } from './connection.ts'

/** A topic and its partitions, which keep their batches when the leader changes. */
export interface Topic {
  readonly name: string
  partitions: PartitionQueue[]
  /** Time of the last metadata refresh; 0: never. */
  refreshedMs: number
  /** Time at which the topic was last asked for. */
  usedMs: number
  /** Metadata refresh in progress. */
  refreshing: Promise<void> | undefined
}

/** Maximum life of the connection for metadata and producer ids. */
const MAX_CONTROL_CONNECTION_MS = 60_000
/** Requests for a topic that is being created or has no leader yet, and for a producer id, before they are an error. */
const MAX_ATTEMPTS = 10
const RETRY_PAUSE_MS = 200
/** Maximum wait after a failed authentication; retrying at once could lock the account. */
const MAX_AUTH_BACKOFF_MS = 60_000
/** Time that a partition may be missing from the metadata: brokers learn of new partitions with a delay. */
const MAX_MISSING_MS = 10_000
/** Number of topics from which those are forgotten that are not used for MIN_IDLE_MS: a chunk is being encoded for less. */
const MAX_TOPICS = 1000
const MIN_IDLE_MS = 300_000
/** Brokers that are remembered although the metadata does not name them: it may come from one that has just started. */
const MAX_FORMER_BROKERS = 100
/** Partitions of all topics, which take about 1 KB each: a cluster of 200,000 is not used by one agent. */
const MAX_ALL_PARTITIONS = 30_000
const UNKNOWN_TOPIC_OR_PARTITION = 3
const LEADER_NOT_AVAILABLE = 5

/** The brokers, topics, partition leaders and the producer id. All are requested when needed, and again after failures. */
export class Cluster {
  readonly #settings: KafkaSettings
  readonly #ctx: OutputContext
  readonly #signal: AbortSignal
  readonly #host: Omit<PartitionHost, 'connectLeader' | 'wake'>
  readonly #topics = new Map<string, Topic>()
  readonly #brokers = new Map<number, Broker>()
  #control: BrokerConnection | undefined
  #controlConnecting: Promise<BrokerConnection> | undefined
  /** Index of the address to try first. */
  #firstAddress = 0
  #identity: Promise<ProducerIdentity> | undefined
  #authFailure: { error: ShipperError; attempts: number; untilMs: number } | undefined

  constructor(
    settings: KafkaSettings,
    ctx: OutputContext,
    signal: AbortSignal,
    host: Omit<PartitionHost, 'connectLeader' | 'wake'>,
  ) {
    this.#settings = settings
    this.#ctx = ctx
    this.#signal = signal
    this.#host = host
  }

  /** Returns a topic with its partitions. Rejects with E_KAFKA_TOPIC, or with the error of the metadata request. */
  async topic(name: string, attempts = MAX_ATTEMPTS): Promise<Topic> {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      if (this.#topics.size >= MAX_TOPICS) this.#forgetIdleTopics()
      topic = { name, partitions: [], refreshedMs: 0, usedMs: 0, refreshing: undefined }
      this.#topics.set(name, topic)
    }
    topic.usedMs = this.#ctx.clock.nowMs()
    const ageMs = topic.usedMs - topic.refreshedMs
    // A negative age means that the clock was set back.
    if (topic.partitions.length === 0 || ageMs > this.#settings.metadataMaxAgeMs || ageMs < 0)
      await this.#refresh(topic, attempts)
    return topic
  }

  /**
   * Forgets topics without a batch: records may choose any number of names. The shared producer id is forgotten with them. A
   * forgotten partition begins at sequence number 0 again, and with the same id the broker would take that for a repetition.
   */
  #forgetIdleTopics(): void {
    this.#identity = undefined
    const sinceMs = this.#ctx.clock.nowMs() - MIN_IDLE_MS
    for (const [name, { partitions, usedMs, refreshing }] of this.#topics) {
      const isBusy = refreshing !== undefined || usedMs > sinceMs
      if (isBusy || !partitions.every((partition) => partition.isEmpty)) continue
      for (const broker of this.#brokers.values())
        for (const partition of partitions) broker.detach(partition)
      this.#topics.delete(name)
    }
  }

  close(error: ShipperError): void {
    for (const { partitions } of this.#topics.values()) for (const p of partitions) p.close(error)
    for (const broker of this.#brokers.values()) broker.close()
    this.#control?.fail('E_PEER_CLOSED', 'the agent is stopping')
  }

  async #connectLeader(partition: PartitionQueue): Promise<void> {
    if (partition.stale || partition.leader < 0) {
      const topic = this.#topics.get(partition.topic)
      if (topic === undefined) throw retryableError(`topic "${partition.topic}" was forgotten`)
      await this.#refresh(topic)
    }
    if (partition.missingSinceMs !== undefined)
      throw retryableError(`${partition.topic}/${partition.index} is missing from the metadata`)
    const broker = this.#brokers.get(partition.leader)
    if (broker === undefined) throw retryableError(`${partition.topic}/${partition.index} has no leader`)
    if (this.#settings.idempotent && partition.identity === undefined)
      partition.identity = partition.needsOwnIdentity
        ? await this.#initProducerId()
        : await this.#sharedIdentity()
    for (const other of this.#brokers.values()) if (other !== broker) other.detach(partition)
    await broker.attach(partition)
  }

  #sharedIdentity(): Promise<ProducerIdentity> {
    this.#identity ??= this.#initProducerId().catch((error: unknown) => {
      this.#identity = undefined
      throw error
    })
    return this.#identity
  }

  async #initProducerId(): Promise<ProducerIdentity> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#controlConnection()
      const body = await connection.request(INIT_PRODUCER_ID, initProducerIdBody())
      const { error, producerId, epoch } = parse(INIT_PRODUCER_ID, connection, readInitProducerId, body)
      if (error === 0) return { producerId, epoch }
      if (remedyOf(error) === 'operator' || attempt >= MAX_ATTEMPTS) throw producerIdError(error)
      // A broker that has just started cannot assign producer ids yet.
      await sleep(RETRY_PAUSE_MS, this.#ctx.clock, this.#signal)
      if (this.#signal.aborted) throw stopped()
    }
  }

  /** Refreshes the metadata of a topic; concurrent calls share one request. */
  #refresh(topic: Topic, attempts = MAX_ATTEMPTS): Promise<void> {
    topic.refreshing ??= this.#refreshUntilReady(topic, attempts).finally(() => {
      topic.refreshing = undefined
      // Records may name any number of topics that do not exist.
      if (topic.partitions.length === 0) this.#topics.delete(topic.name)
    })
    return topic.refreshing
  }

  async #refreshUntilReady(topic: Topic, attempts: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#controlConnection()
      const body = metadataBody([topic.name], this.#settings.createTopics)
      const metadata = parse(METADATA, connection, readMetadata, await connection.request(METADATA, body))
      this.#updateBrokers(metadata)
      const error = this.#updateTopic(topic, metadata)
      if (error === 0) return
      const isPending =
        error === LEADER_NOT_AVAILABLE ||
        (error === UNKNOWN_TOPIC_OR_PARTITION && this.#settings.createTopics)
      if (!isPending || attempt >= attempts)
        throw topicError(topic.name, error, this.#host.isChosen(topic.name))
      await sleep(RETRY_PAUSE_MS, this.#ctx.clock, this.#signal)
      if (this.#signal.aborted) throw stopped()
    }
  }

  #updateBrokers({ brokers }: Metadata): void {
    for (const { id, host, port } of brokers) {
      const broker = this.#brokers.get(id)
      if (broker === undefined)
        this.#brokers.set(id, new Broker({ host, port }, this.#settings, (a) => this.#connect(a)))
      else broker.address = { host, port }
    }
    if (this.#brokers.size <= brokers.length + MAX_FORMER_BROKERS) return
    const current = new Set(brokers.map(({ id }) => id))
    for (const [id, broker] of this.#brokers)
      if (!current.has(id) && broker.isUnused) this.#brokers.delete(id)
  }

  #updateTopic(topic: Topic, metadata: Metadata): number {
    const described = metadata.topics.find(({ name }) => name === topic.name)
    if (described === undefined) return UNKNOWN_TOPIC_OR_PARTITION
    if (described.error !== 0) return described.error
    if (described.partitions.length === 0) return LEADER_NOT_AVAILABLE
    this.#checkTotal(topic, described.partitions.length)
    const host: PartitionHost = {
      ...this.#host,
      connectLeader: (partition) => this.#connectLeader(partition),
      wake: (partition) => this.#brokers.get(partition.leader)?.wake(),
    }
    for (const { index, leader } of described.partitions) {
      topic.partitions[index] ??= new PartitionQueue(topic.name, index, host)
      const partition = topic.partitions[index]
      partition.missingSinceMs = undefined
      // While the partition sends to its old leader, the responses tell whether it still leads.
      if (partition.running) continue
      partition.leader = leader
      partition.stale = false
    }
    topic.refreshedMs = this.#ctx.clock.nowMs()
    this.#dropMissingPartitions(topic, described.partitions.length)
    return topic.partitions.every((p) => p.leader < 0) ? LEADER_NOT_AVAILABLE : 0
  }

  /** Throws when the topics would have more partitions together than any agent sends to. */
  #checkTotal(topic: Topic, count: number): void {
    let total = count
    for (const { name, partitions } of this.#topics.values())
      if (name !== topic.name) total += partitions.length
    if (count <= topic.partitions.length || total <= MAX_ALL_PARTITIONS) return
    throw new ShipperError(
      'E_PEER_PROTOCOL',
      `${count} partitions of "${topic.name}": ${this.#topics.size} topics have ${total}, at most ${MAX_ALL_PARTITIONS} are expected`,
      { retryable: true, scope: 'peer' },
    )
  }

  /** Hands the batches of partitions that are missing for long to the others: the topic was recreated with fewer. */
  #dropMissingPartitions({ partitions, refreshedMs }: Topic, count: number): void {
    for (const partition of partitions.slice(count)) {
      partition.missingSinceMs ??= refreshedMs
      partition.stale ||= !partition.running
    }
    for (
      let last = partitions.at(-1);
      last !== undefined && partitions.length > count;
      last = partitions.at(-1)
    ) {
      if (last.running || refreshedMs - (last.missingSinceMs ?? refreshedMs) < MAX_MISSING_MS) return
      partitions.pop()
      const successor = partitions[last.index % count] as PartitionQueue
      const name = `${last.topic}/${last.index}`
      this.#ctx.log.warn(`partition ${name} no longer exists: its records go to partition ${successor.index}`)
      last.handOver(successor)
    }
  }

  #controlConnection(): Promise<BrokerConnection> {
    const open = this.#control
    if (open?.open && !open.needsRecycle) return Promise.resolve(open)
    this.#controlConnecting ??= this.#openControl().finally(() => {
      this.#controlConnecting = undefined
    })
    return this.#controlConnecting
  }

  /** Connects to the first reachable broker, of the configured ones and those in the metadata. */
  async #openControl(): Promise<BrokerConnection> {
    const addresses = [
      ...this.#settings.brokers,
      ...[...this.#brokers.values()].map((broker) => broker.address),
    ]
    let lastError: unknown
    for (let i = 0; i < addresses.length; i++) {
      const index = (this.#firstAddress + i) % addresses.length
      try {
        const connection = await this.#connect(addresses[index] as Address)
        connection.recycleAfter(MAX_CONTROL_CONNECTION_MS)
        this.#firstAddress = index
        this.#control = connection
        return connection
      } catch (error) {
        lastError = error
      }
    }
    throw lastError
  }

  async #connect(address: Address): Promise<BrokerConnection> {
    const { clock, counters, log } = this.#ctx
    const refusal = this.#authFailure
    if (refusal !== undefined && clock.nowMs() < refusal.untilMs) throw refusal.error
    const socket = await connectBroker(address, this.#settings, clock, this.#signal)
    const peer = brokerName(address)
    const connection = new BrokerConnection({ socket, peer, settings: this.#settings, clock, counters })
    const abort = () => connection.fail('E_PEER_CLOSED', 'the agent is stopping')
    this.#signal.addEventListener('abort', abort, { once: true })
    try {
      await authenticate(connection, this.#settings)
    } catch (error) {
      throw this.#authenticationError(connection, error)
    } finally {
      this.#signal.removeEventListener('abort', abort)
    }
    this.#authFailure = undefined
    counters.add('connections')
    log.debug(`connected to ${peer}`)
    return connection
  }

  /** Returns the error of a failed authentication; after E_PEER_AUTH no connection is tried for a while. */
  #authenticationError(connection: BrokerConnection, thrown: unknown): ShipperError {
    const error =
      thrown instanceof ShipperError
        ? thrown
        : connection.fail('E_PEER_PROTOCOL', `invalid response: ${messageOf(thrown)}`)
    if (error.code === 'E_PEER_AUTH') {
      const attempts = (this.#authFailure?.attempts ?? 0) + 1
      const waitMs = Math.min(MAX_AUTH_BACKOFF_MS, 1000 * 2 ** Math.min(attempts, 10))
      this.#authFailure = { error, attempts, untilMs: this.#ctx.clock.nowMs() + waitMs }
    }
    return error
  }
}

/** Reads the body of a response. An invalid one closes the connection with E_PEER_PROTOCOL. */
function parse<T>({ name }: Api, connection: BrokerConnection, read: (body: Buffer) => T, body: Buffer): T {
  try {
    return read(body)
  } catch (error) {
    throw connection.fail('E_PEER_PROTOCOL', `invalid ${name} response: ${messageOf(error)}`)
  }
}

function topicError(topic: string, code: number, isChosen: boolean): ShipperError {
  const message = `topic "${topic}": ${errorName(code)}`
  // Without a leader a topic that a record has chosen concerns no others.
  if (code === LEADER_NOT_AVAILABLE)
    return isChosen
      ? new ShipperError('E_KAFKA_BROKER', message, { retryable: true, scope: 'chunk' })
      : retryableError(message)
  const scope = isChosen && isTopicRefusal(code) ? 'records' : 'chunk'
  return new ShipperError('E_KAFKA_TOPIC', message, { retryable: true, scope })
}

function producerIdError(code: number): ShipperError {
  const message = `cannot get a producer id: ${errorName(code)}`
  if (remedyOf(code) !== 'operator') return retryableError(message)
  const hint = 'grant Write on the topics (or IdempotentWrite on the cluster)'
  return new ShipperError('E_KAFKA_TOPIC', message, { retryable: true, scope: 'chunk', hint })
}

function retryableError(message: string): ShipperError {
  return new ShipperError('E_KAFKA_BROKER', message, { retryable: true, scope: 'peer' })
}
