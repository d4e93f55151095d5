import { afterAll, describe, expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { ShipperError } from '../../../src/core/error.ts'
import type { Logger } from '../../../src/core/services.ts'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import { type HttpLimits, type HttpOptions, startHttp } from '../../../src/observe/http/server.ts'
import { formatDump } from '../../../src/observe/terminal/dump.ts'
import {
  sampleBuffer,
  sampleFile,
  sampleFilter,
  sampleInput,
  sampleOutput,
  sampleSnapshot,
} from '../../support/engine/snapshot.ts'
import { atEnd } from '../../support/tmp.ts'
import { until, within } from '../../support/until.ts'
import { parsePrometheus } from '../prometheus-parser.ts'

const logged: string[] = []
const record = (message: string): void => void logged.push(message)
const log: Logger = { error: record, warn: record, info: record, debug: record }

const HEALTH = { enabled: true, errorsCount: 5, retryFailureCount: 5, periodMs: 60_000, outputDownMs: 60_000 }

function serve(snapshot: () => Snapshot, options: Partial<HttpOptions> = {}) {
  return startHttp({ listen: '127.0.0.1', port: 0, health: HEALTH, ...options }, snapshot, log)
}

let current = sampleSnapshot()
const server = await serve(() => current)
afterAll(() => server.close())
const BASE = `http://127.0.0.1:${server.port}`

// biome-ignore lint/suspicious/noExplicitAny: tests assert what they read of a document
async function read(path: string): Promise<any> {
  return (await fetch(`${BASE}${path}`)).json()
}

const UPTIME: [number, string][] = [
  [0, '0 day, 0 hour, 0 minute and 0 second'],
  [1, '0 day, 0 hour, 0 minute and 1 second'],
  [3600.9, '0 day, 1 hour, 0 minute and 0 second'],
  [90_061, '1 day, 1 hour, 1 minute and 1 second'],
  [8_950_000, '103 days, 14 hours, 6 minutes and 40 seconds'],
]

describe('the server answers', () => {
  test('/ with version, edition and flags', async () => {
    const answer = await fetch(`${BASE}/`)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.json()).toMatchObject({
      'fluent-bit': { version: '0.1.0', edition: 'Community', flags: [] },
    })
  })

  test.each(UPTIME)('an uptime of %d s in fluent-bit’s words', async (seconds, words) => {
    current = sampleSnapshot({ startedMs: 1e12, nowMs: 1e12 + seconds * 1000 })
    expect(await (await fetch(`${BASE}/api/v1/uptime`)).json()).toEqual({
      uptime_sec: Math.floor(seconds),
      uptime_hr: `Fluent Bit has been running:  ${words}`,
    })
    current = sampleSnapshot()
  })

  test('/api/v1/metrics with current values', async () => {
    expect((await read('/api/v1/metrics')).input['tail.0'].records).toBe(12)
    current = sampleSnapshot({ inputs: [sampleInput({ records: 13 })] })
    expect((await read('/api/v1/metrics')).input['tail.0'].records).toBe(13)
    current = sampleSnapshot()
  })

  test('every endpoint that / and an unknown path list', async () => {
    const { endpoints } = await read('/')
    expect(Object.keys(endpoints)).toContain('/api/v1/snapshot')
    for (const path of Object.keys(endpoints))
      expect([path, (await fetch(BASE + path)).status]).toEqual([path, 200])
    expect((await read('/nope')).endpoints).toEqual(endpoints)
  })

  test('Prometheus text without timestamps, also at /metrics', async () => {
    for (const path of ['/api/v1/metrics/prometheus', '/api/v2/metrics/prometheus', '/metrics']) {
      const answer = await fetch(`${BASE}${path}`)
      expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
      const records = parsePrometheus(await answer.text()).get('fluentbit_input_records_total')
      expect(records?.samples).toEqual([
        {
          name: 'fluentbit_input_records_total',
          labels: { name: 'tail.0' },
          value: 12,
          timestamp: undefined,
        },
      ])
    }
  })

  test('/api/v2/metrics with the text format of cmetrics', async () => {
    const lines = (await (await fetch(`${BASE}/api/v2/metrics`)).text()).split('\n')
    expect(lines).toContain(
      '2026-11-21T06:00:00.123000000Z fluentbit_input_records_total{name="tail.0"} = 12',
    )
  })
})

