import { describe, expect, test } from 'bun:test'
import type { BufferSource } from '../../../../src/core/buffer-source.ts'
import { Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../../../../src/core/chunk.ts'
import { writeEntryHead } from '../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { Ack, FilterContext } from '../../../../src/core/plugin.ts'
import { spec } from '../../../../src/plugins/filters/record-transformer/index.ts'
import { filterContract } from '../../../contract/filter.ts'
import { chunkOf, LooseBuffers, recordsOf, withMetadata } from '../../../support/engine/chunk-of.ts'
import { ManualClock } from '../../../support/engine/manual-clock.ts'
import { LaterList } from '../../../support/later.ts'
import { fc } from '../../../support/property.ts'

type Texts = Record<string, string | string[]>

class Run {
  readonly buffers = new LooseBuffers()
  readonly clock = new ManualClock()
  readonly counted: string[] = []
  readonly logged: string[] = []
  readonly emitted: {
    records: Record<string, unknown>[]
    label: string | undefined
    id: string
    hasMetadata: boolean
    ack: Ack
  }[] = []
  readonly filter

  constructor(texts: Texts, labels?: string[]) {
    this.filter = spec.create(parseOptions(spec.options, texts as never), {
      buffers: this.buffers,
      clock: this.clock,
      agent: { hostname: 'web-1' },
      log: { warn: (message: string) => void this.logged.push(message) },
      counters: {
        add: (name: string, n: number, reason: string) => void this.counted.push(`${name} ${n} ${reason}`),
      },
      ...(labels === undefined ? {} : { labels: new Set(labels) }),
      emit: (init: ChunkInit, buffers: BufferSource, ack: Ack, label?: string) => {
        const chunk = new Chunk(init, buffers)
        expect(chunk.start).toBeGreaterThanOrEqual(headRoom(chunk.tag))
        expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
        const { id, hasMetadata } = chunk
        this.emitted.push({ records: recordsOf(chunk), label, id, hasMetadata, ack })
        chunk.release()
      },
    } as unknown as FilterContext)
  }

  send(records: object[], tag = 'app.web.1') {
    const chunk = chunkOf(records, tag, this.buffers)
    const deferral = new LaterList(this.buffers)
    this.filter.apply(chunk, deferral)
    const left = chunk.count === 0 ? [] : recordsOf(chunk)
    expect(chunk.count).toBe(left.length)
    if (chunk.count > 0) expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
    chunk.release()
    return { left, deferral }
  }
}

/** Returns what the records become; nothing may be left over. */
function through(texts: Texts, records: object[], tag?: string): Record<string, unknown>[] {
  const run = new Run(texts)
  const { left } = run.send(records, tag)
  expect(run.buffers.out.size).toBe(0)
  return left
}

function keysOf(record: Record<string, unknown> | undefined): string[] {
  return Object.keys(record ?? {})
}

describe.each(['false', 'true'])('with Enable_Ruby %s', (enable_ruby) => {
  test('expands placeholders of the tag, the host and fields', () => {
    const record = [
      'tag ${tag}',
      'part ${tag_parts[0]} ${tag_parts[-1]}',
      'prefix ${tag_prefix[1]} ${tag_prefix[-2]}',
      'suffix ${tag_suffix[2]} ${tag_suffix[-3]}',
      'host on ${hostname}',
      'message ${hostname} ${tag_parts[-1]} ${record["message"]}',
      'at ${record["@timestamp"]}',
    ]
    expect(
      through({ enable_ruby, record }, [{ message: '1', '@timestamp': 'x' }], 'prefix.test.tag.suffix'),
    ).toEqual([
      {
        message: 'web-1 suffix 1',
        '@timestamp': 'x',
        tag: 'prefix.test.tag.suffix',
        part: 'prefix suffix',
        prefix: 'prefix.test prefix.test.tag',
        suffix: 'tag.suffix test.tag.suffix',
        host: 'on web-1',
        at: 'x',
      },
    ])
  })

  test('keeps the type of a value that is one placeholder, unless Auto_Typecast is off', () => {
    const sources = ['string', 123, [1, 2], { a: 1, b: 2 }, null, 1.5, true]
    const record = [
      'single ${record["source"]}',
      'multiple ${record["source"]}${record["source"]}',
      'prefix p-${record["source"]}',
    ]
    const texts = ['string', '123', '[1, 2]', '{"a"=>1, "b"=>2}', '', '1.5', 'true']
    const made = (auto_typecast: string) =>
      through(
        { enable_ruby, auto_typecast, record },
        sources.map((source) => ({ source })),
      ).map(({ single, multiple, prefix }) => [single, multiple, prefix])
    expect(made('true')).toEqual(texts.map((text, i) => [sources[i], text + text, `p-${text}`]))
    expect(made('false')).toEqual(texts.map((text) => [text, text + text, `p-${text}`]))
  })

  test('takes a value that begins as JSON for a map or a list, with placeholders in its strings and keys', () => {
    const record = [
      'map {"k1": 100, "k2": "foobar", "${tag}": "${record["n"]}", "f": 1.0}'.replace(
        '"${record["n"]}"',
        '"${tag_parts[0]}"',
      ),
      'list [1, "${hostname}", {"t": "${tag}"}, null, 18446744073709551615]',
      'broken {"a": ',
    ]
    const run = new Run({ enable_ruby, record })
    const { left } = run.send([{}], 'a.b')
    expect(left).toEqual([
      {
        map: { k1: 100, k2: 'foobar', 'a.b': 'a', f: 1 },
        list: [1, 'web-1', { t: 'a.b' }, null, 2 ** 64],
        broken: '{"a": ',
      },
    ])
    expect(run.logged).toEqual(['the value {"a":  is not JSON: it is taken as text'])
  })

  test('expands placeholders in keys', () => {
    const record = ['${hostname} hostname', 'foo.${tag} tag', 'of_${record["a"]} x']
    expect(through({ enable_ruby, renew_record: 'true', record }, [{ a: 1 }, { a: 'b' }], 't')).toEqual([
      { 'web-1': 'hostname', 'foo.t': 'tag', of_1: 'x' },
      { 'web-1': 'hostname', 'foo.t': 'tag', of_b: 'x' },
    ])
  })

  test('a field named like a placeholder does not replace it', () => {
    const record = ['new_tag ${tag}', 'record_tag ${record["tag"]}']
    expect(through({ enable_ruby, record }, [{ tag: 'field' }], 'real')).toEqual([
      { tag: 'field', new_tag: 'real', record_tag: 'field' },
    ])
  })

  test('replaces fields at their place and adds new ones at the end', () => {
    const [made] = through({ enable_ruby, record: ['b ${record["a"]}', 'z 1', 'a new'] }, [
      { a: 1, b: 2, c: 3 },
    ])
    expect(made).toEqual({ a: 'new', b: 1, c: 3, z: '1' })
    expect(keysOf(made)).toEqual(['a', 'b', 'c', 'z'])
  })

  test('sees the record as it came in every value', () => {
    expect(
      through({ enable_ruby, record: ['a ${record["b"]}', 'b ${record["a"]}'] }, [{ a: 1, b: 2 }]),
    ).toEqual([{ a: 2, b: 1 }])
  })
})

test('without Ruby, ${time} is text in the zone of the machine', () => {
  const [made] = through({ record: 'at ${time}' }, [{}])
  const at = made?.at as string
  expect(at).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}$/)
  expect(Date.parse(at.replace(' ', 'T').replace(' ', ''))).toBe(1_000_000)
})

