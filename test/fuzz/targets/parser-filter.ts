import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Parser } from '../../../src/core/parser.ts'
import type { Filter } from '../../../src/core/plugin.ts'
import { spec } from '../../../src/plugins/filters/parser/index.ts'
import { spec as json } from '../../../src/plugins/parsers/json.ts'
import { spec as logfmt } from '../../../src/plugins/parsers/logfmt.ts'
import { spec as regex } from '../../../src/plugins/parsers/regex.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { LaterList } from '../../support/later.ts'
import { repeatedKeys } from '../../support/repeated-keys.ts'
import { createParser } from '../support.ts'
import { must, size, type Target } from '../target.ts'

const PARSERS: Record<string, Parser> = {
  json: createParser(json, { time_key: 'ts', time_format: '%s' }),
  pair: createParser(regex, { regex: '^(?<a>[a-z]+) (?<log>.*)$' }),
  logfmt: createParser(logfmt, { logfmt_no_bare_keys: 'on' }),
}
const FORMS: Record<string, string | string[]>[] = [
  {},
  { reserve_data: 'on' },
  { reserve_data: 'on', preserve_key: 'on', collision: 'parsed' },
  { key_name: "$log['a']", reserve_data: 'on', result_prefix: 'lo' },
  { preserve_key: 'on', result_key: 'log' },
]
const NIL = Buffer.from([0xc0])
const NO_COUNTERS = { add() {} }
const ENTRY = Buffer.from('92d7006553f10000000001', 'hex')
const WITH_METADATA = Buffer.from('9292d7006553f1000000000181a16d01', 'hex')

const buffers = new LooseBuffers()

function filterOf(texts: Record<string, string | string[]>): Filter {
  const all = { key_name: 'log', parser: Object.keys(PARSERS), ...texts }
  const options = parseOptions(spec.options, all as never)
  const ctx = { buffers, parser: (name: string) => PARSERS[name], counters: NO_COUNTERS }
  return spec.create(options, ctx as never)
}

const filters = FORMS.map(filterOf)

/** Returns the offsets at which the entries begin; what is none of them goes up to the end. */
function starts(buf: Buffer, from: number, end: number): number[] {
  const found: number[] = []
  for (let at = from; at < end; ) {
    found.push(at)
    const next = skip(buf, at, end)
    at = next > at ? next : end
  }
  return found
}

/** The filter parser keeps the number of records, and writes no key twice into those that it changes. */
export const parserFilter: Target = {
  name: 'parser-filter',
  maxBytes: 4000,
  dictionary: [
    '\xa3log',
    '\x92\xd7\0',
    '\x82',
    '\xd9\x03log',
    '\xc4\x02',
    '{"',
    '":',
    '}',
    'a=1',
    '\xa1a',
    '\xde\0\x10',
  ],
  seeds: () => [
    Buffer.concat([ENTRY, encode({ log: '{"a":1,"log":"x","ts":1700000000}', a: 2, b: [1, { c: null }] })]),
    Buffer.concat([
      WITH_METADATA,
      encode({ log: 'abc de', a: 'x' }),
      ENTRY,
      encode({ log: { a: 'k=1 k=2' } }),
    ]),
    Buffer.concat([Buffer.from('92ce6553f100', 'hex'), encode({ log: '{"ts":5}', more: 'x'.repeat(300) })]),
  ],
  run(input) {
    const start = headRoom('app')
    const given = starts(input, 0, input.length)
    const kinds = filters.map((filter) => {
      const buf = buffers.force(start + input.length + TAIL_ROOM)
      input.copy(buf, start)
      const count = given.length
      const about = { tag: 'app', input: 'fuzz', id: 'id', inputBytes: 0 }
      const chunk = new Chunk({ ...about, buf, start, end: start + input.length, count }, buffers)
      filter.apply(chunk, new LaterList(buffers))
      const after = starts(chunk.buf, chunk.start, chunk.end)
      must(after.length === count && chunk.count === count, 'the number of records changes')
      let changed = 0
      after.forEach((at, i) => {
        const out = chunk.buf.subarray(at, after[i + 1] ?? chunk.end)
        if (out.equals(input.subarray(given[i] as number, given[i + 1]))) return
        changed++
        must(skip(out, 0, out.length) === out.length, 'a changed record is not MessagePack')
        must(!topRepeats(out), 'a key is there twice')
      })
      chunk.release()
      must(buffers.out.size === 0, 'a buffer is not given back')
      return size(changed)
    })
    return kinds.join()
  },
}

/** Returns true when the map of an entry has a key twice; maps within it are not those of the filter. */
function topRepeats(entry: Buffer): boolean {
  const map = skip(entry, 1, entry.length)
  const keys: Buffer[] = []
  const head = entry[map] as number
  let at = map + (head <= 0x8f ? 1 : head === 0xde ? 3 : 5)
  while (at < entry.length) {
    const value = skip(entry, at, entry.length)
    keys.push(entry.subarray(at, value))
    at = skip(entry, value, entry.length)
  }
  const texts = keys.filter(isText)
  const head32 = Buffer.from([0xdf, 0, 0, 0, 0])
  head32.writeUInt32BE(texts.length, 1)
  const flat = Buffer.concat([head32, ...texts.flatMap((key) => [key, NIL])])
  return repeatedKeys(flat, 0, flat.length).length > 0
}

function isText(key: Buffer): boolean {
  const type = key[0] as number
  return (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb) || (type >= 0xc4 && type <= 0xc6)
}
