import { describe, expect, test } from 'bun:test'
import { decodeMulti, encode } from '@msgpack/msgpack'
import { Chunk, type ChunkInit, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Ack, Filter, FilterContext } from '../../../src/core/plugin.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { spec } from '../../../src/plugins/filters/rewrite-tag/index.ts'
import { type Body, filterContract } from '../../contract/filter.ts'
import { chunkOf, LooseBuffers, recordsOf, withMetadata } from '../../support/engine/chunk-of.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { LaterList } from '../../support/later.ts'
import { fc } from '../../support/property.ts'

type Options = Record<string, string | string[]>

class Bench {
  readonly buffers = new LooseBuffers()
  readonly counters = new CounterMap(spec.counters)
  readonly logged = listLog()
  /** What was sent on, as `tag @label: records`. */
  readonly sent: { init: ChunkInit; ack: Ack; label: string | undefined; chunk: Chunk }[] = []
  readonly filter: Filter

  constructor(options: Options, ctx: Partial<FilterContext> = {}) {
    this.filter = spec.create(parseOptions(spec.options, options as never), {
      name: 'rewrite_tag.0',
      buffers: this.buffers,
      counters: this.counters,
      log: this.logged.log,
      reroute: (init: ChunkInit, buffers: LooseBuffers, ack: Ack, label?: string) =>
        this.sent.push({ init, ack, label, chunk: new Chunk(init, buffers) }),
      ...ctx,
    } as never)
  }

  /** Returns what stays; `sent` has the rest. */
  through(records: object[], tag = 'app.web.1', rewrites: string[] = []): Body[] {
    const made = chunkOf(records, tag, this.buffers)
    const { buf, start, end, count } = made
    const init = { tag, input: 'in.0', buf, start, end, count, id: 'id', inputBytes: 0, rewrites }
    const chunk = new Chunk(init, this.buffers)
    this.filter.apply(chunk, new LaterList(this.buffers))
    expect(chunk.count).toBe(recordsOf(chunk).length)
    return recordsOf(chunk)
  }

  get tags(): string[] {
    return this.sent.map(({ init: { tag }, label, chunk }) => {
      const records = recordsOf(chunk).map((record) => JSON.stringify(record))
      expect(chunk.count).toBe(records.length)
      return `${tag}${label === undefined ? '' : ` ${label}`}: ${records.join(' ')}`
    })
  }

  notRewritten(reason: string): number {
    return this.counters.get('not_rewritten', reason)
  }
}

function bench(...rule: string[]): Bench {
  return new Bench({ rule })
}

filterContract({
  name: 'rewrite_tag',
  create: (ctx) =>
    spec.create(parseOptions(spec.options, { rule: ['mark ^x new.tag false'] as never }), {
      ...ctx,
      name: 'rewrite_tag.0',
      counters: new CounterMap(spec.counters),
      reroute: ({ buf }: ChunkInit, buffers: LooseBuffers) => buffers.give(buf),
    } as never),
  expected: (record) => {
    const { mark } = record
    const text = mark instanceof Uint8Array ? Buffer.from(mark).toString('latin1') : mark
    return typeof text === 'string' && text.startsWith('x') ? undefined : record
  },
})

