import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createSecureServer, type TlsOptions } from 'node:tls'

/** A request as it arrived. */
export interface RawRequest {
  /** Request line and headers, without the blank line. */
  head: string
  body: Buffer
}

/** One connection of a RawServer, from its own side. */
export class RawPeer {
  readonly socket: Socket
  #pieces: Buffer = Buffer.alloc(0)
  #isEnded = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (piece: Buffer) => {
      this.#pieces = Buffer.concat([this.#pieces, piece])
      this.#wake?.()
    })
    socket.on('close', () => {
      this.#isEnded = true
      this.#wake?.()
    })
  }

  /** Resolves with the head of the next request, before its body is taken. */
  async head(): Promise<string> {
    let end = -1
    while (true) {
      end = this.#pieces.indexOf('\r\n\r\n')
      if (end >= 0) break
      await this.#more()
    }
    const head = this.#pieces.subarray(0, end).toString('latin1')
    this.#pieces = this.#pieces.subarray(end + 4)
    return head
  }

  /** Resolves with the next request and its body, by Content-Length. */
  async request(): Promise<RawRequest> {
    const head = await this.head()
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
    while (this.#pieces.length < length) await this.#more()
    const body = Buffer.from(this.#pieces.subarray(0, length))
    this.#pieces = this.#pieces.subarray(length)
    return { head, body }
  }

  /** Resolves with the bytes that have arrived and are part of no request yet. */
  waiting(): Buffer {
    return this.#pieces
  }

  /** Reads on and drops what comes: a socket that is not read does not learn of its end. */
  drop(): void {
    this.socket.removeAllListeners('data')
    this.socket.resume()
  }

  send(text: string | Buffer): void {
    this.socket.write(text)
  }

  /** Ends the connection after `text`. */
  end(text: string | Buffer = ''): void {
    this.socket.end(text)
  }

  async #more(): Promise<void> {
    if (this.#isEnded) throw new Error('the client closed the connection')
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }
}

type Serve = (peer: RawPeer, n: number) => Promise<void> | void

/** A server on loopback that answers in raw bytes, right or wrong; `serve` is called for each connection, n from 1. */
export class RawServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Number of connections so far. */
  connections = 0

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(
    serve: Serve,
    { tls, path }: { tls?: TlsOptions; path?: string } = {},
  ): Promise<RawServer> {
    const onConnection = (socket: Socket): void => {
      started.#sockets.add(socket)
      socket.on('close', () => started.#sockets.delete(socket))
      const peer = new RawPeer(socket)
      // A client that goes away ends the script of its connection.
      Promise.resolve(serve(peer, ++started.connections)).catch(() => {})
    }
    const server = tls === undefined ? createServer(onConnection) : createSecureServer(tls, onConnection)
    server.on('tlsClientError', () => {})
    const started = new RawServer(server)
    await new Promise<void>((done) => {
      if (path === undefined) server.listen(0, '127.0.0.1', done)
      else server.listen(path, done)
    })
    return started
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Number of connections that are open now. */
  get open(): number {
    return this.#sockets.size
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

/** Returns a response with a body and its Content-Length. */
export function responseOf(status: number, body: string | Buffer = '', headers = ''): string {
  return `HTTP/1.1 ${status} X\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

/** Returns a script that answers every request of a connection with `bytes`. */
export function always(bytes: string): Serve {
  return async (peer) => {
    while (true) {
      await peer.request()
      peer.send(bytes)
    }
  }
}