test('a missing field or part of the tag is null, or nothing within a text', () => {
  const record = [
    'a ${record["none"]}',
    'b ${tag_parts[9]}',
    'c x${record["none"]}${tag_parts[9]}y',
    'd ${record["n"]["none"]["x"]}',
  ]
  expect(through({ record }, [{ n: 'text' }])).toEqual([{ n: 'text', a: null, b: null, c: 'xy', d: null }])
})

test('takes nested fields in brackets without Ruby', () => {
  expect(through({ record: `a \${record["k"]['l']["m"]}` }, [{ k: { l: { m: [1] } } }])).toEqual([
    { k: { l: { m: [1] } }, a: [1] },
  ])
})

test('takes blanks within a placeholder, which is no variable of a configuration file then', () => {
  expect(through({ record: ['t ${ tag }', 'h ${ hostname }x', 'r ${ record["t"] }'] }, [{ t: 1 }])).toEqual([
    { t: 'app.web.1', h: 'web-1x', r: 1 },
  ])
})

test('warns about an unknown placeholder, which has no value', () => {
  const run = new Run({ record: ['a ${unknown}', 'b x${record.dig("a")}', 'c __NAME__'] })
  expect(run.send([{}]).left).toEqual([{ a: null, b: 'x', c: '__NAME__' }])
  expect(run.logged).toEqual([
    'the placeholder ${unknown} is unknown and has no value; expressions need Enable_Ruby',
    'the placeholder ${record.dig("a")} is unknown and has no value; expressions need Enable_Ruby',
  ])
})