describe('the server also answers', () => {
  test('/api/v1/files with every file of every input', async () => {
    current = sampleSnapshot({
      inputs: [
        sampleInput({
          status: {
            files: [sampleFile(), sampleFile({ path: '/b\n"', lag: 7, parseFailed: 3, timeFailed: 0 })],
          },
        }),
        sampleInput({ name: 'cpu.0', plugin: 'cpu', status: undefined }),
        sampleInput({ name: 'other', status: { files: [sampleFile()] } }),
      ],
    })
    const { files } = (await (await fetch(`${BASE}/api/v1/files`)).json()) as { files: object[] }
    current = sampleSnapshot()
    expect(files[0]).toEqual({ input: 'tail.0', ...sampleFile() })
    expect(files.slice(1)).toMatchObject([
      { path: '/b\n"', lag: 7, parse_failed: 3, time_failed: 0 },
      { input: 'other' },
    ])
  })

  test('/api/v1/snapshot with the state of every part, and as text for people', async () => {
    const snapshot = await read('/api/v1/snapshot')
    expect(snapshot.inputs[0].files).toHaveLength(2)
    expect(snapshot.outputs[0]).toMatchObject({
      name: 'forward.0',
      in_flight: 1,
      down: null,
      dead_letter_failure: null,
      last_delivery: '2026-11-21T05:59:00.000Z',
    })
    const text = await (await fetch(`${BASE}/api/v1/snapshot?format=text`)).text()
    expect(text).toBe(formatDump(current))
  })

  test('/api/v1/plugins and /api/v1/storage in fluent-bit’s form', async () => {
    expect(await (await fetch(`${BASE}/api/v1/plugins`)).json()).toEqual({
      plugins: { inputs: ['tail'], filters: ['grep'], outputs: ['forward'] },
    })
    const storage = await read('/api/v1/storage')
    expect(storage.storage_layer.chunks).toEqual({
      total_chunks: 3,
      mem_chunks: 3,
      fs_chunks: 0,
      fs_chunks_up: 0,
      fs_chunks_down: 0,
    })
    expect(storage.input_chunks['tail.0'].chunks).toEqual({
      total: 3,
      up: 3,
      down: 0,
      busy: 3,
      busy_size: '1.0K',
    })
    expect(storage.input_chunks['tail.0'].status).toEqual({
      overlimit: false,
      mem_size: '1.0K',
      mem_limit: '47.7M',
    })
  })

  test('/api/v1/storage and /api/v1/snapshot with the buffer on disk', async () => {
    const before = current
    const outputs = [sampleOutput({ waiting: 7, inFlight: 0 })]
    current = sampleSnapshot({ outputs, buffer: sampleBuffer() })
    const storage = await read('/api/v1/storage')
    expect(storage.storage_layer.chunks).toEqual({
      total_chunks: 63,
      mem_chunks: 0,
      fs_chunks: 63,
      fs_chunks_up: 7,
      fs_chunks_down: 56,
    })
    expect(storage.buffer).toMatchObject({ folder: '/var/lib/shipper/buffer', failure: null })
    expect(storage.buffer.outputs[1]).toEqual({
      name: 'kafka.0',
      chunks: 60,
      records: 90_000,
      bytes: 15_000_000,
      chunks_in_memory: 4,
      dropped_records: 70,
      limit: 20_000_000,
    })
    expect((await read('/api/v1/snapshot')).buffer).toEqual(storage.buffer)
    const unknownOutputs = [{ name: 'old', chunks: 1, records: 2, bytes: 3 }]
    current = sampleSnapshot({ outputs, buffer: sampleBuffer({ unknownOutputs }) })
    expect((await read('/api/v1/storage')).buffer.unknown_outputs).toEqual(unknownOutputs)
    current = before
  })

  test('no /api/v1/storage with storage.metrics off', async () => {
    const other = await serve(() => current, { hasStorage: false })
    const { status } = await fetch(`http://127.0.0.1:${other.port}/api/v1/storage`)
    await other.close()
    expect(status).toBe(404)
  })

  test('with a query, with a trailing slash, and to HEAD without a body', async () => {
    expect((await fetch(`${BASE}/api/v1/uptime/?x=1`)).status).toBe(200)
    const head = await fetch(`${BASE}/api/v1/metrics`, { method: 'HEAD' })
    expect(head.status).toBe(200)
    const body = await (await fetch(`${BASE}/api/v1/metrics`)).text()
    expect(head.headers.get('content-length')).toBe(String(body.length))
    expect(await head.text()).toBe('')
  })
})