describe('the filter rewrite_tag', () => {
  test('sends what a rule matches on under the new tag, in order, and leaves the rest', () => {
    const made = bench('$k ^err$ new.$TAG[1] false')
    const records = [{ k: 'err', n: 1 }, { k: 'ok' }, { k: 'err', n: 2 }, { n: 3 }, { k: 5 }]
    expect(made.through(records)).toEqual([{ k: 'ok' }, { n: 3 }, { k: 5 }])
    expect(made.tags).toEqual(['new.web: {"k":"err","n":1} {"k":"err","n":2}'])
    expect(made.counters.get('rewritten')).toBe(2)
    const { init } = made.sent[0] as (typeof made.sent)[0]
    expect([init.id, init.input, init.inputBytes, init.rewrites]).toEqual(['id', 'in.0', 0, []])
    expect(init.start).toBe(headRoom('new.web'))
    expect(init.buf.length - init.end).toBeGreaterThanOrEqual(TAIL_ROOM)
  })

  test('keeps a record under its own tag as well with KEEP true', () => {
    const made = bench('$k ^a$ a true', '$k ^b$ b FALSE')
    expect(made.through([{ k: 'a' }, { k: 'b' }, { k: 'c' }])).toEqual([{ k: 'a' }, { k: 'c' }])
    expect(made.tags).toEqual(['a: {"k":"a"}', 'b: {"k":"b"}'])
  })

  test('tells the engine how many records have left', () => {
    const made = bench('$k ^a$ a true', '$k ^b$ b false')
    const chunk = chunkOf([{ k: 'a' }, { k: 'b' }, { k: 'b' }, { k: 'c' }], 't', made.buffers)
    made.filter.apply(chunk, new LaterList(made.buffers))
    expect([chunk.count, chunk.reroutedRecords]).toEqual([2, 2])
  })

  test('applies the first rule that matches', () => {
    const made = bench('$k ^ok$ one false', '$k . two false', '$k ok three false')
    expect(made.through([{ k: 'err' }, { k: 'ok' }])).toEqual([])
    expect(made.tags).toEqual(['two: {"k":"err"}', 'one: {"k":"ok"}'])
  })

  test('takes the last of two values of a key', () => {
    const made = bench('$k ^b$ x.$k false')
    const map = Buffer.concat([Buffer.from([0x82]), ...['k', 'a', 'k', 'b'].map((text) => encode(text))])
    const head = Buffer.from('92d7006553f1000000002a', 'hex')
    const start = headRoom('t')
    const buf = made.buffers.force(start + head.length + map.length + TAIL_ROOM)
    head.copy(buf, start)
    map.copy(buf, start + head.length)
    const end = start + head.length + map.length
    const chunk = new Chunk(
      { tag: 't', input: 'i', buf, start, end, count: 1, id: 'id', inputBytes: 0 },
      made.buffers,
    )
    made.filter.apply(chunk, new LaterList(made.buffers))
    expect(made.sent.map(({ init }) => init.tag)).toEqual(['x.b'])
    const { init } = made.sent[0] as (typeof made.sent)[0]
    expect(init.buf.subarray(init.start, init.end).equals(Buffer.concat([head, map]))).toBe(true)
  })

  test('makes one chunk of all records with a tag, of a thousand tags, with a buffer for each', () => {
    const made = bench('$user . user.$user false')
    const records = Array.from({ length: 5000 }, (_, i) => ({ user: `u${i % 1000}`, i }))
    expect(made.through(records)).toEqual([])
    expect(made.sent.length).toBe(1000)
    expect(made.buffers.out.size).toBe(1001)
    for (const [i, { chunk }] of made.sent.entries())
      expect(recordsOf(chunk).map((record) => record.i)).toEqual([0, 1, 2, 3, 4].map((n) => n * 1000 + i))
  })

  test('keeps metadata, and the bytes of each record', () => {
    const made = bench('$k . new true')
    const chunk = withMetadata([{ k: 'a' }], { m: 1 }, 't', made.buffers)
    const before = Buffer.from(chunk.entries())
    made.filter.apply(chunk, new LaterList(made.buffers))
    const { init } = made.sent[0] as (typeof made.sent)[0]
    expect(init.hasMetadata).toBe(true)
    expect(init.buf.subarray(init.start, init.end).equals(before)).toBe(true)
    expect(chunk.entries().equals(before)).toBe(true)
    expect([...decodeMulti(before)].length).toBe(1)
  })

  test.each([
    ['x.$gone', { k: 'a' }],
    ['x.$TAG[7]', { k: 'a' }],
    ['x.$1', { k: 'a' }],
    ['x.$m', { k: 'a', m: { z: 1 } }],
  ])('a record without what %s names keeps its tag, is counted, and the first is logged', (tag, record) => {
    const made = bench(`$k ^a|(b)$ ${tag} false`)
    expect(made.through([record, record])).toEqual([record, record])
    expect([made.sent.length, made.notRewritten('missing')]).toEqual([0, 2])
    expect(made.logged.lines).toEqual([
      'warn a record keeps its tag: a field, group or part of the tag that the new tag names is missing; further ones are only counted',
    ])
  })

  test.each([
    ['', 'is empty'],
    ['a\nb', 'has a line feed'],
    ['a\u0085', 'has a control character of C1'],
    ['\u007f', 'has DEL'],
    ['x'.repeat(1025), 'is too long'],
  ])('a record whose new tag %p keeps its tag and is counted', (tag) => {
    const made = bench('$k . $tag false')
    expect(
      made.through([
        { k: 'a', tag },
        { k: 'a', tag: 'good' },
      ]),
    ).toEqual([{ k: 'a', tag }])
    expect([made.tags.length, made.notRewritten('unusable')]).toEqual([1, 1])
  })

  test('a new tag that is not UTF-8 is none, and one of 1024 bytes is', () => {
    const made = bench('$k . $tag false')
    expect(
      made.through([
        { k: 'a', tag: Buffer.from([0x61, 0xff]) },
        { k: 'a', tag: 'é'.repeat(512) },
      ]).length,
    ).toBe(1)
    expect([made.sent[0]?.init.tag, made.notRewritten('unusable')]).toEqual(['é'.repeat(512), 1])
  })

  test('passes over what it has sent itself, as fluent-bit does', () => {
    const made = bench('$k . app.two false')
    expect(made.through([{ k: 'a' }], 'app.two', ['other', 'rewrite_tag.0'])).toEqual([{ k: 'a' }])
    expect([made.sent.length, made.notRewritten('repeated')]).toEqual([0, 0])
  })

  test('gives a record no second tag after another filter has given it one, and counts that', () => {
    const made = bench('$k ^a$ x false')
    expect(made.through([{ k: 'a' }, { k: 'b' }], 'app.b', ['rewrite_tag.0', 'other'])).toEqual([
      { k: 'a' },
      { k: 'b' },
    ])
    expect([made.sent.length, made.notRewritten('repeated')]).toEqual([0, 1])
  })

  test('gives a record no tag after eight other filters have', () => {
    const by = (n: number): string[] => Array.from({ length: n }, (_, i) => `r${i}`)
    const made = bench('$k ^a$ x false')
    expect(made.through([{ k: 'a' }], 't', by(7))).toEqual([])
    expect(made.through([{ k: 'a' }], 't', by(8))).toEqual([{ k: 'a' }])
    expect(made.notRewritten('too_many')).toBe(1)
  })

  test('leaves a record when too many were sent on of the chunk that it comes from, and counts that', () => {
    let left = 1
    const made = new Bench({ rule: ['$k ^a$ x false'] }, { mayReroute: () => left-- > 0 })
    expect(made.through([{ k: 'a', n: 1 }, { k: 'a', n: 2 }, { k: 'b' }])).toEqual([
      { k: 'a', n: 2 },
      { k: 'b' },
    ])
    expect([made.tags, made.notRewritten('copies')]).toEqual([['x: {"k":"a","n":1}'], 1])
    expect(made.logged.lines.length).toBe(1)
  })

  test('delays the outcome of the chunk for each new tag', () => {
    const made = bench('$k . x.$k false')
    const chunk = chunkOf([{ k: 'a' }, { k: 'b' }], 't', made.buffers)
    const later = new LaterList(made.buffers)
    made.filter.apply(chunk, later)
    expect(later.kept).toEqual([undefined, undefined])
    for (const { ack } of made.sent) ack('delivered')
    expect(later.kept).toEqual(['delivered', 'delivered'])
  })

  test('an expression that takes too many steps counts as not matching', () => {
    const reached: string[] = []
    const limit = { stepsPerByte: 1, reached: (expression: string) => reached.push(expression) }
    const made = new Bench({ rule: ['$k ^(x*)*y$ a false', '$k ^x b false'] }, { regexLimit: limit as never })
    made.through([{ k: 'x'.repeat(5000) }])
    expect(made.sent.map(({ init }) => init.tag)).toEqual(['b'])
    expect(reached).toEqual(['^(x*)*y$'])
  })

  test('leaves an entry that is no record', () => {
    const made = bench('$k . x false')
    const start = headRoom('t')
    const buf = made.buffers.force(start + 2 + TAIL_ROOM)
    buf.write('9205', start, 'hex')
    const init = { tag: 't', input: 'i', buf, start, end: start + 1, count: 1, id: 'id', inputBytes: 0 }
    buf[start] = 0x05
    const chunk = new Chunk(init, made.buffers)
    made.filter.apply(chunk, new LaterList(made.buffers))
    expect([chunk.count, chunk.size, made.sent.length]).toEqual([1, 1, 0])
  })

  test('finds the key among ten thousand', () => {
    const made = bench('$k9999 ^v$ x.$k5000 false')
    const record = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, 'v']))
    expect(made.through([record])).toEqual([])
    expect(made.sent[0]?.init.tag).toBe('x.v')
  })

  test('no record is lost, and none comes twice, whatever the rules are', () => {
    const record = fc.record({
      k: fc.constantFrom('a', 'b', 'c'),
      u: fc.option(fc.constantFrom('x', 'y', ''), { nil: null }),
    })
    const rule = fc
      .tuple(
        fc.constantFrom('^(a)(x)?', '(b)(x)?', '(.)()', '^(c)|(b)'),
        fc.constantFrom('t', 'n.$u', '$1.$2', '$TAG.$k'),
        fc.boolean(),
      )
      .map(([expression, tag, keep]) => `$k ${expression} ${tag} ${keep}`)
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 30 }),
        fc.array(rule, { minLength: 1, maxLength: 3 }),
        (records, rules) => {
          const made = bench(...rules)
          const stays = made.through(records.map((one, n) => ({ ...one, n })))
          const gone = made.sent.flatMap(({ chunk }) => recordsOf(chunk)).map(({ n }) => n as number)
          expect(new Set(gone).size).toBe(gone.length)
          expect([...new Set([...gone, ...stays.map(({ n }) => n as number)])].length).toBe(records.length)
          expect(made.buffers.out.size).toBe(1 + made.sent.length)
        },
      ),
    )
  })
})

