import { connect, type Socket } from 'node:net'
import { atEnd } from './tmp.ts'

/** Connections that are made at once by `connectAll`: the queue of a listener takes more. */
const AT_ONCE = 200

/** A peer on a plain socket: the test decides what it sends and when it ends. It is destroyed after the test. */
export class SocketClient {
  /** True when the other side has ended its direction. */
  ended = false
  closed = false
  readonly socket: Socket

  /** `at`: a port of loopback, the path of a Unix socket, or a connected socket. */
  constructor(at: number | string | Socket) {
    if (typeof at === 'number') this.socket = connect({ port: at, host: '127.0.0.1', allowHalfOpen: true })
    else this.socket = typeof at === 'string' ? connect(at) : at
    this.socket.on('error', () => {})
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    atEnd(() => void this.socket.destroy())
  }

  send(...parts: (Uint8Array | string)[]): void {
    this.socket.write(joined(parts))
  }
}

export function joined(parts: (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)))
}

/** Makes so many connections to a port of loopback; errors after that are ignored. */
export async function connectAll(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const more = Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, () => connected(port))
    sockets.push(...(await Promise.all(more)))
  }
  for (const socket of sockets) socket.removeAllListeners('error').on('error', () => {})
  return sockets
}

/** Makes a connection to a port of loopback. */
export function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
    atEnd(() => void socket.destroy())
  })
}
