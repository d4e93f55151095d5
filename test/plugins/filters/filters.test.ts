import { expect, spyOn, test } from 'bun:test'
import { headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { encodeStr } from '../../../src/core/msgpack/encode.ts'
import { spanOf } from '../../../src/core/msgpack/record.ts'
import { parseOptions, parseValue } from '../../../src/core/options/parse.ts'
import type { Filter, FilterContext } from '../../../src/core/plugin.ts'
import { spec as grepSpec } from '../../../src/plugins/filters/grep.ts'
import { spec as modifierSpec } from '../../../src/plugins/filters/record-modifier.ts'
import { type Body, filterContract } from '../../contract/filter.ts'
import { rawContract } from '../../contract/raw-filter.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../support/engine/chunk-of.ts'
import { LaterList } from '../../support/later.ts'
import { fc } from '../../support/property.ts'
import {
  pairOf,
  pairsOf,
  type RawPair,
  rawChunk,
  rawMaps,
  rawRecord,
} from '../../support/records/raw-record.ts'

// As in Ruby, ^ matches after a line feed and not after a carriage return.
const LOWER_FIRST = /(?:^|\n)[a-z]/
const L_FIRST = /^l/i

type Texts = Record<string, string | string[]>

function filterOf(
  spec: typeof grepSpec | typeof modifierSpec,
  texts: Texts,
  buffers = new LooseBuffers(),
): Filter {
  const options = parseOptions(spec.options as never, texts as never)
  return spec.create(options as never, { buffers } as never)
}

function through(
  spec: typeof grepSpec | typeof modifierSpec,
  texts: Texts,
  records: object[],
): Record<string, unknown>[] {
  const buffers = new LooseBuffers()
  const chunk = chunkOf(records, 'app', buffers)
  filterOf(spec, texts, buffers).apply(chunk, new LaterList(buffers))
  const left = recordsOf(chunk)
  expect(chunk.count).toBe(left.length)
  expect(chunk.start).toBeGreaterThanOrEqual(headRoom('app'))
  expect(chunk.buf.length - chunk.end).toBeGreaterThanOrEqual(TAIL_ROOM)
  chunk.release()
  expect(buffers.out.size).toBe(0)
  return left
}

const LOGS = [{ log: 'GET /healthz' }, { log: 'GET /items' }, { other: 1 }, { log: 'POST /items' }]

test('grep keeps records that every Regex and no Exclude matches', () => {
  expect(through(grepSpec, { regex: 'log ^GET', exclude: 'log healthz' }, LOGS)).toEqual([
    { log: 'GET /items' },
  ])
})

test('grep keeps and counts a record that an expression cannot decide within Regex_Step_Limit', () => {
  const hostile = { log: `${'x'.repeat(3000)}!` }
  const effects: unknown[] = []
  const regexLimit = { stepsPerByte: 100, reached: (...what: unknown[]) => effects.push(what.slice(1)) }
  const kept = (texts: Texts): number => {
    const chunk = chunkOf([hostile, { log: 'xxx' }, { log: 'y' }], 'app', new LooseBuffers())
    const options = parseOptions(grepSpec.options as never, texts as never)
    grepSpec.create(options as never, { regexLimit } as never).apply(chunk, undefined as never)
    return chunk.count
  }
  expect([kept({ regex: 'log ^(x*)*$' }), kept({ exclude: 'log ^(x*)*$' })]).toEqual([2, 2])
  // Another rule still decides.
  expect(kept({ exclude: ['log ^(x*)*$', 'log !'] })).toBe(1)
  expect(effects).toHaveLength(3)
  expect(effects[0]).toEqual([
    'Regex',
    { reason: 'grep', effect: 'the record is kept unless another rule drops it' },
  ])
})

test('grep: a missing key never matches, so Regex drops the record and Exclude keeps it', () => {
  expect(through(grepSpec, { regex: 'log .' }, LOGS)).toHaveLength(3)
  expect(through(grepSpec, { exclude: 'log items' }, LOGS)).toEqual([{ log: 'GET /healthz' }, { other: 1 }])
})

test('grep with Logical_Op: AND requires all rules, OR one', () => {
  const rules = ['log GET', 'log items']
  expect(through(grepSpec, { regex: rules, logical_op: 'AND' }, LOGS)).toEqual([{ log: 'GET /items' }])
  expect(through(grepSpec, { regex: rules, logical_op: 'OR' }, LOGS)).toHaveLength(3)
  expect(through(grepSpec, { exclude: rules, logical_op: 'OR' }, LOGS)).toEqual([{ other: 1 }])
})

// What a real fluentd 1.19 keeps of these records.
test('grep with Values_As_Text matches numbers, and missing values as empty texts', () => {
  const records = [{ a: 'foo', n: 5 }, { a: 'bar', n: 50, t: true }, { n: '5' }, { a: '' }, { a: null }]
  const kept = (options: Record<string, string>): object[] =>
    through(grepSpec, { ...options, values_as_text: 'on' }, records)
  expect(kept({ exclude: 'n ^50$' })).toEqual([records[0], records[2], records[3], records[4]] as never)
  expect(kept({ regex: 'n 5' })).toEqual(records.slice(0, 3))
  expect(kept({ regex: 't ^true$' })).toEqual([records[1]] as never)
  expect(kept({ regex: 'a ^$' })).toEqual(records.slice(2))
  expect(kept({ regex: 'n 50' })).toEqual([records[1]] as never)
})

test('grep does not find a literal beyond the end of its value', () => {
  expect(through(grepSpec, { regex: 'a needle' }, [{ a: 'hay', b: 'needle' }])).toEqual([])
})

test('grep follows a record accessor into maps and lists', () => {
  const records = [
    { k8s: { labels: { app: 'web' }, list: ['x', 'y'] } },
    { k8s: { labels: { app: 'db' }, list: ['x'] } },
  ]
  expect(through(grepSpec, { regex: "$k8s['labels']['app'] ^w" }, records)).toEqual([records[0] as never])
  expect(through(grepSpec, { regex: '$k8s["list"][1] y' }, records)).toEqual([records[0] as never])
})

test('grep rejects an invalid rule with the reason', () => {
  const must = 'must be a key and a regular expression, not'
  expect(() => filterOf(grepSpec, { regex: '$[ x' })).toThrow(
    `"regex" ${must} "$[ x": "$[" is not a record accessor`,
  )
  expect(() => filterOf(grepSpec, { exclude: 'a (' })).toThrow(`"exclude" ${must} "a (": `)
  expect(() => filterOf(grepSpec, { regex: 'a b', exclude: 'c d', logical_op: 'AND' })).toThrow(
    'cannot be combined',
  )
})

test('record_modifier adds, removes and allows keys, and leaves other fields unchanged', () => {
  const record = { a: 1, b: { c: ['é', null, 1.5] }, d: 'x' }
  expect(through(modifierSpec, { record: ['host web1', 'note two words'] }, [record])).toEqual([
    { ...record, host: 'web1', note: 'two words' },
  ])
  expect(through(modifierSpec, { remove_key: ['a', 'd'] }, [record])).toEqual([{ b: record.b }])
  expect(through(modifierSpec, { allowlist_key: 'd' }, [record])).toEqual([{ d: 'x' }])
})

test('record_modifier takes the quotation marks around a value away, and no others', () => {
  const record = (text: string): Body | undefined => through(modifierSpec, { record: text }, [{}])[0]
  expect(record('d "one  two"')).toEqual({ d: 'one  two' })
  expect(record('"my key" v')).toEqual({ 'my key': 'v' })
  expect(record('d a"b"c')).toEqual({ d: 'a"b"c' })
  expect(record('d "a" b')).toEqual({ d: '"a" b' })
  expect(record('d ""')).toEqual({ d: '' })
})

test('record_modifier refuses Remove_key together with Allowlist_key, as fluent-bit does', () => {
  expect(() => filterOf(modifierSpec, { remove_key: 'a', allowlist_key: 'b' })).toThrow('cannot be combined')
})

test.each(['remove_key', 'allowlist_key'] as const)('a list in one %s is doubted: it is one key', (name) => {
  const warningOf = (text: string) => {
    const result = parseValue(name, modifierSpec.options[name], text)
    return 'warning' in result ? result.warning : undefined
  }
  expect(warningOf('log host pid')).toBe(
    `"${name}" is one key, "log host pid": each key needs a line of its own`,
  )
  expect(warningOf('log,host')).toContain('is one key')
  expect(warningOf('log*')).toBeUndefined()
})

test('a chunk in which record_modifier finds no key to remove keeps its buffer', () => {
  const buffers = new LooseBuffers()
  const chunk = chunkOf([{ a: 1 }, {}], 'app', buffers)
  const { buf } = chunk
  filterOf(modifierSpec, { remove_key: 'z*' }, buffers).apply(chunk, new LaterList(buffers))
  expect(chunk.buf).toBe(buf)
})

test('record_modifier adds a different UUID to each record', () => {
  const ids = through(modifierSpec, { uuid_key: 'id' }, [{}, {}]).map((r) => r.id as string)
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/)
  expect(new Set(ids).size).toBe(2)
})

