import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decode, decodeMulti, encode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { atEnd } from '../tmp.ts'

/** A frame as it came: its bytes, and what they say. */
export interface Arrival {
  raw: Buffer
  tag: string
  options: Record<string, unknown> | undefined
  entries: Buffer
  /** Number of the connection, from 0. */
  connection: number
}

/** What a peer does with a frame; the default is to acknowledge it. */
export type Answer = (arrival: Arrival, socket: Socket) => void

/** A receiver of the forward protocol in this process, whose faults a test chooses. */
export class ForwardPeer {
  readonly arrivals: Arrival[] = []
  readonly sockets = new Set<Socket>()
  readonly remotes: (string | undefined)[] = []
  connections = 0
  /** Connections that ended without an error. */
  cleanEnds = 0
  answer: Answer = acknowledge
  /** Called for each new connection, before anything is read. */
  onConnect: (socket: Socket) => void = () => {}
  /** Called for each piece that is read; true: it is thrown away. */
  onData: (socket: Socket, bytes: number) => boolean = () => false
  #server: Server | undefined
  #at: number | string = 0

  /** Listens on a free port of loopback, on a path, or again where it was. */
  async listen(path?: string): Promise<this> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
    this.#server = server
    this.#at = path ?? this.#at
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      if (typeof this.#at === 'string') server.listen(this.#at, resolve)
      else server.listen(this.#at, '127.0.0.1', resolve)
    })
    if (typeof this.#at !== 'string') this.#at = (server.address() as AddressInfo).port
    return this
  }

  get port(): number {
    return typeof this.#at === 'number' ? this.#at : 0
  }

  /** Ids in the order of their first arrival. */
  get ids(): string[] {
    return [...new Set(this.arrivals.map((a) => String(a.options?.chunk)))]
  }

  closeAll(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.closeAll()
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }

  #accept(socket: Socket): void {
    const connection = this.connections++
    this.sockets.add(socket)
    this.remotes.push(socket.remoteAddress)
    let held: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('end', () => {
      this.cleanEnds++
      socket.end()
    })
    this.onConnect(socket)
    socket.on('data', (data: Buffer) => {
      if (this.onData(socket, data.length)) return
      held = Buffer.concat([held, data])
      for (;;) {
        const end = held.length === 0 ? -1 : skip(held, 0, held.length)
        if (end < 0) return
        const arrival = arrivalOf(Buffer.from(held.subarray(0, end)), connection)
        held = held.subarray(end)
        if (socket.destroyed) return
        this.arrivals.push(arrival)
        this.answer(arrival, socket)
      }
    })
  }
}

/** A listening peer that is closed when the test is over. */
export async function forwardPeer(path?: string): Promise<ForwardPeer> {
  const peer = await new ForwardPeer().listen(path)
  atEnd(() => peer.close())
  return peer
}

export function ackOf(arrival: Arrival): Buffer {
  return Buffer.from(encode({ ack: arrival.options?.chunk }))
}

export function acknowledge(arrival: Arrival, socket: Socket): void {
  if (arrival.options?.chunk !== undefined) socket.write(ackOf(arrival))
}

export function silent(): void {}

/** The decoded `[time, record]` entries. */
export function entriesOf(arrival: Arrival): unknown[] {
  return [...decodeMulti(arrival.entries)]
}

function arrivalOf(raw: Buffer, connection: number): Arrival {
  const [tag, packed, options] = decode(raw) as [string, Uint8Array, Record<string, unknown>?]
  return { raw, tag, options, entries: unpack(packed, options?.compressed), connection }
}

function unpack(packed: Uint8Array, how: unknown): Buffer {
  if (how === 'gzip') return gunzipSync(packed)
  if (how === 'zstd') return zstdDecompressSync(packed)
  return Buffer.from(packed)
}
