import { describe, expect, test } from 'bun:test'
import { type RequestHead, readHead } from '../../../../src/lib/net/http-server/head.ts'
import { HeadReader } from '../../../../src/lib/net/http-server/head-reader.ts'
import { fc } from '../../../support/property.ts'

const LIMITS = { headerBytes: 8192, targetChars: 1024 }
const bytesOf = (...lines: string[]): Buffer => Buffer.from([...lines, '', ''].join('\r\n'), 'latin1')
const post = (length: string, ...more: string[]): Buffer =>
  bytesOf('POST /app HTTP/1.1', 'Host: a', `Content-Length: ${length}`, 'X-A: 1', ...more)

/** Reads heads of one client, and compares each with what it is on its own. */
function readAll(...heads: Buffer[]): (number | undefined)[] {
  const reader = new HeadReader(LIMITS)
  return heads.map((bytes) => {
    const found = reader.read(bytes)
    expect(found).toEqual(readHead(bytes, LIMITS) as RequestHead)
    return found !== undefined && 'framing' in found ? found.framing : found?.status
  })
}

describe('the heads of one client', () => {
  test('are the same object as long as only the number of Content-Length differs', () => {
    const reader = new HeadReader(LIMITS)
    const first = reader.read(post('5'))
    expect(reader.read(post('12345'))).toBe(first as RequestHead)
    expect(reader.read(Buffer.concat([post('7'), Buffer.from('the body')]))).toBe(first as RequestHead)
    expect(first).toMatchObject({ framing: 7, end: post('7').length })
    expect(reader.read(post('7', 'X-B: 2'))).not.toBe(first as RequestHead)
  })

  test('are read as each of them is on its own', () => {
    expect(readAll(post('5'), post('0'), post('5'), post('12'))).toEqual([5, 0, 5, 12])
    expect(readAll(post('5'), post('x'), post('5'))).toEqual([5, 400, 5])
    expect(readAll(post('5'), post(''), post('5 '), post('1'.repeat(15)), post('1'.repeat(16)))).toEqual([
      ...[5, 400, 5, 111_111_111_111_111, 400],
    ])
    expect(
      readAll(post('5'), post('5', 'Content-Length: 6'), post('5', 'Transfer-Encoding: chunked')),
    ).toEqual([...[5, 400, 400]])
    expect(readAll(post('5').subarray(0, -1), post('5'), post('6').subarray(0, -1), post('6'))).toEqual([
      ...[undefined, 5, undefined, 6],
    ])
    const get = bytesOf('GET / HTTP/1.1', 'Host: a')
    expect(readAll(get, Buffer.concat([get, Buffer.from('123')]), post('5'), get)).toEqual([0, 0, 5, 0])
  })

  test('that differ in any byte are not taken for each other', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), fc.nat(99_999), (offset, byte, length) => {
        const changed = post(String(length))
        changed[offset % changed.length] = byte
        readAll(post('5'), changed, post('5'), changed)
      }),
    )
  })
})
