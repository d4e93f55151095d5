import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { atEnd } from '../tmp.ts'
import { NODE, podOf } from './pods.ts'

/** What a hostile API server sends: `head` once, and then `piece` again and again, as fast as it is read or each `everyMs`. */
export interface Attack {
  head: string
  piece: Buffer
  everyMs?: number
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n'
const ITEM = JSON.stringify(podOf({ name: 'p' })).slice(1)

/** Many pods, each with another uid, as items of a list or events of a watch. */
function pods(count: number, each: (pod: string) => string): Buffer {
  const all = Array.from({ length: count }, (_, i) => each(`{"i":${i},${ITEM}`))
  return Buffer.from(all.join(''))
}

export const ATTACKS: Record<string, Attack> = {
  'a list of pods without end': {
    head: `${OK}{"metadata":{"resourceVersion":"1"},"items":[`,
    piece: pods(500, (pod) => `${pod},`),
  },
  'one line without end': { head: `${OK}{"metadata":{"name":"`, piece: Buffer.alloc(1 << 20, 0x61) },
  'brackets without end': { head: OK, piece: Buffer.alloc(1 << 20, 0x5b) },
  'objects of a million values': {
    head: `${OK}{"metadata":{},"items":[`,
    piece: Buffer.from(`{"a":[${'{},'.repeat(1_000_000)}0]},`),
  },
  'headers without end': { head: 'HTTP/1.1 200 OK\r\n', piece: Buffer.from('X-More: 1\r\n'.repeat(10_000)) },
  'interim responses without end': {
    head: '',
    piece: Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(10_000)),
  },
  'chunks of one byte': {
    head: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n3\r\n"a"\r\n1\r\n:\r\n1\r\n"\r\n`,
    piece: Buffer.from('1\r\nx\r\n'.repeat(50_000)),
  },
  'a chunk of 2 GB': {
    head: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n{"a":"',
    piece: Buffer.alloc(1 << 20, 0x61),
  },
  'a body in drops': { head: `${OK}{"metadata":{`, piece: Buffer.from(' '), everyMs: 50 },
  'errors without end': {
    head: 'HTTP/1.1 500 No\r\nRetry-After: 9999999\r\n\r\n',
    piece: Buffer.alloc(1 << 20, 0x20),
  },
  'a redirect to another server': {
    head: 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
    piece: Buffer.alloc(0),
    everyMs: 1000,
  },
}

/** A list that is answered properly, followed by a watch that sends events of new pods as fast as they are read. */
export const FLOOD = 'events of a watch without end'
const EMPTY_LIST = `${OK}{"metadata":{"resourceVersion":"1"},"items":[]}`
const EVENTS = pods(500, (pod) => `{"type":"ADDED","object":${pod}}\n`)

/** An API server that answers every request by an attack. */
export class HostileApi {
  readonly name: string
  requests = 0
  sentBytes = 0
  port = 0
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()

  private constructor(name: string) {
    this.name = name
  }

  static async start(name: string): Promise<HostileApi> {
    const api = new HostileApi(name)
    await api.#listen()
    atEnd(() => api.close())
    return api
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server?.close()
  }

  #listen(): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#sockets.delete(socket))
      socket.once('data', (request) => this.#answer(socket, request.toString('latin1')))
    })
    this.#server = server
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        this.port = (server.address() as AddressInfo).port
        resolve()
      })
    })
  }

  #answer(socket: Socket, request: string): void {
    this.requests++
    if (this.name !== FLOOD) this.#send(socket, ATTACKS[this.name] as Attack)
    else if (request.includes('watch=true')) this.#send(socket, { head: OK, piece: EVENTS })
    else socket.end(EMPTY_LIST)
  }

  #send(socket: Socket, { head, piece, everyMs }: Attack): void {
    socket.write(head)
    const send = (): void => {
      if (socket.destroyed) return
      this.sentBytes += piece.length
      // A new uid in each round.
      const wasTaken = socket.write(renamed(piece, this.sentBytes))
      if (everyMs !== undefined) setTimeout(send, everyMs)
      else if (wasTaken) setImmediate(send)
      else socket.once('drain', send)
    }
    send()
  }
}

/** Returns the piece with other uids of the same length. */
function renamed(piece: Buffer, seed: number): Buffer {
  if (!piece.includes('"uid"') || !piece.includes(NODE)) return piece
  let n = 0
  return Buffer.from(
    piece.toString().replace(/"uid":"[^"]{36}"/g, () => `"uid":"${`${seed}-${n++}`.padEnd(36, '0')}"`),
  )
}
