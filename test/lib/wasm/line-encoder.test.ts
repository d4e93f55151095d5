import { describe, expect, test } from 'bun:test'
import type { Parser } from '../../../src/core/parser.ts'
import { CriParser } from '../../../src/lib/parsing/cri-parser.ts'
import { LineEncoder } from '../../../src/lib/wasm/line-encoder.ts'
import { EntryEncoder, type EntryFormat } from '../../../src/plugins/inputs/tail/file/entry-encoder.ts'
import { spec as criSpec } from '../../../src/plugins/parsers/cri.ts'
import { spec as dockerSpec } from '../../../src/plugins/parsers/docker.ts'
import { spec as jsonSpec } from '../../../src/plugins/parsers/json.ts'
import { fc } from '../../support/property.ts'
import { parserOf } from '../../support/tail/parse-line.ts'

const PARSERS: Record<string, Parser | undefined> = {
  'cri under other keys': new CriParser(true, { tag: '_p', text: 'log' }),
  raw: undefined,
  cri: parserOf(criSpec),
  'cri without its time': parserOf(criSpec, { time_keep: 'off' }),
  docker: parserOf(dockerSpec, { time_key: 'time' }),
  'docker without its time': parserOf(dockerSpec, { time_key: 'time', time_keep: 'off' }),
  'docker that is read as other JSON is': parserOf(jsonSpec),
  'docker with its time in another field': parserOf(jsonSpec, {
    time_key: 'ts',
    time_format: '%Y-%m-%dT%H:%M:%S.%L',
  }),
}
const NONE = { pathKey: undefined, idKey: undefined, offsetKey: undefined }
type Keys = Omit<EntryFormat, 'key' | 'parser'>

const KEYS: Record<string, Keys> = {
  '': NONE,
  ' with path, id and offset': { pathKey: 'path', idKey: 'id', offsetKey: 'at' },
}
const encoder = new LineEncoder()
const BASE = 2 ** 33 + 5

function entryEncoderOf(parser: Parser | undefined, keys: (typeof KEYS)[string]): EntryEncoder {
  const writer = new EntryEncoder({ key: 'log', ...keys, parser }, { path: '/var/log/a.log', id: '1-2-3' })
  writer.setTime(1_700_000_000, 5)
  return writer
}

/** Returns the entries that the encoder writes for the block, and how far it got. */
function byEncoder(writer: EntryEncoder, block: Buffer, maxLineBytes = 10_000, skipEmpty = false) {
  if (writer.entry === undefined || !encoder.use(writer.entry, maxLineBytes, skipEmpty))
    throw new Error('the encoder does not know this form')
  block.copy(encoder.input)
  const size = encoder.run(0, block.length, 1e9, BASE)
  const entries = Buffer.from(encoder.output.subarray(0, size))
  return { entries, consumed: encoder.consumed, records: encoder.records }
}

function byEntryEncoder(writer: EntryEncoder, line: Buffer): Buffer<ArrayBuffer> {
  const out = Buffer.alloc(writer.bound(line.length) + 64)
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
  return out.subarray(0, writer.write(out, view, 0, line, 0, line.length, BASE))
}

// Docker escapes control characters, so only a line that is read as other JSON is must not have them; newlines end a line.
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', 'é', '\\', '"', ' ', '\u{1f600}', '0', '\t', '\x1f', '\x7f'),
    maxLength: 400,
  }),
  fc.constantFrom(
    '\\n',
    '\\u003c',
    '\\u00e9\\u20ac',
    '\\ud83d\\ude00',
    '\\ud83d',
    '\\x',
    '\\',
    '\\"',
    '\\u12',
  ),
  fc.stringMatching(/^[a-z ]{0,300}$/),
)
const digits = (n: number) => fc.nat({ max: 10 ** n - 1 }).map((v) => String(v).padStart(n, '0'))
const time = fc
  .tuple(
    fc.constantFrom(
      '2026-11-21T06:00:',
      '2024-02-29T23:59:',
      '2023-02-29T23:59:',
      '1970-01-01T00:00:',
      '2026-13-01T',
    ),
    digits(2),
    fc.oneof(digits(9), digits(3), digits(1), digits(10), fc.constant('')),
    fc.constantFrom('Z', '+05:30', '-08:00', '+0530', '', 'z', '+99:99'),
  )
  .map(([minute, second, fraction, zone]) => `${minute}${second}.${fraction}${zone}`)
