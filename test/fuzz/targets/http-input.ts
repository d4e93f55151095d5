import { isDeepStrictEqual } from 'node:util'
import { parserOf } from '../../../bench/parser-of.ts'
import { Malformed } from '../../../src/core/malformed.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { mapPairs } from '../../../src/core/msgpack/record.ts'
import { UniqueKeys } from '../../../src/core/msgpack/unique-keys.ts'
import { SnappyInflater } from '../../../src/lib/compression/snappy-frames.ts'
import { EntryBlocks, Scratch } from '../../../src/lib/http-input/entry-blocks.ts'
import { Http2Refusal } from '../../../src/lib/http-input/http2-refusal.ts'
import type { RecordReader } from '../../../src/lib/http-input/received-request.ts'
import { RefusedRequest } from '../../../src/lib/http-input/refused-request.ts'
import { JsonTranscoder } from '../../../src/lib/json/json-to-msgpack.ts'
import { BodyReader } from '../../../src/lib/net/http-server/body-reader.ts'
import { CHUNKED, type HeadLimits, readHead } from '../../../src/lib/net/http-server/head.ts'
import { HeadReader } from '../../../src/lib/net/http-server/head-reader.ts'
import type { ConnectionBudget } from '../../../src/lib/net/receive-budget.ts'
import { FormReader } from '../../../src/plugins/inputs/http/form-reader.ts'
import { JsonReader } from '../../../src/plugins/inputs/http/json-reader.ts'
import { TextReader } from '../../../src/plugins/inputs/http/text-reader.ts'
import { JsonReader as OtlpJsonReader } from '../../../src/plugins/inputs/opentelemetry/json-reader.ts'
import { JsonCodec } from '../../../src/plugins/inputs/opentelemetry/json-text.ts'
import { ProtobufReader } from '../../../src/plugins/inputs/opentelemetry/protobuf-reader.ts'
import { spec as logfmt } from '../../../src/plugins/parsers/logfmt.ts'
import { AnyValueWriter } from '../../../src/protocol/otlp/any-value.ts'
import { snappyFrames } from '../../support/http/snappy-frames.ts'
import { countEntries } from '../../support/lines.ts'
import { keyValue, message } from '../../support/otlp.ts'
import { pieces } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const MAX_BYTES = 4000
/** Limit of the records, small enough for one that grows by what all of them have in common. */
const MAX_ENTRY_BYTES = 1_000_000
const ANSWER = { status: 201, body: '' }
const FRAME = { tag: 't', sec: 1, nsec: 2, answer: ANSWER }
const OTLP_FRAME = {
  ...FRAME,
  metadataKey: Buffer.from([0xa1, 0x6d]),
  bodyKey: undefined,
  partial: () => ANSWER,
}

const BUDGET: ConnectionBudget = {
  take: (bytes) => Buffer.alloc(bytes),
  give: () => {},
  hold: () => true,
  release: () => {},
  isPrivileged: false,
}

/** Size above which the entries of a body are tried and then made again in parts. */
const FEW_BYTES = 300

/**
 * Reads a body; returns its entries, or the kind of the refusal. Every entry must be complete MessagePack. In parts it has the same
 * entries, or is refused before any of them.
 */
function entriesOf(reader: RecordReader, input: Buffer): Buffer | string {
  const whole = readBody(reader, input, MAX_ENTRY_BYTES)
  const parts = readBody(reader, input, FEW_BYTES)
  must(
    typeof whole === 'string' ? whole === parts : whole.equals(Buffer.from(parts as Buffer)),
    'others in parts',
  )
  return whole
}

