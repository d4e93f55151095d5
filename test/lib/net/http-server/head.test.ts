import { describe, expect, test } from 'bun:test'
import { CHUNKED, readHead } from '../../../../src/lib/net/http-server/head.ts'

const LIMITS = { headerBytes: 8192, targetChars: 1024 }

function head(...headers: string[]) {
  const lines = ['POST /x HTTP/1.1', 'Host: a', ...headers, '', ''].join('\r\n')
  return readHead(Buffer.from(lines, 'latin1'), LIMITS)
}

function framing(...headers: string[]) {
  const found = head(...headers)
  if (found === undefined) return undefined
  return 'status' in found ? found : found.framing
}

/** Returns the status with which the request is refused. */
function refusal(...headers: string[]): number | undefined {
  const found = framing(...headers)
  return typeof found === 'object' ? found.status : undefined
}

describe('a body', () => {
  test('has the length that the head gives, is in chunks, or is not there', () => {
    expect(framing('Content-Length: 7')).toBe(7)
    expect(framing('Transfer-Encoding: Chunked')).toBe(CHUNKED)
    expect(framing()).toBe(0)
  })

  test.each([
    [['Content-Length: 7', 'Transfer-Encoding: chunked']],
    [['Content-Length: 7', 'Content-Length: 7']],
    [['Content-Length: 7, 7']],
    [['Content-Length: +7']],
    [['Content-Length: 0x7']],
    [['Content-Length: 7 7']],
    [['Content-Length:']],
    [['Content-Length : 7']],
    [['Content-Length: 7', ' Transfer-Encoding: chunked']],
    [['Transfer-Encoding\x0b: chunked']],
    [['Transfer-Encoding: chunked\rX: y']],
  ])('that a proxy may delimit otherwise is refused: %p', (headers) => {
    expect(refusal(...headers)).toBe(400)
  })

  test.each([
    [['Transfer-Encoding: xchunked']],
    [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked']],
    [['Transfer-Encoding: gzip, chunked']],
    [['Transfer-Encoding: chunked, identity']],
    [['Transfer-Encoding: "chunked"']],
  ])('in another coding than chunks is refused with 501: %p', (headers) => {
    expect(framing(...headers)).toMatchObject({ status: 501 })
  })

  test('of HTTP/1.0 has no chunks', () => {
    const found = readHead(Buffer.from('POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n'), LIMITS)
    expect(found).toMatchObject({ status: 400 })
  })
})

test('a header that is there twice has both values', () => {
  expect(head('X-Forwarded-For: 1.1.1.1', 'x-forwarded-for: 2.2.2.2')).toMatchObject({
    headers: new Map([
      ['host', 'a'],
      ['x-forwarded-for', '1.1.1.1, 2.2.2.2'],
    ]),
  })
})

test('the first line of HTTP/2 is known', () => {
  expect(readHead(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), LIMITS)).toMatchObject({
    status: 505,
    isHttp2: true,
  })
})
