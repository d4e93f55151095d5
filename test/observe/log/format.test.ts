import { describe, expect, test } from 'bun:test'
import { formatJson, formatText, type LogLine } from '../../../src/observe/log/format.ts'
import { fc } from '../../support/property.ts'

const TIME = new Date(2026, 10, 21, 6, 0, 0, 123).getTime()

function line(message: string, fields?: Record<string, unknown>): LogLine {
  return { timeMs: TIME, level: 'info', plugin: 'tail.0', message, fields }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the test checks that there are none
const ANY_CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

describe('text', () => {
  test('has time, level, plugin, message and fields in fluent-bit’s form', () => {
    expect(formatText(line('opened', { path: '/var/log/a.log', offset: 12, fresh: true }), false)).toBe(
      '[2026/11/21 06:00:00.123] [ info] [tail.0] opened path=/var/log/a.log offset=12 fresh=true\n',
    )
  })

  test('quotes a value with blanks, quotes or an equals sign, and an empty one', () => {
    expect(formatText(line('m', { a: 'b c', d: '"', e: 'f=g', h: '' }), false)).toEndWith(
      'm a="b c" d="\\"" e="f=g" h=""\n',
    )
  })

  test('colors the level only', () => {
    const text = formatText({ ...line('broken'), level: 'error' }, true)
    expect(text).toContain('] [\x1b[31merror\x1b[0m] [tail.0] broken\n')
  })

  test('is one line without control characters, whatever message and fields contain', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.string({ unit: 'binary' }), fc.anything()),
        (message, fields) => {
          const text = formatText(line(message, fields), false)
          expect(text.indexOf('\n')).toBe(text.length - 1)
          expect(ANY_CONTROL.test(text)).toBe(false)
        },
      ),
    )
  })

  test('escapes an escape sequence in a file name', () => {
    expect(formatText(line('opened \x1b[2J\u202e', { path: 'a\nb\x9b' }), false)).toEndWith(
      'opened \\x1b[2J\\u202e path="a\\nb\\x9b"\n',
    )
  })
})

describe('json', () => {
  test('has time in UTC, level, plugin, message and the fields', () => {
    const utc = {
      ...line('m', { a: 1, b: [1n, null], e: new Error('oops') }),
      timeMs: Date.UTC(2026, 10, 21, 6),
    }
    expect(JSON.parse(formatJson(utc))).toEqual({
      time: '2026-11-21T06:00:00.000Z',
      level: 'info',
      plugin: 'tail.0',
      message: 'm',
      a: 1,
      b: ['1', null],
      e: 'oops',
    })
  })

  test('a field cannot replace one of the line’s own keys', () => {
    const out = JSON.parse(formatJson(line('m', { level: 'error', message: 'other' })))
    expect(out).toMatchObject({ level: 'info', message: 'm', level_: 'error', message_: 'other' })
  })

  test('is one line that JSON.parse reads, without control characters, whatever it contains', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.string({ unit: 'binary' }), fc.anything()),
        (message, fields) => {
          const text = formatJson(line(message, fields))
          expect(text.indexOf('\n')).toBe(text.length - 1)
          expect(ANY_CONTROL.test(text)).toBe(false)
          expect(JSON.parse(text).level).toBe('info')
        },
      ),
    )
  })

  test('survives a cycle and bounds what it prints', () => {
    const loop: Record<string, unknown> = { big: 'x'.repeat(1e6), bytes: Buffer.alloc(1000) }
    loop.self = loop
    const text = formatJson(line('y'.repeat(1e6), { loop, many: new Array(1e5).fill(7) }))
    expect(text.length).toBeLessThan(30_000)
    expect(text).toContain('<1000 bytes>')
  })
})

describe('secrets', () => {
  test.each([
    'password',
    'shared_key',
    'Shared_Key',
    'sharedKey',
    'token',
    'accessToken',
    'HTTP_Passwd',
    'tls.key_passwd',
    'client_secret',
    'api-key',
    'Authorization',
    'pass',
    'user_pwd',
  ])('the value of %s is hidden', (key) => {
    expect(formatText(line('m', { [key]: 'hunter2' }), false)).not.toContain('hunter2')
    expect(formatJson(line('m', { deep: { list: [{ [key]: 'hunter2' }] } }))).not.toContain('hunter2')
  })

  test.each(['path', 'kube_token_file', 'bypass', 'key', 'tag_key', 'compass', 'tls.key_file'])(
    'the value of %s is shown',
    (key) => {
      expect(formatText(line('m', { [key]: 'hunter2' }), false)).toContain('hunter2')
    },
  )

  test('the password of a URL is hidden in messages and values', () => {
    const shown = formatText(line('to http://u:hunter2@host/', { url: 'https://u:hunter2@h' }), false)
    expect(shown).toContain('to http://u:******@host/ url=https://u:******@h')
  })
})
