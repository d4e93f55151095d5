import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { type AddressInfo, createServer, type LookupFunction, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { systemClock } from '../../../src/engine/clock.ts'
import { type ConnectOptions, connectSocket, formatAddress } from '../../../src/lib/net/connect.ts'
import { rejection } from '../../contract/output.ts'
import { Authority } from '../../support/certs.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until, within } from '../../support/until.ts'

const never = new AbortController().signal
const UNREACHABLE = { code: 'E_PEER_UNREACHABLE', retryable: true, scope: 'peer' }

/** Listens on a free port of loopback, or on a path; returns the options to connect to it. */
async function listen(server: Server, path?: string): Promise<ConnectOptions> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  atEnd(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const target =
    path === undefined ? { host: '127.0.0.1', port: (server.address() as AddressInfo).port } : { path }
  return { peer: 'the peer', target, limitMs: 5000 }
}

async function closedPort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

test('connects to a port and to a unix socket, and leaves no timer', async () => {
  const servers = [await listen(createServer()), await listen(createServer(), join(tmp(), 's'))]
  for (const options of servers) {
    const clock = new ManualClock()
    const socket = await connectSocket(options, clock, never)
    expect(socket.readyState).toBe('open')
    expect(clock.waiting).toBe(0)
    socket.destroy()
  }
})

test('connects with TLS, and not when the certificate is for another name', async () => {
  const authority = new Authority()
  const server = createTlsServer(authority.issue('peer', ['peer.example']), (socket) =>
    socket.on('error', () => {}),
  )
  server.on('tlsClientError', () => {})
  const options = await listen(server)
  const tls = (servername: string) => ({ ...options, tls: { ca: authority.cert, servername } })
  ;(await connectSocket(tls('peer.example'), systemClock, never)).destroy()
  expect(await rejection(connectSocket(tls('other.example'), systemClock, never))).toMatchObject(UNREACHABLE)
})

test('rejects with the system’s reason and a hint when the connection is refused', async () => {
  const options = {
    peer: 'x:1',
    target: { host: '127.0.0.1', port: await closedPort() },
    limitMs: 5000,
    hint: (code: string | undefined) => `hint for ${code}`,
  }
  const clock = new ManualClock()
  const error = await rejection(connectSocket(options, clock, never))
  expect(error).toMatchObject({ ...UNREACHABLE, hint: 'hint for ECONNREFUSED' })
  expect(error.message).toStartWith('cannot connect to x:1: ')
  expect(clock.waiting).toBe(0)
})

test('rejects with the reason for each address when a name has several', async () => {
  const port = await closedPort()
  const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
  const lookup: LookupFunction = (_host, _options, found) => found(null, addresses)
  const options = { peer: 'twice:1', target: { host: 'twice', port, lookup }, limitMs: 5000 }
  const error = await rejection(connectSocket(options, systemClock, never))
  expect(error).toMatchObject(UNREACHABLE)
  expect(error.message).toContain(`ECONNREFUSED 127.0.0.1:${port}, `)
  expect(error.message).toContain(`ECONNREFUSED 127.0.0.2:${port}`)
})

test('rejects with a code of its own when the name is not resolved', async () => {
  const options = { peer: 'nobody:1', target: { host: 'nobody.invalid', port: 1 }, limitMs: 20_000 }
  const error = await rejection(connectSocket(options, systemClock, never))
  expect(error).toMatchObject({ code: 'E_PEER_NAME', retryable: true, scope: 'peer' })
  expect(error.message).toContain('nobody.invalid')
})

test('rejects when no connection is made within the limit, and closes the socket', async () => {
  const clock = new ManualClock()
  // A handshake that the server never answers; without TLS the kernel would accept at once.
  const server = createServer((socket) => void socket.resume())
  const options = { ...(await listen(server)), tls: {} }
  const closed = new Promise((resolve) => server.once('connection', (s) => s.once('close', resolve)))
  const connected = rejection(connectSocket(options, clock, never))
  await until(() => clock.waiting === 1)
  clock.advance(4999)
  const later = new Promise((resolve) => setImmediate(resolve, 'no answer yet'))
  expect(await Promise.race([connected, later])).toBe('no answer yet')
  clock.advance(1)
  const error = await within(connected, 2000, 'the rejection')
  expect(error).toMatchObject({ code: 'E_PEER_TIMEOUT', retryable: true, scope: 'peer' })
  expect(error.message).toBe('cannot connect to the peer: no connection within 5000 ms')
  await within(closed, 2000, 'the end of the connection')
})

test('rejects without connecting when the signal is already aborted', async () => {
  const server = createServer()
  let connections = 0
  server.on('connection', () => connections++)
  const options = await listen(server)
  for (const tls of [undefined, {}]) {
    const clock = new ManualClock()
    const error = await rejection(connectSocket({ ...options, tls }, clock, AbortSignal.abort()))
    expect(error).toMatchObject(UNREACHABLE)
    expect(clock.waiting).toBe(0)
  }
  ;(await connectSocket(options, systemClock, never)).destroy()
  await until(() => connections > 0)
  expect(connections).toBe(1)
})

test('rejects at once when the signal is aborted while it connects, and closes the socket', async () => {
  const server = createServer((socket) => void socket.resume())
  const options = { ...(await listen(server)), tls: {} }
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const stop = new AbortController()
  const clock = new ManualClock()
  const connected = rejection(connectSocket(options, clock, stop.signal))
  const [socket] = await accepted
  const closed = once(socket, 'close')
  stop.abort()
  expect(await within(connected, 2000, 'the rejection')).toMatchObject(UNREACHABLE)
  expect(clock.waiting).toBe(0)
  await within(closed, 2000, 'the end of the connection')
})

test('rejects when the peer closes the connection during the TLS handshake', async () => {
  for (const close of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const options = await listen(createServer((socket) => void socket.once('data', () => socket[close]())))
    const clock = new ManualClock()
    const error = await within(rejection(connectSocket({ ...options, tls: {} }, clock, never)), 2000, close)
    expect(error).toMatchObject(UNREACHABLE)
    expect(clock.waiting).toBe(0)
  }
})

test('ignores an abort or an error after it has connected', async () => {
  const server = createServer()
  const options = await listen(server)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const stop = new AbortController()
  const socket = await connectSocket(options, systemClock, stop.signal)
  stop.abort()
  const [peer] = await accepted
  expect(socket.destroyed).toBe(false)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.resume()
  peer.resetAndDestroy()
  await within(closed, 2000, 'the end of the connection')
})

test('writes the address of an IPv4 peer on a socket of IPv6 as one of IPv4', () => {
  expect(formatAddress('::ffff:192.0.2.7', 80)).toBe('192.0.2.7:80')
  expect(formatAddress('::FFFF:192.0.2.7', 80)).toBe('192.0.2.7:80')
  expect(formatAddress('::ffff:c000:207', 80)).toBe('[::ffff:c000:207]:80')
  expect(formatAddress('::1', 80)).toBe('[::1]:80')
})

test('writes an IPv6 address in brackets', () => {
  expect([formatAddress('::1', 80), formatAddress('host', 80)]).toEqual(['[::1]:80', 'host:80'])
})
