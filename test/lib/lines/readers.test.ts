import { describe, expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { FORMAT_OPTIONS, formatOf } from '../../../src/lib/lines/format-options.ts'
import { isRfc5424, SyslogFormat } from '../../../src/plugins/inputs/syslog/format.ts'
import { spec as syslogSpec } from '../../../src/plugins/inputs/syslog/index.ts'
import { countEntries, cutInto, feed, LineSink } from '../../support/lines.ts'
import { fc } from '../../support/property.ts'

const LIMIT = 100_000

/** Reads text as the inputs tcp and udp do. */
function readAs(texts: Record<string, string>, pieces: (string | Uint8Array)[], maxBytes = LIMIT): LineSink {
  const sink = new LineSink()
  const limit = { bytes: maxBytes, option: 'Buffer_Size' }
  const { writer, readerFor } = formatOf(parseOptions(FORMAT_OPTIONS, texts), sink.ctx, limit)
  writer.setTime()
  sink.frame = writer.frameOf('tcp://192.0.2.1:5')
  feed(
    readerFor(sink),
    pieces.map((piece) => Buffer.from(piece as string)),
  )
  return sink
}

/** Reads text as the input syslog does. */
function readSyslog(
  texts: Record<string, string>,
  pieces: (string | Uint8Array)[],
  isDatagram = false,
): LineSink {
  const sink = new LineSink()
  const format = new SyslogFormat(parseOptions(syslogSpec.options, texts), sink.ctx)
  format.writer.setTime()
  sink.frame = format.writer.frameOf('udp://192.0.2.1:5')
  feed(
    isDatagram ? format.ofDatagrams(sink) : format.ofStream(sink),
    pieces.map((piece) => Buffer.from(piece as string)),
  )
  return sink
}

const logs = (sink: LineSink): unknown[] => sink.records.map(({ log }) => log)

describe('Format none', () => {
  test('lines become records however they are cut, empty ones do not, and the last needs no line feed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        (parts, lengths, endsWithLine) => {
          const lines = parts.map((part) => part.replaceAll('\n', ''))
          const bytes = Buffer.from(lines.join('\n') + (endsWithLine ? '\n' : ''))
          const sink = readAs({ format: 'none' }, cutInto(bytes, lengths))
          const wanted = bytes
            .toString()
            .split('\n')
            .filter((line) => line !== '')
          expect(logs(sink)).toEqual(wanted)
        },
      ),
    )
  })

  test('a block that goes through a module gives the same bytes as its lines one by one', () => {
    const text = Array.from({ length: 900 }, (_, i) => `${i} ${'x'.repeat((i * 37) % 300)}\n`).join('')
    const whole = readAs({ format: 'none' }, [text])
    const cut = readAs({ format: 'none' }, cutInto(Buffer.from(text), [211]))
    expect(whole.bytes.equals(cut.bytes)).toBe(true)
    expect(whole.records).toHaveLength(900)
    expect(whole.wroteBytes).toBe(text.length)
  })

  test('a carriage return stays, as in fluent-bit, also in a large block', () => {
    const text = 'one\r\n'.repeat(2000)
    expect(new Set(logs(readAs({ format: 'none' }, [text])))).toEqual(new Set(['one\r']))
  })

  test('a separator may be several characters, escaped, and cut in two', () => {
    expect(logs(readAs({ format: 'none', separator: '\\r\\n;' }, ['a\r', '\n;b\r\n', ';c\r\n']))).toEqual([
      'a',
      'b',
      'c\r\n',
    ])
    expect(logs(readAs({ format: 'none', separator: '\\x00' }, ['a\0\0b']))).toEqual(['a', 'b'])
  })

  test('of a line that is longer than the limit the beginning is kept, and the rest is counted', () => {
    for (const lengths of [[10_000], [7], [64, 1]])
      for (const separator of ['\\n', ';;']) {
        const end = separator === ';;' ? ';;' : '\n'
        const text = `ab${end}${'ä'.repeat(60)}${end}cd${end}${'y'.repeat(101)}`
        const sink = readAs({ format: 'none', separator }, cutInto(Buffer.from(text), lengths), 101)
        expect(sink.records).toEqual([
          { log: 'ab' },
          { log: 'ä'.repeat(50), truncated: true },
          { log: 'cd' },
          { log: 'y'.repeat(101) },
        ])
        expect(sink.counts).toEqual({ long_line_truncated: 1, lost_bytes: 20, 'lost_bytes.long_line': 20 })
      }
  })

  test('the address of the sender comes after the fields, and replaces one of its name', () => {
    expect(readAs({ format: 'none', source_address_key: 'src' }, ['a\n']).records).toEqual([
      { log: 'a', src: 'tcp://192.0.2.1:5' },
    ])
    const json = readAs({ source_address_key: 'src' }, ['{"src":1,"a":2}[1]x'])
    expect(json.records).toEqual([
      { a: 2, src: 'tcp://192.0.2.1:5' },
      { msg: [1], src: 'tcp://192.0.2.1:5' },
      { log: 'x', src: 'tcp://192.0.2.1:5' },
    ])
    expect(() => readAs({ source_address_key: 'log' }, [])).toThrow('cannot be "log"')
  })

  test('a reader without memory consumes nothing of what it cannot write, and goes on where it was', () => {
    const sink = new LineSink()
    const options = parseOptions(FORMAT_OPTIONS, { format: 'none' })
    const { writer, readerFor } = formatOf(options, sink.ctx, { bytes: LIMIT, option: 'Buffer_Size' })
    sink.frame = writer.frameOf(undefined)
    const reader = readerFor(sink)
    const src = Buffer.from('one\ntwo\nthree\nrest')
    sink.memory = 2
    const at = reader.read(src, 0, src.length, false)
    expect([at, reader.isFull]).toEqual([8, true])
    sink.memory = Number.POSITIVE_INFINITY
    expect([reader.read(src, at, src.length, false), reader.isFull]).toEqual([14, false])
    expect(logs(sink)).toEqual(['one', 'two', 'three'])
  })
})

