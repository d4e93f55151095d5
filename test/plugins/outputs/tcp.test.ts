import { expect, test } from 'bun:test'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { encode } from '@msgpack/msgpack'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Output, OutputContext } from '../../../src/core/plugin.ts'
import { spec } from '../../../src/plugins/outputs/tcp.ts'
import { rejection } from '../../contract/output.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { atEnd } from '../../support/tmp.ts'
import { fastest, until, within } from '../../support/until.ts'

/** More than the buffers of both kernels take. */
const LARGE = 'x'.repeat(30_000_000)

/** A receiver on loopback that keeps what each connection sent. */
class Peer {
  readonly sockets: Socket[] = []
  /** Numbers of the connections that ended without an error. */
  readonly ended: number[] = []
  /** False to read nothing. */
  reading = true
  /** Called with each connection before anything is read. */
  onConnect: (socket: Socket) => void = () => {}
  port = 0
  #server: Server | undefined
  readonly #received: Buffer[][] = []

  async listen(): Promise<this> {
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve))
    this.port = (server.address() as AddressInfo).port
    return this
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }

  bytes(connection = 0): Buffer {
    return Buffer.concat(this.#received[connection] ?? [])
  }

  text(connection = 0): string {
    return this.bytes(connection).toString()
  }

  #accept(socket: Socket): void {
    const n = this.sockets.push(socket) - 1
    const parts: Buffer[] = []
    this.#received[n] = parts
    socket.on('error', () => {})
    socket.on('data', (data) => void parts.push(data as Buffer))
    socket.on('end', () => this.ended.push(n))
    if (!this.reading) socket.pause()
    this.onConnect(socket)
  }
}

async function startPeer(): Promise<Peer> {
  const peer = await new Peer().listen()
  atEnd(() => peer.close())
  return peer
}

/** Creates a tcp output to `peer`, which is closed after the test. */
function tcpTo(peer: Peer, texts: Record<string, string> = {}, more: Partial<OutputContext> = {}): Output {
  const options = parseOptions(spec.options, { port: String(peer.port), ...texts })
  const output = spec.create(options, outputContext(more))
  atEnd(() => output.close())
  return output
}

/** Returns the bytes that the peer gets for these records, each flushed as a chunk of its own. */
async function sent(texts: Record<string, string>, ...chunks: object[][]): Promise<Buffer> {
  const peer = await startPeer()
  const output = tcpTo(peer, texts)
  for (const records of chunks) await output.flush(chunkOf(records))
  await output.close()
  await until(() => peer.ended.length === 1)
  expect(peer.sockets).toHaveLength(1)
  return peer.bytes()
}

const RECORD = { log: 'a "b" ä\n', n: 5, f: 1.5, t: true, nul: null, m: { l: [1, 'x'] } }
const BODY = JSON.stringify(RECORD).slice(1)

test('msgpack: sends each record with its time and an empty map of metadata', async () => {
  const bytes = await sent({}, [RECORD, {}], [{ a: 1 }])
  const times = [1000, 1001, 1000].map((sec) =>
    Buffer.from(`d700${sec.toString(16).padStart(8, '0')}1dcd6500`, 'hex'),
  )
  const expected = [RECORD, {}, { a: 1 }].map((record, i) =>
    Buffer.concat([Buffer.of(0x92, 0x92), times[i] as Buffer, Buffer.of(0x80), encode(record)]),
  )
  expect(bytes.equals(Buffer.concat(expected))).toBe(true)
})

test.each([
  ['json', `[{"date":1000.500000,${BODY},{"date":1001.500000}][{"date":1000.500000,"a":1}]`],
  ['json_lines', `{"date":1000.500000,${BODY}\n{"date":1001.500000}\n{"date":1000.500000,"a":1}\n`],
  ['json_stream', `{"date":1000.500000,${BODY}{"date":1001.500000}{"date":1000.500000,"a":1}`],
])('%s: sends the same bytes as fluent-bit', async (format, text) => {
  expect(String(await sent({ format }, [RECORD, {}], [{ a: 1 }]))).toBe(text)
})

test('raw_message_key sends only the value, with or without $, and a record without it as JSON', async () => {
  for (const key of ['log', '$log']) {
    const bytes = await sent(
      { raw_message_key: key, format: 'json' },
      [{ log: 'é "x"' }, { log: 5 }],
      [{ other: 'a' }],
    )
    expect(String(bytes)).toBe('é "x"\n5\n{"other":"a"}\n')
  }
})

test('raw_message_key follows a record accessor, and refuses an invalid one', async () => {
  const bytes = await sent({ raw_message_key: "$a['b']" }, [{ a: { b: 'x' } }, { a: 1 }], [{}])
  expect(String(bytes)).toBe('x\n{"a":1}\n{}\n')
  expect(() => parseOptions(spec.options, { raw_message_key: '$a[' })).toThrow('is not closed')
})

