import { expect, test } from 'bun:test'
import type { Option } from '../../../src/core/options/option.ts'
import { parseValue } from '../../../src/core/options/parse.ts'
import { TIME_OPTIONS, TYPES_OPTION } from '../../../src/lib/parsing/options.ts'

const TABLE: Record<string, Option> = { ...TIME_OPTIONS, ...TYPES_OPTION }

test.each([
  ['time_offset', '9', '"time_offset" must be an offset, not "9": "9" is not an offset'],
  [
    'time_zone',
    'Berlin',
    '"time_zone" must be the name of a time zone, not "Berlin": unknown time zone "Berlin"',
  ],
])('%s %j is refused with the reason and a hint', (name, text, problem) => {
  const result = parseValue(name, TABLE[name] as Option, text)
  expect(result.problem).toBe(problem)
  expect((result as { hint?: string }).hint).not.toBe('')
})

const AT_READING = 'the record gets the time at which it was read'
test.each([
  ['time_format', '%Y-%Q', `a strptime format, not "%Y-%Q": unknown conversion %Q: ${AT_READING}`],
  [
    'types',
    'a:int b:date',
    'a list of name:type, not "a:int b:date": "b:date" is not valid: fields with an unknown type stay text',
  ],
])('%s %j is accepted with a warning', (name, text, warning) => {
  expect(parseValue(name, TABLE[name] as Option, text)).toMatchObject({
    warning: `"${name}" must be ${warning}`,
  })
})

test('valid values are accepted', () => {
  for (const [name, text] of Object.entries({
    time_format: '%Y-%m-%dT%H:%M:%S.%L%z',
    time_offset: '-03:30',
    time_zone: 'Europe/Berlin',
    types: 'a:integer b:float',
  })) {
    expect(parseValue(name, TABLE[name] as Option, text).problem).toBeUndefined()
  }
})
