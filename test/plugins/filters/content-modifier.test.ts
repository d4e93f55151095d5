import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { decodeMulti, encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { mapPairs } from '../../../src/core/msgpack/record.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Filter, FilterContext } from '../../../src/core/plugin.ts'
import { bodyAt } from '../../../src/lib/records/entry-parts.ts'
import { spec } from '../../../src/plugins/filters/content-modifier/index.ts'
import { type Body, filterContract } from '../../contract/filter.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { LaterList } from '../../support/later.ts'

type Texts = Record<string, string>
/** A record, or `[metadata, record]`, or a map as hex digits of MessagePack. */
type Input = Body | [Body, Body] | string

const TIME = Buffer.from('d7006553f1000000002a', 'hex')

function filterOf(texts: Texts, ctx: Partial<FilterContext> = {}): Filter {
  return spec.create(parseOptions(spec.options, texts), { buffers: new LooseBuffers(), ...ctx } as never)
}

function entryOf(input: Input): Buffer {
  if (typeof input === 'string') return Buffer.concat([Buffer.from([0x92]), TIME, Buffer.from(input, 'hex')])
  if (!Array.isArray(input))
    return Buffer.concat([Buffer.from([0x92]), TIME, encode(input, { useBigInt64: true })])
  const [metadata, body] = input
  return Buffer.concat([Buffer.from([0x92, 0x92]), TIME, encode(metadata), encode(body)])
}

function chunkOf(inputs: Input[], buffers: LooseBuffers): Chunk {
  const entries = Buffer.concat(inputs.map(entryOf))
  const start = headRoom('t')
  const buf = buffers.force(start + entries.length + TAIL_ROOM)
  entries.copy(buf, start)
  const [end, count] = [start + entries.length, inputs.length]
  return new Chunk({ tag: 't', input: 'i', buf, start, end, count, id: 'id', inputBytes: 0 }, buffers)
}

/** Returns the chunk after the filter. */
function filtered(texts: Texts, inputs: Input[], ctx: Partial<FilterContext> = {}): Chunk {
  const buffers = new LooseBuffers()
  const chunk = chunkOf(inputs, buffers)
  filterOf(texts, { ...ctx, buffers }).apply(chunk, new LaterList(buffers))
  expect([...buffers.out]).toEqual([chunk.buf])
  expect(chunk.start).toBeGreaterThanOrEqual(headRoom('t'))
  expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
  return chunk
}

/** Returns the entries as JSON texts, in which the order of keys shows: `[metadata, record]`, or the record alone. */
function through(texts: Texts, ...inputs: Input[]): unknown[] {
  const chunk = filtered(texts, inputs)
  const entries = [...decodeMulti(chunk.entries(), { useBigInt64: true })] as [unknown, unknown][]
  expect(chunk.count).toBe(entries.length)
  return entries.map(([head, body]) => json(Array.isArray(head) ? [(head as unknown[])[1], body] : body))
}

function json(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? Number(item) : item)).replaceAll(
    '"',
    '',
  )
}

/** Returns the map of the only record as hex digits. */
function mapAfter(texts: Texts, map: string): string {
  const { buf, start, end } = filtered(texts, [map])
  return buf.toString('hex', bodyAt(buf, start, end), end)
}