describe('Format json', () => {
  const values = fc
    .array(
      fc.oneof(
        fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
        fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 }),
      ),
      { maxLength: 12 },
    )
    // The decoder of this test refuses this key.
    .filter((list) => !JSON.stringify(list).includes('__proto__'))

  test('values become records however they are cut and laid out', () => {
    fc.assert(
      fc.property(
        values,
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('', '\n', ' ', '\r\n\r\n'),
        fc.constantFrom(0, 1, 2),
        (list, lengths, between, indent) => {
          const text = list.map((value) => JSON.stringify(value, undefined, indent) + between).join('')
          const got = readAs({}, cutInto(Buffer.from(text), lengths))
          const whole = readAs({}, [text])
          expect(got.bytes.equals(whole.bytes)).toBe(true)
          // Not decoded: a record with the key __proto__ has no equal in JavaScript.
          expect(countEntries(got.bytes)).toBe(list.length)
          expect(got.counts).toEqual({})
        },
      ),
    )
  })

  test('lines of a block that goes through a module are the records, among others that it does not know', () => {
    const lines = Array.from({ length: 800 }, (_, i) => {
      if (i % 100 === 50) return `plain ${i}`
      if (i % 100 === 51) return `{"n":${i}}{"n":"second"}`
      if (i % 100 === 52) return `{\n  "n": ${i}\n}`
      return JSON.stringify({ n: i, text: 'x'.repeat(i % 60), deep: [{ a: null }] })
    })
    const text = `${lines.join('\n')}\n`
    const whole = readAs({}, [text])
    const cut = readAs({}, cutInto(Buffer.from(text), [97]))
    expect(whole.bytes.equals(cut.bytes)).toBe(true)
    expect(whole.records).toHaveLength(808)
    expect(whole.records[50]).toEqual({ log: 'plain 50' })
    expect(whole.records.slice(51, 54)).toEqual([{ n: 51 }, { n: 'second' }, { n: 52 }])
    expect(whole.counts).toEqual({ parse_failed: 8 })
  })

  test('pieces that are large enough for the module and end within a value lose and add nothing', () => {
    const text = Array.from(
      { length: 5000 },
      (_, i) => `${JSON.stringify({ n: i, text: 'y'.repeat(i % 90) })}\n`,
    ).join('')
    for (const length of [16_384, 10_007, 4099]) {
      const sink = readAs({}, cutInto(Buffer.from(text), [length]))
      expect(sink.records.map(({ n }) => n)).toEqual(Array.from({ length: 5000 }, (_, i) => i))
    }
  })

  test('what is no JSON is kept as text and does not hide what follows', () => {
    const cases: [string, unknown[]][] = [
      ['plain text\n{"a":1}', ['plain text', { a: 1 }]],
      ['{"a":1\n{"b":2}\n', ['{"a":1', { b: 2 }]],
      ['{a:1}\n{"b":2}', ['{a:1}', { b: 2 }]],
      ['{"a":', ['{"a":']],
      ['5\n"x"\ntrue\n', ['5', '"x"', 'true']],
      ['[1}\n{"b":2}', ['[1}', { b: 2 }]],
      ['{"a":"b\n', ['{"a":"b']],
      ['}\n', ['}']],
      ['{"a":1}}\n{"b":2}\n', [{ a: 1 }, '}', { b: 2 }]],
    ]
    for (const [text, wanted] of cases)
      for (const length of [1, 3, 1000]) {
        const sink = readAs({}, cutInto(Buffer.from(text), [length]))
        const got = sink.records.map((record) =>
          typeof record.log === 'string' ? record.log.trimEnd() : record,
        )
        expect<unknown[]>([text, length, got]).toEqual([text, length, wanted])
        expect(sink.counts.parse_failed).toBe(wanted.filter((value) => typeof value === 'string').length)
      }
  })

  test('a value that is too long is cut, and what follows on the next line is read', () => {
    const text = `{"a":"${'x'.repeat(300)}"}\n{"b":1}\n`
    for (const length of [1000, 50, 3]) {
      const sink = readAs({}, cutInto(Buffer.from(text), [length]), 100)
      expect(sink.records).toEqual([{ log: text.slice(0, 100), truncated: true }, { b: 1 }])
      expect(sink.counts.long_line_truncated).toBe(1)
      expect(sink.counts.lost_bytes).toBe(text.indexOf('\n') - 100)
    }
  })

  test('broken brackets byte by byte take a time that is proportional to their number', () => {
    const bytes = Buffer.from(`${'['.repeat(40_000)}1[${'[\n'.repeat(20_000)}`)
    const start = process.threadCpuUsage()
    readAs({}, cutInto(bytes, [64]), 50_000)
    // Each byte looked at again for each piece would take minutes.
    expect(process.threadCpuUsage(start).user).toBeLessThan(20_000_000)
  })
})

