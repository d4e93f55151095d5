import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Authority } from '../certs.ts'
import { HttpReader, type ReadRequest } from '../doubles/http-reader.ts'
import { atEnd } from '../tmp.ts'
import { until } from '../until.ts'
import type { ServerInit } from './case.ts'

/** What came: a request of HTTP, or the bytes of a connection or a datagram. */
export type RawItem = { request: ReadRequest } | { data: Buffer }

const SENTINEL = Buffer.from('end of the datagrams')
const END_LIMIT_MS = 20_000
/** Values that Amazon's answers have in common. */
const REQUEST_ID = 'x-amzn-RequestId: 11111111-2222-3333-4444-555555555555\r\n'

/** The server of a case: keeps what comes, and answers as the case says. */
export class OracleServer {
  readonly received: RawItem[] = []
  /** When something came for the last time, by performance.now(). */
  lastMs = performance.now()
  /** Certificate of the authority of a server with TLS. */
  readonly authority: string | undefined
  port = 0
  readonly #init: ServerInit
  readonly #open = new Set<Socket>()
  #server: Server | undefined
  #datagrams: DatagramSocket | undefined
  #isDrained = false

  private constructor(init: ServerInit, authority: Authority | undefined) {
    this.#init = init
    this.authority = authority?.cert
  }

  static async start(init: ServerInit): Promise<OracleServer> {
    const authority = init.tls ? new Authority() : undefined
    const server = new OracleServer(init, authority)
    if (init.type === 'udp') await server.#bind()
    else await server.#listen(authority)
    atEnd(() => server.#close())
    return server
  }

  /** Ends the server after the end of the program, and returns what came. */
  async end(): Promise<RawItem[]> {
    await until(() => this.#open.size === 0, { limitMs: END_LIMIT_MS }).catch(() => undefined)
    if (this.#datagrams !== undefined) {
      // Datagrams of loopback stay in order: before the sentinel all of them have been read.
      this.#datagrams.send(SENTINEL, this.port, '127.0.0.1')
      await until(() => this.#isDrained, { limitMs: END_LIMIT_MS })
    }
    this.#close()
    return this.received
  }

  async #bind(): Promise<void> {
    const socket = createSocket('udp4')
    this.#datagrams = socket
    socket.on('message', (data) => {
      if (data.equals(SENTINEL)) this.#isDrained = true
      else if (data.length > 0) this.#add({ data: Buffer.from(data) })
    })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    this.port = socket.address().port
  }

  async #listen(authority: Authority | undefined): Promise<void> {
    const handle = (socket: Socket): void => this.#accept(socket)
    const hosts = ['127.0.0.1', 'localhost']
    const server =
      authority === undefined
        ? createServer(handle)
        : createTlsServer({ ...authority.issue('127.0.0.1', hosts) }, handle)
    server.on('tlsClientError', () => {})
    this.#server = server
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as { port: number }).port
  }

  #accept(socket: Socket): void {
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#open.delete(socket))
    if (this.#init.type === 'tcp') this.#keepStream(socket)
    else this.#serve(socket)
  }

  #keepStream(socket: Socket): void {
    let item: { data: Buffer } | undefined
    socket.on('data', (part: Buffer) => {
      if (item === undefined) {
        item = { data: Buffer.alloc(0) }
        this.#add(item)
      }
      item.data = Buffer.concat([item.data, part])
      this.lastMs = performance.now()
    })
  }

  #serve(socket: Socket): void {
    const reader = new HttpReader()
    socket.on('data', (part: Buffer) => {
      for (const request of reader.push(part)) {
        const answer = this.#answer(this.received.length, request)
        this.#add({ request })
        socket.write(answer)
      }
    })
  }

  #answer(i: number, { headers }: ReadRequest): string {
    const answers = this.#init.answers ?? []
    const { status = 200, body = '{}' } = answers[Math.min(i, answers.length - 1)] ?? {}
    const id = headers.some(([name]) => name.toLowerCase() === 'x-amz-target') ? REQUEST_ID : ''
    const head = `HTTP/1.1 ${status} X\r\nContent-Type: application/json\r\n${id}`
    if (status === 204) return `${head}\r\n`
    return `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  }

  #add(item: RawItem): void {
    this.received.push(item)
    this.lastMs = performance.now()
  }

  #close(): void {
    for (const socket of this.#open) socket.destroy()
    this.#server?.close()
    this.#server = undefined
    this.#datagrams?.close()
    this.#datagrams = undefined
  }
}