test('evaluates expressions with Ruby, also within text and JSON', () => {
  const record = [
    'ns ${record.dig("kubernetes", "namespace_name")}',
    'level ${record["level"] || "info"}',
    'message ${hostname} ${tag_parts.last} ${"\'" + record["message"] + "\'"}',
    `json {"up": "\${record['message'].upcase}"}`,
    'size ${record["message"].length}',
    'text record["source"][""]',
    'none ${record["none"]&.upcase}',
  ]
  const records = [{ message: 'm', kubernetes: { namespace_name: 'prod' } }]
  expect(through({ enable_ruby: 'true', record }, records)).toEqual([
    {
      message: "web-1 1 'm'",
      kubernetes: { namespace_name: 'prod' },
      ns: 'prod',
      level: 'info',
      json: { up: 'M' },
      size: 1,
      text: 'record["source"][""]',
      none: null,
    },
  ])
})

test('refuses all expressions that are not translated at once, with their texts and places', () => {
  const create = () =>
    new Run({
      enable_ruby: 'true',
      record: ['a ${record.map{|k,v|v}}', 'b ${tag}', 'c x ${eval("1")}', 'd {"e": "${$1}"}'],
    })
  expect(create).toThrow(
    'only a part of Ruby is translated, without a block of "map" in ${record.map{|k,v|v}}, character 13; ' +
      'without the function "eval" in x ${eval("1")}, character 5; ' +
      'without the variable "$..." in ${$1}, character 3',
  )
})

test('removes keys after fields were added, within maps and lists too', () => {
  const record = { a: 1, n: { k1: 'v1', k2: { x: 1 }, l: [{ y: 1, z: 2 }, 5, 6] }, b: 2 }
  const removed = (remove_keys: string, more: Texts = {}) => through({ remove_keys, ...more }, [record])[0]
  expect(removed('a, none,$.n.none.x,$.a.b')).toEqual({ n: record.n, b: 2 })
  expect(removed('$.n.k1,$.n.k2.x')).toEqual({ a: 1, n: { k2: {}, l: record.n.l }, b: 2 })
  expect(removed("$['n']['l'][0]['y'],$.n.l[-1]")).toEqual({
    a: 1,
    n: { ...record.n, l: [{ z: 2 }, 5] },
    b: 2,
  })
  expect(removed('$.n.l[0],$.n.l[0]')).toEqual({ a: 1, n: { ...record.n, l: [6] }, b: 2 })
  expect(removed('["a","$.n"]')).toEqual({ b: 2 })
  expect(removed('n,new,b', { record: ['new 1', 'kept 2'] })).toEqual({ a: 1, kept: '2' })
  expect(() => new Run({ remove_keys: '$[a' })).toThrow('it is not a record accessor near character 2')
  expect(() => new Run({ remove_keys: '$.a b' })).toThrow('"a b" is not a key')
})

test('begins with an empty record, and keeps some keys in their order', () => {
  const records = [{ a: 1, b: 2, c: 3 }, { b: 4 }]
  const record = ['n ${record["a"]}', 'b new']
  expect(through({ renew_record: 'true', record }, records)).toEqual([
    { n: 1, b: 'new' },
    { n: null, b: 'new' },
  ])
  const [first, second] = through({ renew_record: 'true', keep_keys: 'c,b,none', record }, records)
  expect([first, second]).toEqual([
    { c: 3, b: 'new', n: 1 },
    { b: 'new', n: null },
  ])
  expect(keysOf(first)).toEqual(['c', 'b', 'n'])
  expect(() => new Run({ keep_keys: 'a' })).toThrow('"keep_keys" needs "renew_record"')
})

test('takes the time from a key, which may be removed then', () => {
  const run = new Run({ renew_time_key: 't', remove_keys: 't', record: 't ${record["m"]}' })
  const times = (records: object[]): string[] => {
    const chunk = chunkOf(records, 'app', run.buffers)
    run.filter.apply(chunk, new LaterList(run.buffers))
    return recordsOf(chunk).map((record, i) => {
      expect(record).toEqual({ m: (records[i] as { m: unknown }).m })
      const at = chunk.start + i * ((chunk.end - chunk.start) / records.length)
      return `${chunk.buf.readUInt32BE(at + 3)}.${chunk.buf.readUInt32BE(at + 7)}`
    })
  }
  expect(times([{ m: 1_700_000_000 }])).toEqual(['1700000000.0'])
  expect(times([{ m: 1_700_000_000.5 }])).toEqual(['1700000000.500000000'])
  expect(times([{ m: '1700000000.25' }])).toEqual(['1700000000.250000000'])
  expect(times([{ m: null }])).toEqual(['0.0'])
  const plain = new Run({ renew_time_key: 'none' })
  expect(plain.send([{ a: 1 }]).left).toEqual([{ a: 1 }])
})

