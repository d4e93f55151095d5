import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { crc32c } from '../../../src/lib/hash/crc32c.ts'
import { WireReader, WireWriter } from '../../../src/protocol/kafka/wire.ts'
import { atEnd } from '../tmp.ts'

/** A batch as received: its bytes, and the fields of its header. */
export interface ProducedBatch {
  topic: string
  partition: number
  bytes: Buffer
  producerId: bigint
  epoch: number
  sequence: number
  count: number
  acks: number
}

/** Log of a partition: batches in order, and the next sequence number of each producer. */
interface PartitionLog {
  batches: ProducedBatch[]
  next: Map<bigint, number>
}

const OUT_OF_ORDER = 45
const MAX_CACHED_BATCHES = 5
const [PRODUCE, METADATA, HANDSHAKE, VERSIONS, INIT, AUTHENTICATE] = [0, 3, 17, 18, 22, 36]

/**
 * A broker in this process, whose faults a test chooses. It checks sequence numbers as Kafka does: a duplicate is not
 * written, a gap is refused, and an unknown producer may start with any number. The end-to-end tests use real brokers.
 */
export class KafkaPeer {
  /** Every batch received, also those that were not written. */
  readonly arrivals: ProducedBatch[] = []
  readonly sockets = new Set<Socket>()
  readonly topics = new Map<string, number>([['logs', 1]])
  /** Client ids of all requests. */
  readonly clientIds = new Set<string | undefined>()
  connections = 0
  /** Returns the error code for a batch; 0 writes it. */
  refuse: (batch: ProducedBatch) => number = () => 0
  /** Treatment of the response after writing: send it, defer it until `sendDeferred`, or cut the connection. */
  response: 'send' | 'defer' | 'cut' | (() => 'send' | 'defer' | 'cut') = 'send'
  /** Returns the error code for an existing topic in the metadata. */
  topicError: (topic: string) => number = () => 0
  identityError = 0
  /** Changes the body of a metadata response; undefined: as it should be. */
  metadata: ((topics: string[]) => WireWriter) | undefined
  /** Time until a SASL session expires, as the response says. */
  sessionMs = 0n
  mechanisms: string[] = []
  /** Returns the token or the error code of the response to SaslAuthenticate. */
  authenticate: (token: string) => { error: number; token: string } = () => ({ error: 0, token: '' })
  versions: [key: number, min: number, max: number][] = [
    [PRODUCE, 3, 13],
    [METADATA, 0, 13],
    [HANDSHAKE, 0, 1],
    [VERSIONS, 0, 4],
    [INIT, 0, 6],
    [AUTHENTICATE, 0, 2],
  ]
  readonly #logs = new Map<string, PartitionLog>()
  readonly #deferred: (() => void)[] = []
  #nextProducerId = 1000n
  #server: Server | undefined
  port = 0

