import { expect, spyOn, test } from 'bun:test'
import { Socket } from 'node:net'
import { entriesChunk, forwardTo } from '../../../support/forward/output-run.ts'
import { type ForwardPeer, forwardPeer, silent } from '../../../support/forward/peer.ts'
import { atEnd } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** Returns the sizes of what is written to the port of `peer`, as they are written. */
function writesTo(peer: ForwardPeer): number[] {
  const sizes: number[] = []
  const write = Socket.prototype.write
  const spy = spyOn(Socket.prototype, 'write').mockImplementation(function (
    this: Socket,
    ...args: unknown[]
  ) {
    if (this.remotePort === peer.port) sizes.push((args[0] as Buffer).length)
    return write.apply(this, args as Parameters<Socket['write']>)
  } as Socket['write'])
  atEnd(async () => spy.mockRestore())
  return sizes
}

for (const acks of ['on', 'off']) {
  const options = { require_ack_response: acks, send_options: 'on' }

  test(`chunks of many tags that are flushed in one turn are few writes (acks ${acks})`, async () => {
    const peer = await forwardPeer()
    if (acks === 'off') peer.answer = silent
    const { output } = forwardTo(peer, options)
    await output.flush(entriesChunk('first'))
    const sizes = writesTo(peer)
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
