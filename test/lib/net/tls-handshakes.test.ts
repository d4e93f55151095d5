import { describe, expect, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { failureOf } from '../../../src/lib/net/handshake-failure.ts'
import { CONNECTION_COUNTERS } from '../../../src/lib/net/stream-server.ts'
import { Handshakes } from '../../../src/lib/net/tls-handshakes.ts'
import { spec } from '../../../src/plugins/inputs/tcp.ts'
import { Authority } from '../../support/certs.ts'
import { StreamClient, serverIn } from '../../support/server-run.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const authority = new Authority()

/** Returns options for TLS with a certificate of the authority. */
function tls(more: Record<string, string> = {}): Record<string, string> {
  const folder = tmp()
  const { cert, key } = authority.issue('localhost', ['localhost'])
  writeFileSync(join(folder, 'cert.pem'), cert)
  writeFileSync(join(folder, 'key.pem'), key)
  writeFileSync(join(folder, 'ca.pem'), authority.cert)
  const files = {
    'tls.crt_file': join(folder, 'cert.pem'),
    'tls.key_file': join(folder, 'key.pem'),
    'tls.ca_file': join(folder, 'ca.pem'),
  }
  return { format: 'none', tls: 'on', ...files, ...more }
}

/** Runs the input with a clock that can be put forward. */
async function run(options: Record<string, string>) {
  const time = { offset: 0 }
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + time.offset }
  return { ...(await serverIn(spec, options, { clock })), time }
}

function client(port: number, more: object = {}) {
  const socket = connectTls({ port, host: '127.0.0.1', ca: authority.cert, servername: 'localhost', ...more })
  socket.on('error', () => {})
  return socket
}

/** Alert of a client that does not know the authority, not encrypted. */
const UNKNOWN_CA = Buffer.from('15030300020230', 'hex')

/** Returns what a client sends first. */
async function helloOf(version: string): Promise<Buffer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => void server.close())
  const first = new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => socket.once('data', resolve))
  })
  const { port } = server.address() as AddressInfo
  const socket = client(port, { minVersion: version, maxVersion: version })
  const hello = await first
  socket.destroy()
  return hello
}

const descriptors = (): number => readdirSync('/proc/self/fd').length

