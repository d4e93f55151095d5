import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { atEnd } from './tmp.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface Service {
  port: number
  url: string
  /** Requests so far: `GET /path`. */
  requests: string[]
}

/** Starts an HTTP server on loopback that ends with the test. */
export function startService(handle: Handler): Promise<Service> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    handle(request, response)
  })
  atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve({ ...placeOf(server.address()), requests })),
  )
}

/** Starts a TCP server on loopback that does anything with a connection. */
export function startRawService(handle: (socket: Socket) => void): Promise<Service> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    handle(socket)
  })
  atEnd(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve({ ...placeOf(server.address()), requests: [] })),
  )
}

function placeOf(address: unknown): { port: number; url: string } {
  const { port } = address as AddressInfo
  return { port, url: `http://127.0.0.1:${port}` }
}

const TOKEN_PATH = '/latest/api/token'

export interface ImdsSettings {
  /** Texts by path. */
  values: Record<string, string>
  /** Tokens that are handed out, one after the other; the last is valid. Without any the service is of version 1. */
  tokens?: string[]
}

/** Handles requests as the EC2 instance metadata service does: without a valid token 401, where there is nothing 404. */
export function imdsHandler({ values, tokens = [] }: ImdsSettings): Handler {
  let handedOut = 0
  return (request, response) => {
    if (request.url === TOKEN_PATH) {
      const isAllowed =
        request.method === 'PUT' && request.headers['x-aws-ec2-metadata-token-ttl-seconds'] !== undefined
      response.statusCode = isAllowed ? 200 : 400
      response.end(isAllowed ? tokens[Math.min(handedOut++, tokens.length - 1)] : '')
      return
    }
    const token = request.headers['x-aws-ec2-metadata-token']
    const value = values[request.url ?? '']
    response.statusCode = tokens.length > 0 && token !== tokens.at(-1) ? 401 : value === undefined ? 404 : 200
    response.end(response.statusCode === 200 ? value : 'an error page')
  }
}

/** What a service sends instead of an answer. */
export const FAULTS: Record<string, (socket: Socket) => void> = {
  'never answers': () => {},
  'closes the connection': (socket) => socket.destroy(),
  'answers 500': (socket) => socket.end('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n'),
  'answers garbage': (socket) => socket.end('\x00\xff garbage\r\n\r\n'),
  'sends a redirect': (socket) =>
    socket.end('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'),
  'announces and sends 1 GB': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n')
    pour(socket, Buffer.alloc(65_536, 'x'))
  },
  'sends a head without end': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    pour(socket, Buffer.from(`x: ${'y'.repeat(1000)}\r\n`))
  },
  'sends a body byte by byte': (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n')
    const timer = setInterval(() => socket.write('x'), 50)
    socket.on('close', () => clearInterval(timer))
  },
  'cuts off the body': (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\neu-1a'),
  'answers nothing': (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
  'answers bytes that are no text': (socket) =>
    socket.end(Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\xff\x00\x0a\x1b', 'latin1')),
}

function pour(socket: Socket, bytes: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  }
  socket.on('drain', more)
  more()
}
