/**
 * The peer of the benchmarks: accepts the forward protocol at full speed, acknowledges each chunk, and counts.
 *
 *   bun bench/sink.ts count|check|discard     prints `listening PORT`; a line on stdin prints the summary as JSON and
 *                                              begins a new one
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Socket } from 'bun'
import { MARK } from './data.ts'
import { countEntries, type Frame, FrameReader } from './frames.ts'

/**
 * count: trusts `size` of the option map. check: walks the entries and records the number of each record, which is slow
 * but proves that nothing is lost or duplicated. discard: accepts any bytes, for the floor.
 */
export type SinkMode = 'count' | 'check' | 'discard'

export interface Summary {
  connections: number
  bytes: number
  frames: number
  acks: number
  records: number
  payloadBytes: number
  /** In check mode only: how many numbers were seen, and how many of them again. */
  distinct: number
  repeated: number
  errors: string[]
}

interface Peer {
  reader: FrameReader | undefined
  /** Acks of the frames of one read, sent together. */
  acks: Buffer[]
  unsent: Buffer
}

const ACK = Buffer.from('81a361636b', 'hex')

/** A server of the forward protocol on loopback. */
export class Sink {
  readonly port: number
  /** Called for each frame after it is counted. */
  onFrame: ((frame: Frame) => void) | undefined
  /** Time after which a frame is acknowledged; infinite: never. */
  ackAfterMs = 0
  #summary = emptySummary()
  #seen = new Uint8Array(0)
  #listener: { port: number; stop(closeActive?: boolean): void }

  constructor(mode: SinkMode, port = 0) {
    this.#listener = Bun.listen<Peer>({
      hostname: '127.0.0.1',
      port,
      socket: {
        open: (socket) => {
          this.#summary.connections++
          const reader =
            mode === 'discard'
              ? undefined
              : new FrameReader(mode === 'check', (frame) => this.#frame(frame, socket.data))
          socket.data = { reader, acks: [], unsent: Buffer.alloc(0) }
        },
        data: (socket, data) => this.#data(socket, data),
        drain: (socket) => send(socket),
        close: (socket) => {
          if (socket.data.reader?.idle === false) this.#recordError('a connection ended within a message')
        },
        error: (_socket, err) => this.#recordError(err.message),
      },
    })
    this.port = this.#listener.port
  }

  get summary(): Readonly<Summary> {
    return this.#summary
  }

  /** Returns the summary so far and starts a new one. */
  take(): Summary {
    const summary = this.#summary
    this.#summary = emptySummary()
    this.#seen.fill(0)
    return summary
  }

  close(): void {
    this.#listener.stop(true)
  }

  #recordError(what: string): void {
    if (this.#summary.errors.length < 10) this.#summary.errors.push(what)
  }

  #data(socket: Socket<Peer>, data: Buffer): void {
    this.#summary.bytes += data.length
    const peer = socket.data
    if (peer.reader === undefined) return
    try {
      peer.reader.feed(data)
    } catch (err) {
      this.#recordError((err as Error).message)
      socket.terminate()
      return
    }
    if (peer.acks.length === 0) return
    if (this.ackAfterMs === 0) send(socket)
    else if (this.ackAfterMs === Number.POSITIVE_INFINITY) peer.acks = []
    else {
      const acks = peer.acks
      peer.acks = []
      setTimeout(() => {
        peer.acks.push(...acks)
        send(socket)
      }, this.ackAfterMs)
    }
  }

  #frame(frame: Frame, peer: Peer): void {
    const summary = this.#summary
    summary.frames++
    summary.payloadBytes += frame.payloadBytes
    if (frame.size >= 0) summary.records += frame.size
    if (frame.payload !== undefined) this.#check(frame, frame.payload)
    this.onFrame?.(frame)
    if (frame.chunk === undefined) return
    summary.acks++
    peer.acks.push(ACK, frame.chunk)
  }

  #check(frame: Frame, payload: Buffer): void {
    const entries = frame.compressed ? decompress(payload) : payload
    const count = countEntries(entries)
    if (count < 0) this.#recordError('a payload is not a sequence of complete entries')
    if (frame.size < 0) this.#summary.records += Math.max(count, 0)
    else if (count !== frame.size)
      this.#recordError(`size is ${frame.size}, the payload has ${count} entries`)
    let at = entries.indexOf(MARK)
    while (at >= 0) {
      at += MARK.length
      this.#recordNumber(Number(entries.toString('latin1', at, at + 10)))
      at = entries.indexOf(MARK, at)
    }
  }

  #recordNumber(number: number): void {
    if (number >= this.#seen.length) {
      const grown = new Uint8Array(Math.max(number + 1, this.#seen.length * 2, 1 << 20))
      grown.set(this.#seen)
      this.#seen = grown
    }
    if (this.#seen[number] === 0) this.#summary.distinct++
    else this.#summary.repeated++
    this.#seen[number] = 1
  }
}

function send(socket: Socket<Peer>): void {
  const peer = socket.data
  const out = Buffer.concat([peer.unsent, ...peer.acks])
  peer.acks = []
  const taken = Math.max(0, socket.write(out))
  peer.unsent = out.subarray(taken)
}

function decompress(payload: Buffer): Buffer {
  return payload[0] === 0x1f ? gunzipSync(payload) : zstdDecompressSync(payload)
}

function emptySummary(): Summary {
  return {
    connections: 0,
    bytes: 0,
    frames: 0,
    acks: 0,
    records: 0,
    payloadBytes: 0,
    distinct: 0,
    repeated: 0,
    errors: [],
  }
}

if (import.meta.main) {
  const sink = new Sink(process.argv[2] as SinkMode)
  console.log(`listening ${sink.port}`)
  for await (const _line of console) console.log(JSON.stringify(sink.take()))
  sink.close()
}