describe('as fluentd', () => {
  test('drops what no rule matches with Unmatched drop, and counts it', () => {
    const made = new Bench({ rule: ['k ^a x false'], unmatched: 'drop' })
    expect(made.through([{ k: 'a' }, { k: 'b' }, {}])).toEqual([])
    expect([made.tags.length, made.counters.get('unmatched_dropped')]).toEqual([1, 2])
    expect(made.through([{ k: 'b' }])).toEqual([])
  })

  test('takes numbers and maps as text, and an empty one only for rules with not', () => {
    const made = new Bench({
      rule: ['k ^5 five false', 'k ^.*z map false', 'k ^ no.$TAG false not'],
      values_as_text: 'on',
    })
    made.through([{ k: 5 }, { k: { z: 1 } }, { k: '' }, {}, { k: null }], 't')
    expect(made.sent.map(({ init }) => init.tag)).toEqual(['five', 'map'])
    const inverted = new Bench(
      { rule: ['k ^a none false not @NONE'], values_as_text: 'on' },
      { labels: new Set(['@NONE']) },
    )
    expect(inverted.through([{ k: 'a' }, { k: 'b' }, {}])).toEqual([{ k: 'a' }])
    expect(inverted.tags).toEqual(['none @NONE: {"k":"b"} {}'])
  })

  test('keeps records of one tag and two labels apart', () => {
    const made = new Bench(
      { rule: ['k ^a x false @A', 'k ^b x false @B'] },
      { labels: new Set(['@A', '@B']) },
    )
    made.through([{ k: 'a' }, { k: 'b' }, { k: 'a' }])
    expect(made.tags).toEqual(['x @A: {"k":"a"} {"k":"a"}', 'x @B: {"k":"b"}'])
  })

  test('leaves a part out of the tag, and begins groups with a capital letter', () => {
    const options = {
      rule: ['k ^(\\w+)-(\\w+)$ $1.$2.$TAG.$TAG[0] false'],
      remove_from_tag: '^app\\.?',
      capitalize_captures: 'on',
    }
    const made = new Bench(options)
    made.through([{ k: 'wARN-éa' }, { k: 'ab-CD' }], 'app.web')
    expect(made.sent.map(({ init }) => init.tag)).toEqual(['Ab.Cd.web.web'])
  })
})

