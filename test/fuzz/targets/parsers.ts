import { skip } from '../../../src/core/msgpack/encode.ts'
import { mapBody, mapPairs, spanOf } from '../../../src/core/msgpack/record.ts'
import type { EntryWriter, Parser } from '../../../src/core/parser.ts'
import { CriParser } from '../../../src/lib/parsing/cri-parser.ts'
import { EntryEncoder } from '../../../src/plugins/inputs/tail/file/entry-encoder.ts'
import { spec as criSpec } from '../../../src/plugins/parsers/cri.ts'
import { spec as dockerSpec } from '../../../src/plugins/parsers/docker.ts'
import { spec as jsonSpec } from '../../../src/plugins/parsers/json.ts'
import { spec as logfmtSpec } from '../../../src/plugins/parsers/logfmt.ts'
import { spec as ltsvSpec } from '../../../src/plugins/parsers/ltsv.ts'
import { spec as regexSpec } from '../../../src/plugins/parsers/regex.ts'
import { createParser } from '../support.ts'
import { must, size, type Target } from '../target.ts'

const ISO = '%Y-%m-%dT%H:%M:%S.%L%z'
const ACCESS =
  '^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \\[(?<time>[^\\]]*)\\] "(?<method>\\S+)(?: +(?<path>[^"]*?)(?: +\\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)'

const PARSERS: Record<string, () => Parser> = {
  json: () => createParser(jsonSpec, { time_key: 'time', time_format: ISO }),
  'json with decoders': () =>
    createParser(jsonSpec, { time_key: 'ts', time_format: '%s', decode_field: 'decode_field json log' }),
  docker: () => createParser(dockerSpec, { time_key: 'time' }),
  cri: () => createParser(criSpec),
  'cri under other keys': () => new CriParser(true, { tag: '_p', text: 'log' }),
  logfmt: () => createParser(logfmtSpec, { time_format: ISO, types: 'n:integer f:float b:bool h:hex' }),
  ltsv: () => createParser(ltsvSpec, { time_format: ISO, types: 'n:integer f:float' }),
  regex: () =>
    createParser(regexSpec, {
      regex: ACCESS,
      time_format: '%d/%b/%Y:%H:%M:%S %z',
      types: 'code:integer size:integer',
    }),
  'regex with decoders': () =>
    createParser(regexSpec, {
      regex: '^(?<a>.*?) (?<log>.*)$',
      decode_field: 'decode_field_as escaped_utf8 log',
    }),
}

const parsers = new Map<string, Parser>()
function parserOf(name: string): Parser {
  const parser = parsers.get(name) ?? (PARSERS[name] as () => Parser)()
  parsers.set(name, parser)
  return parser
}

const SEEDS = [
  '{"log":"hello\\n","stream":"stdout","time":"2026-11-21T06:00:00.123456789Z"}',
  '{"a":1,"b":{"c":[1,2]},"ts":1790000000,"log":"{\\"x\\":1}","time":"2026-11-21T06:00:00.1+01:00","a":2}',
  '2026-11-21T06:00:00.123456789Z stdout F hello world',
  '2026-11-21T06:00:00.1+01:00 stderr P part',
  'level=info msg="a \\"quoted\\" text" n=5 f=0.25 b=true h=ff time=2026-11-21T06:00:00Z empty= "x"=y',
  'time:2026-11-21T06:00:00.5Z\thost:127.0.0.1\tn:12\tf:1e3\treq:GET / HTTP/1.1\t',
  '127.0.0.1 - frank [21/Nov/2026:07:00:00 +0100] "GET /a?b=c HTTP/1.1" 200 2326',
  'plain text \\u00e9 \\x41 \\101 é€😀',
]
const DICTIONARY = [
  '"',
  '\\',
  '\\"',
  '{',
  '}',
  '":"',
  '","',
  '\\u00e9',
  '\\ud83d',
  '=',
  '="',
  '\t',
  ':',
  ' F ',
  ' P ',
  ' stdout ',
  'stderr',
  '2026-11-21T06:00:00.1Z',
  '"log":',
  '"time":',
  '\xff',
  '\r',
  '[',
  ']',
  '\\n"',
]
const FENCE = 0xaa
const BEFORE = 7

function parse(name: string, src: Buffer, start: number, end: number): { text: string; pairs: number } {
  const parser = parserOf(name)
  const bound = parser.bound(end - start)
  const buf = Buffer.alloc(BEFORE + bound + 40, FENCE)
  const out: EntryWriter = { buf, at: BEFORE, sec: 7, nsec: 8, extraPairs: 0 }
  const found = parser.parse(src, start, end, out)
  const isFenced =
    buf.subarray(0, BEFORE).every((b) => b === FENCE) &&
    buf.subarray(BEFORE + bound).every((b) => b === FENCE)
  must(isFenced, `${name}: bytes before the entry or after its bound are written`)
  if (!found) {
    must(
      out.at === BEFORE && out.sec === 7 && out.nsec === 8,
      `${name}: a line that is refused changes the writer`,
    )
    return { text: 'refused', pairs: -1 }
  }
  must(
    out.sec >= 0 && out.sec < 2 ** 32 && out.nsec >= 0 && out.nsec < 1e9,
    () => `${name}: time ${out.sec}.${out.nsec}`,
  )
  must(skip(buf, BEFORE, out.at) === out.at, `${name}: the map is not complete`)
  const pairs = mapPairs(buf, BEFORE)
  must(pairs >= 0, `${name}: the record is not a map`)
  mustHaveKeysOnce(name, buf, out.at, pairs)
  return { text: `${out.sec}.${out.nsec} ${buf.toString('base64', BEFORE, out.at)}`, pairs }
}

