import { messageOf, ShipperError } from '../../../../core/error.ts'
import type { OutputContext } from '../../../../core/plugin.ts'
import { sleep } from '../../../../lib/async/sleep.ts'
import { stopped } from '../../../../lib/net/stopped.ts'
import { errorName, remedyOf } from '../../../../protocol/kafka/errors.ts'
import {
  INIT_PRODUCER_ID,
  initProducerIdBody,
  METADATA,
  type Metadata,
  metadataBody,
  readInitProducerId,
  readMetadata,
} from '../../../../protocol/kafka/requests.ts'
import { type PartitionHost, PartitionQueue, type ProducerIdentity } from '../delivery/partition-queue.ts'
import type { Address, Settings } from '../settings.ts'
import { authenticate } from './authenticate.ts'
import { Broker } from './broker.ts'
import { brokerName, connectSocket } from './connect.ts'
import { BrokerConnection } from './connection.ts'

/** What is known of a topic; the partitions keep their batches over all changes of leaders. */
export interface Topic {
  readonly name: string
  partitions: PartitionQueue[]
  /** When metadata were asked for last; 0: never. */
  atMs: number
  asking: Promise<void> | undefined
}

/** A connection for metadata is not kept for longer. */
const CONTROL_MS = 60_000
/** A topic that is being made or has no leader yet, a producer id: asked for this often before it is an error. */
const TRIES = 10
const PAUSE_MS = 200
/** Who was refused is not tried again at once, or accounts are locked. */
const AUTH_CAP_MS = 60_000
/** A broker that has not yet heard of new partitions does not name them; for so long they are waited for. */
const MISSING_MS = 10_000
const UNKNOWN_TOPIC = 3
const LEADER_NOT_AVAILABLE = 5

/** The brokers, who leads what, and the producer id. Everything is asked for when it is needed, and again on failure. */
export class Cluster {
  readonly #s: Settings
  readonly #ctx: OutputContext
  readonly #signal: AbortSignal
  readonly #around: Omit<PartitionHost, 'ready' | 'wake'>
  readonly #topics = new Map<string, Topic>()
  readonly #nodes = new Map<number, Broker>()
  #control: BrokerConnection | undefined
  #controlOpening: Promise<BrokerConnection> | undefined
  /** Of the addresses, the one to begin with. */
  #first = 0
  #identity: Promise<ProducerIdentity> | undefined
  #refusal: { error: ShipperError; times: number; untilMs: number } | undefined

  constructor(
    settings: Settings,
    ctx: OutputContext,
    signal: AbortSignal,
    around: Omit<PartitionHost, 'ready' | 'wake'>,
  ) {
    this.#s = settings
    this.#ctx = ctx
    this.#signal = signal
    this.#around = around
  }