function readBody(reader: RecordReader, input: Buffer, maxBytes: number): Buffer | string {
  const blocks = new EntryBlocks(new Scratch(), MAX_ENTRY_BYTES, { memory: () => BUDGET }, maxBytes)
  const taken: Buffer[] = []
  let records = 0
  const take = (): void => {
    for (const { buf, start, end, count } of blocks.runs) {
      taken.push(Buffer.from(buf.subarray(start, end)))
      records += count
    }
    blocks.taken()
  }
  const readAll = (): void => {
    for (let turn = 0; ; turn++) {
      must(turn < 100, 'does not end')
      const state = reader.read(blocks)
      must(state !== 'memory' || blocks.runs.length > 0, 'has no memory')
      if (state === 'memory') take()
      if (state === 'done') return
    }
  }
  try {
    reader.begin(input, 0, input.length)
    readAll()
    if (blocks.isTrial) {
      must(blocks.runs.length === 0 && records === 0, 'entries in a trial')
      blocks.restart()
      reader.begin(input, 0, input.length)
      readAll()
    }
    take()
    blocks.release()
    const bytes = Buffer.concat(taken)
    let at = 0
    for (let n = 0; n < records; n++) {
      const end = skip(bytes, at, bytes.length)
      must(end > 0 && bytes[at] === 0x92, () => `entry ${n} is not complete`)
      const map = skip(bytes, at + 1, end)
      must(
        mapPairs(bytes, map) >= 0 && skip(bytes, map, end) === end,
        () => `the body of entry ${n} is no map`,
      )
      at = end
    }
    must(at === bytes.length, 'bytes after the last entry')
    return bytes
  } catch (error) {
    if (error instanceof RefusedRequest || error instanceof Malformed) return kindOf(error)
    throw error
  } finally {
    blocks.release()
  }
}

const kind = (found: Buffer | string): string =>
  typeof found === 'string' ? found : `entries ${size(found.length)}`

const json = new JsonTranscoder()

/** What JSON.parse reads as an object is accepted, and what it refuses is not. */
export const httpJson: Target = {
  name: 'http-json',
  maxBytes: MAX_BYTES,
  dictionary: ['{"a":1}', '[', ']', ',', '{}', '\n', '"\\u0041"', '1e5', 'null', '{"k":[{"k":{}}]}'],
  seeds: () => ['{"a":1}', '[{"a":1},{"b":[1,2,{"c":null}]}]', '{"a":1}{"b":2}\n{"c":"ä\\n"}\n[]'],
  run(input) {
    const found = entriesOf(new JsonReader(FRAME, json), input)
    const text = input.toString()
    if (Buffer.from(text).equals(input) && text.trimStart().startsWith('{') && !/\de|\d{16}/i.test(text)) {
      let parsed = true
      try {
        JSON.parse(text)
      } catch {
        parsed = false
      }
      must(!parsed || typeof found !== 'string', 'refuses what JSON.parse reads')
    }
    return kind(found)
  },
}

const keys = new UniqueKeys()

export const httpForm: Target = {
  name: 'http-form',
  maxBytes: MAX_BYTES,
  dictionary: ['a=b', '&', '=', '%41', '%', '+', '\n', '%zz'],
  seeds: () => ['a=1&b=x+y%21', '=&a=&b', '\na = 1 &a=2'],
  run: (input) => kind(entriesOf(new FormReader(FRAME, keys), input)),
}

const line = parserOf(logfmt)

/** A text has as many records as lines that are not empty, with a parser and without. */
export const httpText: Target = {
  name: 'http-text',
  maxBytes: MAX_BYTES,
  dictionary: ['a=b', '\n', '\r\n', '\r', '"', '\0', ' level=info msg="x y" '],
  seeds: () => ['one\ntwo\r\n\nthree', 'level=info msg="x y" n=1\n=\n', '\n\r\n'],
  run(input) {
    const lines = input
      .toString('latin1')
      .split('\n')
      .filter((text) => text.replace(/\r$/, '') !== '').length
    const parsers = [undefined, { parser: line, failed: () => {} }]
    const kinds = parsers.map((parser) => {
      const found = entriesOf(new TextReader(FRAME, parser), input)
      const records = typeof found === 'string' ? 0 : countEntries(found)
      must(records === lines, () => `${records} records of ${lines} lines`)
      return kind(found)
    })
    return kinds.join()
  },
}