const FAILING = { enable_ruby: 'true', record: ['up ${record["m"].upcase}', 'b 1'] }

test('a record on which an expression fails continues unchanged without a label @ERROR, counted', () => {
  const run = new Run(FAILING)
  const { left, deferral } = run.send([{ m: 'a' }, { n: 1 }, { m: 5 }])
  expect(left).toEqual([{ m: 'a', up: 'A', b: '1' }, { n: 1 }, { m: 5 }])
  expect(run.counted).toEqual(['expression_failed 1 unchanged', 'expression_failed 1 unchanged'])
  expect(run.logged).toEqual([
    '"up ${record["m"].upcase}" failed on a record, last with: undefined method \'upcase\' for nil; such records continue unchanged',
  ])
  expect(deferral.kept).toEqual([])
  run.clock.advance(60_000)
  run.send([{}])
  expect(run.logged[1]).toContain('failed on 2 records')
  expect(run.buffers.out.size).toBe(0)
})

test('a record on which an expression fails goes to the label @ERROR, and its chunk waits for it', () => {
  const run = new Run(FAILING, ['@ERROR', '@OTHER'])
  const { left, deferral } = run.send([{ n: 1 }, { m: 'a' }, { m: null }])
  expect(left).toEqual([{ m: 'a', up: 'A', b: '1' }])
  expect(deferral.kept).toEqual([undefined])
  expect(run.emitted.map(({ records, label, id }) => ({ records, label, id }))).toEqual([
    { records: [{ n: 1 }, { m: null }], label: '@ERROR', id: 'id+failed' },
  ])
  run.emitted[0]?.ack('delivered')
  expect(deferral.kept).toEqual(['delivered'])
  expect(run.send([{ n: 1 }]).left).toEqual([])
  expect(run.counted).toHaveLength(3)
  const chunk = withMetadata([{ n: 1 }], { m: 1 }, 'app', run.buffers)
  run.filter.apply(chunk, new LaterList(run.buffers))
  chunk.release()
  expect(run.emitted.map(({ hasMetadata }) => hasMetadata)).toEqual([false, false, true])
  expect(run.buffers.out.size).toBe(0)
})

test('a time that no record can have is a failure', () => {
  const run = new Run({ renew_time_key: 't' })
  expect(run.send([{ t: -1 }, { t: 2 ** 40 }, { t: [1] }]).left).toEqual([
    { t: -1 },
    { t: 2 ** 40 },
    { t: [1] },
  ])
  expect(run.counted).toHaveLength(3)
})

test('an expression of the tag that fails, fails on each record', () => {
  const run = new Run({ enable_ruby: 'true', record: 'a ${tag_parts[5].upcase}' })
  expect(run.send([{ x: 1 }]).left).toEqual([{ x: 1 }])
  expect(run.send([{ x: 1 }], 'a.b.c.d.e.f').left).toEqual([{ x: 1, a: 'F' }])
  expect(run.counted).toHaveLength(1)
})

/** Makes a chunk of maps as MessagePack. */
function chunkOfMaps(maps: Buffer[], buffers: LooseBuffers): Chunk {
  const start = headRoom('app')
  const buf = buffers.force(start + maps.reduce((sum, map) => sum + map.length + 11, 0) + TAIL_ROOM)
  let end = start
  for (const map of maps) {
    end = writeEntryHead(buf, end, 1, 2)
    end += map.copy(buf, end)
  }
  return new Chunk(
    { tag: 'app', input: 'i', buf, start, end, count: maps.length, id: 'id', inputBytes: 0 },
    buffers,
  )
}

function mapsThrough(texts: Texts, maps: string[]): string[] {
  const run = new Run(texts)
  return maps.map((map) => {
    const chunk = chunkOfMaps([Buffer.from(map, 'hex')], run.buffers)
    run.filter.apply(chunk, new LaterList(run.buffers))
    const made = chunk.buf.toString('hex', chunk.start + 11, chunk.end)
    chunk.release()
    expect(run.buffers.out.size).toBe(0)
    return made
  })
}

