import { createSocket, type Socket } from 'node:dgram'
import type { AddressInfo } from 'node:net'
import { atEnd } from './tmp.ts'

/** A receiver of datagrams on loopback, which can be closed and opened again on its port. */
export class DatagramPeer {
  readonly got: Buffer[] = []
  port = 0
  #socket: Socket | undefined

  static async open(): Promise<DatagramPeer> {
    const peer = new DatagramPeer()
    await peer.listen()
    atEnd(() => peer.close())
    return peer
  }

  async listen(): Promise<void> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 8_000_000 })
    this.#socket = socket
    socket.on('message', (message) => this.got.push(message))
    await new Promise<void>((resolve) => socket.bind(this.port, '127.0.0.1', resolve))
    this.port = (socket.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const socket = this.#socket
    this.#socket = undefined
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(() => resolve()))
  }

  texts(): string[] {
    return this.got.map(String)
  }
}
