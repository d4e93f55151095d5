import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { atEnd } from './tmp.ts'

/**
 * A receiver on loopback, with TLS or without, that keeps the numbers at the beginning of the lines it gets. A line that is cut off by
 * the end of a connection does not count.
 */
export class LineReceiver {
  readonly numbers = new Map<number, number>()
  /** Number of lines, repeated ones included. */
  lines = 0
  port = 0
  /** Pause before each read, for a slow peer. */
  delayMs = 0
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()

  static async open(tls?: TlsOptions): Promise<LineReceiver> {
    const receiver = new LineReceiver()
    await receiver.listen(tls)
    atEnd(() => receiver.close())
    return receiver
  }

  async listen(tls?: TlsOptions): Promise<void> {
    const take = (socket: Socket): void => this.#take(socket)
    const server = tls === undefined ? createServer(take) : createTlsServer(tls, take)
    server.on('tlsClientError', () => {})
    this.#server = server
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve))
    this.port = (server.address() as AddressInfo).port
  }

  /** Stops listening and closes all connections. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }

  /** Returns the numbers below `count` that did not come. */
  missing(count: number): number[] {
    return Array.from({ length: count }, (_, n) => n).filter((n) => !this.numbers.has(n))
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    let rest = ''
    socket.setEncoding('latin1').on('data', (text) => {
      const lines = (rest + String(text)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#count(line)
      if (this.delayMs === 0) return
      socket.pause()
      setTimeout(() => socket.resume(), this.delayMs)
    })
  }

  #count(line: string): void {
    const n = Number(/\d{8}(?= the quick)/.exec(line)?.[0] ?? Number.NaN)
    if (Number.isNaN(n)) return
    this.lines++
    this.numbers.set(n, (this.numbers.get(n) ?? 0) + 1)
  }
}
