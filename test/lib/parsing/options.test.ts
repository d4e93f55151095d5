import { expect, test } from 'bun:test'
import type { Option } from '../../../src/core/options/option.ts'
import { parseValue } from '../../../src/core/options/parse.ts'
import { TIME_OPTIONS, TYPES_OPTION } from '../../../src/lib/parsing/options.ts'

const TABLE: Record<string, Option> = { ...TIME_OPTIONS, ...TYPES_OPTION }

test.each([
  ['time_offset', '9', '"time_offset" must be an offset, not "9": "9" is no offset'],
  ['time_zone', 'Berlin', '"time_zone" must be the name of a zone, not "Berlin": there is no zone "Berlin"'],
])('%s that is %j is refused with the reason and what to write', (name, text, problem) => {
  const result = parseValue(name, TABLE[name] as Option, text)
  expect(result.problem).toBe(problem)
  expect((result as { hint?: string }).hint).not.toBe('')
})

const AT_READING = 'the record has the time at which it was read'
test.each([
  ['time_format', '%Y-%Q', `a format of strptime, not "%Y-%Q": %Q is not known: ${AT_READING}`],
  ['time_format', '%L %Y', `a format of strptime, not "%L %Y": %L is misplaced: ${AT_READING}`],
  [
    'types',
    'a:int b:date',
    'a list of name:type, not "a:int b:date": "b:date" is none: such fields are text',
  ],
])('%s that is %j is taken with a warning', (name, text, warning) => {
  expect(parseValue(name, TABLE[name] as Option, text)).toMatchObject({
    warning: `"${name}" must be ${warning}`,
  })
})

test('what a parser can use is taken', () => {
  for (const [name, text] of Object.entries({
    time_format: '%Y-%m-%dT%H:%M:%S.%L%z',
    time_offset: '-03:30',
    time_zone: 'Europe/Berlin',
    types: 'a:integer b:float',
  })) {
    expect(parseValue(name, TABLE[name] as Option, text).problem).toBeUndefined()
  }
})