const OPEN_OR_DONE = /^(?:open|done) /

/** A body in chunks is the same however it is cut. */
export const httpChunks: Target = {
  name: 'http-chunks',
  maxBytes: MAX_BYTES,
  dictionary: ['0\r\n\r\n', '\r\n', '5\r\n', ';a=b', 'ffffffff', 'A: b\r\n', '\n', '+', '0x'],
  seeds: () => ['4\r\nwiki\r\n5;a\r\npedia\r\n0\r\n\r\n', '1\r\nx\r\n0\r\nA: b\r\n\r\n'],
  run(input) {
    const read = (parts: readonly Buffer[]): string => {
      const reader = new BodyReader(CHUNKED)
      let body = ''
      try {
        for (const part of parts) {
          let at = 0
          while (at < part.length && !reader.isDone)
            at = reader.read(part, at, part.length, (buf, start, end) => {
              body += buf.toString('latin1', start, end)
              return true
            })
        }
        return `${reader.isDone ? 'done' : 'open'} ${body}`
      } catch (error) {
        if (error instanceof Malformed) return kindOf(error)
        throw error
      }
    }
    const [whole, cut] = [read([input]), read(pieces(input))]
    must(whole === cut, () => `in pieces ${cut}, as a whole ${whole}`)
    return OPEN_OR_DONE.test(whole) ? `${whole.slice(0, 4)} ${size(whole.length)}` : whole
  },
}

const HEAD_LIMITS: HeadLimits = { headerBytes: 2000, targetChars: 100 }
const FIRST_HEAD = Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n')

/** A head is read, refused or incomplete, whatever the head before it was; how its body is delimited is one thing or refused. */
export const httpFraming: Target = {
  name: 'http-framing',
  maxBytes: MAX_BYTES,
  dictionary: [
    'Content-Length: 5\r\n',
    'Transfer-Encoding: chunked\r\n',
    '\r\n',
    ' ',
    '\t',
    ', ',
    'HTTP/1.0',
    '\0',
  ],
  seeds: () => [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n',
  ],
  run(input) {
    const head = readHead(input, HEAD_LIMITS)
    const reader = new HeadReader(HEAD_LIMITS)
    for (const before of [FIRST_HEAD, input]) {
      reader.read(before)
      must(
        isDeepStrictEqual(reader.read(input), head),
        'the head is another one after one of the same client',
      )
    }
    if (head === undefined || 'status' in head) return String(head?.status)
    const { headers, framing } = head
    const lengths = [...input.toString('latin1', 0, head.end).matchAll(/^content-length[ \t]*:/gim)].length
    must(framing <= 0 || !headers.has('transfer-encoding'), 'a length with chunks')
    must(lengths <= 1, 'two lengths')
    return `framing ${size(framing)}`
  },
}

const values = new AnyValueWriter()
const RECORD = [
  [1, { fixed64: 1_700_000_000_500_000_000n }],
  [2, 9],
  [3, 'INFO'],
  [5, [[6, [[1, keyValue('a', [[5, [[1, [[1, 'x']]]]]])]]]]],
  [6, keyValue('k', [[3, 5n]])],
  [8, { fixed32: 1 }],
  [9, Buffer.alloc(16, 1)],
] as const

export const otlpProtobuf: Target = {
  name: 'otlp-protobuf',
  maxBytes: MAX_BYTES,
  dictionary: [
    '\x0a',
    '\x12',
    '\x0a\x00',
    '\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01',
    '\x2a\x02\x0a\x00',
    '\x32\x00',
  ],
  seeds: () => [
    message([
      [
        1,
        [
          [1, [[1, keyValue('s', [[1, 'v']])]]],
          [
            2,
            [
              [1, [[1, 'n']]],
              [2, RECORD],
              [2, []],
            ],
          ],
          [3, 'url'],
        ],
      ],
    ]),
    message([[1, [[2, [[2, [[5, [[1, 'x']]]]]]]]]]),
  ],
  run: (input) => kind(entriesOf(new ProtobufReader(OTLP_FRAME, values), input)),
}

