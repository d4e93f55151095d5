import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { HttpClient } from '../../../src/lib/http/client.ts'
import { HttpError } from '../../../src/lib/http/http-error.ts'
import { pieces } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const MAX_BODY_BYTES = 100_000
const CANARY = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary'
const LIMITS = {
  headTimeoutMs: 20_000,
  bodyTimeoutMs: 20_000,
  totalTimeoutMs: 20_000,
  maxBodyBytes: MAX_BODY_BYTES,
}

let server: Server | undefined
let client: HttpClient | undefined
let answer: readonly Buffer[] = []

/** Starts a server that answers POST with `answer` and closes the connection, and GET with CANARY. */
async function started(): Promise<HttpClient> {
  if (client !== undefined) return client
  const listening = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.on('data', (request) => {
      if (request.toString('latin1').startsWith('GET')) return void socket.write(CANARY)
      for (const piece of answer) socket.write(piece)
      socket.end()
    })
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  server = listening
  client = new HttpClient({ origin: `http://127.0.0.1:${(listening.address() as AddressInfo).port}` })
  return client
}

async function request(to: HttpClient, method: 'GET' | 'POST'): Promise<{ status: number; text: string }> {
  const { signal } = new AbortController()
  const body = method === 'POST' ? Buffer.from('x') : undefined
  const response = await to.send({ ...LIMITS, method, path: '/', headers: {}, body, signal })
  let text = ''
  for await (const piece of response.body) text += piece.toString('latin1')
  return { status: response.status, text }
}

/** What a server answers is a response or an error, and no part of it belongs to the next request. */
export const httpResponse: Target = {
  name: 'http-response',
  maxBytes: 4096,
  dictionary: [
    ...[
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.0 ',
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 103 X\r\n\r\n',
      '\r\n\r\n',
    ],
    ...[
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close\r\n',
      '0\r\n\r\n',
      '3\r\nabc\r\n',
    ],
    ...['Keep-Alive: timeout=1\r\n', 'Upgrade: x\r\nConnection: upgrade\r\n', '\n', '\0', ': ', ' '],
  ],
  seeds: () => [
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
    'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n',
    'HTTP/1.0 404 No\r\n\r\nup to the end',
    'HTTP/1.1 204 No\r\nConnection: keep-alive\r\n\r\n',
  ],
  async run(input) {
    const to = await started()
    answer = pieces(input)
    let kind: string
    try {
      const { status, text } = await request(to, 'POST')
      must(text.length <= MAX_BODY_BYTES, 'a body is larger than its limit')
      must(status >= 200, () => `an interim response ${status} is given`)
      kind = `${Math.floor(status / 100)} ${size(text.length)}`
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      must(error.wasSent, () => `nothing was sent: ${error.message}`)
      kind = kindOf(error.reason)
    }
    const next = await request(to, 'GET')
    must(next.text === 'canary' && next.status === 200, () => `the next request gets ${JSON.stringify(next)}`)
    return kind
  },
  async close() {
    await client?.close()
    server?.close()
    client = undefined
    server = undefined
  },
}
