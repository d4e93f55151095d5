import { expect, test } from 'bun:test'
import { join } from 'node:path'
import type { Chunk } from '../../../../src/core/chunk.ts'
import type { Output } from '../../../../src/core/plugin.ts'
import { systemClock } from '../../../../src/engine/clock.ts'
import { outputContract, rejection } from '../../../contract/output.ts'
import { entriesChunk, forwardTo } from '../../../support/forward/output-run.ts'
import { acknowledge, ackOf, entriesOf, forwardPeer, silent } from '../../../support/forward/peer.ts'
import { tmp } from '../../../support/tmp.ts'
import { until, within } from '../../../support/until.ts'

outputContract('forward', async (signal) => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer, {}, systemClock, signal)
  return {
    output,
    chunk: (id) => entriesChunk(id),
    down: () => peer.close(),
    up: async () => void (await peer.listen()),
    acking: (on) => {
      peer.answer = on ? acknowledge : silent
    },
    ackAll: () => {
      for (const arrival of peer.arrivals) for (const socket of peer.sockets) acknowledge(arrival, socket)
    },
    arrived: () => peer.arrivals.map((a) => ({ id: String(a.options?.chunk), bytes: a.raw })),
  }
})

function flush(output: Output, ...chunks: Chunk[]): Promise<void>[] {
  return chunks.map((chunk) => output.flush(chunk))
}

test('sends PackedForward with tag, id and number of entries', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer)
  const chunk = entriesChunk('id-1', ['a', 'b'], 'app.web')
  const bytes = Buffer.from(chunk.entries())
  await output.flush(chunk)
  const [got] = peer.arrivals
  expect(got?.tag).toBe('app.web')
  expect(got?.options).toEqual({ chunk: 'id-1', size: 2 })
  expect(got?.entries.equals(bytes)).toBe(true)
})

for (const how of ['gzip', 'zstd'] as const) {
  test(`compresses with ${how}, in order of the calls`, async () => {
    const peer = await forwardPeer()
    const { output } = forwardTo(peer, { compress: how })
    // The first takes longest to compress and must still arrive first.
    const chunks = [100_000, 10, 1000].map((n, i) => entriesChunk(`c${i}`, ['x'.repeat(n)]))
    const bytes = chunks.map((chunk) => Buffer.from(chunk.entries()))
    await Promise.all(flush(output, ...chunks))
    expect(peer.ids).toEqual(['c0', 'c1', 'c2'])
    expect(peer.arrivals[0]?.options).toEqual({ chunk: 'c0', size: 1, compressed: how })
    expect(peer.arrivals.every((a, i) => a.entries.equals(bytes[i] as Buffer))).toBe(true)
  })
}

test('time_as_integer sends whole seconds and gives its buffer back', async () => {
  const peer = await forwardPeer()
  const { output, account } = forwardTo(peer, { time_as_integer: 'true' })
  await output.flush(entriesChunk('c1', ['a', 'b']))
  expect(entriesOf(peer.arrivals[0] as never)).toEqual([
    [1_700_000_000, { log: 'a' }],
    [1_700_000_001, { log: 'b' }],
  ])
  expect(account.used).toBe(0)
})

test('without acks it sends no option map, and a chunk counts as delivered when it is written', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer, { require_ack_response: 'off' })
  await within(output.flush(entriesChunk('c1')), 20_000, 'the flush')
  await until(() => peer.arrivals.length === 1)
  expect(peer.arrivals[0]?.options).toBeUndefined()
})

test('warns at the start when acknowledgements are off, and only then', async () => {
  for (const [value, lines] of [
    ['off', ['warn acknowledgements are off: records in flight are lost if the connection breaks']],
    ['on', []],
  ] as const) {
    const { output, logged } = forwardTo(undefined, { require_ack_response: value })
    await output.start?.()
    expect(logged).toEqual([...lines])
  }
})

test('sends id and size without acks with send_options, and sends tag and add_option', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer, {
    require_ack_response: 'off',
    send_options: 'on',
    tag: 'other',
    add_option: ['team blue', `long ${'v'.repeat(300)}`],
  })
  await output.flush(entriesChunk('c1'))
  await until(() => peer.arrivals.length === 1)
  expect(peer.arrivals[0]?.tag).toBe('other')
  expect(peer.arrivals[0]?.options).toEqual({ chunk: 'c1', size: 1, team: 'blue', long: 'v'.repeat(300) })
})

test('delivers over a unix socket', async () => {
  const path = join(tmp(), 's')
  const peer = await forwardPeer(path)
  const { output } = forwardTo(undefined, { unix_path: path })
  await output.flush(entriesChunk('c1'))
  expect(peer.ids).toEqual(['c1'])
})

test('connects from net.source_address; an address of another machine is a retryable error', async () => {
  const peer = await forwardPeer()
  await forwardTo(peer, { 'net.source_address': '127.0.0.7' }).output.flush(entriesChunk('c1'))
  expect(peer.remotes).toEqual(['127.0.0.7'])
  const bad = forwardTo(peer, { 'net.source_address': '203.0.113.9' }).output
  const error = await rejection(bad.flush(entriesChunk('c2')))
  expect(error).toMatchObject({ code: 'E_PEER_UNREACHABLE', retryable: true, scope: 'peer' })
})

