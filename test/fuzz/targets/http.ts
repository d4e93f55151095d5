import { connect } from 'node:net'
import { hostTest } from '../../../src/observe/http/hosts.ts'
import { readRequest } from '../../../src/observe/http/request.ts'
import { startHttp } from '../../../src/observe/http/server.ts'
import { sampleSnapshot } from '../../support/engine/snapshot.ts'
import { pieces } from '../random.ts'
import { SILENT } from '../support.ts'
import { must, size, type Target } from '../target.ts'

const HEALTH = { enabled: true, errorsCount: 5, retryFailureCount: 5, periodMs: 60_000, outputDownMs: 0 }
const LIMITS = { headersMs: 100, keepAliveMs: 100, sendMs: 200 }
const MAX_ANSWER_BYTES = 2_000_000
const GOOD = 'GET /api/v1/uptime HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
const STATUS = /HTTP\/1\.[01] (\d{3})/g

let server: ReturnType<typeof startHttp> | undefined

/** Sends pieces and returns all that the server answers until it closes the connection. */
function talk(port: number, cut: readonly Buffer[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      for (const piece of cut) socket.write(piece)
      socket.end()
    })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error('the server keeps a connection open'))
    }, 20_000)
    socket.on('data', (data) => {
      answer += data.toString('latin1')
      if (answer.length > MAX_ANSWER_BYTES) socket.destroy(new Error('the answer is too long'))
    })
    // A reset is an answer as well: the server does not read further.
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answer)
    })
  })
}

const SEEDS = [
  GOOD,
  'GET / HTTP/1.0\r\n\r\n',
  'HEAD /api/v1/metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /api/v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'POST /api/v1/trace/dummy.0 HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\n{"input_name":1}',
  'GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n',
]
const DICTIONARY = [
  'GET ',
  'POST ',
  'TRACE ',
  ' HTTP/1.1\r\n',
  ' HTTP/2.0',
  '/api/v1/metrics/prometheus',
  '/api/v1/trace',
  '/../',
  '%00',
  'Host: x\r\n',
  'Content-Length: 99999999999\r\n',
  'Content-Length: -1\r\n',
  'Transfer-Encoding: chunked\r\n',
  '\r\n\r\n',
  '\n\n',
  '\0',
  'http://x/',
  'Connection: keep-alive\r\n',
  ' \t',
  'ffffffff\r\n',
]
const MAX_HEADER_BYTES = 8192
/** More than a whole input takes on a slow machine, and less than one in which blanks take quadratic time. */
const MAX_CPU_US = 150_000
const isAllowed = hostTest(['a'], ['*.example'])

/** Reads all requests that have arrived after each piece, as a connection does. */
function requests(cut: readonly Buffer[]): string[] {
  const found: string[] = []
  let bytes = Buffer.alloc(0)
  for (const piece of cut) {
    bytes = Buffer.concat([bytes, piece])
    for (;;) {
      const request = readRequest(bytes, MAX_HEADER_BYTES)
      if (request === undefined) break
      if ('error' in request) return [...found, String(request.status)]
      must(request.end > 0 && request.end <= bytes.length, () => `a request of ${request.end} bytes`)
      const { method, path, query, host, hasBody } = request
      isAllowed(host ?? '')
      found.push(JSON.stringify([method, path, query, host, hasBody]))
      if (hasBody || !request.keepAlive) return found
      bytes = bytes.subarray(request.end)
    }
    must(bytes.length <= MAX_HEADER_BYTES, () => `${bytes.length} bytes wait for more`)
  }
  return found
}

const REFUSAL = /^\d{3}$/

function requestsOf(found: readonly string[]): string[] {
  return found.filter((one) => !REFUSAL.test(one))
}

export const httpRequest: Target = {
  name: 'http-request',
  maxBytes: 10_000,
  dictionary: DICTIONARY,
  seeds: () => SEEDS,
  run(input) {
    const start = process.threadCpuUsage()
    const whole = requests([Buffer.from(input)])
    const { user } = process.threadCpuUsage(start)
    must(user <= MAX_CPU_US, () => `took ${user} µs`)
    const cut = requests(pieces(input))
    // Bytes that cannot become a request are refused before they are complete.
    const [longer, shorter] = [requestsOf(whole), requestsOf(cut)].sort((a, b) => b.length - a.length)
    const isSame = whole.length === requestsOf(whole).length && cut.length === requestsOf(cut).length
    must(
      isSame ? longer?.join() === shorter?.join() : longer?.join().startsWith(shorter?.join() ?? '') === true,
      () => `in pieces ${cut}, as a whole ${whole}`,
    )
    return `${size(whole.length)} ${whole.at(-1)?.slice(0, 12)}`
  },
}

/** Requests of any form are answered with a status or closed, and the next client is served. */
export const http: Target = {
  name: 'http',
  maxBytes: 10_000,
  maxMs: 5000,
  dictionary: DICTIONARY,
  seeds: () => SEEDS,
  async run(input) {
    server ??= startHttp(
      { listen: '127.0.0.1', port: 0, health: HEALTH, limits: LIMITS },
      () => sampleSnapshot(),
      SILENT,
    )
    const { port } = await server
    const answer = await talk(port, pieces(input))
    const statuses = [...answer.matchAll(STATUS)].map(([, status]) => status)
    must(answer === '' || answer.startsWith('HTTP/1.'), 'the answer is not HTTP')
    const next = await talk(port, [Buffer.from(GOOD)])
    must(next.startsWith('HTTP/1.1 200'), () => `the next client gets ${next.slice(0, 40)}`)
    return `${[...new Set(statuses)].join()} ${size(statuses.length)}`
  },
  async close() {
    await (await server)?.close()
    server = undefined
  },
}
