import { expect, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Output, OutputContext } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { spec } from '../../../src/plugins/outputs/udp.ts'
import { rejection } from '../../contract/output.ts'
import { DatagramPeer } from '../../support/datagram-peer.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { atEnd } from '../../support/tmp.ts'
import { until, within } from '../../support/until.ts'

function udpTo(
  { port }: { port: number },
  texts: Record<string, string> = {},
  more: Partial<OutputContext> = {},
): Output {
  const options = parseOptions(spec.options, { port: String(port), json_date_key: 'false', ...texts })
  const output = spec.create(options, outputContext(more))
  atEnd(() => output.close())
  return output
}

const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ n: from + i }))

test.each([
  ['json_lines', {}, ['{"date":1000.500000,"log":"é"}\n', '{"date":1001.500000}\n']],
  ['json_stream', {}, ['{"date":1000.500000,"log":"é"}\n', '{"date":1001.500000}\n']],
  ['json', {}, ['[{"date":1000.500000,"log":"é"}]\n', '[{"date":1001.500000}]\n']],
  ['json', { raw_message_key: '$log' }, ['é\n', '{}\n']],
])('%s with %p: each record is a datagram, as fluent-bit sends it', async (format, texts, expected) => {
  const peer = await DatagramPeer.open()
  await udpTo(peer, { format, json_date_key: 'date', ...texts }).flush(chunkOf([{ log: 'é' }, {}]))
  await until(() => peer.got.length === 2)
  expect(peer.texts()).toEqual(expected)
})

test('msgpack: each datagram is a record with its time and metadata', async () => {
  const peer = await DatagramPeer.open()
  await udpTo(peer, { format: 'msgpack' }).flush(chunkOf([{ a: 1 }]))
  await until(() => peer.got.length === 1)
  expect(decode(peer.got[0] as Buffer)).toEqual([[expect.anything(), {}], { a: 1 }])
})

test('says at the start that datagrams can be lost', async () => {
  const { lines, log } = listLog()
  await udpTo(await DatagramPeer.open(), {}, { log }).start?.()
  expect(lines).toEqual([expect.stringContaining('the peer sends no acknowledgements')])
})

test('a record that is too large for a datagram is rejected, the others of its chunk are sent once', async () => {
  const peer = await DatagramPeer.open()
  const counters = new CounterMap()
  const rejected: [number, number, string][] = []
  const records = [{ a: 1 }, { log: 'x'.repeat(70_000) }, { b: 2 }, { log: 'y'.repeat(65_000) }]
  const chunk = chunkOf(records)
  const output = udpTo(
    peer,
    {},
    {
      counters,
      reject: (_, start, end, reason) => rejected.push([start, end, `${reason.code} ${reason.message}`]),
    },
  )
  await output.flush(chunk)
  await until(() => peer.got.length === 3)
  expect(peer.texts().map((text) => text.slice(0, 7))).toEqual(['{"a":1}', '{"b":2}', '{"log":'])
  expect(rejected).toHaveLength(1)
  const [[start = 0, end = 0, reason = '']] = rejected as [[number, number, string]]
  expect(end - start).toBeGreaterThan(70_000)
  expect(chunk.buf.toString('latin1', start, end)).toContain('x'.repeat(70_000))
  expect(reason).toMatch(/^E_OUTPUT_REJECTED .*too large for a datagram/)
  expect([counters.get('datagrams'), counters.get('oversized_records')]).toEqual([3, 1])
})

test('a record that cannot be kept as a dead letter now fails the chunk, and its other records are not sent again', async () => {
  const peer = await DatagramPeer.open()
  let isFull = true
  const output = udpTo(
    peer,
    {},
    {
      reject: (_chunk, _start, _end, reason) => {
        if (isFull) throw Object.assign(reason, { retryable: true })
      },
    },
  )
  const chunk = chunkOf([{ a: 1 }, { log: 'x'.repeat(70_000) }, { b: 2 }])
  expect(await rejection(output.flush(chunk))).toMatchObject({ code: 'E_OUTPUT_REJECTED' })
  isFull = false
  await output.flush(chunk)
  await until(() => peer.got.length === 2)
  expect(peer.texts()).toEqual(['{"a":1}\n', '{"b":2}\n'])
})

test('a closed port fails the chunk, and when it opens each record comes once', async () => {
  const peer = await DatagramPeer.open()
  await peer.close()
  const output = udpTo(peer)
  const chunk = chunkOf(numbered(0, 500))
  for (let i = 0; i < 2; i++) {
    const error = await rejection(output.flush(chunk))
    expect(error).toMatchObject({ code: 'E_PEER_UNREACHABLE', retryable: true, scope: 'peer' })
    expect(error.message).toContain('no process listens on that UDP port')
  }
  await peer.listen()
  await output.flush(chunk)
  await until(() => peer.got.length >= 500)
  expect(peer.texts()).toEqual(numbered(0, 500).map((record) => `${JSON.stringify(record)}\n`))
})

test('a port that closes between two chunks fails the second, which is sent again from its start', async () => {
  const peer = await DatagramPeer.open()
  const output = udpTo(peer)
  await output.flush(chunkOf(numbered(0, 100)))
  await until(() => peer.got.length === 100)
  await peer.close()
  const second = chunkOf(numbered(100, 300))
  expect(await rejection(output.flush(second))).toMatchObject({ code: 'E_PEER_UNREACHABLE' })
  await peer.listen()
  await output.flush(second)
  await until(() => peer.got.length >= 300)
  expect(peer.texts()).toEqual(numbered(0, 300).map((record) => `${JSON.stringify(record)}\n`))
})

test('a name is resolved, and one that does not exist is a retryable error', async () => {
  const peer = await DatagramPeer.open()
  const named = parseOptions(spec.options, { host: 'localhost', port: String(peer.port) })
  const output = spec.create(named, outputContext())
  atEnd(() => output.close())
  // localhost may be ::1 here, where nobody listens.
  const outcome = await output.flush(chunkOf([{}])).then(
    () => 'sent',
    (error: { code: string }) => error.code,
  )
  expect(['sent', 'E_PEER_UNREACHABLE']).toContain(outcome)
  const none = parseOptions(spec.options, { host: 'none.invalid', port: '9' })
  const error = await rejection(spec.create(none, outputContext()).flush(chunkOf([{}])))
  expect(error).toMatchObject({ code: 'E_PEER_NAME', retryable: true, scope: 'peer' })
})

test('net.dns.prefer_ipv4 sends to an address of IPv4, and net.dns.prefer_ipv6 to none', async () => {
  const peer = await DatagramPeer.open()
  await udpTo(peer, { host: 'localhost', 'net.dns.prefer_ipv4': 'on' }).flush(chunkOf([{ a: 1 }]))
  await until(() => peer.got.length === 1)
  const other = udpTo(peer, { host: 'localhost', 'net.dns.prefer_ipv6': 'on' })
  expect(await rejection(other.flush(chunkOf([{}])))).toMatchObject({ retryable: true, scope: 'peer' })
  expect(peer.got).toHaveLength(1)
})

test('an abort rejects the chunk in flight and every later one', async () => {
  const peer = await DatagramPeer.open()
  const stop = new AbortController()
  const output = udpTo(peer, {}, { signal: stop.signal })
  const flush = rejection(output.flush(chunkOf(numbered(0, 10))))
  stop.abort()
  expect(await within(flush, 5000, 'the rejection')).toMatchObject({ retryable: true })
  expect(await rejection(output.flush(chunkOf([{}])))).toMatchObject({ retryable: true })
})