test.each([
  [{ unix_path: '/none/peer.sock' } as Record<string, string>, 'check Unix_Path'],
  [{ 'net.source_address': '192.0.2.1' }, 'Net.Source_Address 192.0.2.1 is not an address of this machine'],
])('a failed connection has a hint for the options %j', async (texts, hint) => {
  const { output } = forwardTo(undefined, texts)
  const error = await rejection(output.flush(entriesChunk('c1')))
  expect(String(error.hint)).toStartWith(hint)
})

test('rejects options that it cannot follow, when they are parsed or when the output is created', () => {
  const refused = (options: Record<string, string>): unknown => {
    try {
      forwardTo(undefined, options)
      return undefined
    } catch (error) {
      return error
    }
  }
  expect(String(refused({ 'net.source_address': 'nonsense' }))).toContain('must be an IP address')
  expect(String(refused({ tag: '$a[' }))).toContain('the bracket at character 3 is not closed')
  expect(refused({ time_as_integer: 'on', compress: 'gzip' })).toMatchObject({
    code: 'E_CONFIG_BAD_VALUE',
    option: 'time_as_integer',
  })
})

test('Tag may contain the tag of the records and parts of it; they keep their own where it lacks the part', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer, { tag: 'other.$TAG[1].$TAG' })
  await output.flush(entriesChunk('c1', ['a'], 'app.web'))
  await output.flush(entriesChunk('c2', ['a'], 'app'))
  expect(peer.arrivals.map(({ tag }) => tag)).toEqual(['other.web.app.web', 'app'])
  expect(peer.ids).toEqual(['c1', 'c2'])
})

test('Tag with fields sends the records of a chunk as one message per tag, in their order, and gives its buffers back', async () => {
  const peer = await forwardPeer()
  const { output, account } = forwardTo(peer, { tag: '$TAG.$log' })
  await output.flush(entriesChunk('c1', ['x', 'y', 'x', '', 'y'], 't'))
  const sent = peer.arrivals.map((arrival) => [
    arrival.tag,
    (entriesOf(arrival) as [unknown, { log: string }][]).map(([, { log }]) => log),
    arrival.options,
  ])
  expect(sent).toEqual([
    ['t.x', ['x', 'x'], { chunk: 'c1.0', size: 2 }],
    ['t.y', ['y', 'y'], { chunk: 'c1.1', size: 2 }],
    ['t.', [''], { chunk: 'c1.2', size: 1 }],
  ])
  expect(account.used).toBe(0)
})

test('a chunk whose records have several tags fails as a whole when one message is not acknowledged', async () => {
  const peer = await forwardPeer()
  peer.answer = (arrival, socket) => {
    if (arrival.options?.chunk === 'c1.1') socket.destroy()
    else acknowledge(arrival, socket)
  }
  const { output, account } = forwardTo(peer, { tag: '$log' })
  const error = await rejection(output.flush(entriesChunk('c1', ['x', 'y'])))
  expect(error).toMatchObject({ retryable: true, scope: 'peer' })
  expect(account.used).toBe(0)
})

test('two outputs of the same chunk both send it correctly', async () => {
  const [a, b] = [await forwardPeer(), await forwardPeer()]
  const chunk = entriesChunk('c1', ['one', 'two'])
  const bytes = Buffer.from(chunk.entries())
  const second = forwardTo(b, { tag: 'a.longer.tag', add_option: ['k v'] }).output
  await Promise.all([...flush(forwardTo(a).output, chunk), ...flush(second, chunk)])
  expect(a.arrivals[0]).toMatchObject({ tag: 't', options: { chunk: 'c1', size: 2 } })
  expect(b.arrivals[0]).toMatchObject({ tag: 'a.longer.tag', options: { chunk: 'c1', size: 2, k: 'v' } })
  for (const peer of [a, b]) expect(peer.arrivals[0]?.entries.equals(bytes)).toBe(true)
})

test('acks out of order settle their own chunks', async () => {
  const peer = await forwardPeer()
  peer.answer = silent
  const { output } = forwardTo(peer)
  const settled: string[] = []
  const all = ['a', 'b', 'c'].map((id) => output.flush(entriesChunk(id)).then(() => void settled.push(id)))
  const [socket] = await until(() => peer.arrivals.length === 3 && [...peer.sockets])
  for (const at of [2, 0, 1]) socket?.write(ackOf(peer.arrivals[at] as never))
  await Promise.all(all)
  expect(settled).toEqual(['c', 'a', 'b'])
})

