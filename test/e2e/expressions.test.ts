import { expect, test } from 'bun:test'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const HOSTILE = `${'x'.repeat(60_000)}!`

const PARSERS = `[PARSER]
    Name    nested
    Format  regex
    Regex   ^(?<a>(x+)+)$
[PARSER]
    Name    empty
    Format  regex
    Regex   ^(?<a>(x*)*)$
[MULTILINE_PARSER]
    Name    rules
    Type    regex
    Rule    "start_state" "/^(x*)*$/" "next"
    Rule    "next" "/^ /" "next"
`

test('hostile lines are kept and counted; other inputs go on, and SIGTERM stops the agent', async () => {
  const cwd = tmp()
  const input = (name: string, more: string): string =>
    `[INPUT]\n    Name tail\n    Alias ${name}\n    Path ${name}.log\n    Tag ${name}\n    Read_from_Head on\n    ${more}\n`
  writeFileSync(join(cwd, 'parsers.conf'), PARSERS)
  writeFileSync(
    join(cwd, 'a.conf'),
    `[SERVICE]\n    Flush 0.1\n    Parsers_File parsers.conf\n${input('nested', 'Parser nested')}${input('empty', 'Parser empty')}` +
      `${input('rules', 'Multiline.Parser rules')}${input('quiet', 'Key log')}` +
      '[FILTER]\n    Name grep\n    Match quiet\n    Exclude log ^(x*)*$\n' +
      '[OUTPUT]\n    Name file\n    Match_Regex ^(?:nested|empty|rules|quiet)$\n    File out.txt\n',
  )
  for (const name of ['nested', 'empty', 'rules', 'quiet'])
    writeFileSync(join(cwd, `${name}.log`), `${'x'.repeat(29)}!\n${HOSTILE}\n${'x'.repeat(41)}!\n`)
  const agent = start(['-c', 'a.conf'], { cwd })
  const out = (): string => {
    try {
      return readFileSync(join(cwd, 'out.txt'), 'utf8')
    } catch {
      return ''
    }
  }
  const lines = (tag: string): number =>
    out()
      .split('\n')
      .filter((line) => line.startsWith(`${tag}: `)).length
  await until(() => ['nested', 'empty', 'rules', 'quiet'].every((tag) => lines(tag) >= 3))
  appendFileSync(join(cwd, 'quiet.log'), 'after\n')
  await until(() => out().includes('"after"'))
  expect(out().split(HOSTILE).length - 1).toBe(4)
  agent.kill('SIGTERM')
  expect((await agent.exited).code).toBe(0)
  const limits = agent.stderr.split('\n').filter((line) => line.includes('reached Regex_Step_Limit'))
  expect(limits).toHaveLength(3)
  expect(agent.stderr).toContain('parser empty (parsers.conf:5): the expression reached Regex_Step_Limit')
  expect(agent.stderr).toContain('the line is kept unparsed')
}, 60_000)

test('an expression that is too large, and a header of blanks, are refused at once with their place', async () => {
  const cwd = tmp()
  const rest = '[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n'
  const parser = (regex: string): string =>
    `[PARSER]\n    Name big\n    Format regex\n    Regex ${regex}\n${rest}`
  const cases: [text: string, message: string][] = [
    [
      parser(`(?<a>${'b'.repeat(1_000_000)})`),
      'a.conf:4:11: [parser big] unsupported regular expression: it has 1000006 characters',
    ],
    [
      parser('(?<a>x){1,1000000000}'),
      'a.conf:4:11: [parser big] unsupported regular expression: the repetition {1,1000000000}',
    ],
    [
      parser(`(?<a>x)${'(?:'.repeat(10_000)}`),
      'a.conf:4:11: [parser big] unsupported regular expression: groups within groups',
    ],
    [`[${' '.repeat(20_000)}x\n${rest}`, 'a.conf:1:1:'],
  ]
  for (const [text, message] of cases) {
    writeFileSync(join(cwd, 'a.conf'), text)
    const { code, stderr } = await run(['-c', 'a.conf', '-D'], { cwd })
    expect([code, stderr.slice(0, message.length)]).toEqual([1, message])
  }
}, 60_000)
