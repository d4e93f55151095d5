import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { seeded } from '../shipping.ts'
import { atEnd } from '../tmp.ts'
import { HttpReader } from './http-reader.ts'

export interface CuttingInit {
  seed?: number
  /** Probability that a request is passed on as a whole, and the connection ends before its answer has come back. */
  cutAfterBody?: number
  /** Probability that a connection ends in the middle of a request, which the server then does not get. */
  cutInBody?: number
  /** Probability of an answer 429 that the server knows nothing of. */
  tooMany?: number
  /** Retry-After of the answers 429. */
  retryAfter?: string
}

/** What the proxy has done. */
export interface Cuts {
  requests: number
  afterBody: number
  inBody: number
  tooMany: number
}

const TOO_MANY = '{"error":{"type":"es_rejected_execution_exception","reason":"proxy"},"status":429}'

/**
 * A proxy in front of a real server over HTTP, which cuts connections and answers 429 by a plan of chance. A request is passed
 * on in its own bytes when it has come as a whole. Cut after the body, the client cannot know that the server has it.
 */
export class CuttingProxy {
  readonly cuts: Cuts = { requests: 0, afterBody: 0, inBody: 0, tooMany: 0 }
  port = 0
  readonly #to: number
  readonly #init: CuttingInit
  readonly #random: () => number
  readonly #open = new Set<Socket>()
  #server: Server | undefined
  #isCalm = false

  private constructor(to: number, init: CuttingInit) {
    this.#to = to
    this.#init = init
    this.#random = seeded(init.seed ?? 1)
  }

  /** Starts a proxy to a port of loopback. */
  static async start(to: number, init: CuttingInit = {}): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(to, init)
    await proxy.up()
    atEnd(() => proxy.down())
    return proxy
  }

  /** Passes everything on from now on. */
  calm(): void {
    this.#isCalm = true
  }

  async up(): Promise<void> {
    const server = createServer((client) => this.#accept(client))
    this.#server = server
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as { port: number }).port
  }

  async down(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    for (const socket of this.#open) socket.destroy()
    if (server !== undefined) await new Promise((done) => server.close(done))
  }

  #track(socket: Socket, other?: Socket): void {
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#open.delete(socket)
      other?.end()
    })
  }

  #accept(client: Socket): void {
    const server = connect(this.#to, '127.0.0.1')
    this.#track(client, server)
    this.#track(server, client)
    let isCut = false
    server.on('data', (part: Buffer) => {
      if (isCut) client.destroy()
      else client.write(part)
    })
    // Bytes of the request that is coming, so that it is passed on as it was sent.
    let raw: Buffer[] = []
    const reader = new HttpReader(() => {
      if (!this.#chance(this.#init.cutInBody)) return
      this.cuts.inBody++
      client.destroy()
      server.destroy()
    })
    client.on('data', (part: Buffer) => {
      raw.push(part)
      const requests = reader.push(part)
      if (requests.length === 0 || client.destroyed) return
      const bytes = Buffer.concat(raw)
      raw = []
      this.cuts.requests += requests.length
      if (this.#chance(this.#init.tooMany)) {
        this.cuts.tooMany++
        client.write(this.#tooMany())
        return
      }
      if (this.#chance(this.#init.cutAfterBody)) {
        this.cuts.afterBody++
        isCut = true
      }
      server.write(bytes)
    })
  }

  #chance(probability = 0): boolean {
    return !this.#isCalm && this.#random() < probability
  }

  #tooMany(): string {
    const { retryAfter } = this.#init
    const wait = retryAfter === undefined ? '' : `Retry-After: ${retryAfter}\r\n`
    const head = `HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n${wait}`
    return `${head}Content-Length: ${TOO_MANY.length}\r\n\r\n${TOO_MANY}`
  }
}
