import { expect, test } from 'bun:test'
import { rejection } from '../../../contract/output.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { entriesChunk, forwardTo } from '../../../support/forward/output-run.ts'
import { forwardPeer, silent } from '../../../support/forward/peer.ts'
import { run } from '../../../support/process.ts'
import { until, within } from '../../../support/until.ts'

test('closes the connection when an ack does not come within ack_timeout, whatever the idle limit', async () => {
  const peer = await forwardPeer()
  const clock = new ManualClock()
  const { output, counts } = forwardTo(peer, { ack_timeout: '2' }, clock)
  await output.flush(entriesChunk('c0'))
  peer.answer = silent
  let failed = false
  const error = rejection(output.flush(entriesChunk('c1'))).finally(() => {
    failed = true
  })
  await until(() => peer.arrivals.length === 2)
  clock.advance(1990)
  await new Promise((resolve) => setImmediate(resolve))
  expect(failed).toBe(false)
  clock.advance(1000)
  expect(await within(error, 120_000, 'the ack timeout')).toMatchObject({
    code: 'E_PEER_TIMEOUT',
    retryable: true,
  })
  expect(counts.get('ack_timeouts')).toBe(1)
})

test('a jump of the wall time does not cause a timeout', async () => {
  const peer = await forwardPeer()
  peer.answer = silent
  const clock = new ManualClock()
  const { output } = forwardTo(peer, { ack_timeout: '2' }, clock)
  let failed = false
  const error = rejection(output.flush(entriesChunk('c1'))).finally(() => {
    failed = true
  })
  await until(() => peer.arrivals.length === 1)
  clock.set(clock.nowMs() + 3_600_000)
  clock.advance(600)
  await new Promise((resolve) => setImmediate(resolve))
  expect(failed).toBe(false)
  clock.set(clock.nowMs() - 7_200_000)
  clock.advance(2500)
  expect(await within(error, 120_000, 'the ack timeout')).toMatchObject({ code: 'E_PEER_TIMEOUT' })
})

test('closes the connection to a peer that stops reading after net.io_timeout', async () => {
  const peer = await forwardPeer()
  peer.onConnect = (socket) => void socket.pause()
  peer.onData = (socket) => {
    socket.pause()
    return true
  }
  const { output } = forwardTo(peer, { 'net.io_timeout': '200ms', ack_timeout: '30' })
  const big = entriesChunk('c1', ['x'.repeat(20_000_000)])
  const error = await within(rejection(output.flush(big)), 20_000, 'the io timeout')
  expect(error).toMatchObject({ code: 'E_PEER_TIMEOUT', retryable: true, scope: 'peer' })
  expect(error.message).toContain('took no bytes for 200 ms')
})

test('without acks a chunk that the kernel cannot take does not count as delivered', async () => {
  const peer = await forwardPeer()
  peer.onData = (socket) => {
    socket.pause()
    return true
  }
  const { output } = forwardTo(peer, { 'net.io_timeout': '200ms', require_ack_response: 'off' })
  const big = entriesChunk('c1', ['x'.repeat(20_000_000)])
  const error = await within(rejection(output.flush(big)), 20_000, 'the io timeout')
  expect(error).toMatchObject({ code: 'E_PEER_TIMEOUT' })
})

test('ends an idle connection cleanly after its limit, and its timer with it', async () => {
  const peer = await forwardPeer()
  const clock = new ManualClock()
  const { output } = forwardTo(peer, { 'net.keepalive_idle_timeout': '4' }, clock)
  await output.flush(entriesChunk('c1'))
  clock.advance(3900)
  expect(clock.waiting).toBe(1)
  clock.advance(2200)
  expect(clock.waiting).toBe(0)
  await until(() => peer.cleanEnds === 1)
  await output.flush(entriesChunk('c2'))
  expect(peer.connections).toBe(2)
})

test('an idle connection without a limit has no timer', async () => {
  const peer = await forwardPeer()
  const clock = new ManualClock()
  const { output } = forwardTo(peer, { 'net.keepalive_idle_timeout': '0' }, clock)
  await output.flush(entriesChunk('c1'))
  clock.advance(100_000)
  expect(clock.waiting).toBe(0)
  await output.flush(entriesChunk('c2'))
  expect(peer.connections).toBe(1)
})

test('keepalive off and max_recycle connect again only when the old connection has all its acks', async () => {
  for (const [options, connections] of [
    [{ 'net.keepalive': 'off' }, 6],
    [{ 'net.keepalive_max_recycle': '2' }, 3],
  ] as const) {
    const peer = await forwardPeer()
    const { output } = forwardTo(peer, options)
    const ids = ['a', 'b', 'c', 'd', 'e', 'f']
    await Promise.all(ids.map((id) => output.flush(entriesChunk(id))))
    expect(peer.arrivals.map((a) => a.options?.chunk)).toEqual(ids)
    expect(peer.connections).toBe(connections)
  }
})

test('chunks that wait for the end of a connection fail with it, and no connection is made before', async () => {
  const peer = await forwardPeer()
  peer.answer = silent
  const { output } = forwardTo(peer, { 'net.keepalive': 'off' })
  const errors = ['a', 'b', 'c'].map((id) => rejection(output.flush(entriesChunk(id))))
  await until(() => peer.arrivals.length === 1)
  peer.closeAll()
  for (const error of await within(Promise.all(errors), 2000, 'the failures'))
    expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
  expect(peer.connections).toBe(1)
})

test('a peer that closes an idle connection fails no chunk: the next one is sent over a new connection', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer)
  await output.flush(entriesChunk('c1'))
  const [socket] = peer.sockets
  socket?.end()
  await until(() => peer.sockets.size === 0)
  await output.flush(entriesChunk('c2'))
  expect(peer.connections).toBe(2)
})

test('a peer that half closes with a chunk in flight fails it at once', async () => {
  const peer = await forwardPeer()
  // The peer no longer reads, so bytes still to be written would delay 'close'.
  peer.onData = (socket) => {
    socket.pause()
    socket.end()
    return true
  }
  const { output } = forwardTo(peer)
  const big = entriesChunk('c1', ['x'.repeat(20_000_000)])
  const error = await within(rejection(output.flush(big)), 20_000, 'the failure')
  expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
})

test('a peer that resets or closes in the middle of a frame fails it', async () => {
  for (const cut of ['resetAndDestroy', 'destroy'] as const) {
    const peer = await forwardPeer()
    peer.onData = (socket) => {
      socket[cut]()
      return true
    }
    const { output } = forwardTo(peer)
    const big = entriesChunk('c1', ['x'.repeat(3_000_000)])
    const error = await within(rejection(output.flush(big)), 20_000, cut)
    expect(error).toMatchObject({ code: 'E_PEER_CLOSED', retryable: true, scope: 'peer' })
  }
})

test('an idle connection does not keep the process from ending', async () => {
  const peer = await forwardPeer()
  const file = new URL('../../../support/forward/idle-process.ts', import.meta.url).pathname
  const ended = await run([file, String(peer.port)], { command: [process.execPath], limitMs: 120_000 })
  expect(ended).toMatchObject({ code: 0, stdout: 'delivered\n' })
})