describe('a handshake', () => {
  test('that does not go on is closed after 10 s, counted and logged, and its descriptor is free', async () => {
    const input = await run(tls())
    const before = descriptors()
    const silent = Array.from({ length: 20 }, () => new StreamClient(input.port))
    // Some have begun.
    for (const one of silent.slice(10)) await one.send(Buffer.from('16030102000100', 'hex'))
    await until(() => descriptors() >= before + 40)
    expect(input.counter('failed_handshakes')).toBe(0)
    input.time.offset = 11_000
    await until(() => silent.every(({ ended, closed }) => ended || closed))
    expect(input.counter('failed_handshakes', 'timeout')).toBe(20)
    for (const { socket } of silent) socket.destroy()
    await until(() => descriptors() <= before)
    expect(input.logged.join('\n')).toMatch(
      /TLS handshake with 127\.0\.0\.1:\d+ failed: it was not complete within 10 s/,
    )
  })

  test('takes a place, and gives way to others after 3 s', async () => {
    const input = await run(tls({ max_connections: '3' }))
    const silent = Array.from({ length: 3 }, () => new StreamClient(input.port))
    await until(() => silent.every(({ socket }) => !socket.connecting))
    const honest = client(input.port)
    honest.write('hello\n')
    await until(() => input.counter('waiting_connections') === 1)
    expect(input.records()).toEqual([])
    input.time.offset = 4000
    expect(await input.has(1)).toEqual([{ log: 'hello' }])
    expect([input.counter('failed_handshakes', 'timeout'), input.counter('connections')]).toEqual([1, 1])
  })

  test.each([
    ['<13>Nov 30 11:00:00 host app: text\n', 'no_tls', 'it sent something else than TLS'],
    ['POST /t HTTP/1.1\r\nHost: x\r\n\r\n', 'no_tls', 'it sent HTTP without TLS'],
    ['\x16\x03\x01\x00\x05hello', 'other', 'what it sent cannot be read'],
  ] as const)('that begins with %j fails with the reason and the peer', async (text, reason, said) => {
    const input = await run(tls())
    const plain = new StreamClient(input.port)
    await plain.send(Buffer.from(text, 'latin1'))
    await until(() => input.counter('failed_handshakes', reason) === 1)
    expect(input.logged.join('\n')).toContain(
      `TLS handshake with 127.0.0.1:${plain.socket.localPort} failed: `,
    )
    expect(input.logged.join('\n')).toContain(said)
    await until(() => plain.ended || plain.closed)
    expect([input.counter('connections'), input.records()]).toEqual([0, []])
  })

  test.each(['TLSv1.2', 'TLSv1.3'])(
    'with %s of a client that refuses the certificate, or has none of its own, says so',
    async (version) => {
      const versions = { minVersion: version, maxVersion: version }
      const input = await run(tls({ 'tls.verify_client_cert': 'on' }))
      const other = new Authority('Other')
      // What other clients do; the one of this runtime refuses after the handshake.
      const refusing = new StreamClient(input.port)
      let hasAnswer = false
      refusing.socket.on('data', () => {
        hasAnswer = true
      })
      await refusing.send(await helloOf(version))
      await until(() => hasAnswer)
      await refusing.send(UNKNOWN_CA)
      await until(() => input.counter('failed_handshakes', 'refused') === 1)
      client(input.port, versions)
      await until(() => input.counter('failed_handshakes', 'client_cert') === 1)
      client(input.port, { ...versions, ...other.issue('agent') })
      await until(() => input.counter('failed_handshakes', 'client_cert') === 2)
      const text = input.logged.join('\n')
      expect(text).toMatch(/refuses the certificate of tls\.crt_file/)
      expect(text).toContain('it sent no certificate')
      const known = client(input.port, { ...versions, ...authority.issue('agent') })
      known.write('hello\n')
      expect(await input.has(1)).toEqual([{ log: 'hello' }])
      expect(input.counter('failed_handshakes')).toBe(3)
    },
  )

  test('of a peer that goes away before it has sent anything is counted, and not logged as a problem', async () => {
    const input = await run(tls())
    const probe = new StreamClient(input.port)
    await until(() => !probe.socket.connecting)
    probe.socket.destroy()
    await until(() => input.counter('failed_handshakes', 'closed') === 1)
    expect(input.logged.filter((text) => text.includes('failed'))).toEqual([])
  })

  test('with a version that is not allowed says what to look at', async () => {
    const input = await run(tls({ 'tls.min_version': 'TLSv1.3' }))
    client(input.port, { maxVersion: 'TLSv1.2' })
    await until(() => input.counter('failed_handshakes', 'mismatch') === 1)
    expect(input.logged.join('\n')).toContain('no version or cipher that both sides allow')
  })
})

test('a connection reads nothing ahead while it is paused', async () => {
  const { cert, key } = authority.issue('localhost', ['localhost'])
  const log = (): void => {}
  const ctx = {
    clock: systemClock,
    counters: new CounterMap(CONNECTION_COUNTERS),
    log: { error: log, warn: log, info: log, debug: log },
  }
  const done: Socket[] = []
  const handshakes = await Handshakes.open({
    ctx,
    tls: { cert, key },
    done: (socket) => void done.push(socket),
    failed() {},
  })
  const server = createServer((raw) => handshakes.start(handshakes.create(raw)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => void server.close())
  client((server.address() as AddressInfo).port)
  await until(() => done.length === 1)
  expect(done[0]?.readableHighWaterMark).toBe(0)
  done[0]?.destroy()
})

test('a connection with TLS where it is off is closed with a warning, and its bytes become no record', async () => {
  const input = await serverIn(spec, { format: 'none' })
  const socket = client(input.port)
  let isClosed = false
  socket.on('close', () => {
    isClosed = true
  })
  await until(() => isClosed)
  expect(input.counter('failed_handshakes', 'tls_off')).toBe(1)
  expect(input.logged.join('\n')).toContain('it sent TLS, and tls is off here')
  await until(() => input.input.status?.().connections === 0)
  const plain = new StreamClient(input.port)
  await plain.send('\x16\x03 text\n')
  expect(await input.has(1)).toEqual([{ log: '\x16\x03 text' }])
})

test('errors that no client of this runtime makes are understood as well', () => {
  expect(failureOf('ERR_SSL_BAD_PACKET_LENGTH', '').reason).toBe('refused')
  expect(failureOf('ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', '').text).toContain('alert bad_certificate')
  expect(failureOf('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', '').text).toContain('the alert protocol_version')
  expect(failureOf('CERT_HAS_EXPIRED', 'certificate has expired')).toMatchObject({
    reason: 'client_cert',
    text: 'its certificate is refused: certificate has expired (CERT_HAS_EXPIRED)',
  })
})