const A = { a: '1', b: 'two', m: { k: 'v' } }
const X = { b: 'x' }
const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('content_modifier as in fluent-bit', () => {
  test.each<[string, Texts, Input[], unknown[]]>([
    [
      'insert adds a key',
      { action: 'insert', key: 'k', value: 'v' },
      [A, X],
      ['{a:1,b:two,m:{k:v},k:v}', '{b:x,k:v}'],
    ],
    [
      'insert leaves a key that is there',
      { action: 'insert', key: 'a', value: 'v' },
      [A, X],
      ['{a:1,b:two,m:{k:v}}', '{b:x,a:v}'],
    ],
    [
      'upsert replaces a key, at the end',
      { action: 'upsert', key: 'a', value: '5' },
      [A, X],
      ['{b:two,m:{k:v},a:5}', '{b:x,a:5}'],
    ],
    ['delete removes a key', { action: 'delete', key: 'a' }, [A, X], ['{b:two,m:{k:v}}', '{b:x}']],
    [
      'hash replaces the value in its place',
      { action: 'hash', key: 'b' },
      [A, X],
      [`{a:1,b:${sha('two')},m:{k:v}}`, `{b:${sha('x')}}`],
    ],
    [
      'hash takes the text of a number',
      { action: 'hash', key: 'n' },
      [{ n: 5 }, { n: 1.5 }],
      [`{n:${sha('5')}}`, `{n:${sha('1.5')}}`],
    ],
    ['hash leaves the empty text', { action: 'hash', key: 'n' }, [{ n: '' }], ['{n:}']],
    [
      'extract adds the named groups',
      { action: 'extract', key: 'b', pattern: '^(?<first>.)(?<rest>.*)$' },
      [A, X],
      ['{a:1,b:two,m:{k:v},first:t,rest:wo}', '{b:x,first:x,rest:}'],
    ],
    [
      'convert moves the value to the end',
      { action: 'convert', key: 'a', converted_type: 'int' },
      [A, X],
      ['{b:two,m:{k:v},a:1}', '{b:x}'],
    ],
    [
      'convert makes a text of numbers and booleans, not of maps',
      { action: 'convert', key: 'n', converted_type: 'string' },
      [{ n: 5 }, { n: 1.5 }, { n: true }, { n: { a: 1 } }],
      ['{n:5}', '{n:1.5}', '{n:true}', '{n:{a:1}}'],
    ],
    [
      'rename keeps the place',
      { action: 'rename', key: 'a', value: 'z' },
      [A, X],
      ['{z:1,b:two,m:{k:v}}', '{b:x}'],
    ],
    [
      'attributes are the metadata',
      { action: 'upsert', key: 'k', value: 'v', context: 'attributes' },
      [A, X],
      ['[{k:v},{a:1,b:two,m:{k:v}}]', '[{k:v},{b:x}]'],
    ],
  ])('%s', (_, texts, inputs, expected) => {
    expect(through(texts, ...inputs)).toEqual(expected)
  })
})

describe('content_modifier, better than in fluent-bit', () => {
  test.each<[string, Texts, Input[], unknown[]]>([
    [
      'a record that Pattern does not match is kept, with those after it',
      { action: 'extract', key: 'b', pattern: '^(?<d>[0-9]+)$' },
      [A, X, { b: '7' }],
      ['{a:1,b:two,m:{k:v}}', '{b:x}', '{b:7,d:7}'],
    ],
    [
      'a text that is no boolean stays',
      { action: 'convert', key: 'a', converted_type: 'boolean' },
      [{ a: 'true' }, { a: 'False' }, { a: 'x' }, { a: 0 }, { a: 2.5 }],
      ['{a:true}', '{a:false}', '{a:x}', '{a:false}', '{a:true}'],
    ],
    [
      'null has no text',
      { action: 'convert', key: 'n', converted_type: 'string' },
      [{ n: null }],
      ['{n:null}'],
    ],
    [
      'a text that is no integer stays',
      { action: 'convert', key: 'n', converted_type: 'int' },
      [{ n: '12x' }, { n: '' }, { n: '1.5' }, { n: '+7' }, { n: true }],
      ['{n:12x}', '{n:}', '{n:1.5}', '{n:7}', '{n:true}'],
    ],
    [
      'a text that is no number stays',
      { action: 'convert', key: 'n', converted_type: 'double' },
      [{ n: 'nan' }, { n: '1e3' }, { n: 'x' }],
      ['{n:nan}', '{n:1000}', '{n:x}'],
    ],
    [
      'floats are rounded away from zero',
      { action: 'convert', key: 'n', converted_type: 'int' },
      [{ n: 1.5 }, { n: -1.5 }, { n: 0.4 }, { n: Number.NaN }],
      ['{n:2}', '{n:-2}', '{n:0}', '{n:null}'],
    ],
    [
      'rename replaces a key of the new name',
      { action: 'rename', key: 'a', value: 'b' },
      [A],
      ['{b:1,m:{k:v}}'],
    ],
    [
      'a group of the name of the key replaces it',
      { action: 'extract', key: 'b', pattern: '^(?<b>.)' },
      [A],
      ['{a:1,m:{k:v},b:t}'],
    ],
    [
      'a group that did not take part in the match adds nothing',
      { action: 'extract', key: 'b', pattern: '^(?<y>y)?(?<x>x)?' },
      [A, X],
      ['{a:1,b:two,m:{k:v}}', '{b:x,x:x}'],
    ],
    [
      'of groups of one name the last counts',
      { action: 'extract', key: 'b', pattern: '^(?:(?<g>x)|(?<g>t))' },
      [A, X],
      ['{a:1,b:two,m:{k:v},g:t}', '{b:x,g:x}'],
    ],
  ])('%s', (_, texts, inputs, expected) => {
    expect(through(texts, ...inputs)).toEqual(expected)
  })
})

