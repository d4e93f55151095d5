import { describe, expect, test } from 'bun:test'
import { type ClientHttp2Session, connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { spec as http } from '../../../src/plugins/inputs/http/index.ts'
import { spec as opentelemetry } from '../../../src/plugins/inputs/opentelemetry/index.ts'
import { HttpClient, listeningInput } from '../../support/http/listening-input.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const SETTINGS = Buffer.from('000000040000000000', 'hex')

/** Sends a request of HTTP/2; resolves with its answer. */
async function answerOf(
  session: ClientHttp2Session,
  headers: Record<string, string>,
): Promise<{ headers: Record<string, unknown>; body: string }> {
  const request = session.request({ ':method': 'POST', ...headers })
  let found: Record<string, unknown> | undefined
  let body = ''
  request.on('response', (fields) => {
    found = fields
  })
  request.on('data', (bytes: Buffer) => {
    body += bytes
  })
  request.on('error', () => {})
  request.end('x')
  await until(() => found !== undefined && request.closed)
  return { headers: found ?? {}, body }
}

function sessionAt(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  atEnd(() => session.destroy())
  return session
}

describe('a client of HTTP/2', () => {
  test('is told in the answer to its request what is understood, and the log says it once', async () => {
    const run = await listeningInput(http)
    const { headers, body } = await answerOf(sessionAt(run.port), { ':path': '/t' })
    expect(headers).toMatchObject({ ':status': 505, 'content-type': 'text/plain' })
    expect(body).toBe('HTTP/2 is not supported: use HTTP/1.1\n')
    expect(run.logged.filter((line) => line.includes('HTTP/2'))).toHaveLength(1)
    expect(run.counter('refused_requests')).toBe(1)
  })

  test('of gRPC gets UNIMPLEMENTED with the reason, and not the end of a connection after which it tries again', async () => {
    const run = await listeningInput(opentelemetry)
    const { headers, body } = await answerOf(sessionAt(run.port), {
      ':path': '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
      'content-type': 'application/grpc',
    })
    expect(headers).toMatchObject({
      ':status': 404,
      'content-type': 'application/grpc',
      'grpc-status': '12',
      'grpc-message': 'gRPC is not supported: send OTLP over HTTP/1.1 to /v1/logs',
    })
    expect(body).toBe('')
    expect(run.logged.filter((line) => line.includes('gRPC'))).toHaveLength(1)
  })

  test('is answered on the stream of its first request, however its bytes are cut', async () => {
    const run = await listeningInput(http)
    const request = Buffer.from('000001010500000007ff', 'hex')
    const bytes = Buffer.concat([PREFACE, SETTINGS, request])
    for (const size of [1, 7, bytes.length]) {
      const client = new HttpClient(run.port)
      for (let at = 0; at < bytes.length; at += size) {
        client.send(bytes.subarray(at, at + size))
        await new Promise(setImmediate)
      }
      await until(() => client.ended)
      const received = Buffer.from(client.received, 'latin1')
      expect(received.subarray(0, 9)).toEqual(SETTINGS)
      expect(received.readUInt32BE(9 + 5)).toBe(7)
      expect(received[9 + 3]).toBe(1)
    }
  })

  test('that sends no request, or too much before it, is let go', async () => {
    const run = await listeningInput(http, { 'http_server.idle_timeout': '1' })
    const silent = new HttpClient(connectSocket(run.port, '127.0.0.1'))
    silent.send(PREFACE, SETTINGS)
    const flooding = new HttpClient(run.port)
    flooding.send(PREFACE, ...Array.from({ length: 8000 }, () => SETTINGS))
    await until(() => (flooding.ended || flooding.closed) && (silent.ended || silent.closed))
    expect(Buffer.from(silent.received, 'latin1')).toEqual(SETTINGS)
  })
})
