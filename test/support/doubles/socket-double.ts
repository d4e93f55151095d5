import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { unzipSync } from 'node:zlib'
import type { Pair } from '../certs.ts'
import { atEnd } from '../tmp.ts'
import { Ledger } from './ledger.ts'

/**
 * How messages are told apart. Over UDP a datagram is a message, `gelf` joins and inflates those of GELF.
 *
 * ```
 *   newline: {message, LF}*    nul: {message, NUL}*    octets: {length: digits, ' ', message}*
 *   gelf: {0x1e 0x0f, id 8, number 1, count 1, part}   or a whole message, plain, zlib or gzip
 * ```
 */
export type Framing = 'newline' | 'nul' | 'octets' | 'datagram' | 'gelf'

export interface SocketDoubleInit {
  framing: Framing
  /** Default: UDP for the framings `datagram` and `gelf`, TCP for the others. */
  transport?: 'tcp' | 'udp'
  tls?: Pair
  /** Resets each connection after as many bytes. */
  resetAfter?: number
}

const CHUNK_MAGIC = 0x1e0f
const CHUNK_HEADER = 12
const MAX_CHUNKS = 128
const OCTETS = /^([1-9]\d{0,8}) /
const NONE = Buffer.alloc(0)

/** A receiver over a socket, which acknowledges nothing. It keeps whole messages, and what was wrong with others in `bad`. */
export class SocketDouble {
  readonly messages: string[] = []
  readonly ledger = new Ledger()
  readonly bad: string[] = []
  connections = 0
  port = 0
  resetAfter: number
  readonly #init: SocketDoubleInit
  readonly #open = new Set<Socket>()
  readonly #chunks = new Map<string, { parts: Map<number, Buffer>; count: number }>()
  #server: Server | undefined
  #datagrams: DatagramSocket | undefined

  private constructor(init: SocketDoubleInit) {
    this.#init = init
    this.resetAfter = init.resetAfter ?? Number.POSITIVE_INFINITY
  }

  static async start(init: SocketDoubleInit): Promise<SocketDouble> {
    const double = new SocketDouble(init)
    await double.up()
    atEnd(() => double.down())
    return double
  }

  get open(): number {
    return this.#open.size
  }

  get #isUdp(): boolean {
    const { framing, transport } = this.#init
    return (transport ?? (framing === 'datagram' || framing === 'gelf' ? 'udp' : 'tcp')) === 'udp'
  }

  /** Ends all connections and refuses new ones. */
  async down(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    const [server, datagrams] = [this.#server, this.#datagrams]
    this.#server = this.#datagrams = undefined
    datagrams?.close()
    if (server !== undefined) await new Promise((done) => server.close(done))
  }

  /** Listens, again on the same port. */
  async up(): Promise<void> {
    if (this.#isUdp) return this.#bind()
    const { tls } = this.#init
    const accept = (socket: Socket): void => this.#accept(socket)
    const server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept)
    server.on('tlsClientError', () => {})
    this.#server = server
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as { port: number }).port
  }

  async #bind(): Promise<void> {
    const socket = createSocket('udp4')
    this.#datagrams = socket
    socket.on('message', (data) => this.#datagram(Buffer.from(data)))
    socket.bind(this.port, '127.0.0.1')
    await once(socket, 'listening')
    this.port = socket.address().port
  }

  #accept(socket: Socket): void {
    this.connections++
    this.#open.add(socket)
    let rest: Buffer = NONE
    let received = 0
    socket.on('error', () => {})
    socket.on('data', (part: Buffer) => {
      received += part.length
      rest = this.#split(Buffer.concat([rest, part]))
      if (received >= this.resetAfter) socket.resetAndDestroy()
    })
    socket.on('close', () => {
      this.#open.delete(socket)
      if (rest.length > 0) this.bad.push(`the end of a message is missing: ${rest.toString().slice(0, 100)}`)
    })
  }

  /** Keeps the whole messages and returns the rest. */
  #split(bytes: Buffer): Buffer {
    const { framing } = this.#init
    let rest = bytes
    for (;;) {
      const [start, end, next] =
        framing === 'octets' ? this.#counted(rest) : ended(rest, framing === 'nul' ? 0 : 10)
      if (end < 0) return rest.subarray(start)
      this.#keep(rest.subarray(start, end))
      rest = rest.subarray(next)
    }
  }

  #counted(bytes: Buffer): [start: number, end: number, next: number] {
    if (bytes.length === 0) return [0, -1, 0]
    const [head, digits] = OCTETS.exec(bytes.toString('latin1', 0, 11)) ?? []
    if (head === undefined) {
      if (/^\d{1,9}$/.test(bytes.toString('latin1', 0, 10))) return [0, -1, 0]
      this.bad.push(`no length: ${bytes.toString().slice(0, 100)}`)
      return [bytes.length, -1, 0]
    }
    const end = head.length + Number(digits)
    return bytes.length < end ? [0, -1, 0] : [head.length, end, end]
  }

  #datagram(data: Buffer): void {
    if (this.#init.framing !== 'gelf') {
      this.#keep(data)
      return
    }
    const isChunk = data.length >= CHUNK_HEADER && data.readUInt16BE(0) === CHUNK_MAGIC
    const whole = isChunk ? this.#joined(data) : data
    if (whole === undefined) return
    const isPlain = whole[0] === 0x7b
    this.#keep(isPlain ? whole : unzipSync(whole))
  }

  #joined(data: Buffer): Buffer | undefined {
    const id = data.toString('hex', 2, 10)
    const [number = 0, count = 0] = [data[10], data[11]]
    if (count === 0 || count > MAX_CHUNKS || number >= count) {
      this.bad.push(`chunk ${number} of ${count}`)
      return undefined
    }
    const message = this.#chunks.get(id) ?? { parts: new Map<number, Buffer>(), count }
    if (message.count !== count) this.bad.push(`a message with ${message.count} and ${count} chunks`)
    this.#chunks.set(id, message)
    message.parts.set(number, data.subarray(CHUNK_HEADER))
    if (message.parts.size < count) return undefined
    this.#chunks.delete(id)
    return Buffer.concat([...message.parts].sort(([a], [b]) => a - b).map(([, part]) => part))
  }

  #keep(bytes: Buffer): void {
    const text = bytes.toString()
    this.messages.push(text)
    this.ledger.keep(text)
  }
}

function ended(bytes: Buffer, mark: number): [start: number, end: number, next: number] {
  const end = bytes.indexOf(mark)
  return [0, end, end + 1]
}