const stream = fc.constantFrom('stdout', 'stderr', 'stdin', 'stdoux')
const cri = fc
  .tuple(time, stream, fc.constantFrom('F', 'P', 'X', 'FF', ''), text)
  .map((parts) => parts.join(' '))
const docker = fc
  .tuple(text, fc.constantFrom('\\n', ''), stream, time, fc.constantFrom('', ' ', ',"attrs":{}'))
  .map(([log, end, name, at, more]) => `{"log":"${log}${end}","stream":"${name}","time":"${at}"${more}}`)
const line = fc.oneof(
  cri,
  docker,
  text,
  fc.tuple(cri, fc.nat(60)).map(([l, n]) => l.slice(0, n)),
)

for (const [form, parser] of Object.entries(PARSERS)) {
  for (const [which, keys] of Object.entries(KEYS)) {
    test(`${form}${which}: the encoder writes the same entries as EntryEncoder`, () => {
      const writer = entryEncoderOf(parser, keys)
      let known = 0
      fc.assert(
        fc.property(line, (each) => {
          const made = byEncoder(writer, Buffer.from(`${each}\n`))
          known += made.records
          if (made.records > 0) expect(made.entries).toEqual(byEntryEncoder(writer, Buffer.from(each)))
        }),
        { numRuns: 2000 },
      )
      expect(known).toBeGreaterThan(0)
    })
  }
}

describe('LineEncoder', () => {
  const known: [string, string[]][] = [
    ['raw', ['', 'a', 'x'.repeat(31), 'x'.repeat(32), 'é'.repeat(128), 'x'.repeat(9999)]],
    [
      'cri',
      [
        '2026-11-21T06:00:00.123456789Z stdout F hello',
        '2026-11-21T06:00:00.1+01:00 stderr P ',
        `2024-02-29T23:59:60.999Z stdout F ${'x'.repeat(300)}`,
      ],
    ],
    [
      'docker',
      [
        '{"log":"hello\\n","stream":"stdout","time":"2026-11-21T06:00:00.123456789Z"}',
        '{"log":"","stream":"stderr","time":"2026-11-21T06:00:00.1Z"}',
        '{"log":"a \\"b\\" \\u003cc\\u003e \\t\\\\ \\/\\n","stream":"stdout","time":"2026-11-21T06:00:00.12Z"}',
        // JSON forbids a control character in a string, but a line with one is still better than text.
        '{"log":"\\ta\x1ab\x01","stream":"stdout","time":"2026-11-21T06:00:00.12Z"}',
      ],
    ],
  ]
  for (const [form, lines] of known) {
    test(`writes well-formed ${form} lines itself, also with CRLF`, () => {
      const writer = entryEncoderOf(PARSERS[form], NONE)
      const expected = Buffer.concat(lines.map((each) => byEntryEncoder(writer, Buffer.from(each))))
      for (const end of ['\n', '\r\n']) {
        const block = Buffer.from(lines.map((each) => each + end).join(''))
        const made = byEncoder(writer, block)
        expect({ ...made }).toEqual({ entries: expected, consumed: block.length, records: lines.length })
      }
    })
  }

  test('stops before a line that is unfinished, too long, or in another form', () => {
    const raw = entryEncoderOf(undefined, NONE)
    expect(byEncoder(raw, Buffer.from('one\ntwo')).consumed).toBe(4)
    expect(byEncoder(raw, Buffer.from('one\nlonger\n'), 5).consumed).toBe(4)
    const cri = entryEncoderOf(PARSERS.cri, NONE)
    const good = '2026-11-21T06:00:00.1Z stdout F a\n'
    expect(byEncoder(cri, Buffer.from(`${good}not cri\n${good}`)).consumed).toBe(good.length)
  })

  test('skips empty lines on request', () => {
    const raw = entryEncoderOf(undefined, NONE)
    const made = byEncoder(raw, Buffer.from('\n\r\na\n\n'), 100, true)
    expect([made.records, made.consumed]).toEqual([1, 6])
  })

  test('never writes beyond the given space', () => {
    const raw = entryEncoderOf(undefined, NONE)
    encoder.use(raw.entry as NonNullable<typeof raw.entry>, 10_000, false)
    const block = Buffer.from('0123456789\n'.repeat(50))
    block.copy(encoder.input)
    for (const maxBytes of [0, 1, 40, 100, 1000])
      expect(encoder.run(0, block.length, maxBytes, 0)).toBeLessThanOrEqual(maxBytes)
  })
})