  /** Listens on a free port of loopback; later calls listen on the same port again. */
  async listen(): Promise<this> {
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, '127.0.0.1', resolve)
    })
    this.port = (server.address() as AddressInfo).port
    return this
  }

  /** Stops listening and closes all connections. */
  async close(): Promise<void> {
    this.#deferred.length = 0
    const closed = new Promise((resolve) => this.#server?.close(resolve))
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  sendDeferred(): void {
    for (const send of this.#deferred.splice(0)) send()
  }

  /** Returns the written batches of a partition, in order. */
  written(topic = 'logs', partition = 0): ProducedBatch[] {
    return this.#log(topic, partition).batches
  }

  #log(topic: string, partition: number): PartitionLog {
    const key = `${topic}/${partition}`
    const log = this.#logs.get(key) ?? { batches: [], next: new Map() }
    this.#logs.set(key, log)
    return log
  }

  #accept(socket: Socket): void {
    this.connections++
    this.sockets.add(socket)
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('error', () => {})
    let received: Buffer = Buffer.alloc(0)
    socket.on('data', (data) => {
      received = Buffer.concat([received, data as Buffer])
      while (received.length >= 4 && received.length >= received.readInt32BE(0) + 4) {
        const end = received.readInt32BE(0) + 4
        this.#request(socket, received.subarray(4, end))
        received = received.subarray(end)
      }
    })
  }

  #request(socket: Socket, request: Buffer): void {
    const r = new WireReader(request)
    const key = r.int16()
    r.int16()
    const correlation = r.int32()
    this.clientIds.add(r.string())
    const send = (body: WireWriter) => {
      const bytes = body.bytes()
      const head = new WireWriter().int32(bytes.length + 4).int32(correlation)
      socket.write(Buffer.concat([head.bytes(), bytes]))
    }
    if (key === PRODUCE) this.#produce(socket, r, send)
    else send(this.#respond(key, r))
  }

  #respond(key: number, r: WireReader): WireWriter {
    const w = new WireWriter()
    if (key === VERSIONS) {
      w.int16(0).int32(this.versions.length)
      for (const [api, min, max] of this.versions) w.int16(api).int16(min).int16(max)
    } else if (key === INIT) {
      w.int32(0).int16(this.identityError)
      writeInt64(w, this.#nextProducerId++).int16(0)
    } else if (key === HANDSHAKE) {
      w.int16(this.mechanisms.includes(r.string() ?? '') ? 0 : 33).int32(this.mechanisms.length)
      for (const name of this.mechanisms) w.string(name)
    } else if (key === AUTHENTICATE) {
      const { error, token } = this.authenticate(r.data().toString())
      w.int16(error)
        .string(error === 0 ? undefined : 'no')
        .data(Buffer.from(token))
      writeInt64(w, this.sessionMs)
    } else {
      const names = r.array(() => r.string() ?? '')
      if (this.metadata !== undefined) return this.metadata(names)
      this.#metadata(w, names)
    }
    return w
  }

  #metadata(w: WireWriter, names: string[]): void {
    w.int32(0).int32(1).int32(1).string('127.0.0.1').int32(this.port).string(undefined)
    w.string('cluster').int32(1).int32(names.length)
    for (const name of names) {
      const count = this.topics.get(name) ?? 0
      w.int16(count === 0 ? 3 : this.topicError(name))
        .string(name)
        .int8(0)
        .int32(count)
      for (let index = 0; index < count; index++) w.int16(0).int32(index).int32(1).int32(0).int32(0)
    }
  }

  #produce(socket: Socket, r: WireReader, send: (body: WireWriter) => void): void {
    r.string()
    const acks = r.int16()
    r.int32()
    const responses: { topic: string; partition: number; error: number }[] = []
    r.array(() => {
      const topic = r.string() ?? ''
      r.array(() => {
        const batch = readBatch(topic, r.int32(), r.data(), acks)
        this.arrivals.push(batch)
        responses.push({ topic, partition: batch.partition, error: this.#write(batch) })
      })
    })
    const w = new WireWriter().int32(responses.length)
    for (const { topic, partition, error } of responses) {
      w.string(topic).int32(1).int32(partition).int16(error)
      for (let i = 0; i < 3; i++) writeInt64(w, -1n)
    }
    w.int32(0)
    if (acks === 0) return
    const treatment = typeof this.response === 'function' ? this.response() : this.response
    if (treatment === 'cut') socket.destroy()
    else if (treatment === 'defer' || this.#deferred.length > 0) this.#deferred.push(() => send(w))
    else send(w)
  }

  #write(batch: ProducedBatch): number {
    const error = this.refuse(batch)
    if (error !== 0) return error
    const log = this.#log(batch.topic, batch.partition)
    if (batch.producerId >= 0n) {
      const known = log.batches.filter((b) => b.producerId === batch.producerId).slice(-MAX_CACHED_BATCHES)
      if (known.some((b) => b.sequence === batch.sequence && b.count === batch.count)) return 0
      const next = log.next.get(batch.producerId)
      if (next !== undefined && batch.sequence !== next) return OUT_OF_ORDER
      log.next.set(batch.producerId, batch.sequence + batch.count)
    }
    log.batches.push(batch)
    return 0
  }
}

/** Starts a peer, which is closed after the test. */
export async function kafkaPeer(): Promise<KafkaPeer> {
  const peer = await new KafkaPeer().listen()
  atEnd(() => peer.close())
  return peer
}

function readBatch(topic: string, partition: number, bytes: Buffer, acks: number): ProducedBatch {
  if (bytes.readInt32BE(8) !== bytes.length - 12)
    throw new Error('the length of the batch does not match its header')
  if (bytes.readUInt32BE(17) !== crc32c(bytes, 21, bytes.length))
    throw new Error('the batch has a wrong checksum')
  return {
    topic,
    partition,
    bytes,
    producerId: bytes.readBigInt64BE(43),
    epoch: bytes.readInt16BE(51),
    sequence: bytes.readInt32BE(53),
    count: bytes.readInt32BE(57),
    acks,
  }
}

function writeInt64(w: WireWriter, n: bigint): WireWriter {
  return w.int32(Number(n >> 32n)).int32(Number(BigInt.asIntN(32, n)))
}
