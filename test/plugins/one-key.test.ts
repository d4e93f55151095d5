import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import type { Chunk } from '../../src/core/chunk.ts'
import { ENTRY_HEAD, encodeStr, writeEntryHead } from '../../src/core/msgpack/encode.ts'
import type { OptionTable } from '../../src/core/options/option.ts'
import { parseOptions } from '../../src/core/options/parse.ts'
import type { ParserSpec } from '../../src/core/plugin.ts'
import { JSON_TIME_OPTIONS, JsonRecords } from '../../src/lib/records/json-records.ts'
import { Enricher } from '../../src/plugins/filters/kubernetes/enrich/enricher.ts'
import { metadataPairs } from '../../src/plugins/filters/kubernetes/enrich/metadata.ts'
import { spec as modifier } from '../../src/plugins/filters/record-modifier.ts'
import { spec as cri } from '../../src/plugins/parsers/cri.ts'
import { spec as docker } from '../../src/plugins/parsers/docker.ts'
import { spec as json } from '../../src/plugins/parsers/json.ts'
import { spec as logfmt } from '../../src/plugins/parsers/logfmt.ts'
import { spec as ltsv } from '../../src/plugins/parsers/ltsv.ts'
import { spec as regex } from '../../src/plugins/parsers/regex.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../support/engine/chunk-of.ts'
import { LaterList } from '../support/later.ts'
import { shortOrLong } from '../support/long.ts'
import { fc } from '../support/property.ts'
import { repeatedKeys } from '../support/repeated-keys.ts'
import { parseLine, parserOf } from '../support/tail/parse-line.ts'
import { follow } from '../support/tail/run.ts'
import { tmp } from '../support/tmp.ts'

type Texts = Record<string, string>

const NAMES = ['a', 'log', 'stream', 'time', 'message', 'logtag', '_p', 'truncated', 'kubernetes']
const TIME_KEY = { time_key: 'time', time_format: '%Y-%m-%dT%H:%M:%S.%L%z' }
const STAMP = '2026-11-21T06:00:00.123456789Z'

const PARSERS: [name: string, spec: ParserSpec, texts: Texts][] = [
  ['json', json, {}],
  ['json-time', json, { ...TIME_KEY }],
  ['json-kept', json, { ...TIME_KEY, time_keep: 'on' }],
  ['decoded', json, { decode_field: 'decode_field json log' }],
  ['docker', docker, {}],
  ['cri', cri, {}],
  ['logfmt', logfmt, {}],
  ['logfmt-time', logfmt, { ...TIME_KEY }],
  ['ltsv', ltsv, {}],
  ['regex', regex, { regex: '^(?<a>\\w*) ?(?<log>\\w*) ?(?<message>.*)$' }],
].map(([name, spec, texts]) => [name, spec, texts] as [string, ParserSpec, Texts])

const plans = PARSERS.map(([name, spec, texts]) => ({
  name,
  spec,
  options: parseOptions(spec.options as OptionTable, texts as never),
}))

