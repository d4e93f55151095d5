import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeExpressions } from '../../src/agent/expressions.ts'
import { loadPlan } from '../../src/config/load.ts'
import { registry } from '../../src/registry.ts'
import { tmp } from '../support/tmp.ts'

const TIME = 'Time_Key time\n    Time_Format %Y-%m-%dT%H:%M:%S.%L%z'
const CRI = '^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<log>.*)$'

const PARSERS = `[PARSER]
    Name   cri
    Format regex
    Regex  ${CRI}
    ${TIME}
[PARSER]
    Name   decoded
    Format regex
    Regex  ${CRI}
    ${TIME}
    Decode_Field_As json log
    Regex_Step_Limit 20
[PARSER]
    Name   words
    Format regex
    Regex  ^(?<a>[^ ]*) (?<b>.*)$
[PARSER]
    Name   app
    Format json
[MULTILINE_PARSER]
    Name begin
    Type regex
    Rule "start_state" "/^begin/" "cont"
    Rule "cont" "/^(?!begin)/" "cont"
`
const MAIN = `[SERVICE]
    Parsers_File parsers.conf
[INPUT]
    Name tail
    Path /var/log/a.log
    Tag  app.<n>
    Tag_Regex (?<n>[a-z])
    multiline.parser begin
[FILTER]
    Name grep
    Match_Regex ^app
    Regex_Step_Limit 30
    Regex log a+b
    Exclude log debug
[OUTPUT]
    Name null
    Match_Regex ^a(?=p)
`

async function described(): Promise<string[]> {
  const folder = tmp()
  writeFileSync(join(folder, 'parsers.conf'), PARSERS)
  const file = join(folder, 'main.conf')
  writeFileSync(file, MAIN)
  const { plan, problems } = await loadPlan({
    file,
    flags: undefined,
    registry,
    env: {},
    checkUnused: true,
  } as never)
  expect(problems).toEqual([])
  return describeExpressions(plan as never)
    .replaceAll(`${folder}/`, '')
    .split('\n')
}

test('each expression of a configuration is listed once, with its place', async () => {
  const lines = await described()
  expect(lines.filter((line) => line !== '' && !line.startsWith(' '))).toEqual([
    `parsers.conf:1: [PARSER] cri, regex: ${CRI}`,
    `parsers.conf:7: [PARSER] decoded, regex: ${CRI}`,
    'parsers.conf:15: [PARSER] words, regex: ^(?<a>[^ ]*) (?<b>.*)$',
    '[MULTILINE_PARSER] begin, rule: /^begin/',
    '[MULTILINE_PARSER] begin, rule: /^(?!begin)/',
    'main.conf:3: [INPUT] tail.0, tag_regex: (?<n>[a-z])',
    'main.conf:9: [FILTER] grep.0, match_regex: ^app',
    'main.conf:9: [FILTER] grep.0, regex: a+b',
    'main.conf:9: [FILTER] grep.0, exclude: debug',
    'main.conf:15: [OUTPUT] null.0, match_regex: ^a(?=p)',
  ])
})

test('it is said what writes the fields, how the expression is matched, and by the limit of its section what bounds it', async () => {
  const lines = await described()
  const after = (head: string): string[] => {
    const at = lines.findIndex((line) => line.includes(head))
    const next = lines.findIndex((line, i) => i > at && !line.startsWith(' '))
    return lines.slice(at + 1, next).map((line) => line.trim())
  }
  const [fields, matched, bound] = after('[PARSER] cri')
  expect(fields).toBe(
    'fields: fast: the expression is that of CRI lines, which are read without it; other lines are matched',
  )
  expect(matched).toStartWith('matched: fast: by WebAssembly (')
  expect(bound).toContain('at most 100 steps per byte (Regex_Step_Limit), and 6,410,000 for a line')
  expect(after('[PARSER] decoded')[0]).toBe('fields: slower: written in TypeScript')
  expect(after('[PARSER] words')[0]).toStartWith('fields: fast: written by WebAssembly')
  expect(after('[PARSER] decoded')[2]).toContain(
    'at most 20 steps per byte (Regex_Step_Limit), and 1,290,000 for a line',
  )
  expect(after('grep.0, regex')[1]).toContain(
    'at most 30 steps per byte (Regex_Step_Limit), and 1,930,000 for a line',
  )
  expect(after('grep.0, exclude')).toEqual([
    'matched: searched for as it is, without special characters',
    'bound: one pass over the text',
  ])
  expect(after('null.0, match_regex')[0]).toBe(
    'matched: slower: by backtracking in TypeScript, because of lookaround',
  )
})