describe('health', () => {
  test('is ok with 200 and error with 500, in both versions', async () => {
    current = sampleSnapshot({ outputs: [sampleOutput({ errors: 5 })] })
    const ok = await fetch(`${BASE}/api/v1/health`)
    expect([ok.status, await ok.text()]).toEqual([200, 'ok\n'])
    current = sampleSnapshot({ outputs: [sampleOutput({ errors: 6 })] })
    const error = await fetch(`${BASE}/api/v1/health`)
    expect([error.status, await error.text()]).toEqual([500, 'error\n'])
    const v2 = await fetch(`${BASE}/api/v2/health`)
    expect(v2.status).toBe(500)
    expect(await v2.json()).toMatchObject({ status: 'error', errors: 6, error_limit: 5, period_limit: 60 })
    current = sampleSnapshot()
  })

  test('names the output that is down, while liveness stays ok', async () => {
    const down = { sinceMs: sampleSnapshot().nowMs - 61_000, attempts: 26, reason: 'refused' }
    current = sampleSnapshot({ outputs: [sampleOutput({ down })] })
    const health = await fetch(`${BASE}/api/v1/health`)
    const line = 'forward.0 has been down since 2026-11-21T05:58:59.123Z (1 min 1 s, 26 attempts): refused'
    expect([health.status, await health.text()]).toEqual([500, `error\n${line}\n`])
    for (const path of ['/api/v1/live', '/live']) {
      const live = await fetch(`${BASE}${path}`)
      expect([live.status, await live.text()]).toEqual([200, 'ok\n'])
    }
    current = sampleSnapshot()
  })

  test('recovers when the errors are older than the period, even without requests meanwhile', async () => {
    let now = sampleSnapshot({ outputs: [sampleOutput({ errors: 100 })] })
    let snapshots = 0
    const subject = await serve(
      () => {
        snapshots++
        return now
      },
      { health: { ...HEALTH, periodMs: 1000 } },
    )
    atEnd(() => subject.close())
    const status = async () => (await fetch(`http://127.0.0.1:${subject.port}/api/v1/health`)).status
    expect(await status()).toBe(500)
    snapshots = 0
    await until(() => snapshots > 0)
    now = { ...now, nowMs: now.nowMs + 1001 }
    expect(await status()).toBe(200)
  })
})

describe('the server', () => {
  test('refuses an unknown path with JSON', async () => {
    for (const path of ['/api', '/api/v1/metrics/x', '/__proto__', '/constructor', '/api/v1/..%2f']) {
      const answer = await fetch(`${BASE}${path}`)
      expect([path, answer.status]).toEqual([path, 404])
      expect(await answer.json()).toMatchObject({ error: 'not found' })
    }
  })

  test('refuses other methods with 405 and the allowed ones', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const answer = await fetch(`${BASE}/api/v1/metrics`, { method })
      expect([method, answer.status]).toEqual([method, 405])
      expect(answer.headers.get('allow')).toBe('GET, HEAD')
    }
  })

  test('CVE-2024-4323: a body of another type, method or length to a tracing endpoint changes nothing', async () => {
    for (const path of ['/api/v1/trace/input', '/api/v1/traces/', '/api/v2/reload'])
      for (const body of ['{"inputs":[1,-1,"x"]}', '{"inputs":["x".repeat]}', 'A'.repeat(100_000)]) {
        const answer = await raw(
          `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        )
        expect([path, answer.slice(0, 12)]).toEqual([path, 'HTTP/1.1 405'])
      }
    expect((await fetch(`${BASE}/live`)).status).toBe(200)
  })

  test('refuses a body without reading it', async () => {
    const socket = await open(server.port)
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\nabc')
    expect(await allOf(socket)).toStartWith('HTTP/1.1 405 ')
    const other = await open(server.port)
    other.write('GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    expect(await allOf(other)).toStartWith('HTTP/1.1 413 ')
  })

  test('drops a client that does not speak HTTP, and continues', async () => {
    const socket = await open(server.port)
    socket.write('\x00\xff garbage\r\n\r\n')
    await allOf(socket)
    expect((await fetch(`${BASE}/`)).status).toBe(200)
  })

  test('survives a failing snapshot', async () => {
    let broken = false
    const subject = await serve(() => {
      if (broken) throw new Error('no snapshot today')
      return sampleSnapshot()
    })
    atEnd(() => subject.close())
    broken = true
    const answer = await fetch(`http://127.0.0.1:${subject.port}/api/v1/metrics`)
    expect([answer.status, await answer.json()]).toEqual([500, { error: 'internal error' }])
    expect(logged.at(-1)).toBe('cannot answer /api/v1/metrics: no snapshot today')
  })
})