function mustHaveKeysOnce(name: string, buf: Buffer, end: number, pairs: number): void {
  const keys = new Set<string>()
  for (let i = 0, at = mapBody(buf, BEFORE); i < pairs; i++) {
    const key = spanOf(buf, at)
    must(key !== undefined, `${name}: a key that is not text`)
    keys.add(buf.toString('latin1', key.start, key.end))
    at = skip(buf, skip(buf, at, end), end)
  }
  must(keys.size === pairs, () => `${name}: a key comes twice`)
}

export const lines: Target = {
  name: 'parsers',
  maxBytes: 4000,
  dictionary: DICTIONARY,
  seeds: () => [
    ...SEEDS,
    `${'a='.repeat(300)}`,
    `{"log":"${'x'.repeat(300)}","time":"2026-13-41T06:00:00Z"}`,
  ],
  run(input) {
    const line = Buffer.from(input.filter((byte) => byte !== 10))
    const padded = Buffer.concat([Buffer.from('{"9'), line, Buffer.from('9"}\n')])
    const kinds: string[] = []
    for (const name of Object.keys(PARSERS)) {
      const alone = parse(name, line, 0, line.length)
      must(
        alone.text === parse(name, padded, 3, 3 + line.length).text,
        `${name}: what is around the line changes the result`,
      )
      kinds.push(String(size(alone.pairs)))
    }
    return kinds.join()
  },
}

/** Enough to read for a kernel to be made at once. */
const BACKLOG = 1 << 30
/** Parsers whose lines a WebAssembly module writes. */
const FORMS: Record<string, Parser | undefined> = {
  raw: undefined,
  ...Object.fromEntries(
    Object.keys(PARSERS)
      .map((name) => [name, parserOf(name)] as const)
      .filter(([, { lineFormat, kernel }]) => lineFormat !== undefined || kernel !== undefined),
  ),
}
const KEYS = { pathKey: 'file', idKey: 'id', offsetKey: 'at' }
const FILE = { path: '/var/log/a.log', id: '1-2-3' }
const BASE = 2 ** 33 + 5

/** Lines that a WebAssembly module writes have the bytes that the TypeScript path writes. */
export const wasmLines: Target = {
  name: 'wasm-lines',
  maxBytes: 8000,
  dictionary: [...DICTIONARY, '\n', '\r\n'],
  seeds: () => [...SEEDS, `${SEEDS.join('\n')}\n${SEEDS.join('\r\n')}\n`].map((line) => `${line}\n`),
  run(input) {
    const kinds: string[] = []
    for (const [form, parser] of Object.entries(FORMS)) {
      const writer = new EntryEncoder({ key: 'log', ...KEYS, parser }, FILE)
      writer.setTime(1_790_000_000, 5)
      const block = writer.kernel(BACKLOG)?.input ?? Buffer.alloc(0)
      const encoder = writer.kernelOf(block, 10_000, false)
      if (encoder === undefined) throw new Error(`${form}: not known to the module`)
      input.copy(encoder.input)
      let [written, rounds] = [0, 0]
      for (let at = 0; at < input.length; rounds++) {
        const bytes = encoder.run(at, input.length, 1e9, BASE)
        must(
          encoder.consumed >= at && encoder.consumed <= input.length,
          `${form}: consumed bytes that do not exist`,
        )
        const made = encoder.output.toString('base64', 0, bytes)
        must(
          made === byTypeScript(writer, input, at, encoder.consumed),
          `${form}: the module writes other bytes`,
        )
        written += encoder.records
        at = encoder.consumed
        const newline = input.indexOf(10, at)
        if (newline < 0) break
        at = newline + 1
      }
      kinds.push(`${size(written)}/${size(rounds)}`)
    }
    return kinds.join()
  },
}

function byTypeScript(writer: EntryEncoder, src: Buffer, start: number, end: number): string {
  const parts: Buffer[] = []
  for (let at = start; at < end; ) {
    const newline = src.indexOf(10, at)
    must(newline >= 0 && newline < end, 'a line without an end is consumed')
    const lineEnd = newline > at && src[newline - 1] === 13 ? newline - 1 : newline
    const out = Buffer.alloc(writer.bound(lineEnd - at) + 64)
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength)
    parts.push(out.subarray(0, writer.write(out, view, 0, src, at, lineEnd, BASE + at)))
    at = newline + 1
  }
  return Buffer.concat(parts).toString('base64')
}
