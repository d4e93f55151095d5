import { expect, test } from 'bun:test'
import { encodeStr, skip } from '../../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { spec } from '../../../../src/plugins/filters/type-converter/index.ts'
import { type Body, filterContract } from '../../../contract/filter.ts'
import { filteredMaps, rawContract } from '../../../contract/raw-filter.ts'
import { mapOfPairs, pairOf, pairsOf, type RawPair } from '../../../support/records/raw-record.ts'

/** Returns the value as it is under `key`, if `test` takes it. */
function kept(
  pairs: RawPair[],
  from: string,
  key: string,
  test: (value: Buffer) => boolean,
): RawPair[] | undefined {
  const source = pairs.findLast((pair) => pair.key === from)
  if (source === undefined || !test(source.value)) return undefined
  return [...pairs.filter((pair) => pair.key !== key), pairOf(key, source.value)]
}

const isUint = (value: Buffer): boolean => (value[0] as number) < 0x80 || (value[0] as number) === 0xcd

rawContract({
  name: 'type_converter',
  spec: spec as never,
  texts: { int_key: 'a b uint' },
  expected: (pairs) =>
    kept(pairs, 'a', 'b', (value) => isUint(value) || [0xcc, 0xce, 0xcf].includes(value[0] as number)),
})

filterContract({
  name: 'type_converter',
  create: (ctx) => spec.create(parseOptions(spec.options, { str_key: 'log mark bool' }) as never, ctx),
  expected: ({ ...rest }: Body) => {
    if (typeof rest.log !== 'string' && !(rest.log instanceof Uint8Array)) return rest
    const { mark: _, ...others } = rest
    const text = Buffer.from(rest.log as string)
      .toString('latin1')
      .toLowerCase()
    return { ...others, mark: text === 'true' ? true : text === 'false' ? false : rest.log }
  },
})

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

/** Returns the hex of what a rule makes of a value, or undefined. */
function converted(rule: string, source: Buffer): string | undefined {
  const [option = '', type = ''] = rule.split(' ')
  const map = mapOfPairs([pairOf('v', source)])
  const [after] = filteredMaps({ spec: spec as never, texts: { [option]: `v new ${type}` } }, [map])
  return pairsOf(after as Buffer)
    .find(({ key }) => key === 'new')
    ?.value.toString('hex')
}

const text = (value: string): string => encodeStr(value).toString('hex')
const float = (value: number): string => {
  const out = Buffer.alloc(9, 0xcb)
  out.writeDoubleBE(value, 1)
  return out.toString('hex')
}

test('type_converter converts integers of all their 64 bits', () => {
  expect(converted('int_key string', hex('2a'))).toBe(text('42'))
  expect(converted('int_key string', hex('d38000000000000000'))).toBe(text('-9223372036854775808'))
  expect(converted('uint_key string', hex('cfffffffffffffffff'))).toBe(text('18446744073709551615'))
  expect(converted('int_key float', hex('2a'))).toBe(float(42))
  expect(converted('int_key uint', hex('fd'))).toBeUndefined()
  expect(converted('uint_key int', hex('cf7fffffffffffffff'))).toBe('cf7fffffffffffffff')
  expect(converted('uint_key int', hex('cf8000000000000000'))).toBeUndefined()
  expect(converted('int_key string', hex(float(3.75)))).toBeUndefined()
})

test('a whole float64 from 1e18 on becomes a text with an exponent, so that it is not that of an integer', () => {
  const forms = [1e18, -1e19, 2 ** 64, 1e16, Number.MAX_VALUE]
  const texts = [
    '1e+18',
    '-1e+19',
    '1.8446744073709552e+19',
    '10000000000000000.0',
    '1.7976931348623157e+308',
  ]
  expect(forms.map((value) => converted('float_key string', hex(float(value))))).toEqual(texts.map(text))
})