test('no space is taken for an object of many lines before its end has arrived', () => {
  const items = Array.from({ length: 5000 }, (_, n) => ({ n, text: `item ${n}` }))
  const text = JSON.stringify({ items }, null, 1)
  const sink = new LineSink()
  const limit = { bytes: 1_000_000, option: 'Buffer_Size' }
  const { writer, readerFor } = formatOf(parseOptions(FORMAT_OPTIONS, {}), sink.ctx, limit)
  sink.frame = writer.frameOf('tcp://192.0.2.1:5')
  const reader = readerFor(sink)
  for (const length of [5000, 50_000, text.length - 1]) {
    expect(reader.read(Buffer.from(text), 0, length, false)).toBe(0)
    expect(sink.reservations).toBe(0)
  }
  expect(reader.read(Buffer.from(text), 0, text.length, false)).toBe(text.length)
  expect(sink.records).toEqual([{ items }])
})

describe('messages of syslog', () => {
  const OLD = '<34>Nov 30 08:18:11 host app[42]: hello'
  const MODERN = '<34>1 2026-11-30T08:18:11.123Z host app 42 ID1 - hello'
  const messages = (sink: LineSink): unknown[] => sink.records.map(({ message }) => message)

  test('of both standards are parsed, and what is neither is kept and counted', () => {
    const sink = readSyslog({ mode: 'tcp' }, [`${OLD}\n${MODERN}\nno syslog\n`])
    expect(sink.records).toEqual([
      { pri: '34', time: 'Nov 30 08:18:11', host: 'host', ident: 'app', pid: '42', message: 'hello' },
      {
        pri: '34',
        time: '2026-11-30T08:18:11.123Z',
        host: 'host',
        ident: 'app',
        pid: '42',
        msgid: 'ID1',
        extradata: '-',
        message: 'hello',
      },
      { message: 'no syslog' },
    ])
    expect(sink.counts).toEqual({ parse_failed: 1 })
  })

  test('of a Unix socket have no host', () => {
    const sink = readSyslog({ mode: 'unix_tcp', path: '/x' }, ['<13>Nov 30 08:18:11 app: hello'])
    expect(sink.records).toEqual([{ pri: '13', time: 'Nov 30 08:18:11', ident: 'app', message: 'hello' }])
  })

  test('of both standards mixed in a large block are the records of their lines', () => {
    const lines = Array.from({ length: 600 }, (_, i) =>
      i % 7 === 0
        ? `odd ${i}`
        : i % 3 === 0
          ? OLD.replace('hello', `old ${i}`)
          : MODERN.replace('hello', `new ${i}`),
    )
    const text = `${lines.join('\n')}\n`
    const whole = readSyslog({ mode: 'tcp' }, [text])
    const cut = readSyslog({ mode: 'tcp' }, cutInto(Buffer.from(text), [131]))
    expect(whole.bytes.equals(cut.bytes)).toBe(true)
    expect(messages(whole)).toEqual(
      lines.map((line, i) => (i % 7 === 0 ? line : i % 3 === 0 ? `old ${i}` : `new ${i}`)),
    )
  })

  test('end with a line feed or a NUL byte', () => {
    expect(messages(readSyslog({ mode: 'tcp' }, ['<1>a\0<1>b\n\0<1>c']))).toEqual(['<1>a', '<1>b', '<1>c'])
  })

  test('with octet counting may contain line feeds, be cut anywhere, and be followed by a line feed', () => {
    const frames = ['<34>1 - - - - - - a\nb', MODERN, OLD, 'x']
    const bytes = Buffer.from(
      frames.map((frame, i) => `${frame.length} ${frame}${i === 1 ? '\n' : ''}`).join(''),
    )
    for (const length of [1, 2, 5, 1000])
      for (const format of [{}, { format: 'octet_counting' }]) {
        const sink = readSyslog({ mode: 'tcp', ...format }, cutInto(bytes, [length]))
        expect(messages(sink)).toEqual(['a\nb', 'hello', 'hello', 'x'])
        expect(sink.counts.bad_frames).toBeUndefined()
      }
  })

  test('with Format newline are never counted, and a line that begins with a number is a line', () => {
    expect(messages(readSyslog({ mode: 'tcp', format: 'newline' }, ['5 <1>ab\n']))).toEqual(['5 <1>ab'])
    expect(messages(readSyslog({ mode: 'tcp' }, ['5 apples\n7 <1>pears']))).toEqual([
      '5 apples',
      '7 <1>pears',
    ])
  })

  test('without a length are read as lines, after which the next length is looked for', () => {
    const sink = readSyslog({ mode: 'tcp', format: 'octet_counting' }, [
      '4 <1>anonsense 5 x\n4 <1>b',
      '0 \n12345678901 x\n4 <1>c',
    ])
    expect(messages(sink)).toEqual(['<1>a', 'nonsense 5 x', '<1>b', '0 ', '12345678901 x', '<1>c'])
    expect(sink.counts.bad_frames).toBe(3)
  })

  test('that are too long are cut with octet counting, too', () => {
    const frame = `<34>${'x'.repeat(5000)}`
    for (const length of [3, 1000, 100_000]) {
      const bytes = Buffer.from(`${frame.length} ${frame}4 <1>b`)
      const sink = readSyslog({ mode: 'tcp', buffer_max_size: '1024' }, cutInto(bytes, [length]))
      expect(sink.records).toEqual([{ message: frame.slice(0, 1024), truncated: true }, { message: '<1>b' }])
      expect(sink.counts.lost_bytes).toBe(frame.length - 1024)
    }
  })

  test('whose length is a lie are read as far as they came before the end, and none is cut', () => {
    for (const length of [OLD.length + 1, 1_000_000, 123_456_789]) {
      const sink = readSyslog({ mode: 'tcp', format: 'octet_counting' }, [`${length} ${OLD}`])
      expect(messages(sink)).toEqual(['hello'])
      expect([sink.counts, sink.logged]).toEqual([{}, []])
    }
  })

  test('with a priority and no header are kept as they came, and the log says what reads them', () => {
    const sink = readSyslog({ mode: 'udp' }, ['<11>error in app'], true)
    expect(sink.records).toEqual([{ message: '<11>error in app' }])
    expect(sink.fields[0]?.hint).toContain('SysLogHandler')
    const own = readSyslog({ mode: 'udp', parser: 'syslog-rfc5424' }, ['<11>error in app'], true)
    expect(own.fields[0]?.hint).not.toContain('SysLogHandler')
  })

  test('of any length up to the limit are parsed', () => {
    const text = 'x [a="b"]: '.repeat(90_000)
    for (const [options, head, isDatagram] of [
      [{ mode: 'tcp' }, OLD, false],
      [{ mode: 'tcp' }, MODERN, false],
      [{ mode: 'unix_udp', path: '/x' }, '<13>Nov 30 08:18:11 app: hello', true],
    ] as const) {
      const sink = readSyslog(options, [`${head}${text}`], isDatagram)
      expect(messages(sink)).toEqual([`hello${text}`])
      expect(sink.counts).toEqual({})
    }
  })

  test('of RFC 5424 without a time have the time of arrival, which is no failure; one that cannot be read is', () => {
    const sink = readSyslog({ mode: 'udp' }, ['<0>1 - - - - - - none'], true)
    expect(sink.records[0]).toMatchObject({ time: '-', message: 'none' })
    expect([sink.counts, sink.logged]).toEqual([{}, []])
    const bad = readSyslog({ mode: 'udp' }, ['<0>1 -x - - - - - bad'], true)
    expect(bad.counts).toEqual({ time_failed: 1 })
  })

  test('are kept as they came under Raw_Message_Key, with the address after it', () => {
    const sink = readSyslog(
      { mode: 'udp', raw_message_key: 'raw', source_address_key: 'src' },
      [`${OLD}\n`],
      true,
    )
    const [record] = sink.records
    expect(Buffer.from(record?.raw as Uint8Array).toString()).toBe(`${OLD}\n`)
    expect(Object.keys(record ?? {}).slice(-2)).toEqual(['raw', 'src'])
    expect(record?.message).toBe('hello')
  })

  test('in a datagram may have several lines, unless the next begins another message', () => {
    expect(
      messages(readSyslog({ mode: 'udp' }, ['<34>Nov 30 08:18:11 host app: a\n  at b\n'], true)),
    ).toEqual(['a\n  at b'])
    expect(messages(readSyslog({ mode: 'udp' }, [`${OLD}\n${MODERN}\n`], true))).toEqual(['hello', 'hello'])
    const named = readSyslog({ mode: 'udp', parser: 'syslog-rfc3164' }, [`${OLD}\n${OLD}`], true)
    expect(messages(named)).toEqual(['hello', 'hello'])
  })

  test('whose field has the name of a key that is added keep the added one, once', () => {
    const sink = readSyslog({ mode: 'tcp', source_address_key: 'host' }, [`${OLD}\n`.repeat(200)])
    expect(sink.records).toHaveLength(200)
    expect(sink.records[0]?.host).toBe('udp://192.0.2.1:5')
    const keys = Object.keys(sink.records[0] ?? {})
    expect(keys.at(-1)).toBe('host')
    expect(keys.toSorted()).toEqual(['host', 'ident', 'message', 'pid', 'pri', 'time'])
  })

  test('are told apart by their first bytes', () => {
    const is = (text: string): boolean => isRfc5424(Buffer.from(text), 0, text.length)
    expect(['<1>1 x', '<191>1 x', '<1>1 '].map(is)).toEqual([true, true, true])
    expect(['<1>1', '<1234>1 x', '<>1x x', '<1>2 x', '1 x', '', '<1'].map(is)).toEqual(Array(7).fill(false))
  })
})