  /** The topic with its partitions. Rejects with E_KAFKA_TOPIC, or with what hinders asking. */
  async topic(name: string): Promise<Topic> {
    let topic = this.#topics.get(name)
    if (topic === undefined) {
      topic = { name, partitions: [], atMs: 0, asking: undefined }
      this.#topics.set(name, topic)
    }
    const ageMs = this.#ctx.clock.nowMs() - topic.atMs
    // A negative age: the clock was set back.
    if (topic.partitions.length === 0 || ageMs > this.#s.metadataMaxAgeMs || ageMs < 0) await this.#ask(topic)
    return topic
  }

  close(error: ShipperError): void {
    for (const { partitions } of this.#topics.values()) for (const p of partitions) p.close(error)
    for (const node of this.#nodes.values()) node.close()
    this.#control?.fail('E_PEER_CLOSED', 'the agent is stopping')
  }

  partitions(): PartitionQueue[] {
    return [...this.#topics.values()].flatMap((topic) => topic.partitions)
  }

  async #ready(partition: PartitionQueue): Promise<void> {
    if (partition.stale || partition.leader < 0) await this.#ask(this.#topics.get(partition.topic) as Topic)
    if (partition.missingMs !== undefined) throw later(`${partition.topic}/${partition.index} is not there`)
    const node = this.#nodes.get(partition.leader)
    if (node === undefined) throw later(`${partition.topic}/${partition.index} has no leader`)
    if (this.#s.idempotent && partition.identity === undefined)
      partition.identity = partition.ownIdentity ? await this.#askIdentity() : await this.#sharedIdentity()
    for (const other of this.#nodes.values()) if (other !== node) other.leave(partition)
    await node.take(partition)
  }

  #sharedIdentity(): Promise<ProducerIdentity> {
    this.#identity ??= this.#askIdentity().catch((error: unknown) => {
      this.#identity = undefined
      throw error
    })
    return this.#identity
  }

  async #askIdentity(): Promise<ProducerIdentity> {
    for (let tries = 1; ; tries++) {
      const connection = await this.#controlConnection()
      const answer = readInitProducerId(await connection.request(INIT_PRODUCER_ID, initProducerIdBody()))
      if (answer.error === 0) return { producerId: answer.producerId, epoch: answer.epoch }
      if (remedyOf(answer.error) === 'operator' || tries >= TRIES) throw identityError(answer.error)
      // A broker that has just started is not ready for it yet.
      await sleep(PAUSE_MS, this.#ctx.clock, this.#signal)
      if (this.#signal.aborted) throw stopped()
    }
  }

  /** One question at a time for a topic; whoever asks meanwhile waits for its answer. */
  #ask(topic: Topic): Promise<void> {
    topic.asking ??= this.#askUntilThere(topic).finally(() => {
      topic.asking = undefined
    })
    return topic.asking
  }

  async #askUntilThere(topic: Topic): Promise<void> {
    for (let tries = 1; ; tries++) {
      const connection = await this.#controlConnection()
      const body = metadataBody([topic.name], this.#s.createTopics)
      const metadata = readMetadata(await connection.request(METADATA, body))
      this.#learnNodes(metadata)
      const error = this.#learnTopic(topic, metadata)
      if (error === 0) return
      const coming = error === LEADER_NOT_AVAILABLE || (error === UNKNOWN_TOPIC && this.#s.createTopics)
      if (!coming || tries >= TRIES) throw topicError(topic.name, error)
      await sleep(PAUSE_MS, this.#ctx.clock, this.#signal)
      if (this.#signal.aborted) throw stopped()
    }
  }

  #learnNodes({ brokers }: Metadata): void {
    for (const { id, host, port } of brokers) {
      const node = this.#nodes.get(id)
      if (node === undefined)
        this.#nodes.set(id, new Broker({ host, port }, this.#s, (a) => this.#connect(a)))
      else node.address = { host, port }
    }
  }

  #learnTopic(topic: Topic, metadata: Metadata): number {
    const found = metadata.topics.find(({ name }) => name === topic.name)
    if (found === undefined) return UNKNOWN_TOPIC
    if (found.error !== 0) return found.error
    if (found.partitions.length === 0) return LEADER_NOT_AVAILABLE
    const around: PartitionHost = {
      ...this.#around,
      ready: (partition) => this.#ready(partition),
      wake: (partition) => this.#nodes.get(partition.leader)?.wake(),
    }
    for (const { index, leader } of found.partitions) {
      topic.partitions[index] ??= new PartitionQueue(topic.name, index, around)
      const partition = topic.partitions[index]
      partition.missingMs = undefined
      // While it sends to its old leader that one's answers tell.
      if (partition.running) continue
      partition.leader = leader
      partition.stale = false
    }
    topic.atMs = this.#ctx.clock.nowMs()
    this.#dropMissing(topic, found.partitions.length)
    return topic.partitions.every((p) => p.leader < 0) ? LEADER_NOT_AVAILABLE : 0
  }

  /** The topic was made again with fewer partitions. */
  #dropMissing({ partitions, atMs }: Topic, count: number): void {
    for (const partition of partitions.slice(count)) {
      partition.missingMs ??= atMs
      partition.stale ||= !partition.running
    }
    for (
      let last = partitions.at(-1);
      last !== undefined && partitions.length > count;
      last = partitions.at(-1)
    ) {
      if (last.running || atMs - (last.missingMs ?? atMs) < MISSING_MS) return
      partitions.pop()
      const heir = partitions[last.index % count] as PartitionQueue
      const name = `${last.topic}/${last.index}`
      this.#ctx.log.warn(`${name} is gone with its topic: what was for it goes to partition ${heir.index}`)
      last.handOver(heir)
    }
  }

