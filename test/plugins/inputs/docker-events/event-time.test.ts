import { expect, test } from 'bun:test'
import { eventTime, sinceText } from '../../../../src/plugins/inputs/docker-events/event-time.ts'

const nanoOf = (line: string): bigint | undefined => {
  const buf = Buffer.from(`{"timeNano":7}${line}{"timeNano":8}`)
  return eventTime(buf, 14, buf.length - 14)?.nano
}

test('the time of an event is timeNano, else time; a label of that name is none', () => {
  expect(nanoOf('{"time":1796026940,"timeNano":1796026940951940271}')).toBe(1_796_026_940_951_940_271n)
  expect(nanoOf('{"timeNano":1796026940951940271,"time":1796026940}')).toBe(1_796_026_940_951_940_271n)
  expect(nanoOf('{"time":1796026940}')).toBe(1_796_026_940_000_000_000n)
  const labels = '"Attributes":{"timeNano":"5","a":"\\"timeNano\\":6"}'
  expect(nanoOf(`{"time":1,"timeNano":2,${labels}}`)).toBe(2n)
  for (const line of ['{}', '{"timeNano":}', '{"timeNano":-1}', `{"timeNano":${'9'.repeat(30)}}`])
    expect([line, nanoOf(line)]).toEqual([line, undefined])
})

test('blanks around the colon, as JSON allows them, do not hide the time', () => {
  expect(nanoOf('{"time": 1, "timeNano": 2}')).toBe(2n)
  expect(nanoOf('{"time" :\t1 }')).toBe(1_000_000_000n)
  const labels = '"Attributes": {"timeNano": "5", "a": "\\"timeNano\\": 6", "b": "timeNano"}'
  expect(nanoOf(`{"timeNano": 2, ${labels}}`)).toBe(2n)
  expect(nanoOf('{"timeNano": ')).toBeUndefined()
})

test('a time beyond that of a record is none', () => {
  expect(nanoOf('{"time":4294967296}')).toBeUndefined()
  expect(nanoOf('{"time":4294967295}')).toBe(4_294_967_295_000_000_000n)
})

test('Docker is asked with seconds and nine decimals', () => {
  expect(sinceText(1_796_026_940_000_000_001n)).toBe('1796026940.000000001')
  expect(sinceText(5n)).toBe('0.000000005')
})