// The texts are what a real fluent-bit 5.1.1 prints.
test('type_converter cuts the fraction off, and gives whole numbers a point', () => {
  const forms = [0.1, 1e21, -0, 1234567.891, 3]
  const texts = ['0.1', '1e+21', '-0.0', '1234567.891', '3.0']
  expect(forms.map((value) => converted('float_key string', hex(float(value))))).toEqual(texts.map(text))
  expect(converted('float_key int', hex(float(3.75)))).toBe('03')
  expect(converted('float_key int', hex(float(-3.75)))).toBe('fd')
  expect(converted('float_key int', hex(float(-0.5)))).toBe('00')
  expect(converted('float_key uint', hex(float(-1)))).toBeUndefined()
  expect(converted('float_key uint', hex(float(2 ** 63)))).toBe('cf8000000000000000')
  expect(converted('float_key int', hex(float(2 ** 63)))).toBeUndefined()
  expect(converted('float_key int', hex(float(Number.NaN)))).toBeUndefined()
  expect(converted('float_key int', hex('ca40700000'))).toBe('03')
})

test('type_converter takes texts that are wholly a value of the type', () => {
  const from = (rule: string, value: string): string | undefined =>
    converted(`str_key ${rule}`, encodeStr(value))
  expect(from('int', '12')).toBe('0c')
  expect(from('int', '0')).toBe('00')
  expect(from('uint', '18446744073709551615')).toBe('cfffffffffffffffff')
  expect(from('int', '18446744073709551615')).toBeUndefined()
  expect(from('uint', '-3')).toBeUndefined()
  expect(['1.5e3', '12ms', ' 12', '', 'x'.repeat(5000)].map((value) => from('int', value))).toEqual(
    Array(5).fill(undefined),
  )
  expect(from('float', '1.5e3')).toBe(float(1500))
  expect(from('hex', '12')).toBe('12')
  expect(from('hex', '0xff')).toBe('ccff')
  expect(['TRUE', 'false'].map((value) => from('bool', value))).toEqual(['c3', 'c2'])
  // As in fluent-bit, which adds what it cannot convert.
  expect(from('bool', 'no')).toBe(text('no'))
})

test('all rules of type_converter see the values with which the record came', () => {
  const map = mapOfPairs([pairOf('i', hex('2a')), pairOf('s', encodeStr('12'))])
  const texts = { int_key: ['i s string', 'i i float'], str_key: ['s i int', 's other int'] }
  const [after] = filteredMaps({ spec: spec as never, texts }, [map])
  expect(pairsOf(after as Buffer).map(({ key, value }) => [key, value.toString('hex')])).toEqual([
    ['other', '0c'],
    ['s', text('42')],
    ['i', float(42)],
  ])
})

test('type_converter follows an accessor, and leaves what it does not find', () => {
  const inner = mapOfPairs([pairOf('x', hex('05'))])
  const map = mapOfPairs([pairOf('m', inner)])
  const run = (rule: string): Buffer =>
    filteredMaps({ spec: spec as never, texts: { int_key: rule } }, [map])[0] as Buffer
  expect(pairsOf(run("$m['x'] new string"))[1]).toEqual(pairOf('new', encodeStr('5')))
  expect(run("$m['y'] new string").equals(map)).toBe(true)
  expect(skip(run("$m['x'] m string"), 0, 1000)).toBeLessThan(20)
})

test('type_converter refuses unknown types and rules without a type, and warns of rules that convert nothing', () => {
  const refused = (texts: object) => () => parseOptions(spec.options, texts as never)
  expect(refused({ str_key: 't new integer' })).toThrow('"integer" is no type')
  expect(refused({ int_key: 'i new' })).toThrow('a word is missing')
  expect(refused({ int_key: '$m[ new string' })).toThrow('is not a record accessor')
  expect(refused({ int_key: 'i new int' })).not.toThrow()
  expect(() => spec.create(parseOptions(spec.options, {}) as never, {} as never)).toThrow('there is no rule')
})