  #controlConnection(): Promise<BrokerConnection> {
    const open = this.#control
    if (open?.open && !open.needsRecycle) return Promise.resolve(open)
    this.#controlOpening ??= this.#openControl().finally(() => {
      this.#controlOpening = undefined
    })
    return this.#controlOpening
  }

  /** The first of the configured and the known brokers that answers. */
  async #openControl(): Promise<BrokerConnection> {
    const addresses = [...this.#s.brokers, ...[...this.#nodes.values()].map((node) => node.address)]
    let last: unknown
    for (let i = 0; i < addresses.length; i++) {
      const at = (this.#first + i) % addresses.length
      try {
        const connection = await this.#connect(addresses[at] as Address)
        connection.recycleAfter(CONTROL_MS)
        this.#first = at
        this.#control = connection
        return connection
      } catch (error) {
        last = error
      }
    }
    throw last
  }

  async #connect(address: Address): Promise<BrokerConnection> {
    const { clock, counters, log } = this.#ctx
    const refusal = this.#refusal
    if (refusal !== undefined && clock.nowMs() < refusal.untilMs) throw refusal.error
    const socket = await connectSocket(address, this.#s, clock, this.#signal)
    const peer = brokerName(address)
    const connection = new BrokerConnection({ socket, peer, settings: this.#s, clock, counters })
    const abort = () => connection.fail('E_PEER_CLOSED', 'the agent is stopping')
    this.#signal.addEventListener('abort', abort, { once: true })
    try {
      await authenticate(connection, this.#s)
    } catch (error) {
      throw this.#notIn(connection, error)
    } finally {
      this.#signal.removeEventListener('abort', abort)
    }
    this.#refusal = undefined
    counters.add('connections')
    log.debug(`connected to ${peer}`)
    return connection
  }

  #notIn(connection: BrokerConnection, thrown: unknown): ShipperError {
    const error =
      thrown instanceof ShipperError
        ? thrown
        : connection.fail('E_PEER_PROTOCOL', `an answer cannot be read: ${messageOf(thrown)}`)
    if (error.code === 'E_PEER_AUTH') {
      const times = (this.#refusal?.times ?? 0) + 1
      const waitMs = Math.min(AUTH_CAP_MS, 1000 * 2 ** Math.min(times, 10))
      this.#refusal = { error, times, untilMs: this.#ctx.clock.nowMs() + waitMs }
    }
    return error
  }
}

function topicError(topic: string, code: number): ShipperError {
  if (code === LEADER_NOT_AVAILABLE) return later(`topic "${topic}": ${errorName(code)}`)
  const message = `topic "${topic}": ${errorName(code)}`
  return new ShipperError('E_KAFKA_TOPIC', message, { retryable: true, scope: 'chunk' })
}

function identityError(code: number): ShipperError {
  const message = `no producer id: ${errorName(code)}`
  if (remedyOf(code) !== 'operator') return later(message)
  const hint = 'grant Write on the topics (or IdempotentWrite on the cluster)'
  return new ShipperError('E_KAFKA_TOPIC', message, { retryable: true, scope: 'chunk', hint })
}

function later(message: string): ShipperError {
  return new ShipperError('E_KAFKA_BROKER', message, { retryable: true, scope: 'peer' })
}
