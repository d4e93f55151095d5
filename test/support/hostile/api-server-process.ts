/** A hostile Kubernetes API server: each request meets the next attack. */
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { ATTACKS as FLOODS } from '../kubernetes/hostile-api.ts'
import { NODE, podOf } from '../kubernetes/pods.ts'
import { chosen, count, flood, pause, serve } from './attack.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n'
const list = (items: object[], metadata: object = { resourceVersion: '1' }): string =>
  JSON.stringify({ metadata, items })
const event = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`

/** The pod whose lines the tenant writes. */
const PARSERS = ['evil', 'access', 'apache2', 'json', 'logfmt', 'missing']
function tenantPod(n: number, labels: Record<string, string> = {}): object {
  const annotations = {
    'fluentbit.io/parser': PARSERS[n % PARSERS.length] as string,
    'fluentbit.io/exclude': 'maybe',
  }
  return podOf({
    name: `tenant-${n % 4}`,
    container: 'app',
    dockerId: 'a'.repeat(64),
    node: NODE,
    annotations,
    labels,
  })
}
const tenantPods = (labels?: Record<string, string>): object[] =>
  [0, 1, 2, 3].map((n) => tenantPod(n, labels))

const manyLabels = Object.fromEntries(
  Array.from({ length: 50_000 }, (_, i) => [`label-${i}`, 'v'.repeat(20)]),
)
const aLargeLabel = { large: 'v'.repeat(3 << 20) }
const nested = (depth: number): string => `${OK}{"metadata":{},"items":[${'{"a":'.repeat(depth)}`
const bomb = gzipSync(Buffer.alloc(256 << 20, 0x20))
const expired = event('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' })
const churn = Array.from({ length: 300 }, (_, i) =>
  event(i % 3 === 0 ? 'DELETED' : i % 3 === 1 ? 'ADDED' : 'MODIFIED', podOf({ name: `churn-${i >> 2}` })),
).join('')
const status = (code: number, head = ''): string => `HTTP/1.1 ${code} No\r\n${head}Content-Length: 0\r\n\r\n`

type Answer = (socket: Socket, request: string, n: number) => void

const ANSWERS: Record<string, Answer> = {
  ...Object.fromEntries(
    Object.entries(FLOODS).map(([name, { head, piece, everyMs }]): [string, Answer] => [
      name,
      (socket) => {
        socket.write(head)
        if (piece.length > 0) void flood(socket, piece, everyMs ?? 0)
      },
    ]),
  ),
  'pods of the tenant with parsers': (socket) => void socket.end(OK + list(tenantPods())),
  '50,000 labels': (socket) => void socket.end(OK + list(tenantPods(manyLabels))),
  'labels of 3 MB': (socket) => void socket.end(OK + list(tenantPods(aLargeLabel))),
  'pages without end': (socket, _, n) =>
    void socket.end(OK + list([podOf({ name: `page-${n}` })], { resourceVersion: '1', continue: `c${n}` })),
  'objects in objects': (socket) => void flood(socket, nested(200_000)),
  'gone as a status': (socket) => void socket.end(status(410)),
  'gone as an event': (socket, request) =>
    void socket.end(request.includes('watch=true') ? OK + expired : OK + list(tenantPods())),
  unauthorized: (socket) => void socket.end(status(401)),
  'too many requests, come back at once': (socket) => void socket.end(status(429, 'Retry-After: 0\r\n')),
  'too many requests, come back in the past': (socket) =>
    void socket.end(status(429, 'Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n')),
  'unavailable for years': (socket) => void socket.end(status(503, 'Retry-After: 99999999999999999999\r\n')),
  'a redirect to itself': (socket) => void socket.end(status(307, 'Location: /api/v1/pods\r\n')),
  'a bomb in gzip': (socket) =>
    void socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n'), bomb])),
  'a watch that changes pods without end': (socket, request) => {
    if (!request.includes('watch=true')) socket.end(OK + list(tenantPods()))
    else void flood(socket.resume() && (socket.write(OK), socket), churn)
  },
  'a watch that ends at once': (socket, request) =>
    void socket.end(request.includes('watch=true') ? OK : OK + list(tenantPods())),
  'bookmarks without end': (socket, request) => {
    if (!request.includes('watch=true')) socket.end(OK + list([]))
    else {
      socket.write(OK)
      const bookmark = event('BOOKMARK', { kind: 'Pod', metadata: { resourceVersion: '9'.repeat(1000) } })
      void flood(socket, bookmark.repeat(200))
    }
  },
  'wrong types': (socket, _, n) => {
    const odd = [
      null,
      1,
      'x',
      [],
      { metadata: [] },
      { metadata: { name: {}, uid: 1, labels: 'x', annotations: [1] } },
    ]
    socket.end(
      OK +
        JSON.stringify({
          metadata: odd[n % 6],
          items: [...odd, { ...tenantPod(n), status: { containerStatuses: 'x' } }],
        }),
    )
  },
  'negative length': (socket) => void flood(socket, 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{'),
  'two lengths': (socket) =>
    void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 500000000\r\n\r\n{}'),
  'never answers': () => {},
  'closes at once': (socket) => void socket.end(),
  resets: (socket) => void socket.resetAndDestroy(),
  'an alert of TLS': (socket) => void socket.end(Buffer.from('15030300020228', 'hex')),
}

await serve((socket, n) => {
  const answers = chosen(ANSWERS)
  const [name, answer] = answers[n % answers.length] as (typeof answers)[number]
  count(name)
  socket.once('data', (request: Buffer) => answer(socket, request.toString('latin1'), n))
  void pause(3000).then(() => socket.destroy())
})