test('warns at the start that nothing is acknowledged', async () => {
  const { lines, log } = listLog()
  await tcpTo(await startPeer(), {}, { log }).start?.()
  expect(lines).toEqual([expect.stringContaining('the peer sends no acknowledgements')])
})

test('a peer that is down is a retryable error', async () => {
  const peer = await startPeer()
  await peer.close()
  const error = await rejection(tcpTo(peer).flush(chunkOf([{}])))
  expect(error).toMatchObject({ code: 'E_PEER_UNREACHABLE', retryable: true, scope: 'peer' })
})

test('net.dns.prefer_ipv4 connects to an address of IPv4, and net.dns.prefer_ipv6 to none', async () => {
  const peer = await startPeer()
  await tcpTo(peer, { host: 'localhost', 'net.dns.prefer_ipv4': 'on' }).flush(chunkOf([{}]))
  expect(peer.sockets).toHaveLength(1)
  const other = tcpTo(peer, { host: 'localhost', 'net.dns.prefer_ipv6': 'on' })
  expect(await rejection(other.flush(chunkOf([{}])))).toMatchObject({ retryable: true, scope: 'peer' })
  expect(peer.sockets).toHaveLength(1)
})

test('resolves only when the kernel has taken the chunk, however long the peer does not read', async () => {
  const peer = await startPeer()
  peer.reading = false
  let resolved = false
  const flush = tcpTo(peer, { raw_message_key: 'log' })
    .flush(chunkOf([{ log: LARGE }]))
    .then(() => {
      resolved = true
    })
  const [socket] = await until(() => peer.sockets.length === 1 && peer.sockets)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(resolved).toBe(false)
  socket?.resume()
  await within(flush, 5000, 'the flush')
  await until(() => peer.text().length === LARGE.length + 1)
})

test.each(['destroy', 'resetAndDestroy'] as const)(
  'a chunk that is cut off (%s) fails, and is sent again from its start over a new connection',
  async (cut) => {
    const peer = await startPeer()
    peer.onConnect = (socket) => void socket.once('data', () => socket[cut]())
    const output = tcpTo(peer, { raw_message_key: 'log' })
    const chunk = chunkOf([{ log: LARGE }])
    const error = await within(rejection(output.flush(chunk)), 5000, 'the failure')
    expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
    expect(error.message).toMatch(/closed|ECONNRESET|EPIPE/)
    peer.onConnect = () => {}
    await output.flush(chunk)
    await until(() => peer.text(1).length === LARGE.length + 1)
    expect(peer.text(0).length).toBeLessThan(LARGE.length)
  },
)

test('a peer that ends the connection while a chunk is in flight, and has stopped reading, fails it', async () => {
  const peer = await startPeer()
  peer.reading = false
  peer.onConnect = (socket) => void socket.end()
  const output = tcpTo(peer)
  const error = await within(rejection(output.flush(chunkOf([{ log: LARGE }]))), 60_000, 'the failure')
  expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
})

test('a peer that closes between two chunks loses neither: the second is sent over a new connection', async () => {
  for (const close of ['end', 'destroy'] as const) {
    const peer = await startPeer()
    const output = tcpTo(peer, { format: 'json_lines', json_date_key: 'false' })
    await output.flush(chunkOf([{ a: 1 }]))
    const [socket] = await until(() => peer.text() === '{"a":1}\n' && peer.sockets)
    const closed = new Promise((resolve) => socket?.once('close', resolve))
    socket?.[close]()
    await closed
    await new Promise((resolve) => setTimeout(resolve, 20))
    await output.flush(chunkOf([{ b: 2 }]))
    await until(() => peer.text(1) === '{"b":2}\n')
  }
})

test('an abort rejects the chunk in flight within 100 ms, and every later chunk', async () => {
  const took = await fastest(100, async () => {
    const peer = await startPeer()
    peer.reading = false
    const stop = new AbortController()
    const output = tcpTo(peer, {}, { signal: stop.signal })
    const flush = rejection(output.flush(chunkOf([{ log: LARGE }])))
    await until(() => peer.sockets.length === 1)
    const began = performance.now()
    stop.abort()
    expect(await within(flush, 5000, 'the rejection')).toMatchObject({ retryable: true })
    const ms = performance.now() - began
    await within(rejection(output.flush(chunkOf([{}]))), 100, 'the rejection of the next chunk')
    expect(peer.sockets).toHaveLength(1)
    return ms
  })
  expect(took).toBeLessThan(100)
})

test('closes without a reset when the peer has sent something', async () => {
  const peer = await startPeer()
  peer.onConnect = (socket) => void socket.write('hello')
  const output = tcpTo(peer, { raw_message_key: 'log' })
  await output.flush(chunkOf([{ log: LARGE }]))
  await output.close()
  await output.close()
  await until(() => peer.ended.length === 1)
  expect(peer.text().length).toBe(LARGE.length + 1)
})