const codec = new JsonCodec()

export const otlpJson: Target = {
  name: 'otlp-json',
  maxBytes: MAX_BYTES,
  dictionary: [
    '{"resourceLogs":[',
    '"scopeLogs":[',
    '"logRecords":[',
    '"body":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"5"}}]}}',
    '"traceId":"0123456789abcdef0123456789abcdef"',
    '"timeUnixNano":"1700000000500000000"',
    '{"doubleValue":1}',
    '[]',
    '{}',
    'null',
    ']}',
  ],
  seeds: () => [
    '{"resourceLogs":[{"resource":{"attributes":[{"key":"s","value":{"stringValue":"v"}}]},"scopeLogs":[{"scope":{"name":"n"},"logRecords":[{"timeUnixNano":"1700000000500000000","body":{"stringValue":"x"},"attributes":[{"key":"k","value":{"arrayValue":{"values":[{"boolValue":true},{"bytesValue":"AQ=="}]}}}],"spanId":"0123456789abcdef","traceFlags":1},{}]}]}]}',
    '{"resourceLogs":[]}',
  ],
  run: (input) => kind(entriesOf(new OtlpJsonReader(OTLP_FRAME, codec), input)),
}

const MAX_INFLATED = 200_000

/** Frames of snappy are refused or decompressed, within their limit, and the same into buffers of any size. */
export const snappy: Target = {
  name: 'snappy',
  maxBytes: MAX_BYTES,
  dictionary: [
    '\xff\x06\x00\x00sNaPpY',
    '\x00\x05\x00\x00',
    '\x01\x05\x00\x00',
    '\xfe\x00\x00\x00',
    '\x80\x80\x04',
  ],
  seeds: () => [
    snappyFrames(Buffer.from('hello hello hello hello')),
    snappyFrames(Buffer.alloc(70_000, 'ab')),
  ],
  run(input) {
    const read = (bytes: number): Buffer | string => {
      const parts: Buffer[] = []
      try {
        const inflater = new SnappyInflater(input, MAX_INFLATED)
        while (!inflater.isAtEnd) {
          const part = Buffer.alloc(bytes)
          parts.push(part.subarray(0, inflater.read(part, 0, bytes)))
        }
        return Buffer.concat(parts)
      } catch (error) {
        if (error instanceof Malformed) return kindOf(error)
        throw error
      }
    }
    const [large, small] = [read(300_000), read(777)]
    const isSame =
      typeof large === 'string' ? large === small : typeof small !== 'string' && large.equals(small)
    must(isSame, 'another output in small pieces')
    return kind(large)
  },
}

/** The first request of HTTP/2 is answered once, whatever comes before it and however it is cut; nothing else ends the connection soon. */
export const http2Refusals: Target = {
  name: 'http2-refusal',
  maxBytes: MAX_BYTES,
  dictionary: ['SM\r\n\r\n', '\0\0\0\x04\0\0\0\0\0', '\0\0\x01\x01\x05\0\0\0\x01x', '\xff\xff\xff'],
  seeds: () => ['SM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01x'],
  run(input) {
    const answered = (parts: readonly Buffer[]): string => {
      const ends: Buffer[] = []
      const peer = { write: () => {}, endWith: (bytes: Buffer) => void ends.push(bytes) }
      const refusal = new Http2Refusal(peer, { status: 505, fields: [['a', 'b']], body: 'c' })
      for (const part of parts) if (ends.length === 0) refusal.push(part, 0, part.length)
      must(ends.length <= 1, 'two ends')
      return ends[0]?.toString('hex') ?? 'open'
    }
    const [whole, cut] = [answered([input]), answered(pieces(input))]
    must(whole === cut, () => `in pieces ${cut}, as a whole ${whole}`)
    return whole === 'open' ? whole : 'answered'
  },
}