test('property: kept records are unchanged', () => {
  const value = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.string(), { maxLength: 3 }),
  )
  const record = fc.dictionary(
    fc.string({ minLength: 1, maxLength: 5 }).filter((k) => k !== '__proto__'),
    value,
    { maxKeys: 20 },
  )
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 10 }), (records) => {
      const marked = records.map((r, i) => ({ ...r, mark: i % 2 === 0 ? 'even' : 'odd' }))
      expect(through(grepSpec, { exclude: 'mark ^odd$' }, marked)).toEqual(
        marked.filter((_, i) => i % 2 === 0),
      )
      const added = through(modifierSpec, { record: 'new value', remove_key: 'mark' }, marked)
      expect(added).toEqual(marked.map(({ mark: _, ...rest }) => ({ ...rest, new: 'value' })) as never)
    }),
    { numRuns: 100 },
  )
})

function textOf(value: unknown): string | undefined {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  return typeof value === 'string' ? Buffer.from(value).toString('latin1') : undefined
}

function caseOf(spec: typeof grepSpec | typeof modifierSpec, texts: Texts) {
  return (ctx: FilterContext) => filterOf(spec, texts, ctx.buffers as LooseBuffers)
}

filterContract({
  name: 'grep, literal',
  create: caseOf(grepSpec, { exclude: 'log z' }),
  expected: (record) => (textOf(record.log)?.includes('z') ? undefined : record),
})
filterContract({
  name: 'grep, expression',
  create: caseOf(grepSpec, { regex: 'log ^[a-z]' }),
  expected: (record) => (LOWER_FIRST.test(textOf(record.log) ?? '') ? record : undefined),
})
filterContract({
  name: 'record_modifier, added',
  create: caseOf(modifierSpec, { record: ['zone eu', 'note two words'] }),
  expected: (record) => record,
  added: { zone: 'eu', note: 'two words' },
})
filterContract({
  name: 'record_modifier, removed',
  create: caseOf(modifierSpec, { remove_key: ['mark', 'l*'] }),
  expected: (record) => without(record, (key) => key.toLowerCase() === 'mark' || L_FIRST.test(key)),
})