describe('limits', () => {
  const limited = async (limits: Partial<HttpLimits>, snapshot = () => sampleSnapshot()) => {
    const subject = await serve(snapshot, { limits })
    atEnd(() => subject.close())
    return subject
  }

  test('a client that sends its headers slowly is disconnected', async () => {
    const subject = await limited({ headersMs: 100 })
    const socket = await open(subject.port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n')
    await within(allOf(socket), 8000, 'the end of a connection without its last header')
  })

  test('an idle connection is closed', async () => {
    const subject = await limited({ keepAliveMs: 50 })
    const socket = await open(subject.port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await within(allOf(socket), 8000, 'the end of an idle connection')).toStartWith('HTTP/1.1 200 ')
  }, 180_000)

  test('headers that are too long are refused', async () => {
    const subject = await limited({ headerBytes: 4096 })
    const socket = await open(subject.port)
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(10_000)}\r\n\r\n`)
    expect(await allOf(socket)).not.toContain(' 200 ')
  })

  test('a new connection takes the place of the one that has been idle for longest', async () => {
    const subject = await limited({ connections: 2, headersMs: 60_000 })
    const first = await open(subject.port)
    first.write('GET / HTTP/1.1\r\n')
    const second = await open(subject.port)
    second.write('GET / HTTP/1.1\r\n')
    await until(() => served(subject.port))
    await within(ended(first), 20_000, 'the end of the oldest connection')
    expect(second.destroyed).toBe(false)
  })

  test('clients that do not read cannot keep others out', async () => {
    const subject = await limited({ connections: 3, sendMs: 600_000 }, longAnswer)
    for (let i = 0; i < 3; i++) await stuckReader(subject.port)
    await until(() => served(subject.port), { everyMs: 50 })
  })

  test('requests that are sent without reading are not answered before the first answer is read', async () => {
    let snapshots = 0
    const subject = await limited({ sendMs: 60_000 }, () => {
      snapshots++
      return longAnswer()
    })
    snapshots = 0
    const stuck = await stuckReader(subject.port)
    stuck.write('GET /api/v1/files HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2000))
    // Other clients are served meanwhile; the one that does not read stays at its first answer.
    for (let i = 0; i < 5; i++) expect(await served(subject.port)).toBe(true)
    expect(snapshots).toBe(6)
  })

  test('pipelined requests are answered in order, to the last', async () => {
    const paths = ['/live', '/api/v1/uptime', '/nope', '/live']
    const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('')
    const answers = await raw(`${requests}GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    expect([...answers.matchAll(STATUS)].map(([, status]) => status)).toEqual([
      '200',
      '200',
      '404',
      '200',
      '200',
    ])
  })

  test('answers that others have not read are not joined by more than the limit', async () => {
    const subject = await limited({ sendMs: 60_000, pendingBytes: 1_000_000 }, longAnswer)
    await stuckReader(subject.port)
    const other = await open(subject.port)
    other.write('GET /api/v1/files HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await allOf(other)).toMatch(TOO_MUCH)
  })

  test('a client that does not read is disconnected', async () => {
    const subject = await limited({ sendMs: 100, connections: 1 }, longAnswer)
    const stuck = await stuckReader(subject.port)
    // Only one connection is allowed: another is served when the stuck one is closed.
    await until(() => served(subject.port))
    expect(stuck.bytesRead).toBeLessThan(15_000_000)
  })
})

describe('a long page of metrics', () => {
  const LINES = 100_000
  /** Starts a server with a filter that has this many samples; `made.samples` of them were made until now. */
  const withSamples = async () => {
    const made = { samples: 0 }
    const samples = {
      *[Symbol.iterator]() {
        for (let i = 0; i < LINES; i++) {
          made.samples++
          yield { labels: { user: `u${i}`, long: 'x'.repeat(100) }, value: i }
        }
      },
    }
    const metrics = () => [{ name: 'hits', help: 'h', type: 'counter' as const, samples }]
    const subject = await serve(() => sampleSnapshot({ filters: [sampleFilter({ metrics })] }))
    atEnd(() => subject.close())
    return { made, port: subject.port }
  }

  test('comes complete and once, in chunks, and the connection serves further requests', async () => {
    const { port } = await withSamples()
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
      expect(answer.headers.get('content-length')).toBeNull()
      const hits = parsePrometheus(await answer.text()).get('hits')
      expect(hits?.samples.map(({ value }) => value)).toEqual(Array.from({ length: LINES }, (_, n) => n))
    }
    const text = await (await fetch(`http://127.0.0.1:${port}/api/v2/metrics`)).text()
    expect(text.match(/ hits\{user=/g)).toHaveLength(LINES)
  })

  test('ends with the connection for a client of HTTP/1.0, and HEAD gets none of it', async () => {
    const { port } = await withSamples()
    const old = await open(port)
    old.write('GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    const answer = await allOf(old)
    expect(answer).not.toMatch(/content-length|transfer-encoding/i)
    expect(parsePrometheus(answer.slice(answer.indexOf('\r\n\r\n') + 4)).get('hits')?.samples).toHaveLength(
      LINES,
    )
    const head = await open(port)
    head.write('HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await allOf(head)).toEndWith('\r\n\r\n')
  })

  test('is made as far as the client reads it, and others are served meanwhile', async () => {
    const { made, port } = await withSamples()
    const stuck = await stuckReader(port, '/metrics')
    for (let i = 0; i < 5; i++) expect(await served(port)).toBe(true)
    expect(made.samples).toBeGreaterThan(0)
    expect(made.samples).toBeLessThan(LINES)
    stuck.destroy()
  })
})

describe('start and stop', () => {
  test('a port in use is E_LISTEN with the address and a hint', async () => {
    const second = serve(() => current, { port: server.port })
    const error = await second.then(
      () => undefined,
      (e: unknown) => e,
    )
    expect(error).toBeInstanceOf(ShipperError)
    const { code, message, hint } = error as ShipperError
    expect(code).toBe('E_LISTEN')
    expect(message).toBe(`cannot listen on 127.0.0.1:${server.port}, for the http server: EADDRINUSE`)
    expect(hint).toContain('Http_Port')
  })

  test('an address of another machine is E_LISTEN', async () => {
    const second = serve(() => current, { listen: '192.0.2.1' })
    await expect(second).rejects.toThrow('cannot listen on 192.0.2.1:0, for the http server: EADDRNOTAVAIL')
  })

  test('on :: both address families are served, and IPv4 alone where IPv6 is off', async () => {
    const both = await serve(() => current, { listen: '::' })
    atEnd(() => both.close())
    expect((await fetch(`http://127.0.0.1:${both.port}/live`)).status).toBe(200)
    const hosts: string[] = []
    const withoutIPv6: HttpOptions['listenOn'] = (server, host, port) => {
      hosts.push(host)
      if (host === '::') return Promise.reject(Object.assign(new Error('no'), { code: 'EAFNOSUPPORT' }))
      return new Promise((resolve) => server.listen({ host: '127.0.0.1', port }, resolve))
    }
    const one = await serve(() => current, { listen: '::', listenOn: withoutIPv6 })
    atEnd(() => one.close())
    expect(hosts).toEqual(['::', '0.0.0.0'])
    expect((await fetch(`http://127.0.0.1:${one.port}/live`)).status).toBe(200)
  })

  test('close does not wait for a client that does not read', async () => {
    const subject = await serve(longAnswer, { limits: { sendMs: 60_000 } })
    const stuck = await stuckReader(subject.port)
    await within(subject.close(), 20_000, 'close')
    stuck.removeAllListeners('data').resume()
    await within(ended(stuck), 20_000, 'the end of the connection')
    expect(stuck.bytesRead).toBeLessThan(12_000_000)
  })

  test('close ends open connections, frees the port and may be called twice', async () => {
    const subject = await serve(() => current)
    const socket = await open(subject.port)
    socket.write('GET / HTTP/1.1\r\n')
    await within(subject.close(), 20_000, 'close')
    await within(allOf(socket), 20_000, 'the end of the connection')
    await subject.close()
    const again = await serve(() => current, { port: subject.port })
    await again.close()
  })
})

const STATUS = /HTTP\/1\.1 (\d{3}) /g
const TOO_MUCH = /^HTTP\/1\.1 503 [\s\S]*Retry-After: 1\r\n/

/** Sends text and returns all that comes back until the server closes. */
async function raw(text: string, port = server.port): Promise<string> {
  const socket = await open(port)
  socket.write(text)
  return within(allOf(socket), 20_000, 'the end of the connection')
}

const LONG_PATH = `/var/log/${'x'.repeat(15_000_000)}`

/** Makes an answer of about 15 MB, more than the kernel buffers. */
function longAnswer(): Snapshot {
  return sampleSnapshot({ inputs: [sampleInput({ status: { files: [sampleFile({ path: LONG_PATH })] } })] })
}

/** Opens a connection that requests a large answer and reads only its first bytes. */
async function stuckReader(port: number, path = '/api/v1/files'): Promise<Socket> {
  const socket = await open(port)
  socket.on('error', () => {})
  socket.on('data', () => socket.pause())
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  await until(() => socket.isPaused())
  return socket
}

async function served(port: number): Promise<boolean> {
  const socket = await open(port)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  return (await allOf(socket)).includes(' 200 ')
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
    atEnd(() => void socket.destroy())
  })
}

function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => {})
    socket.once('close', () => resolve())
    if (socket.destroyed) resolve()
  })
}

async function allOf(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  await ended(socket)
  return text
}
