import { describe, expect, test } from 'bun:test'
import { defineOptions, type Option } from '../../../src/core/options/option.ts'
import { defaultValue, findOption, parseOptions, parseValue } from '../../../src/core/options/parse.ts'

const read = (option: Omit<Option, 'help'>, text: string): unknown => {
  const result = parseValue('name', { help: '', ...option }, text)
  return result.problem ?? result.value
}

describe('a value', () => {
  test('of each type is parsed', () => {
    expect(read({ type: 'string' }, 'a b')).toBe('a b')
    expect(read({ type: 'bool' }, 'On')).toBe(true)
    expect(read({ type: 'int' }, '-5')).toBe(-5)
    expect(read({ type: 'double' }, '.5e3')).toBe(500)
    expect(read({ type: 'size' }, '5M')).toBe(5_000_000)
    expect(read({ type: 'time' }, '5m')).toBe(300_000)
    expect(read({ type: 'enum', values: ['WAL', 'OFF'] }, 'wal')).toBe('WAL')
    expect(read({ type: 'clist' }, ' a, b,,c ')).toEqual(['a', 'b', 'c'])
    expect(read({ type: 'slist' }, ' a  "b \\"c" d')).toEqual(['a', 'b "c', 'd'])
  })

  test('with a number of words is split into exactly as many, the last one greedy and unchanged', () => {
    expect(read({ type: 'slist', words: 2 }, 'log  ^a b "c" ')).toEqual(['log', '^a b "c"'])
    expect(read({ type: 'slist', words: 2 }, '"my key" x')).toEqual(['my key', 'x'])
    expect(read({ type: 'slist', words: 2 }, 'log')).toBe('"name" must be 2 words, not "log"')
  })

  test('that is invalid is reported with the values that the option accepts', () => {
    expect(read({ type: 'time' }, 'abc')).toBe('"name" must be a time like 60 or 5m, not "abc"')
    expect(read({ type: 'bool' }, '1')).toBe('"name" must be true, on or yes, or false, off or no, not "1"')
    expect(read({ type: 'enum', values: ['a', 'b'] }, 'c')).toBe('"name" must be one of a, b, not "c"')
    expect(read({ type: 'int' }, '1.5')).toBe('"name" must be an integer, not "1.5"')
    expect(read({ type: 'int' }, '99999999999999999999')).toContain('must be an integer')
  })

  test('out of range is rejected with the range in the units of its type', () => {
    expect(read({ type: 'int', min: 0, max: 65535 }, '70000')).toBe(
      '"name" must be an integer from 0 to 65535, not "70000"',
    )
    expect(read({ type: 'size', min: 1_000_000 }, '5K')).toBe(
      '"name" must be a size like 32K or 5M of at least 1M, not "5K"',
    )
    expect(read({ type: 'time', max: 60_000 }, '2m')).toContain('from 0s to 1m')
  })

  test('of a size or a time is negative only if its table allows it', () => {
    expect(read({ type: 'size' }, '-1')).toContain('must be a size')
    expect(read({ type: 'time' }, '-1')).toContain('must be a time')
    expect(read({ type: 'time', min: -1000 }, '-1')).toBe(-1000)
  })

  test('that is secret is not shown', () => {
    expect(read({ type: 'int', secret: true }, 'hunter2')).toBe('"name" must be an integer, not ******')
  })
})

const table = defineOptions({
  'db.sync': { type: 'enum', values: ['full', 'off'], default: 'full', help: '' },
  refresh_interval: { type: 'time', default: '60', help: '', aliases: ['Refresh'] },
  path: { type: 'clist', repeat: true, help: '' },
  key: { type: 'string', help: '' },
})

test('a name is found by alias and regardless of case', () => {
  expect(findOption(table, 'DB.Sync')).toBe('db.sync')
  expect(findOption(table, 'REFRESH')).toBe('refresh_interval')
  expect(findOption(table, 'toString')).toBeUndefined()
})

test('a default is parsed like any value; without one a repeated option is an empty list', () => {
  expect(defaultValue('x', table.refresh_interval)).toBe(60_000)
  expect(defaultValue('x', table.path)).toEqual([])
  expect(defaultValue('x', table.key)).toBeUndefined()
  expect(() => defaultValue('x', { type: 'int', default: 'a', help: '' })).toThrow('"x" must be')
})

test('a table is parsed into camel-case names, repeated options in order', () => {
  expect(parseOptions(table, { path: ['a,b', 'c'], 'db.sync': 'OFF' })).toEqual({
    dbSync: 'off',
    refreshInterval: 60_000,
    path: [['a', 'b'], ['c']],
    key: undefined,
  })
  expect(() => parseOptions(table, { refresh_interval: 'x' })).toThrow('"refresh_interval" must be a time')
})

test('a size below the minimum is raised only where the option says so', () => {
  const size = { type: 'size', default: '5K', min: 2000, max: 8000, help: '' } as const
  expect(parseValue('a', size, '1K')).toHaveProperty('problem')
  expect(parseValue('a', { ...size, raised: true }, '1K')).toEqual({
    value: 2000,
    warning: '"a" must be a size like 32K or 5M from 2K to 8K, not "1K": using 2K',
  })
  expect(parseValue('a', { ...size, raised: true }, '2K')).toEqual({ value: 2000 })
  expect(parseValue('a', { ...size, raised: true }, '9K')).toHaveProperty('value', 8000)
  expect(parseValue('a', { ...size, raised: true }, 'many')).toHaveProperty('problem')
})
