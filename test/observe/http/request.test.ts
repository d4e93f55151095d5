import { describe, expect, test } from 'bun:test'
import { readRequest } from '../../../src/observe/http/request.ts'
import { fc } from '../../support/property.ts'

const MAX_BYTES = 8192

function read(text: string) {
  return readRequest(Buffer.from(text, 'latin1'), MAX_BYTES)
}

const get = (target: string, ...headers: string[]) =>
  read(`GET ${target} HTTP/1.1\r\n${['Host: a', ...headers].map((line) => `${line}\r\n`).join('')}\r\n`)

describe('a request', () => {
  test('has method, path, query, host and the end of its bytes', () => {
    const text = 'HEAD /api/v1/files?x=1?y HTTP/1.1\r\nHost: Node17:2020\r\n\r\n'
    expect(read(`${text}GET`)).toEqual({
      method: 'HEAD',
      path: '/api/v1/files',
      query: 'x=1?y',
      host: 'node17',
      hasBody: false,
      keepAlive: true,
      takesChunks: true,
      end: text.length,
    })
  })

  test('of the absolute form has the path after its host, which counts', () => {
    expect(get('http://Evil.example:80/api/v1/files?a')).toMatchObject({
      path: '/api/v1/files',
      query: 'a',
      host: 'evil.example',
    })
    expect(get('http://[::1]:2020')).toMatchObject({ path: '/', host: '::1' })
  })

  test('may end its lines with LF and begin with an empty line', () => {
    expect(read('\r\nGET / HTTP/1.0\n\n')).toMatchObject({ path: '/', host: undefined, keepAlive: false })
  })

  test.each([
    ['Content-Length: 1', true],
    ['Content-Length: 0', false],
    ['Transfer-Encoding: chunked', true],
  ])('with "%s" has a body: %p', (header, hasBody) => {
    expect(get('/', header)).toMatchObject({ hasBody })
  })
})

describe('what is not a request', () => {
  test.each([
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n', 501],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n', 400],
    ['GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['get / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['GET /\r\n\r\n', 400],
    ['PRI * HTTP/2.0\r\n\r\n', 505],
    [`GET /${'a'.repeat(2000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(9000)}\r\n\r\n`, 431],
    [`GET /${'a'.repeat(9000)}`, 431],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ])('%p is refused with %d', (text, status) => {
    expect(read(text)).toMatchObject({ status })
  })

  test('a part of a request needs more bytes', () => {
    const text = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    for (let n = 0; n < text.length; n++) expect(read(text.slice(0, n))).toBeUndefined()
  })

  test('any bytes are refused, incomplete or a request of HTTP', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.boolean(), (text, framed) => {
        const request = read(framed ? `GET / HTTP/1.1\r\nHost: a\r\n${text}\r\n\r\n` : text)
        if (request === undefined) return
        if ('status' in request) expect([400, 414, 431, 505]).toContain(request.status)
        else expect(request.end).toBeGreaterThan(0)
      }),
    )
  })
})

test('blanks within a header take time proportional to their number', () => {
  const value = `y${' '.repeat(8000)}z`
  const startCpu = process.threadCpuUsage()
  for (let i = 0; i < 20; i++) expect(get('/', `a:${value}`)).toMatchObject({ method: 'GET' })
  // Quadratic, each takes a third of a second.
  expect(process.threadCpuUsage(startCpu).user).toBeLessThan(2_000_000)
  expect(get('/', 'Content-Length: \t 0 \t ')).toMatchObject({ hasBody: false })
})