test('accepts an ack that comes byte by byte, and one that comes twice', async () => {
  const peer = await forwardPeer()
  peer.answer = async (arrival, socket) => {
    const ack = ackOf(arrival)
    for (const byte of ack.subarray(0, -1)) {
      socket.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.write(Buffer.concat([ack.subarray(-1), ack]))
  }
  const { output } = forwardTo(peer)
  await output.flush(entriesChunk('c1'))
  await output.flush(entriesChunk('c2'))
  expect(peer.connections).toBe(1)
})

for (const [what, bytes] of [
  ['garbage', Buffer.from('HTTP/1.1 400 no\r\n\r\n')],
  ['an ack of an unknown id', Buffer.from([0x81, 0xa3, 0x61, 0x63, 0x6b, 0xa1, 0x7a])],
  ['a handshake', Buffer.from([0x92, 0xa4, 0x48, 0x45, 0x4c, 0x4f, 0x80])],
] as const) {
  test(`${what} ends the connection; the chunk is sent again on another`, async () => {
    const peer = await forwardPeer()
    peer.answer = (_, socket) => void socket.write(bytes)
    const { output } = forwardTo(peer)
    const chunk = entriesChunk('c1')
    const error = await rejection(output.flush(chunk))
    expect(error).toMatchObject({ code: 'E_PEER_PROTOCOL', retryable: true, scope: 'peer' })
    peer.answer = acknowledge
    await new Promise((resolve) => setImmediate(resolve))
    await output.flush(chunk)
    expect(peer.connections).toBe(2)
  })
}

test('a chunk flushed between a failure and its report is not sent first', async () => {
  const peer = await forwardPeer()
  // One packet: the ack of a, then a byte that breaks the connection while b waits.
  peer.answer = (arrival, socket) => {
    if (arrival.options?.chunk === 'b')
      socket.write(Buffer.concat([ackOf(peer.arrivals[0] as never), Buffer.of(0xc0)]))
  }
  const { output } = forwardTo(peer)
  let next: Promise<unknown> | undefined
  const a = output.flush(entriesChunk('a')).catch(() => {})
  const b = rejection(output.flush(entriesChunk('b')))
  void a.then(() => {
    next = rejection(output.flush(entriesChunk('c')))
  })
  await Promise.all([a, b])
  await next
  expect(peer.ids).toEqual(['a', 'b'])
})

test('endless repetitions of an acknowledgement end the connection; a few do not', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer)
  let repeats = 3
  peer.answer = (arrival, socket) => {
    for (let i = 0; i < repeats; i++) socket.write(ackOf(arrival))
  }
  await output.flush(entriesChunk('c1'))
  await output.flush(entriesChunk('c2'))
  expect(peer.connections).toBe(1)
  repeats = 10_000
  await output.flush(entriesChunk('c3'))
  await until(() => peer.sockets.size === 0)
  peer.answer = acknowledge
  await output.flush(entriesChunk('c4'))
  expect([peer.connections, peer.ids]).toEqual([2, ['c1', 'c2', 'c3', 'c4']])
})

test.each([
  ['HTTP/1.1 400 Bad Request\r\n\r\n', 'is an HTTP server'],
  ['<!DOCTYPE HTML>\n<html>', 'is an HTTP server'],
  ['SSH-2.0-OpenSSH_9.2\r\n', 'speaks another protocol, it sent "SSH-2.0-OpenSSH_9.2\\r\\n"'],
])('a peer that answers %j is named', async (answer, name) => {
  const peer = await forwardPeer()
  peer.answer = (_, socket) => void socket.end(answer)
  const error = await rejection(forwardTo(peer).output.flush(entriesChunk('c1')))
  expect(error).toMatchObject({
    code: 'E_PEER_PROTOCOL',
    message: expect.stringContaining(name),
  })
})

test('a peer that takes the first chunk and does not answer is told in the log what it may be', async () => {
  const peer = await forwardPeer()
  peer.answer = silent
  let onSilence = (): void => {}
  const clock = {
    ...systemClock,
    after: (ms: number, fn: () => void) => {
      if (ms === 5000) onSilence = fn
      return systemClock.after(ms, fn)
    },
  }
  const { output, logged } = forwardTo(peer, {}, clock)
  const flushed = output.flush(entriesChunk('c1'))
  await until(() => peer.arrivals.length === 1)
  onSilence()
  const hints = (): string[] => logged.filter((line) => line.includes('TLS or a shared key'))
  expect(hints()).toHaveLength(1)
  for (const socket of peer.sockets) socket.write(ackOf(peer.arrivals[0] as never))
  await flushed
  onSilence()
  expect(hints()).toHaveLength(1)
})

test('a peer that ends the connection is told to speak TLS perhaps, unless it has answered', async () => {
  const peer = await forwardPeer()
  peer.answer = (_, socket) => void socket.end()
  const silently = await rejection(forwardTo(peer).output.flush(entriesChunk('c1')))
  expect(silently.message).toEndWith('the peer closed the connection without an answer')
  expect(silently.hint).toContain('it may expect TLS or a shared key')
  peer.answer = acknowledge
  const { output } = forwardTo(peer)
  await output.flush(entriesChunk('c2'))
  peer.answer = (_, socket) => void socket.end()
  const later = await rejection(output.flush(entriesChunk('c3')))
  expect(later.message).toEndWith('the peer closed the connection')
  expect(later.hint).toBe('see the peer’s log')
})