test('copies extension values, bytes that are not UTF-8 and 64-bit integers as they are', () => {
  const fields = {
    a: 'd705ffffffffffffffff',
    b: 'a2ff80',
    c: 'cfffffffffffffffff',
    d: 'd30000000000000001',
    e: 'c40100',
    f: '81c20f',
  }
  const map = `86${Object.entries(fields)
    .map(([key, value]) => `a1${Buffer.from(key).toString('hex')}${value}`)
    .join('')}`
  const record = Object.keys(fields).map((key) => `x${key} \${record["${key}"]}`)
  const added = Object.entries(fields).map(
    ([key, value]) => `a278${Buffer.from(key).toString('hex')}${value}`,
  )
  for (const enable_ruby of ['false', 'true'])
    expect(mapsThrough({ record, enable_ruby }, [map])).toEqual([`8c${map.slice(2)}${added.join('')}`])
})

test('a text with fields has their bytes, whatever its length', () => {
  for (const size of [0, 28, 29, 30, 252, 253, 65_530, 70_000]) {
    const text = 'x'.repeat(size)
    expect(through({ record: 'b <${record["a"]}>é' }, [{ a: text }])).toEqual([{ a: text, b: `<${text}>é` }])
  }
  // {"a": "\xff\x80", "b": bin}
  expect(mapsThrough({ record: 'c ${record["a"]}-${record["b"]}' }, ['82a161a2ff80a162c401fe'])).toEqual([
    '83a161a2ff80a162c401fea163a4ff802dfe',
  ])
})

test('of several fields with one key the first is replaced and the others are removed', () => {
  // {"a": 1, "b": 2, "a": 3}
  const map = '83a16101a16202a16103'
  expect(mapsThrough({ record: 'a ${record["a"]}' }, [map])).toEqual(['82a16103a16202'])
  expect(mapsThrough({ remove_keys: 'a' }, [map])).toEqual(['81a16202'])
  expect(mapsThrough({ remove_keys: "$['a'],$.b.c" }, [map])).toEqual(['81a16202'])
})

test('transforms a record with 10,000 keys', () => {
  const record = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]))
  const [made] = through({ record: ['k5000 x', 'new ${record["k9999"]}'], remove_keys: 'k1' }, [record])
  const { k1: _, ...rest } = record
  expect(made).toEqual({ ...rest, k5000: 'x', new: 9999 })
})

test('a value of a key that is given twice is the last one', () => {
  expect(through({ record: ['a 1', 'b 2', 'a 3'] }, [{}])).toEqual([{ a: '3', b: '2' }])
})

test('an empty value is an empty text', () => {
  expect(through({ record: ['a', '"b c" d  e '] }, [{}])).toEqual([{ a: '', 'b c': 'd  e ' }])
  expect(() => new Run({ record: ' ' })).toThrow('a key and a value')
})

test('property: other fields stay as they are, whatever is added, replaced and removed', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.string()),
  )
  const key = fc.oneof(fc.constantFrom('a', 'b', 'c', 'm'), fc.string({ minLength: 1, maxLength: 5 }))
  const record = fc.dictionary(
    key.filter((k) => k !== '__proto__'),
    value,
    { maxKeys: 20 },
  )
  const texts = { record: ['a ${record["m"]}', 'n ${tag}', 'c ${record["c"]}-x'], remove_keys: 'b,$.m.x' }
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 10 }), (records) => {
      const made = through({ ...texts, enable_ruby: 'false' }, records, 't')
      const expected = records.map((each) => {
        const { b: _, ...rest }: Record<string, unknown> = {
          ...each,
          a: each.m ?? null,
          n: 't',
          c: expect.any(String),
        }
        return rest
      })
      expect(made).toEqual(expected as never)
      expect(made.flatMap(keysOf).includes('b')).toBe(false)
    }),
    { numRuns: 200 },
  )
})

function caseOf(texts: Texts) {
  return (ctx: FilterContext) => spec.create(parseOptions(spec.options, texts as never), ctx)
}

filterContract({
  name: 'record_transformer, added',
  create: caseOf({ record: ['zone eu', 'part ${tag_parts[1]}'] }),
  expected: (record) => record,
  added: { zone: 'eu', part: 'tag' },
})
filterContract({
  name: 'record_transformer, removed',
  create: caseOf({ remove_keys: 'mark,log' }),
  expected: ({ mark: _, log: __, ...rest }) => rest,
})
filterContract({
  name: 'record_transformer, replaced',
  create: caseOf({ enable_ruby: 'true', record: 'keep ${record["mark"]}', renew_record: 'true' }),
  expected: (record) => ({ keep: record.mark ?? null }),
})
