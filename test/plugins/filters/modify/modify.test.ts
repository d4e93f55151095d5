import { expect, test } from 'bun:test'
import { ENTRY_HEAD } from '../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { spec } from '../../../../src/plugins/filters/modify/index.ts'
import { type Body, filterContract } from '../../../contract/filter.ts'
import { filteredMaps, rawContract } from '../../../contract/raw-filter.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../../../support/engine/chunk-of.ts'
import { fc } from '../../../support/property.ts'
import { mapOfPairs, pairsOf, rawRecord } from '../../../support/records/raw-record.ts'
import { modified, RULES } from './model.ts'

const word = fc.constantFrom('a', 'b', 'c', 'ab', 'log', 'new', 'p_a')
const rule = fc.tuple(fc.constantFrom(...Object.keys(RULES)), word, word).map(([name, a, b]) => {
  const hasOne = name.startsWith('remove') || name.startsWith('move')
  return hasOne ? `${name} ${a}` : `${name} ${a} ${b}`
})

test('property: any rules, in their order, make of a record what the model makes of it', () => {
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 6 }), rawRecord, rawRecord, (rules, ...maps) => {
      const wanted = maps.map((map) => {
        const pairs = modified(pairsOf(map), rules)
        return (pairs === undefined ? map : mapOfPairs(pairs)).toString('hex')
      })
      const found = filteredMaps({ spec: spec as never, texts: { set: rules } }, maps)
      expect(found.map((map) => map.toString('hex'))).toEqual(wanted)
    }),
    { numRuns: 2000 },
  )
})

rawContract({
  name: 'modify',
  spec: spec as never,
  texts: { set: ['rename a x', 'remove_wildcard p_', 'set m_1 new', 'move_to_start m_2'] },
  expected: (pairs) =>
    modified(pairs, ['rename a x', 'remove_wildcard p_', 'set m_1 new', 'move_to_start m_2']),
})

filterContract({
  name: 'modify',
  create: (ctx) =>
    spec.create(parseOptions(spec.options, { set: ['remove mark', 'add zone eu'] }) as never, ctx),
  expected: ({ mark: _, ...rest }: Body) => ({ ...rest, ...('zone' in rest ? {} : { zone: 'eu' }) }),
})

function through(texts: Record<string, string | string[]>, records: object[]): Body[] {
  const buffers = new LooseBuffers()
  const chunk = chunkOf(records, 'app', buffers)
  const options = parseOptions(spec.options, texts as never)
  spec.create(options as never, { buffers } as never).apply(chunk, undefined as never)
  return recordsOf(chunk)
}

const RECORDS = [
  { a: '1', log: 'hello' },
  { a: '2', n: { k: 'v' } },
  { log: 7, b: null },
  { log: 'hello world', z: true },
]

/** Returns the numbers of the records for which the conditions hold. */
function holds(...condition: string[]): number[] {
  const after = through({ condition, set: 'set hit yes' }, RECORDS)
  return after.flatMap((record, i) => (record.hit === 'yes' ? [i] : []))
}

// What a real fluent-bit 5.1.1 prints for these.
test('modify evaluates each condition as fluent-bit', () => {
  expect(holds('Key_exists a')).toEqual([0, 1])
  expect(holds("Key_exists $n['k']")).toEqual([1])
  expect(holds('Key_does_not_exist a')).toEqual([2, 3])
  expect(holds('A_key_matches ^n$')).toEqual([1])
  expect(holds('No_key_matches ^[a-c]$')).toEqual([3])
  expect(holds('Key_value_equals a 1')).toEqual([0])
  expect(holds('Key_value_equals log 7')).toEqual([])
  expect(holds('Key_value_does_not_equal a 1')).toEqual([1])
  expect(holds('Key_value_does_not_equal gone x')).toEqual([])
  expect(holds('Key_value_matches log ^hello')).toEqual([0, 3])
  expect(holds('Key_value_matches z ^tr')).toEqual([3])
  expect(holds('Key_value_does_not_match log ^hello')).toEqual([2])
  expect(holds('Matching_keys_have_matching_values ^lo ^h')).toEqual([0, 1, 3])
  expect(holds('Matching_keys_do_not_have_matching_values ^lo ^h')).toEqual([2])
  expect(holds('KEY_EXISTS a', 'Key_value_equals log hello')).toEqual([0])
})

test('conditions of modify are evaluated on the record as it came', () => {
  const texts = { condition: 'Key_exists a', set: ['remove a', 'set b x', 'add c y'] }
  expect(through(texts, [{ a: 1 }, { b: 1 }])).toEqual([{ b: 'x', c: 'y' }, { b: 1 }])
})