describe('content_modifier', () => {
  test('Key may be an accessor: the map that holds the key is changed, and nothing is added under a missing one', () => {
    const records = [{ m: { k: 'v', l: 1 }, z: 1 }, { m: 'text' }, { z: 1 }]
    expect(through({ action: 'upsert', key: "$m['k']", value: 'w' }, ...records)).toEqual([
      '{m:{l:1,k:w},z:1}',
      '{m:text}',
      '{z:1}',
    ])
    expect(through({ action: 'delete', key: "$m['k']" }, ...records)).toEqual([
      '{m:{l:1},z:1}',
      '{m:text}',
      '{z:1}',
    ])
    expect(through({ action: 'insert', key: "$m['n']['x']", value: 'w' }, { m: { n: {} } })).toEqual([
      '{m:{n:{x:w}}}',
    ])
    expect(through({ action: 'hash', key: "$l[1]['k']" }, { l: [0, { k: 'x' }, 2] })).toEqual([
      `{l:[0,{k:${sha('x')}},2]}`,
    ])
  })

  test('metadata that is there is changed, and none is made for what needs a key', () => {
    const input: Input = [{ k: 'old', l: 1 }, { k: 'body' }]
    expect(through({ context: 'metadata', action: 'upsert', key: 'k', value: 'v' }, input)).toEqual([
      '[{l:1,k:v},{k:body}]',
    ])
    expect(through({ context: 'metadata', action: 'delete', key: 'k' }, input, X)).toEqual([
      '[{l:1},{k:body}]',
      '{b:x}',
    ])
    expect(through({ action: 'delete', key: 'k' }, input)).toEqual(['[{k:old,l:1},{}]'])
    expect(filtered({ action: 'delete', key: 'k' }, [X]).hasMetadata).toBe(false)
    expect(filtered({ context: 'metadata', action: 'insert', key: 'k', value: 'v' }, [X]).hasMetadata).toBe(
      true,
    )
  })

  test('of equal keys the last counts, and the others go with it', () => {
    // {a: 1, b: 2, a: 3}
    const twice = '83a16101a16202a16103'
    expect(mapAfter({ action: 'delete', key: 'a' }, twice)).toBe('81a16202')
    expect(mapAfter({ action: 'upsert', key: 'a', value: 'x' }, twice)).toBe('82a16202a161a178')
    expect(mapAfter({ action: 'rename', key: 'a', value: 'c' }, twice)).toBe('82a16202a16303')
    expect(mapAfter({ action: 'convert', key: 'a', converted_type: 'string' }, twice)).toBe(
      '82a16202a161a133',
    )
    expect(mapAfter({ action: 'hash', key: 'a' }, twice)).toBe(
      `82a16202a161d940${Buffer.from(sha('3')).toString('hex')}`,
    )
    expect(mapAfter({ action: 'insert', key: 'a', value: 'x' }, twice)).toBe(twice)
  })

  test('a key with a longer head than necessary is removed too', () => {
    expect(mapAfter({ action: 'delete', key: 'a' }, '82d9016101a16202')).toBe('81a16202')
  })

  test('ext, invalid UTF-8 and 64-bit integers stay as they are', () => {
    const others = 'a178d5070102a179a2ff22a17acfffffffffffffffff'
    expect(mapAfter({ action: 'delete', key: 'a' }, `84a16101${others}`)).toBe(`83${others}`)
    expect(
      mapAfter({ action: 'convert', key: 'z', converted_type: 'string' }, '81a17acfffffffffffffffff'),
    ).toBe(`81a17ab4${Buffer.from('18446744073709551615').toString('hex')}`)
    expect(
      mapAfter(
        { action: 'convert', key: 'z', converted_type: 'int' },
        '81a17ab43138343436373434303733373039353531363135',
      ),
    ).toBe('81a17acfffffffffffffffff')
  })

  test('a map of 10,000 keys, and one that passes 15 or 65,535, has the right head', () => {
    for (const n of [15, 16, 10_000, 65_535, 65_536]) {
      const record = Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i]))
      for (const [texts, pairs] of [
        [{ action: 'upsert', key: 'new', value: 'v' }, n + 1],
        [{ action: 'delete', key: 'k7' }, n - 1],
      ] as const) {
        const { buf, start, end } = filtered(texts, [record, X])
        expect(mapPairs(buf, bodyAt(buf, start, end))).toBe(pairs)
        expect([...decodeMulti(buf.subarray(start, end))]).toHaveLength(2)
      }
    }
  })

  test('what is no entry is passed on', () => {
    const buffers = new LooseBuffers()
    const chunk = chunkOf([X, 'c0', X], buffers)
    filterOf({ action: 'delete', key: 'b' }, { buffers }).apply(chunk, new LaterList(buffers))
    expect([...decodeMulti(chunk.entries())].map((entry) => (entry as unknown[])[1])).toEqual([{}, null, {}])
  })

  test('a record on which Pattern takes too many steps is left as it is, and counted', () => {
    const seen: unknown[] = []
    const regexLimit = { stepsPerByte: 100, reached: (...what: unknown[]) => seen.push(what[1]) }
    const texts = { action: 'extract', key: 'log', pattern: '^(?<x>(x*)*)$' }
    const chunk = filtered(texts, [{ log: `${'x'.repeat(3000)}!` }, { log: 'xx' }], { regexLimit })
    expect(
      [...decodeMulti(chunk.entries())].map((entry) => Object.keys((entry as [unknown, Body])[1])),
    ).toEqual([['log'], ['log', 'x']])
    expect(seen).toEqual(['Pattern'])
  })

  test.each<[Texts, string]>([
    [{ action: 'toss', key: 'a' }, '"action" must be'],
    [{ action: 'delete' }, 'the action delete needs "key"'],
    [{ action: 'upsert', key: 'a' }, 'the action upsert needs "value"'],
    [{ action: 'rename', key: 'a' }, 'the action rename needs "value"'],
    [{ action: 'extract', key: 'a' }, 'the action extract needs "pattern"'],
    [{ action: 'convert', key: 'a' }, 'the action convert needs "converted_type"'],
    [{ action: 'extract', key: 'a', pattern: '(a)' }, 'no group in it has a name'],
    [{ action: 'extract', key: 'a', pattern: '(?<a' }, 'must be a regular expression with a named group'],
    [{ action: 'delete', key: '$' }, 'there is no key after "$"'],
    [{ action: 'delete', key: '$l[0]' }, 'must end with a key, not with an index: "$l[0]"'],
  ])('%j is refused', (texts, message) => {
    expect(() => filterOf(texts)).toThrow(message)
  })

  test('a context of OpenTelemetry is a warning, and records pass unchanged', () => {
    const texts = { context: 'otel_resource_attributes', action: 'upsert', key: 'a', value: 'b' }
    expect(spec.options.context.check?.('otel_resource_attributes')).toMatchObject({
      instead: 'records pass unchanged',
    })
    const buffers = new LooseBuffers()
    const options = { ...parseOptions(spec.options, { ...texts, context: 'body' }), context: texts.context }
    const chunk = chunkOf([X], buffers)
    const before = chunk.entries().toString('hex')
    spec.create(options as never, { buffers } as never).apply(chunk, new LaterList(buffers))
    expect(chunk.entries().toString('hex')).toBe(before)
  })
})

const create =
  (texts: Texts) =>
  (ctx: FilterContext): Filter =>
    filterOf(texts, ctx)
const without = (record: Body, key: string): Body =>
  Object.fromEntries(Object.entries(record).filter(([name]) => name !== key))

filterContract({
  name: 'content_modifier, insert',
  create: create({ action: 'insert', key: 'mark', value: 'new' }),
  expected: (record) => (Object.hasOwn(record, 'mark') ? record : { ...record, mark: 'new' }),
})
filterContract({
  name: 'content_modifier, upsert',
  create: create({ action: 'upsert', key: 'mark', value: 'new' }),
  expected: (record) => ({ ...without(record, 'mark'), mark: 'new' }),
})
filterContract({
  name: 'content_modifier, delete',
  create: create({ action: 'delete', key: 'keep' }),
  expected: (record) => without(record, 'keep'),
})
filterContract({
  name: 'content_modifier, rename',
  create: create({
    action: 'rename',
    key: 'log',
    value: 'a name that no record has, of more than 40 letters',
  }),
  expected: (record) =>
    Object.fromEntries(
      Object.entries(record).map(([key, value]) => [
        key === 'log' ? 'a name that no record has, of more than 40 letters' : key,
        value,
      ]),
    ),
})
