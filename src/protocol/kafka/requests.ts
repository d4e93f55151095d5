import { WireReader, WireWriter } from './wire.ts'

/**
 * One request type of the Kafka protocol in the version that is sent. A producer needs those below, in their last
 * versions without tagged fields: Kafka 2.1 and all later ones support them.
 *
 * ```
 *   Request  => size int32 | apiKey int16 | apiVersion int16 | correlationId int32 | clientId string | body
 *   Response => size int32 | correlationId int32 | body
 * ```
 */
export interface Api {
  readonly name: string
  readonly key: number
  readonly version: number
}

export const PRODUCE: Api = { name: 'Produce', key: 0, version: 7 }
export const METADATA: Api = { name: 'Metadata', key: 3, version: 4 }
export const SASL_HANDSHAKE: Api = { name: 'SaslHandshake', key: 17, version: 1 }
export const API_VERSIONS: Api = { name: 'ApiVersions', key: 18, version: 0 }
export const INIT_PRODUCER_ID: Api = { name: 'InitProducerId', key: 22, version: 1 }
export const SASL_AUTHENTICATE: Api = { name: 'SaslAuthenticate', key: 36, version: 1 }

/** Returns a complete request with its size prefix. */
export function encodeRequest(api: Api, correlationId: number, clientId: string, body: Buffer): Buffer {
  const head = new WireWriter()
    .int32(0)
    .int16(api.key)
    .int16(api.version)
    .int32(correlationId)
    .string(clientId)
  const request = Buffer.concat([head.bytes(), body])
  request.writeInt32BE(request.length - 4, 0)
  return request
}

interface ApiRange {
  key: number
  min: number
  max: number
}

/**
 * Reads the response to ApiVersions v0, a request without a body. The readers below throw a RangeError when a response is
 * truncated.
 *
 * Response => error int16 | [key int16 | min int16 | max int16]
 */
export function readApiVersions(body: Buffer): { error: number; ranges: ApiRange[] } {
  const r = new WireReader(body)
  const error = r.int16()
  return { error, ranges: r.array(() => ({ key: r.int16(), min: r.int16(), max: r.int16() })) }
}

/** Writes the body of Metadata v4 => [topic string] | allowAutoTopicCreation int8 */
export function metadataBody(topics: readonly string[], create: boolean): Buffer {
  const w = new WireWriter().int32(topics.length)
  for (const topic of topics) w.string(topic)
  return w.int8(create ? 1 : 0).bytes()
}

export interface Metadata {
  brokers: { id: number; host: string; port: number }[]
  topics: { error: number; name: string; partitions: PartitionMetadata[] }[]
}
interface PartitionMetadata {
  error: number
  index: number
  /** Broker id; -1 without a leader. */
  leader: number
}

/** Maximum number of partitions of a topic; a cluster has tens of thousands at most, of all topics together. */
const MAX_PARTITIONS = 20_000
const MAX_BROKERS = 10_000
const MAX_HOST_CHARS = 255

/**
 * Reads the response to Metadata v4. Throws an Error for more partitions or brokers than any cluster has, for partitions that
 * are not numbered from 0 without a gap, and for an address that is none: what is made from these grows with them.
 *
 * Response => throttleMs int32 | [broker: id int32 | host string | port int32 | rack string] | clusterId string |
 * controller int32 | [topic: error int16 | name string | internal int8 | [partition: error int16 | index int32 |
 * leader int32 | [replica int32] | [inSync int32]]]
 */
export function readMetadata(body: Buffer): Metadata {
  const r = new WireReader(body)
  r.int32()
  const brokers = r.array(() => {
    const broker = { id: r.int32(), host: r.string() ?? '', port: r.int32() }
    r.string()
    return broker
  })
  checkBrokers(brokers)
  r.string()
  r.int32()
  const topics = r.array(() => {
    const [error, name] = [r.int16(), r.string() ?? '']
    r.int8()
    const partitions = r.array(() => {
      const partition = { error: r.int16(), index: r.int32(), leader: r.int32() }
      r.array(() => r.int32())
      r.array(() => r.int32())
      return partition
    })
    checkPartitions(name, partitions)
    return { error, name, partitions }
  })
  return { brokers, topics }
}

function checkBrokers(brokers: Metadata['brokers']): void {
  if (brokers.length > MAX_BROKERS) throw new Error(`${brokers.length} brokers`)
  for (const { id, host, port } of brokers) {
    if (id < 0 || host === '' || host.length > MAX_HOST_CHARS || port < 1 || port > 65_535)
      throw new Error(`broker ${id} with the address "${host.slice(0, MAX_HOST_CHARS)}" and port ${port}`)
  }
}

function checkPartitions(topic: string, partitions: PartitionMetadata[]): void {
  const count = partitions.length
  if (count > MAX_PARTITIONS)
    throw new Error(`${count} partitions of "${topic}", at most ${MAX_PARTITIONS} are expected`)
  const seen = new Uint8Array(count)
  for (const { index } of partitions) {
    if (seen[index] !== 0)
      throw new Error(`partition ${index} among the ${count} of "${topic}", which count from 0`)
    seen[index] = 1
  }
}

/** Writes the body of InitProducerId v1, without a transaction => transactionalId string = null | timeoutMs int32 */
export function initProducerIdBody(): Buffer {
  return new WireWriter().string(undefined).int32(60_000).bytes()
}

/** Reads a producer id. Response => throttleMs int32 | error int16 | producerId int64 | epoch int16 */
export function readInitProducerId(body: Buffer): { error: number; producerId: bigint; epoch: number } {
  const r = new WireReader(body)
  r.int32()
  return { error: r.int16(), producerId: r.int64(), epoch: r.int16() }
}

/** Writes the body of SaslHandshake v1 => mechanism string. Response => error int16 | [mechanism string] */
export function saslHandshakeBody(mechanism: string): Buffer {
  return new WireWriter().string(mechanism).bytes()
}

export function readSaslHandshake(body: Buffer): { error: number; mechanisms: string[] } {
  const r = new WireReader(body)
  return { error: r.int16(), mechanisms: r.array(() => r.string() ?? '') }
}

/**
 * Writes the body of SaslAuthenticate v1 => token bytes.
 *
 * Response => error int16 | message string | token bytes | lifetimeMs int64
 */
export function saslAuthenticateBody(token: Buffer): Buffer {
  return new WireWriter().data(token).bytes()
}

export interface SaslResponse {
  error: number
  message: string
  token: Buffer
  /** Time after which the broker requires a new authentication; 0: never. */
  lifetimeMs: number
}

export function readSaslAuthenticate(body: Buffer): SaslResponse {
  const r = new WireReader(body)
  return { error: r.int16(), message: r.string() ?? '', token: r.data(), lifetimeMs: Number(r.int64()) }
}
