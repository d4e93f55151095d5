import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Flags } from '../../src/config/flags.ts'
import { loadPlan } from '../../src/config/load.ts'
import { formatLocation } from '../../src/core/error.ts'
import { registry } from '../../src/registry.ts'
import { tmp } from '../support/tmp.ts'

/** Loads a configuration with the filters of the agent; a name of `file` that ends with .yaml is of that format. */
async function loaded(
  filter: string,
  file = 'a.conf',
): Promise<{ warnings: string[]; problems: string[]; options: unknown }> {
  const dir = tmp()
  const path = join(dir, file)
  const text = `[INPUT]\n    Name dummy\n[FILTER]\n    Match *\n${filter}\n[OUTPUT]\n    Name stdout\n    Match *\n`
  writeFileSync(path, file === 'a.conf' ? text : filter)
  const flags = new Flags().tree
  const result = await loadPlan({ file: path, flags, registry, env: {}, checkUnused: false })
  const short = (line: string): string => line.replaceAll(`${dir}/`, '')
  return {
    warnings: result.warnings.map(short),
    problems: result.problems.map((p) => short(`${formatLocation(p.location)}: ${p.message} ${p.hint}`)),
    options: result.plan?.filters[0]?.options,
  }
}

const PART = 'is part of the value: a comment needs a line of its own'

test('a comment behind a text or a list of any filter is warned of with its place', async () => {
  const lines = [
    ['redact', 'Pattern empno \\bE-\\d{6}\\b # employee numbers', 'so " # employee numbers"'],
    ['grep', 'Exclude level debug   #', 'which'],
    ['record_modifier', 'Remove_key ab # c', 'so " # c"'],
    ['record_modifier', 'Record env dev\t# c', 'so " # c"'],
    ['nest', 'Operation nest\n    Nest_under a\n    Wildcard a* # w', 'so " # w"'],
  ] as const
  for (const [name, option, part] of lines) {
    const { warnings, problems } = await loaded(`    Name ${name}\n    ${option}`)
    const key = option.split('\n').at(-1)?.trim().split(' ')[0]
    expect(problems).toEqual([])
    const warning = warnings.find((one) => one.includes('contains')) ?? ''
    expect(warning).toMatch(/^a\.conf:\d+:\d+: /)
    expect(warning).toEndWith(`[${name}] "${key}" contains " #", ${part} ${PART}`)
  }
})

test('a # that is quoted, or that no blank follows, is not taken for a comment', async () => {
  const options = ['Regex log ^" # "$', "Regex log ' # '", 'Regex log a #1', 'Regex log a#']
  for (const option of options) expect((await loaded(`    Name grep\n    ${option}`)).warnings).toEqual([])
  expect((await loaded("    Name grep\n    Regex log it's # c")).warnings).toHaveLength(1)
})

test('a # in a text of YAML is meant, and needs no warning', async () => {
  const yaml =
    'pipeline:\n  inputs:\n    - name: dummy\n  filters:\n    - name: grep\n      match: "*"\n      regex: "log a # b"\n  outputs:\n    - name: stdout\n      match: "*"\n'
  expect((await loaded(yaml, 'a.yaml')).warnings).toEqual([])
})

test('a secret is not shown by the warning about a comment', async () => {
  const { warnings } = await loaded(
    '    Name redact\n    Kind email\n    Action hash\n    Hash_Key 0123456789abcdef # mine',
  )
  expect(warnings.join()).toContain(`"Hash_Key" contains " #", which ${PART}`)
  expect(warnings.join()).not.toContain('mine')
})

test('a word too many in a rule of modify, rewrite_tag and type_converter is refused', async () => {
  const lines = [
    ['modify', 'Set a b # c'],
    ['modify', 'Remove a # c'],
    ['modify', 'Condition Key_exists a # c'],
    ['rewrite_tag', 'Rule $level ^error$ err false # c'],
    ['type_converter', 'Str_key a b int # c'],
  ] as const
  for (const [name, option] of lines) {
    const { problems } = await loaded(`    Name ${name}\n    ${option}`)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('a comment needs a line of its own')
  }
})

test('a comment behind a number or a word of a fixed list is passed over with a warning', async () => {
  const { problems, warnings, options } = await loaded(
    '    Name throttle\n    Rate 5 # five\n    Window 3 # three\n    Interval 1s # one',
  )
  expect(problems).toEqual([])
  expect(options).toMatchObject({ rate: 5, window: 3 })
  expect(warnings).toContain('a.conf:6:10: [throttle] "Rate" is 5: a comment needs a line of its own')
})