rawContract({
  name: 'record_modifier with Remove_key and Record',
  spec: modifierSpec as never,
  texts: { remove_key: ['P_*', 'a'], record: ['b "x  y"', 'zone eu'] },
  expected: (pairs) => {
    const isRemoved = ({ key = '' }: RawPair): boolean =>
      key.toLowerCase().startsWith('p_') || /^a$/i.test(key)
    const kept = pairs.filter((pair) => !isRemoved(pair) && pair.key !== 'b' && pair.key !== 'zone')
    return [...kept, pairOf('b', encodeStr('x  y')), pairOf('zone', encodeStr('eu'))]
  },
})
rawContract({
  name: 'record_modifier with Allowlist_key',
  spec: modifierSpec as never,
  texts: { allowlist_key: ['A*', 'log'] },
  expected: (pairs) => pairs.filter(({ key }) => key !== undefined && /^(?:a|log$)/i.test(key)),
})
for (const op of ['legacy', 'AND', 'OR'] as const) {
  rawGrep(op, 'regex', (a, b) => (op === 'OR' ? a || b : a && b))
  rawGrep(op, 'exclude', (a, b) => (op === 'AND' ? !(a && b) : !(a || b)))
}

/** Tests grep with two rules; `keeps` says what becomes of a record by what they match. */
function rawGrep(op: string, option: string, keeps: (a: boolean, b: boolean) => boolean): void {
  const matches = (pairs: readonly RawPair[], key: string, expression: RegExp): boolean => {
    const value = pairs.findLast((pair) => pair.key === key)?.value
    const span = value && spanOf(value, 0)
    return span !== undefined && expression.test((value as Buffer).toString('latin1', span.start, span.end))
  }
  test(`property: grep with Logical_Op ${op} and two ${option} keeps what the model keeps, byte by byte`, () => {
    const texts = { [option]: ['a ^[xy]', 'b e'], logical_op: op }
    fc.assert(
      fc.property(fc.array(rawRecord, { minLength: 1, maxLength: 12 }), (maps) => {
        const buffers = new LooseBuffers()
        const chunk = rawChunk(maps, buffers)
        const before = rawMaps(chunk).map(({ head, map }) => head + map.toString('hex'))
        const kept = before.filter((_, i) => {
          const pairs = pairsOf(maps[i] as Buffer)
          return keeps(matches(pairs, 'a', /^[xy]/), matches(pairs, 'b', /e/))
        })
        filterOf(grepSpec, texts, buffers).apply(chunk, new LaterList(buffers))
        expect(rawMaps(chunk).map(({ head, map }) => head + map.toString('hex'))).toEqual(kept)
        expect(chunk.count).toBe(kept.length)
      }),
      { numRuns: 200 },
    )
  })
}

