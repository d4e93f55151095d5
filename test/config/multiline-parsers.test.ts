import { expect, test } from 'bun:test'
import { load, OUT } from './loading.ts'

const config = (multiline: string): string => `[INPUT]\n    Name clock\n${OUT}${multiline}`

test('a multiline parser has its rules in order', async () => {
  const { plan, reported } = await load(
    config(
      '[MULTILINE_PARSER]\n    name m\n    type regex\n    flush_timeout 100\n' +
        '    rule "start_state" "/^a/" "next"\n    rule "next" "/^ /" "next"\n',
    ),
  )
  expect(reported).toEqual([])
  expect(plan?.multilines).toMatchObject([
    {
      name: 'm',
      options: {
        type: 'regex',
        flushTimeout: 100,
        rule: ['"start_state" "/^a/" "next"', '"next" "/^ /" "next"'],
      },
    },
  ])
})

test('a problem of a multiline parser is reported with its location', async () => {
  const head = '[MULTILINE_PARSER]\n    name m\n    type regex\n'
  const at = (text: string) => load(config(head + text)).then(({ reported }) => reported.join('\n'))
  expect(await at('')).toContain('[multiline_parser m] no rule starts from "start_state"')
  expect(await at('    rule start_state\n')).toMatch(
    /a\.conf:\d+:10: .*is not of the form "from" "\/regex\/" "to"/,
  )
  expect(await at('    rule "start_state" "/(/" "a"\n')).toMatch(/a\.conf:\d+:10: /)
  expect(await at('    rule "start_state" "/a/" "b"\n    rule "c" "/a/" "b"\n')).toContain(
    'no rule leads to the state "c"',
  )
  const end = await load(config('[MULTILINE_PARSER]\n    name m\n    type endswith\n'))
  expect(end.reported.join('\n')).toContain('type endswith needs "match_string"')
})

test('a section cannot replace a built-in multiline parser', async () => {
  const { plan, warnings } = await load(
    config('[MULTILINE_PARSER]\n    name java\n    type equal\n    match_string x\n'),
  )
  expect(plan?.multilines).toEqual([])
  expect(warnings.join('\n')).toContain('name of a built-in multiline parser: this section is ignored')
})
