/** A hostile client of the agent's HTTP server: `bun http-client-process.ts '{"port": N}'`. */
import type { Socket } from 'node:net'
import { count, dial, endless, pause, pour, repeat, send } from './attack.ts'

const get = (path: string, head = ''): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${head}\r\n`
const PATHS = [
  '/',
  '/api/v1/files',
  '/api/v1/metrics',
  '/api/v1/metrics/prometheus',
  '/api/v2/metrics',
  '/api/v1/health',
  '/api/v1/uptime',
  '/api/v1/live',
  '/api/v1/storage',
]

async function many(n: number, each: (n: number) => Promise<void>): Promise<void> {
  await Promise.allSettled(Array.from({ length: n }, (_, i) => each(i)))
}

async function held(socket: Socket, ms: number): Promise<void> {
  await pause(ms)
  socket.destroy()
}

repeat({
  'pipelined requests that are not read': () =>
    many(32, async (n) => {
      const socket = await dial()
      socket.pause()
      await pour(
        socket,
        endless(() => get(PATHS[n % 2 === 0 ? 1 : n % PATHS.length] as string).repeat(2000)),
        4000,
      )
      socket.destroy()
    }),
  'snapshots in a loop': () =>
    many(8, async () => {
      const socket = await dial()
      socket.on('data', (data) => count('snapshot bytes', data.length))
      await pour(
        socket,
        endless(() => get('/api/v1/files')),
        4000,
      )
      socket.destroy()
    }),
  'every path': async () => {
    for (const path of PATHS) {
      const response = await fetch(
        `http://127.0.0.1:${process.argv[2] === undefined ? 0 : JSON.parse(process.argv[2]).port}${path}`,
      )
      count(`answer ${response.status}`)
      await response.arrayBuffer()
    }
  },
  '10,000 connections': async () => {
    for (let batch = 0; batch < 20; batch++) {
      void many(500, async () => held(await dial(), 4000))
      await pause(100)
    }
    await pause(4000)
  },
  slowloris: () =>
    many(100, async () => {
      const socket = await dial()
      socket.write('GET /api/v1/live HTTP/1.1\r\n')
      for (let n = 0; n < 60 && !socket.destroyed; n++) {
        socket.write(`X-${n}: y\r\n`)
        await pause(100)
      }
      socket.destroy()
    }),
  'headers without end': async () => {
    const socket = await dial()
    await pour(
      socket,
      endless((n) => (n === 0 ? 'GET / HTTP/1.1\r\n' : 'X-More: y\r\n'.repeat(5000))),
      1000,
    )
    socket.destroy()
    await send(get('/', `X: ${'y'.repeat(8 << 20)}\r\n`))
    await send(`GET /${'x'.repeat(8 << 20)} HTTP/1.1\r\n\r\n`)
    await send('x'.repeat(8 << 20))
  },
  'bodies without end': async () => {
    for (const head of ['Content-Length: 99999999999\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const socket = await dial()
      const piece = '10000\r\n' + 'x'.repeat(65_536) + '\r\n'
      await pour(
        socket,
        endless((n) => (n === 0 ? `POST /api/v1/trace/x HTTP/1.1\r\nHost: localhost\r\n${head}\r\n` : piece)),
        1500,
      )
      socket.destroy()
    }
  },
  'odd requests': async () => {
    const requests = [
      'GET / HTTP/1.1\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n',
      'GET / HTTP/9.9\r\nHost: a\r\n\r\n',
      'GET http://evil.example.com/api/v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
      get('/', 'Host: evil.example.com\r\n'),
      get('/../../../etc/passwd'),
      get('/%2e%2e/%00'),
      get('/', 'Upgrade: websocket\r\nConnection: Upgrade\r\n'),
      get('/', 'Content-Length: -1\r\n'),
      get('/', 'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
      get('/', 'Expect: 100-continue\r\nContent-Length: 5\r\n'),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\0'.repeat(1000),
      'TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n',
      get('/', 'Range: bytes=0-,0-,0-,0-\r\n'),
      get('/', 'Accept-Encoding: gzip;q=1,gzip;q=1,gzip\r\n'),
      'GET /api/v1/files?' + 'a=b&'.repeat(4000) + ' HTTP/1.1\r\nHost: [::1\r\n\r\n',
      'DELETE /api/v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'POST /api/v2/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n',
    ]
    for (const request of requests) await send(request, { ms: 50, read: true })
  },
  resets: () =>
    many(200, async () => {
      const socket = await dial()
      socket.write(get('/api/v1/files'))
      socket.resetAndDestroy()
    }),
  'half-closed connections': () =>
    many(100, async () => {
      const socket = await dial()
      socket.end(get('/api/v1/metrics'))
      await held(socket, 1000)
    }),
})