test('a condition of modify takes the last value of a key that occurs twice', () => {
  const map = Buffer.from('82a161a178a161a179', 'hex')
  const hit = (value: string): boolean => {
    const texts = { condition: `Key_value_equals a ${value}`, set: 'remove a' }
    return filteredMaps({ spec: spec as never, texts }, [map])[0]?.toString('hex') === '80'
  }
  expect([hit('x'), hit('y')]).toEqual([false, true])
})

test('a chunk in which modify changes nothing keeps its buffer', () => {
  const buffers = new LooseBuffers()
  const chunk = chunkOf([{ a: 1 }, { b: 2 }], 'app', buffers)
  const { buf } = chunk
  const options = parseOptions(spec.options, {
    set: ['rename x y', 'remove z', 'add a 2', 'copy a b'],
  } as never)
  const filter = spec.create(options as never, { buffers } as never)
  filter.apply(chunk, undefined as never)
  // The first record has no b, so `copy a b` changes it.
  expect(chunk.buf).not.toBe(buf)
  const other = chunkOf([{ b: 2, a: 1 }], 'app', buffers)
  const before = other.buf
  filter.apply(other, undefined as never)
  expect(other.buf).toBe(before)
})

test('modify leaves an entry that is no record as it is', () => {
  const buffers = new LooseBuffers()
  const chunk = chunkOf([{ a: 1 }, { a: 2 }], 'app', buffers)
  // The map of the first entry becomes a text of as many bytes.
  chunk.buf[chunk.start + ENTRY_HEAD] = 0xa3
  const entry = chunk.buf.toString('hex', chunk.start, chunk.start + ENTRY_HEAD + 4)
  const options = parseOptions(spec.options, { set: 'remove a' } as never)
  spec.create(options as never, { buffers } as never).apply(chunk, undefined as never)
  expect(chunk.buf.toString('hex', chunk.start, chunk.start + ENTRY_HEAD + 4)).toBe(entry)
  expect([chunk.count, recordsOf(chunk)[1]]).toEqual([2, {}])
})

test('modify counts keys that Remove_regex cannot decide, and keeps them', () => {
  const reached: unknown[] = []
  const regexLimit = { stepsPerByte: 100, reached: (...what: unknown[]) => reached.push(what[2]) }
  const chunk = chunkOf([{ [`${'x'.repeat(3000)}!`]: 1, xxx: 2 }])
  const options = parseOptions(spec.options, { set: 'remove_regex ^(x*)*$' } as never)
  spec
    .create(options as never, { regexLimit, buffers: new LooseBuffers() } as never)
    .apply(chunk, undefined as never)
  expect(Object.values(recordsOf(chunk)[0] ?? {})).toEqual([1])
  expect(reached).toEqual([{ reason: 'remove', effect: 'the key is kept' }])
})

test('modify refuses rules and conditions that it cannot read', () => {
  const refused = (texts: object): string => {
    try {
      parseOptions(spec.options, texts as never)
    } catch (error) {
      return (error as Error).message
    }
    return 'accepted'
  }
  expect(refused({ set: 'set d one two' })).toContain('too many words')
  expect(refused({ set: 'set d' })).toContain('a word is missing')
  expect(refused({ set: 'remove_regex (' })).toContain('"set" must be EXPRESSION')
  expect(refused({ condition: 'Key_is_nice a' })).toContain('must be one of key_exists')
  expect(refused({ condition: 'Key_value_equals log hello world' })).toContain('too many words')
  expect(refused({ condition: 'Key_exists $a[' })).toContain('is not a record accessor')
  expect(refused({ set: 'set d "x' })).toContain('a quotation mark is not closed')
  expect(refused({ set: 'remove' })).toContain('a word is missing')
})

test('modify takes words in quotation marks without them, and unescapes these', () => {
  const added = (set: string): Body | undefined => through({ set }, [{}])[0]
  expect(added('set "my key" "one  two"')).toEqual({ 'my key': 'one  two' })
  expect(added("set k 'one two'")).toEqual({ k: 'one two' })
  expect(added('set k "a \\"b\\" \\\\ \\d"')).toEqual({ k: 'a "b" \\ \\d' })
  expect(added('set k a"b"\'c')).toEqual({ k: 'a"b"\'c' })
  expect(added('set k ""')).toEqual({ k: '' })
})

test('modify takes the blanks of a variable as they are', () => {
  const check = (text: string): unknown => spec.options.set?.check?.(text, true)
  expect(check('set d one  two')).toBeUndefined()
  expect(check("set d it's")).toBeUndefined()
  const options = { set: ["set d it's  here"], condition: [] }
  const chunk = chunkOf([{}])
  spec.create(options as never, { buffers: new LooseBuffers() } as never).apply(chunk, undefined as never)
  expect(recordsOf(chunk)).toEqual([{ d: "it's  here" }])
})
