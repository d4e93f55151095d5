import { expect, test } from 'bun:test'
import { createServer } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Output, OutputContext } from '../../../src/core/plugin.ts'
import { spec } from '../../../src/plugins/outputs/gelf/index.ts'
import { DatagramPeer } from '../../support/datagram-peer.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

function gelfTo(port: number, texts: Record<string, string>, more: Partial<OutputContext> = {}): Output {
  const options = parseOptions(spec.options, { port: String(port), ...texts })
  const output = spec.create(options, outputContext(more))
  atEnd(() => output.close())
  return output
}

test('tcp: each message ends with NUL, and is not compressed', async () => {
  const parts: Buffer[] = []
  const server = createServer((socket) => socket.on('data', (data) => void parts.push(data as Buffer)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => void server.close())
  const { port } = server.address() as { port: number }
  const output = gelfTo(port, { mode: 'tcp' })
  await output.flush(chunkOf([{ log: 'a\u0000b' }, { log: 'c' }]))
  const bytes = await until(() => {
    const all = Buffer.concat(parts)
    return all.filter((byte) => byte === 0).length === 2 && all
  })
  expect(bytes.at(-1)).toBe(0)
  const messages = String(bytes).split('\0').slice(0, 2)
  expect(messages.map((text) => JSON.parse(text).short_message)).toEqual(['a\u0000b', 'c'])
})

test('udp: a message is a datagram with gzip, without with compress off', async () => {
  const peer = await DatagramPeer.open()
  await gelfTo(peer.port, {}).flush(chunkOf([{ log: 'a' }]))
  await gelfTo(peer.port, { compress: 'off' }).flush(chunkOf([{ log: 'b' }]))
  await until(() => peer.got.length === 2)
  expect(JSON.parse(String(gunzipSync(peer.got[0] as Buffer))).short_message).toBe('a')
  expect(JSON.parse(String(peer.got[1])).short_message).toBe('b')
})

/** Joins the parts of messages, as a receiver of GELF does; returns the messages by their ids, in order of their first parts. */
function joined(datagrams: Buffer[]): Buffer[] {
  const messages = new Map<string, Buffer[]>()
  for (const datagram of datagrams) {
    expect(datagram.readUInt16BE(0)).toBe(0x1e0f)
    const id = datagram.toString('hex', 2, 10)
    const parts = messages.get(id) ?? []
    messages.set(id, parts)
    expect(parts.length).toBe(datagram[10] as number)
    parts.push(datagram.subarray(12))
    if (parts.length === datagram[11]) expect(datagram[10]).toBe((datagram[11] as number) - 1)
  }
  return [...messages.values()].map((parts) => Buffer.concat(parts))
}

test.each([['on'], ['off']])(
  'udp: a larger message is sent in numbered parts under an id of its own, with compress %s',
  async (compress) => {
    const peer = await DatagramPeer.open()
    const random = (seed: number) =>
      Array.from({ length: 3000 }, (_, i) => ((i * 7919 * seed) % 26 ** 2).toString(36)).join('')
    const logs = [random(3), random(5)]
    await gelfTo(peer.port, { compress, packet_size: '500' }).flush(chunkOf(logs.map((log) => ({ log }))))
    const messages = await until(() => {
      const last = peer.got.at(-1)
      return last !== undefined && last[10] === (last[11] as number) - 1 && joined(peer.got).length === 2
        ? joined(peer.got)
        : undefined
    })
    const texts = messages.map((bytes) => String(compress === 'on' ? gunzipSync(bytes) : bytes))
    expect(texts.map((text) => JSON.parse(text).short_message)).toEqual(logs)
    expect(Math.max(...peer.got.map((datagram) => datagram.length))).toBe(512)
  },
)

test('udp: a message that needs more than 128 parts is rejected with its size, the others of its chunk are sent', async () => {
  const peer = await DatagramPeer.open()
  const reasons: string[] = []
  const output = gelfTo(
    peer.port,
    { compress: 'off', packet_size: '64' },
    { reject: (_chunk, _start, _end, reason) => void reasons.push(`${reason.code} ${reason.message}`) },
  )
  await output.flush(chunkOf([{ log: 'x'.repeat(64 * 128) }, { log: 'y' }]))
  await until(() => peer.got.length === 2)
  expect(String(joined(peer.got)[0])).toContain('"short_message":"y"')
  expect(reasons).toEqual([
    expect.stringMatching(/^E_OUTPUT_REJECTED the message has [\d,]+ bytes, and GELF allows 128 datagrams/),
  ])
})

test('tls with Mode udp is refused, not ignored', () => {
  expect(() => gelfTo(9, { tls: 'on' })).toThrow('Mode udp has no TLS')
})
