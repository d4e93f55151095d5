import { describe, expect, test } from 'bun:test'
import { Malformed } from '../../../../src/core/malformed.ts'
import { BodyReader } from '../../../../src/lib/net/http-server/body-reader.ts'
import { CHUNKED } from '../../../../src/lib/net/http-server/head.ts'
import { fc } from '../../../support/property.ts'

/** Reads a body from pieces; returns it and the bytes after it. */
function read(pieces: Buffer[], framing = CHUNKED): { body: string; rest: string; isDone: boolean } {
  const reader = new BodyReader(framing)
  let body = ''
  let rest = ''
  for (const piece of pieces) {
    const at = reader.read(piece, 0, piece.length, (buf, start, end) => {
      body += buf.toString('latin1', start, end)
      return true
    })
    rest += piece.toString('latin1', at)
  }
  return { body, rest, isDone: reader.isDone }
}

const whole = (text: string) => read([Buffer.from(text, 'latin1')])

describe('a body in chunks', () => {
  test('is read to its end, and no further', () => {
    expect(whole('4\r\nwiki\r\n5;a="b"\r\npedia\r\n0\r\n\r\nGET ')).toEqual({
      body: 'wikipedia',
      rest: 'GET ',
      isDone: true,
    })
  })

  test('may have fields after the last chunk', () => {
    expect(whole('1\r\nx\r\n0\r\nDigest: y\r\nA: b\r\n\r\nG')).toEqual({ body: 'x', rest: 'G', isDone: true })
  })

  test('is the same however it is cut', () => {
    const text = Buffer.from('a\r\n0123456789\r\n0003;x\r\nabc\r\n0\r\nT: u\r\n\r\nrest')
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: text.length }), { maxLength: 10 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length]
        const pieces = at.slice(1).map((end, i) => text.subarray(at[i], end))
        expect(read(pieces)).toEqual({ body: '0123456789abc', rest: 'rest', isDone: true })
      }),
    )
  })

  test.each([
    ['', '\r\nx'],
    ['a sign', '+4\r\nwiki\r\n0\r\n\r\n'],
    ['a prefix', '0x4\r\nwiki\r\n0\r\n\r\n'],
    ['a blank before', ' 4\r\nwiki\r\n0\r\n\r\n'],
    ['a blank after', '4 \r\nwiki\r\n0\r\n\r\n'],
    ['too many digits', '000000004\r\nwiki\r\n0\r\n\r\n'],
    ['a line that ends with LF', '4\nwiki\r\n0\r\n\r\n'],
    ['CR alone', '4\rwiki\r\n0\r\n\r\n'],
    ['too little', '3\r\nwiki\r\n0\r\n\r\n'],
    ['no CR after it', '4\r\nwiki\n0\r\n\r\n'],
    ['an extension with LF', '4;a\nb\r\nwiki\r\n0\r\n\r\n'],
    ['long extensions', `4;${'a'.repeat(300)}\r\nwiki\r\n0\r\n\r\n`],
    ['long fields after it', `0\r\n${'A: b\r\n'.repeat(2000)}\r\n`],
    ['a field that ends with LF', '0\r\nA: b\n\r\n'],
  ])('with a size that has %s is refused', (_, text) => {
    expect(() => whole(text)).toThrow(Malformed)
  })
})

test('a body with a length ends there, and the last part says so', () => {
  const reader = new BodyReader(5)
  const parts: [string, boolean][] = []
  const take = (buf: Buffer, start: number, end: number, isLast: boolean): boolean => {
    parts.push([buf.toString('latin1', start, end), isLast])
    return true
  }
  expect(reader.read(Buffer.from('abc'), 0, 3, take)).toBe(3)
  expect(reader.read(Buffer.from('defg'), 0, 4, take)).toBe(2)
  expect(parts).toEqual([
    ['abc', false],
    ['de', true],
  ])
  expect(reader.isDone).toBe(true)
})

test('a part that is not taken is offered again', () => {
  const reader = new BodyReader(CHUNKED)
  const bytes = Buffer.from('3\r\nabc\r\n0\r\n\r\n')
  const at = reader.read(bytes, 0, bytes.length, () => false)
  expect([at, reader.bytes]).toEqual([3, 0])
  let taken = ''
  const end = reader.read(bytes, at, bytes.length, (buf, start, stop) => {
    taken += buf.toString('latin1', start, stop)
    return true
  })
  expect([taken, end, reader.isDone]).toEqual(['abc', bytes.length, true])
})
