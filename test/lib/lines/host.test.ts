import { expect, test } from 'bun:test'
import { LineHost } from '../../../src/lib/lines/host.ts'
import { LineSink } from '../../support/lines.ts'

function watched() {
  const sink = new LineSink()
  const host = new LineHost(sink.ctx, 'log')
  const fail = (text: string, peer?: string): void => {
    const src = Buffer.from(text)
    host.failed('parse_failed', { peer }, src, 0, src.length)
  }
  return { sink, host, fail }
}

test('a message that is not parsed is logged with its sender, and later ones once a minute with their number', () => {
  const { sink, fail } = watched()
  fail('first', '192.0.2.1:5')
  for (let n = 0; n < 10; n++) fail('more', '192.0.2.2:6')
  expect(sink.fields).toEqual([expect.objectContaining({ peer: '192.0.2.1:5', line: 'first' })])
  sink.nowMs += 60_000
  fail('later', '192.0.2.3:7')
  sink.nowMs += 60_000
  fail('last')
  expect(sink.fields.map(({ peer, line }) => [peer, line])).toEqual([
    ['192.0.2.1:5', 'first'],
    ['192.0.2.3:7', 'later'],
    [undefined, 'last'],
  ])
  const what = 'a message could not be parsed: it is kept unchanged under "log"'
  expect(sink.logged).toEqual([what, `${what}; so it was with 10 more since the last such line`, what])
  expect(sink.counts.parse_failed).toBe(13)
})

test('a clock that is set back does not silence the log', () => {
  const { sink, fail } = watched()
  fail('a')
  sink.nowMs -= 3_600_000
  fail('b')
  expect(sink.logged).toHaveLength(2)
})

test('a long line is shown shortened, between two characters, and its length is named when it may be the reason', () => {
  const { sink, fail } = watched()
  fail(`x${'é'.repeat(100)}`)
  expect(sink.fields[0]?.line).toBe(`x${'é'.repeat(49)}…`)
  sink.nowMs += 60_000
  fail('y'.repeat(64_001))
  expect(sink.fields[1]).toMatchObject({ bytes: 64_001, line: `${'y'.repeat(100)}…` })
  expect(sink.fields[1]?.hint).toContain('Regex_Max_Length')
})

test('messages that are cut are logged in the same way', () => {
  const { sink, host } = watched()
  for (let n = 0; n < 3; n++) host.cut(1000, 'Buffer_Size', { peer: '192.0.2.1:5' })
  expect([sink.logged.length, sink.counts.long_line_truncated]).toEqual([1, 3])
  expect(sink.fields[0]?.peer).toBe('192.0.2.1:5')
})