describe('the options of rewrite_tag', () => {
  const refusal = (rule: string, ctx: Partial<FilterContext> = {}): string => {
    try {
      new Bench({ rule: [rule] }, ctx)
      return ''
    } catch (error) {
      return String((error as Error).message)
    }
  }

  test.each([
    ['$k ^err$ new.tag maybe', 'KEEP is "maybe"'],
    ['$k ^err$ new.tag false or true', 'there is "or true" after KEEP'],
    ['$k ( new.tag false', 'a group without a closing parenthesis'],
    ['$ a b false', 'there is no key after "$"'],
    ['$k ^err$ x.$ false', 'there is no key after "$"'],
    ['$k ^err$ x.$1 false not', 'groups of an expression that does not match'],
    ['$k ^err$ "" false', 'the new tag is empty'],
    [`$k ^err$ $TAG.${'x'.repeat(1024)} false`, 'the new tag is longer than 1024 bytes'],
    ['$k ^err$ a\u0007b false', 'the new tag has a control character'],
    ['$k ^(e)(?:r)r$ x.$2 false', 'the new tag has $2, and the expression has groups up to $1 only'],
    ['$k ^err$ x.$9 false', 'the new tag has $9, and the expression has no groups'],
    ['$k ^err$ new.tag', 'KEY EXPRESSION NEW_TAG KEEP'],
    ['$k a b false @NO', 'there are no labels, so no @NO'],
  ])('%s is refused: %s', (rule, reason) => {
    expect(refusal(rule)).toContain(reason)
  })

  test('$0, a group that may take no part, and a tag of variables only are accepted', () => {
    for (const rule of [
      '$k ^err$ x.$0 false',
      '$k ^(a)?b x.$1 false',
      '$k ^(?<n>a) x.$1 false',
      '$k a $TAG false',
    ])
      expect(refusal(rule)).toBe('')
  })

  test('a label has to be one of the configuration', () => {
    expect(refusal('$k a b false @NO', { labels: new Set(['@YES']) })).toContain('there is no label @NO')
    expect(refusal('$k a b false @YES', { labels: new Set(['@YES']) })).toBe('')
  })

  test('names the tags that it gives, with what is known of them', () => {
    const options = parseOptions(spec.options, {
      rule: ['$k ^a$ x.$TAG.$TAG[1].$k false', "$m['password'] secret y false @L"] as never,
    })
    expect(spec.newTags?.(options, 'app.web').map(({ pattern }) => pattern)).toEqual(['x.app.web.web.*', 'y'])
    expect(spec.newTags?.(options).map(({ pattern }) => pattern)).toEqual(['x.*.*.*', 'y'])
    expect(spec.newTags?.(options, 'a.*').map(({ pattern }) => pattern)).toEqual(['x.a.*.*.*', 'y'])
    expect(spec.newTags?.(options).map(({ records, label }) => [records, label])).toEqual([
      ['$k matches ^a$', undefined],
      ["$m['password'] matches ******", '@L'],
    ])
  })
})
