import { expect, spyOn, test } from 'bun:test'
import { Socket } from 'node:net'
import { encode } from '@msgpack/msgpack'
import { rejection } from '../../../contract/output.ts'
import { entriesChunk, forwardTo } from '../../../support/forward/output-run.ts'
import { type ForwardPeer, forwardPeer, silent } from '../../../support/forward/peer.ts'
import { atEnd } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Returns the sizes of what is written to the port of `peer`, and the sockets, as they are written to. */
function writesTo(peer: ForwardPeer): { sizes: number[]; sockets: Socket[] } {
  const sizes: number[] = []
  const sockets: Socket[] = []
  const write = Socket.prototype.write
  const spy = spyOn(Socket.prototype, 'write').mockImplementation(function (
    this: Socket,
    ...args: unknown[]
  ) {
    if (this.remotePort === peer.port) {
      sizes.push((args[0] as Buffer).length)
      sockets.push(this)
    }
    return write.apply(this, args as Parameters<Socket['write']>)
  } as Socket['write'])
  atEnd(async () => spy.mockRestore())
  return { sizes, sockets }
}

for (const acks of ['on', 'off']) {
  const options = { require_ack_response: acks, send_options: 'on' }

  test(`chunks of many tags that are flushed in one turn are few writes (acks ${acks})`, async () => {
    const peer = await forwardPeer()
    if (acks === 'off') peer.answer = silent
    const { output } = forwardTo(peer, options)
    await output.flush(entriesChunk('first'))
    const { sizes } = writesTo(peer)
    const ids = Array.from({ length: 300 }, (_, i) => `c${i}`)
    await Promise.all(ids.map((id) => output.flush(entriesChunk(id, ['x'.repeat(200)], `app.${id}`))))
    const written = sizes.reduce((a, b) => a + b, 0)
    expect(sizes.length).toBeLessThanOrEqual(Math.ceil(written / 60_000))
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536)
  })

  test(`a large frame between small ones arrives between them (acks ${acks})`, async () => {
    const peer = await forwardPeer()
    if (acks === 'off') peer.answer = silent
    const { output } = forwardTo(peer, options)
    const sizes = [10, 20, 100_000, 30, 16_000, 16_500, 40]
    const chunks = sizes.map((size, i) => entriesChunk(`c${i}`, ['x'.repeat(size)]))
    await Promise.all(chunks.map((chunk) => output.flush(chunk)))
    await until(() => peer.ids.length === sizes.length)
    expect(peer.ids).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6'])
  })
}

test('an ack of a small frame that is not written yet ends the connection', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer)
  const { sockets } = writesTo(peer)
  await output.flush(entriesChunk('first'))
  const flush = output.flush(entriesChunk('early'))
  const { promise: sent, resolve } = Promise.withResolvers<void>()
  // As many microtasks as the frame needs to be sent, and no turn of the event loop, at whose end it is written.
  const later = (n: number): void => (n === 0 ? resolve() : queueMicrotask(() => later(n - 1)))
  later(100)
  await sent
  sockets[0]?.emit('data', Buffer.from(encode({ ack: 'early' })))
  expect(await rejection(flush)).toMatchObject({ code: 'E_PEER_PROTOCOL' })
  expect(peer.ids).toEqual(['first'])
})

test('a connection that breaks before small frames are written rejects each of them once', async () => {
  const peer = await forwardPeer()
  const { output } = forwardTo(peer)
  await output.flush(entriesChunk('first'))
  const flushes = ['a', 'b', 'c'].map((id) => output.flush(entriesChunk(id)))
  const results = Promise.allSettled(flushes)
  await output.close()
  expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(peer.ids).toEqual(['first'])
})
