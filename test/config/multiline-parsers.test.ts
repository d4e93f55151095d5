import { expect, test } from 'bun:test'
import type { Diagnostics, Property } from '../../src/config/config-tree.ts'
import { MultilinePlanner } from '../../src/config/multiline-parsers.ts'
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
  const end = await load(config('[MULTILINE_PARSER]\n    name m\n    type endswith\n'))
  expect(end.reported.join('\n')).toContain('type endswith needs "match_string"')
})

test('accepts rules with and without quotes, lists of states, flags, and trailing words', async () => {
  const { plan, reported, warnings } = await load(
    config(
      '[MULTILINE_PARSER]\n    name m\n    type Regex\n    flush_timeout 0\n' +
        '    Rule start_state /^x/i cont\n    Rule "cont, nowhere" "/^ say \\"a\\"/" "cont" # and so on\n' +
        '    Rule "cont" /^\\$/\n',
    ),
  )
  expect(reported).toEqual([])
  expect(warnings).toEqual([])
  expect(plan?.multilines).toHaveLength(1)
})

test('warns about a state without rules, which ends the record', async () => {
  const { plan, warnings } = await load(
    config('[MULTILINE_PARSER]\n    name m\n    type regex\n    rule "start_state" "/^a/" "cnot"\n'),
  )
  expect(plan?.multilines).toHaveLength(1)
  expect(warnings.join('\n')).toMatch(/a\.conf:\d+:10: .*no rule starts from the state "cnot"/)
})

test('a section replaces a trace that fluent-bit does not have, whatever the case of its name', async () => {
  const sections = ['node', 'PHP', 'dotnet', 'rust', 'dart']
    .map((name) => `[MULTILINE_PARSER]\n    name ${name}\n    type equal\n    match_string x\n`)
    .join('')
  const { plan, warnings, reported } = await load(config(sections))
  expect(plan?.multilines.map(({ name }) => name)).toEqual(['node', 'PHP', 'dotnet', 'rust', 'dart'])
  expect([...warnings, ...reported]).toEqual([])
})

test('the case of a name does not matter', async () => {
  const section = (name: string) =>
    `[MULTILINE_PARSER]\n    name ${name}\n    type equal\n    match_string x\n`
  const { plan, warnings } = await load(config(section('Mine') + section('mINE') + section('JAVA')))
  expect(plan?.multilines.map(({ name }) => name)).toEqual(['Mine'])
  expect(warnings.join('\n')).toMatch(/duplicate name[\s\S]*name of a built-in/)
  const diagnostics: Diagnostics = { problems: [], warnings: [] }
  const planner = new MultilinePlanner(diagnostics, new Set())
  planner.plans.push(...(plan?.multilines ?? []))
  const property = (value: string) => ({ key: 'multiline.parser', value }) as Property
  expect(planner.require(property('CRI, Java, mine'), 'tail')).toBe(true)
  expect(planner.require(property('mien'), 'tail')).toBe(false)
})

test('a section cannot replace a built-in multiline parser', async () => {
  const { plan, warnings } = await load(
    config('[MULTILINE_PARSER]\n    name java\n    type equal\n    match_string x\n'),
  )
  expect(plan?.multilines).toEqual([])
  expect(warnings.join('\n')).toContain('name of a built-in multiline parser: this section is ignored')
})
