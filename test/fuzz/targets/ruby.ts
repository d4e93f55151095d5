import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { ENTRY_HEAD, skip, writeEntryHead } from '../../../src/core/msgpack/encode.ts'
import { mapPairs } from '../../../src/core/msgpack/record.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { FilterContext } from '../../../src/core/plugin.ts'
import { RubyRefusal } from '../../../src/lib/ruby/ast.ts'
import { ByteWriter } from '../../../src/lib/ruby/byte-writer.ts'
import { compileRuby } from '../../../src/lib/ruby/compile.ts'
import { encodeValue } from '../../../src/lib/ruby/encode.ts'
import { RubyFailure } from '../../../src/lib/ruby/failure.ts'
import { parseInterpolated, parseRuby } from '../../../src/lib/ruby/parse.ts'
import { spec } from '../../../src/plugins/filters/record-transformer/index.ts'
import { ValueScanner } from '../../../src/protocol/forward/value-scanner.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { LaterList } from '../../support/later.ts'
import { scopeOf } from '../../support/ruby.ts'
import { SILENT } from '../support.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const FIXTURE = resolve(import.meta.dirname, '../../fixtures/ruby/expressions.json')
const MAX_RESULT_BYTES = 5_000_000

function evaluate(text: string, parse: typeof parseRuby): string {
  try {
    const compiled = compileRuby(parse(text), { environment: { HOME: '/' } })
    const scope = scopeOf({ a: text, b: [1, { c: null }], n: 5, 'k.d': { l: 1.5 } }, 'app.web-1-2.x')
    const out = new ByteWriter()
    encodeValue(compiled(scope), out)
    must(skip(out.buf, 0, out.at) === out.at, 'the value is not MessagePack')
    must(out.at <= MAX_RESULT_BYTES, () => `a value of ${out.at} bytes`)
    return `value ${out.buf[0]} ${size(out.at)}`
  } catch (error) {
    if (error instanceof RubyRefusal) {
      must(error.character >= 1 && error.character <= 10_001, () => `a place of ${error.character}`)
      return `refused ${kindOf(error)}`
    }
    if (error instanceof RubyFailure) return `failed ${kindOf(error)}`
    throw error
  }
}

/** An expression is refused, fails or has a value within its limits; it never runs long and never throws anything else. */
export const ruby: Target = {
  name: 'ruby',
  maxBytes: 2000,
  dictionary:
    'record ["a"] .dig("b",0) tag_parts[0] [1..-1] .join(".") || && &. == =~ ? : ( ) [ ] #{ } "x" \'y\' /a+/ .gsub(/./,"b") .split(",") .upcase .to_s .to_i .scan(/./) * + nil if then else end rescue not .. time .strftime("%Y-%N") ENV["HOME"] %w[a] \\ \n ; .ljust(9999) .to_json .inspect .chars .tr("a-z","b")'.split(
      ' ',
    ),
  seeds: () => {
    const { cases } = JSON.parse(readFileSync(FIXTURE, 'utf8')) as { cases: [string][] }
    return cases.filter((_, i) => i % 4 === 0).map(([expression]) => expression)
  },
  run(input) {
    const text = input.toString()
    return `${evaluate(text, parseRuby)} ${evaluate(text, parseInterpolated)}`
  },
}

const CONFIGURATIONS: Record<string, string | string[]>[] = [
  { record: ['a ${record["b"]}', 'tag ${tag}'] },
  {
    record: ['a x${record["b"]}-${record["a"]["b"]}', 'k${record["a"]} 1'],
    remove_keys: 'b,$.a.b,$.a[0],$.c[-1].d',
  },
  { renew_record: 'true', keep_keys: 'a,b,log', renew_time_key: 'a', record: 'log ${record["c"]}' },
  {
    enable_ruby: 'true',
    record: [
      'up ${record["log"].upcase}',
      'a ${record["a"].to_s}${record.to_json}',
      'n {"l": ["${record.keys}"]}',
    ],
  },
]

function filterOf(texts: Record<string, string | string[]>, buffers: LooseBuffers) {
  return spec.create(parseOptions(spec.options, texts as never), {
    buffers,
    log: SILENT,
    agent: { hostname: 'h' },
    clock: { nowMs: () => 0 },
    counters: { add() {} },
  } as unknown as FilterContext)
}

/** Whatever records are, what comes out are as many records, and all buffers are given back. */
export const transformer: Target = {
  name: 'transformer',
  maxBytes: 4000,
  dictionary: [
    '\xa1a',
    '\xa1b',
    '\xa1c',
    '\xa3log',
    '\x81',
    '\x82',
    '\x91',
    '\xc0',
    '\xd9',
    '\xdf\x00\x00\x00\x01',
    '\xcf',
  ],
  seeds: () =>
    [
      { a: 1, b: 'x', log: 'line' },
      { a: { b: 1, c: [1, { d: 2 }] }, c: [{ d: 1 }], log: 'é\n' },
      { a: [1, 2], b: null, c: [[]], k1: 1.5 },
      { a: '1700000000.5', log: Buffer.from([255, 0]) },
    ].map((record) => Buffer.from(encode(record))),
  run(input) {
    let end = -1
    try {
      end = new ValueScanner(5000).scan(input, 0, input.length)
    } catch {
      return 'none'
    }
    if (end < 0 || mapPairs(input, 0) < 0) return 'none'
    const map = input.subarray(0, end)
    return CONFIGURATIONS.map((texts) => transformed(texts, map)).join(' ')
  },
}

function transformed(texts: Record<string, string | string[]>, map: Buffer): string {
  const buffers = new LooseBuffers()
  const start = headRoom('app.x')
  const buf = buffers.force(start + 2 * (ENTRY_HEAD + map.length) + TAIL_ROOM)
  let end = start
  for (let i = 0; i < 2; i++) {
    end = writeEntryHead(buf, end, 1000, 7)
    end += map.copy(buf, end)
  }
  const init = { tag: 'app.x', input: 'fuzz', buf, start, end, count: 2, id: 'id', inputBytes: 0 }
  const chunk = new Chunk(init, buffers)
  filterOf(texts, buffers).apply(chunk, new LaterList(buffers))
  must(chunk.count === 2, () => `2 records became ${chunk.count}`)
  const middle = skip(chunk.buf, chunk.start, chunk.end)
  must(skip(chunk.buf, middle, chunk.end) === chunk.end, 'the entries are not complete')
  must(chunk.buf.length - chunk.end >= TAIL_ROOM, 'there is no room for a frame')
  const [first, second] = [chunk.buf.subarray(chunk.start, middle), chunk.buf.subarray(middle, chunk.end)]
  must(first.equals(second), 'equal records become different ones')
  const kind = `${first[ENTRY_HEAD]} ${size(first.length)}`
  chunk.release()
  must(buffers.out.size === 0, 'a buffer is not given back')
  return kind
}