function without(record: Body, isRemoved: (key: string) => boolean): Body {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !isRemoved(key)))
}

test('grep treats slashes around an expression as delimiters and a key with brackets as an accessor', () => {
  expect(through(grepSpec, { exclude: 'log /healthz/' }, LOGS)).toHaveLength(3)
  expect(through(grepSpec, { regex: 'log /get/i' }, LOGS)).toHaveLength(2)
  const records = [{ k8s: { host: 'a' } }, { k8s: { host: 'b' } }]
  expect(through(grepSpec, { regex: "k8s['host'] a" }, records)).toEqual([records[0] as never])
})

test('grep finds all occurrences of a literal and searches a chunk once', () => {
  const records = Array.from({ length: 20_000 }, (_, i) => ({
    log: `${i % 500 === 0 ? 'needle ' : ''}${i} ${'x'.repeat(80)}`,
  }))
  const chunk = chunkOf(records)
  const buffers = new LooseBuffers()
  const filter = filterOf(grepSpec, { regex: 'log needle' }, buffers)
  const searches = spyOn(Buffer.prototype, 'indexOf')
  filter.apply(chunk, new LaterList(buffers))
  const calls = searches.mock.calls.length
  searches.mockRestore()
  expect(recordsOf(chunk)).toEqual(records.filter((_, i) => i % 500 === 0))
  expect(calls).toBeLessThanOrEqual(41)
})

test('record_modifier matches keys by prefix, ignoring case', () => {
  const record = { Host: 1, k8s_pod: 2, K8S_NODE: 3, other: 4 }
  expect(through(modifierSpec, { remove_key: ['HOST', 'k8s_*'] }, [record])).toEqual([{ other: 4 }])
  expect(through(modifierSpec, { allowlist_key: ['k8s*'] }, [record])).toEqual([{ k8s_pod: 2, K8S_NODE: 3 }])
})