const name = fc.constantFrom(...NAMES)
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('1', 'true', `"${STAMP}"`, '"x"', '"{\\"a\\":1,\\"a\\":2}"') },
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(',')}]`),
    fc
      .array(fc.tuple(name, tie('value')), { maxLength: 20 })
      .map((pairs) => `{${pairs.map(([k, v]) => `"${k}":${v}`).join(',')}}`),
  ),
}))
/** Names as they are, and with an escape. */
const jsonName = fc.oneof(
  name,
  name.map((text) => `\\u00${text.charCodeAt(0).toString(16)}${text.slice(1)}`),
)
const object = fc
  .array(fc.tuple(jsonName, value), { maxLength: 24 })
  .map((pairs) => `{${pairs.map(([k, v]) => `"${k}":${v}`).join(',')}}`)
const pairs = fc.array(fc.tuple(name, fc.constantFrom('1', 'x', STAMP)), { minLength: 1, maxLength: 8 })
const line = fc.oneof(
  object,
  pairs.map((all) => all.map(([k, v]) => `${k}=${v}`).join(' ')),
  pairs.map((all) => all.map(([k, v]) => `${k}:${v}`).join('\t')),
  fc.constantFrom('one two three', 'x', `${STAMP} stdout F text`, `${STAMP} stderr P text`),
  fc.constant(`{"log":"text\\n","stream":"stdout","time":"${STAMP}"}`),
  fc.constant('z'.repeat(1200)),
)

/** Options of tail whose values are often names of fields. */
const tailKeys = fc.record(
  { path_key: name, file_id_key: name, offset_key: name, key: name },
  { requiredKeys: [] },
)

/** Returns the record of the fields, where each field replaces earlier ones with its name. */
function expectedRecord(
  text: string,
  parser: string,
  keys: Partial<Record<string, string>>,
  added: [string | undefined, unknown][],
): Record<string, unknown> {
  const fields = added.filter((field): field is [string, unknown] => field[0] !== undefined)
  const plan = PARSERS.find(([each]) => each === parser)
  const isLong = text.length > 1024
  const parsed = plan === undefined || isLong ? undefined : parseLine(parserOf(plan[1], plan[2]), text)
  const { key = 'log' } = keys
  if (parsed !== undefined) return Object.assign({ ...parsed.record }, Object.fromEntries(fields))
  const record = Object.fromEntries(fields)
  if (isLong) record.truncated = true
  // The flag never replaces the line.
  record[key] = text.slice(0, 1024)
  return record
}

describe('a record from tail has no key twice', () => {
  const cases = fc.record({
    keys: tailKeys,
    lines: fc.array(line, { minLength: 1, maxLength: 12 }),
    // Large enough that the WebAssembly encoder takes part.
    isLarge: fc.boolean(),
  })

  test.each(['', ...PARSERS.map(([each]) => each)])(
    'property: parser "%s": the last field with a key stays',
    async (parser) => {
      await fc.assert(
        fc.asyncProperty(cases, async ({ keys, lines, isLarge }) => {
          const path = join(tmp(), 'a.log')
          const size = lines.join('\n').length + 1
          const all = Array.from({ length: isLarge ? Math.ceil(20_000 / size) : 1 }, () => lines).flat()
          writeFileSync(path, all.map((each) => `${each}\n`).join(''))
          const repeated: string[] = []
          const check = {
            apply(chunk: Chunk) {
              repeated.push(...repeatedKeys(chunk.buf, chunk.start, chunk.end))
            },
          }
          const tail = { path, buffer_max_size: '1024', truncate_long_lines: 'on', ...keys }
          const run = follow(parser === '' ? tail : { ...tail, parser }, {
            parsers: plans as never,
            filters: [check],
          })
          await run.waitForLines(all.length)
          expect(repeated).toEqual([])
          const id = run.received[0]?.record[keys.file_id_key ?? '']
          let offset = 0
          for (const [i, { record }] of run.received.entries()) {
            const text = all[i] as string
            const added: [string | undefined, unknown][] = [
              [keys.path_key, path],
              [keys.file_id_key, id],
              [keys.offset_key, offset],
            ]
            const expected = expectedRecord(text, parser, keys, added)
            // The value of the id is only known if nothing replaces it.
            if (keys.file_id_key !== undefined && expected[keys.file_id_key] === id)
              expected[keys.file_id_key] = record[keys.file_id_key]
            expect(normal(record)).toEqual(normal(expected))
            offset += text.length + 1
          }
          await run.abort()
        }),
        { numRuns: shortOrLong(10, 5) },
      )
    },
  )

  test('property: nor do joined container logs', async () => {
    await fc.assert(
      fc.asyncProperty(tailKeys, fc.array(line, { minLength: 1, maxLength: 20 }), async (keys, lines) => {
        const path = join(tmp(), 'a.log')
        writeFileSync(path, lines.map((each) => `${each}\n`).join(''))
        const repeated: string[] = []
        const check = {
          apply(chunk: Chunk) {
            repeated.push(...repeatedKeys(chunk.buf, chunk.start, chunk.end))
          },
        }
        const tail = { path, buffer_max_size: '1024', ...keys, 'multiline.parser': 'docker, cri' }
        const run = follow({ ...tail, exit_on_eof: 'on' }, { filters: [check] })
        await run.waitForLines(1)
        await run.stop()
        expect(repeated).toEqual([])
      }),
      { numRuns: shortOrLong(40, 20) },
    )
  })
})

/** Compares numbers by value: a decoder returns large offsets as bigint or number. */
function normal(record: Record<string, unknown>): unknown {
  return JSON.parse(JSON.stringify(record, (_, v) => (typeof v === 'bigint' ? Number(v) : v)))
}

describe('a filter', () => {
  const record = fc.dictionary(name, fc.oneof(fc.constant('x'), fc.integer()), { maxKeys: 20 })

  test('property: record_modifier replaces the fields that it adds', () => {
    const options = fc.record({
      record: fc.array(name, { maxLength: 4 }),
      uuid_key: fc.option(name, { nil: undefined }),
    })
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 10 }),
        options,
        (records, { record: keys, uuid_key }) => {
          const buffers = new LooseBuffers()
          const texts = {
            record: keys.map((key, i) => `${key} v${i}`),
            ...(uuid_key === undefined ? {} : { uuid_key }),
          }
          const chunk = chunkOf(records, 'app', buffers)
          modifier
            .create(parseOptions(modifier.options, texts as never), { buffers } as never)
            .apply(chunk, new LaterList(buffers))
          expect(repeatedKeys(chunk.buf, chunk.start, chunk.end)).toEqual([])
          const added = Object.fromEntries(keys.map((key, i) => [key, `v${i}`]))
          const got = recordsOf(chunk)
          const expected = records.map((each, i) => ({
            ...each,
            ...added,
            ...(uuid_key === undefined ? {} : { [uuid_key]: got[i]?.[uuid_key] }),
          }))
          expect(got).toEqual(expected)
        },
      ),
    )
  })

  test('property: kubernetes merges lines and adds metadata without a key twice', () => {
    const options = {
      merge: fc.boolean(),
      keepLog: fc.boolean(),
      mergeKey: fc.option(name, { nil: undefined }),
    }
    const logged = fc.tuple(record, fc.oneof(object, line)).map(([each, log]) => ({ ...each, log }))
    fc.assert(
      fc.property(fc.array(logged, { minLength: 1, maxLength: 60 }), fc.record(options), (records, given) => {
        const buffers = new LooseBuffers()
        const chunk = chunkOf(records, 'k', buffers)
        const enricher = new Enricher({
          ...given,
          mergeKey: given.mergeKey === undefined ? undefined : encodeStr(given.mergeKey),
          logKey: encodeStr('log'),
          trim: true,
          parser: undefined,
          buffers,
        })
        const pod = Buffer.from(encode({ pod_name: 'web' }))
        enricher.apply(chunk, { pairs: metadataPairs(pod, pod), streams: undefined })
        expect(repeatedKeys(chunk.buf, chunk.start, chunk.end)).toEqual([])
      }),
    )
  })
})

test('JSON has the field of the record under the key of the time, or else the time', () => {
  const chunk = chunkOf([{ a: 1, date: 'mine' }, { date: { date: 1 } }, { a: { date: 1 } }, {}])
  const records = new JsonRecords('json_lines', parseOptions(JSON_TIME_OPTIONS, {}))
  records.append(chunk)
  expect(records.text.bytes().toString().split('\n')).toEqual([
    '{"a":1,"date":"mine"}',
    '{"date":{"date":1}}',
    '{"date":1002.500000,"a":{"date":1}}',
    '{"date":1003.500000}',
    '',
  ])
})

test('the check in this file finds duplicate keys at any depth', () => {
  const map = Buffer.from('82a16101a16181a16292a162c081a162c0', 'hex')
  const twice = Buffer.from('81a16192c082a16201a16202', 'hex')
  const entry = Buffer.alloc(ENTRY_HEAD)
  writeEntryHead(entry, 0, 1, 2)
  const buf = Buffer.concat([entry, map, entry, twice])
  expect(repeatedKeys(buf, 0, buf.length)).toEqual(['a', 'b'])
})
