import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decode, decodeMulti, encode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { atEnd } from '../tmp.ts'

/** A received frame: its bytes and the decoded parts. */
export interface Arrival {
  raw: Buffer
  tag: string
  options: Record<string, unknown> | undefined
  entries: Buffer
  /** Index of the connection, from 0. */
  connection: number
}

/** Called with each frame; the default acknowledges it. */
export type Answer = (arrival: Arrival, socket: Socket) => void

/** A receiver of the forward protocol in this process; tests choose its faults. */
export class ForwardPeer {
  readonly arrivals: Arrival[] = []
  readonly sockets = new Set<Socket>()
  readonly remotes: (string | undefined)[] = []
  connections = 0
  /** Connections that ended without an error. */
  cleanEnds = 0
  answer: Answer = acknowledge
  /** Called with each new connection, before anything is read. */
  onConnect: (socket: Socket) => void = () => {}
  /** Called for each piece of data that is read; returns true to discard it. */
  onData: (socket: Socket, bytes: number) => boolean = () => false
  #server: Server | undefined
  #address: number | string = 0

  /** Listens on a free port of loopback, on a path, or again on the address of the last call. */
  async listen(path?: string): Promise<this> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
    this.#server = server
    this.#address = path ?? this.#address
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      if (typeof this.#address === 'string') server.listen(this.#address, resolve)
      else server.listen(this.#address, '127.0.0.1', resolve)
    })
    if (typeof this.#address !== 'string') this.#address = (server.address() as AddressInfo).port
    return this
  }

  get port(): number {
    return typeof this.#address === 'number' ? this.#address : 0
  }

  /** Chunk ids in the order of their first arrival. */
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
    let unread: Buffer = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('end', () => {
      this.cleanEnds++
      socket.end()
    })
    this.onConnect(socket)
    socket.on('data', (data: Buffer) => {
      // What comes after a cut does not continue what came before it.
      if (socket.destroyed || this.onData(socket, data.length)) return
      unread = Buffer.concat([unread, data])
      for (;;) {
        const end = unread.length === 0 ? -1 : skip(unread, 0, unread.length)
        if (end < 0) return
        const arrival = arrivalOf(Buffer.from(unread.subarray(0, end)), connection)
        unread = unread.subarray(end)
        if (socket.destroyed) return
        this.arrivals.push(arrival)
        this.answer(arrival, socket)
      }
    })
  }
}

/** Starts a peer that is closed after the test. */
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

/** Returns the decoded `[time, record]` entries. */
export function entriesOf(arrival: Arrival): unknown[] {
  return [...decodeMulti(arrival.entries)]
}

function arrivalOf(raw: Buffer, connection: number): Arrival {
  const [tag, packed, options] = decode(raw) as [string, Uint8Array, Record<string, unknown>?]
  return { raw, tag, options, entries: unpack(packed, options?.compressed), connection }
}

function unpack(packed: Uint8Array, compressed: unknown): Buffer {
  if (compressed === 'gzip') return gunzipSync(packed)
  if (compressed === 'zstd') return zstdDecompressSync(packed)
  return Buffer.from(packed)
}
