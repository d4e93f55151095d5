import { expect, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { encode } from '@msgpack/msgpack'
import { until } from '../until.ts'
import type { Bytes, OracleCase, Received, ServerInit } from './case.ts'
import { receivedInNormalForm } from './received.ts'
import { OracleServer } from './server.ts'
import { takeApartMsgpack, takeApartProto } from './take-apart.ts'

const same = (value: Bytes): Bytes => value

async function allOf(server: OracleServer, more: Partial<OracleCase> = {}): Promise<Received[]> {
  const items = await server.end()
  return items.map((item) => receivedInNormalForm(more as OracleCase, item, same))
}

test('requests are kept with the headers that count, their bodies inflated; the last answer is repeated', async () => {
  const answers = [{ status: 500 }, { status: 200, body: '{"a":1}' }]
  const server = await OracleServer.start({ answers })
  const seen: [number, string][] = []
  for (let i = 0; i < 3; i++) {
    const headers = { 'content-type': 'a/b', 'content-encoding': 'gzip', 'x-a': 'kept', 'x-b': 'not' }
    const options = { method: 'POST', body: gzipSync('text'), headers, keepalive: false }
    const answer = await fetch(`http://127.0.0.1:${server.port}/p?q`, options)
    seen.push([answer.status, await answer.text()])
  }
  expect(seen).toEqual([
    [500, '{}'],
    [200, '{"a":1}'],
    [200, '{"a":1}'],
  ])
  const [first] = await allOf(server, { headers: ['X-A'] })
  expect(first).toMatchObject({ line: 'POST /p?q', body: 'text' })
  expect(first?.headers).toMatchObject({ 'content-type': 'a/b', 'content-encoding': 'gzip', 'x-a': 'kept' })
  expect(Object.keys(first?.headers ?? {})).not.toContain('x-b')
})

test('a server with TLS has a certificate of its authority', async () => {
  const server = await OracleServer.start({ tls: 1 })
  const url = `https://127.0.0.1:${server.port}/`
  expect(fetch(url, { keepalive: false })).rejects.toThrow()
  const tls = { ca: server.authority ?? '' }
  expect((await fetch(url, { tls, keepalive: false } as RequestInit)).status).toBe(200)
  expect(await allOf(server)).toHaveLength(1)
})

test('a connection of TCP is one item, a datagram of UDP is one', async () => {
  const tcp = await OracleServer.start({ type: 'tcp' })
  const socket = connect(tcp.port, '127.0.0.1')
  socket.end('a\nb')
  await until(() => tcp.received.length === 1)
  expect(await allOf(tcp)).toEqual([{ data: 'a\nb' }])
  const udp = await OracleServer.start({ type: 'udp' } satisfies ServerInit)
  const sender = createSocket('udp4')
  for (const text of ['one', gzipSync('two')]) sender.send(text, udp.port, '127.0.0.1')
  await until(() => udp.received.length === 2)
  sender.close()
  expect(await allOf(udp)).toEqual([{ data: 'one' }, { inflated: 'two' }])
})

test('MessagePack is taken apart, up to the place where it is cut', () => {
  const value = { a: [1, -1, 300, -70_000, 1.5, true, null], b: 'x'.repeat(300), c: new Uint8Array([255]) }
  const a = [1, -1, 300, -70_000, 1.5, true, null]
  const map = [
    ['a', a],
    ['b', 'x'.repeat(300)],
    ['c', { bin: { b64: '/w==' } }],
  ]
  const bytes = Buffer.from(encode(value))
  expect(takeApartMsgpack(Buffer.concat([bytes, bytes]))).toEqual([{ map }, { map }])
  expect(takeApartMsgpack(bytes.subarray(0, 9))).toEqual(['cut'])
})

test('protobuf is taken apart by its looks; what is no message is hex', () => {
  const bytes = Buffer.from(
    ['08ac02', `1203${Buffer.from('abc').toString('hex')}`, '1a0408011005', '220100', '2901'].join(''),
    'hex',
  )
  expect(takeApartProto(bytes)).toBeNull()
  const whole = Buffer.concat([bytes, Buffer.from('00000000000000', 'hex')])
  const nested = [
    [1, 1],
    [2, 5],
  ]
  expect(takeApartProto(whole)).toEqual([
    [1, 300],
    [2, 'abc'],
    [3, nested],
    [4, 'hex:00'],
    [5, 'fixed64:1'],
  ])
})
