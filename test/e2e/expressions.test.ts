import { describe, expect, test } from 'bun:test'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../support/ports.ts'
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
}, 400_000)

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
}, 400_000)

describe('Regex_Step_Limit', () => {
  /** Takes between 10,000 and three million steps on TEXT, and does not match, nor in the random name of the folder. */
  const SLOW = '(?<n>.*?)(?=.*.*%)'
  const TEXT = `${'x'.repeat(60)}!`
  const USES = [
    'tail.lines parser',
    'tail.lines tag',
    'tail.first multiline',
    'tail.rules multiline',
    'stdin.0 parser',
    'grep.0 grep',
    'grep.0 match',
    'multiline.0 multiline',
    'kubernetes.tag tag',
    'kubernetes.merge parser',
    'null.0 match',
  ]

  function configuration(service: number, own: string): string {
    const tail = (alias: string, path: string, more: string): string =>
      `[INPUT]\n    Name tail\n    Alias tail.${alias}\n    Path ${path}\n    Read_from_Head on\n    ${more}\n    ${own}\n`
    const filter = (name: string, match: string, ...more: string[]): string =>
      `[FILTER]\n    Name ${name}\n    ${match}\n    ${more.join('\n    ')}\n    ${own}\n`
    const cluster = ['Kube_URL http://127.0.0.1:1', 'Kube_Meta_Wait 0']
    return [
      `[SERVICE]\n    Flush 0.1\n    HTTP_Server on\n    HTTP_Port PORT\n    Regex_Step_Limit ${service}\n`,
      `[PARSER]\n    Name slow\n    Format regex\n    Regex ${SLOW}\n`,
      `[PARSER]\n    Name pod\n    Format regex\n    Regex ^(?<namespace_name>a)\\.(?<pod_name>b)$\n`,
      `[MULTILINE_PARSER]\n    Name rules\n    Type regex\n    Rule "start_state" "/${SLOW}/" "next"\n    Rule "next" "/^ /" "next"\n`,
      tail('lines', 'x*.log', `Parser slow\n    Tag t.<n>\n    Tag_Regex ${SLOW}`),
      tail('first', 'lines.txt', 'Multiline on\n    Parser_Firstline slow\n    Tag first'),
      tail('rules', 'lines.txt', 'Multiline.Parser rules\n    Tag rules'),
      `[INPUT]\n    Name stdin\n    Parser slow\n    Tag stdin\n    ${own}\n`,
      `[INPUT]\n    Name dummy\n    Dummy {"log":"${TEXT}"}\n    Samples 1\n    Tag ${TEXT}\n`,
      `[INPUT]\n    Name dummy\n    Dummy {"log":"${TEXT}"}\n    Samples 1\n    Tag a.b\n`,
      filter('grep', `Match_Regex ${SLOW}`, `Exclude log ${SLOW}`),
      filter('multiline', 'Match a.b', 'Multiline.Parser rules', 'Multiline.Key_Content log'),
      filter('kubernetes', 'Match x*', 'Alias kubernetes.tag', 'Regex_Parser slow', ...cluster),
      filter(
        'kubernetes',
        'Match a.b',
        'Alias kubernetes.merge',
        'Kube_Tag_Prefix x',
        'Regex_Parser pod',
        'Merge_Log on',
        'Merge_Parser slow',
        ...cluster,
      ),
      '[OUTPUT]\n    Name file\n    Match *\n    File out.txt\n',
      `[OUTPUT]\n    Name null\n    Match_Regex ${SLOW}\n    ${own}\n`,
    ].join('')
  }

  test.each([
    ['of [SERVICE] is that of every use, and what reaches it is kept and counted by reason', 1, '', true],
    ['of [SERVICE] can be raised for every use', 100_000, '', false],
    ['of an instance takes precedence', 1, 'Regex_Step_Limit 100000', false],
  ] as const)(
    '%s',
    async (_, service, own, isReached) => {
      const cwd = tmp()
      const [port = 0] = await freePorts(1)
      writeFileSync(join(cwd, 'a.conf'), configuration(service, own).replace('PORT', String(port)))
      for (const name of [`${TEXT}.log`, 'lines.txt']) writeFileSync(join(cwd, name), `${TEXT}\n`)
      const agent = start(['-c', 'a.conf'], { cwd, stdin: 'open' })
      agent.child.stdin?.write(`${TEXT}\n`)
      const metrics = async (): Promise<string> => {
        const answer = await fetch(`http://127.0.0.1:${port}/api/v1/metrics/prometheus`).catch(
          () => undefined,
        )
        return (await answer?.text()) ?? ''
      }
      const out = (): string[] => {
        try {
          return readFileSync(join(cwd, 'out.txt'), 'utf8').trimEnd().split('\n')
        } catch {
          return []
        }
      }
      await until(() => out().length >= 6)
      const reached: string[] = []
      for (const line of (await metrics()).split('\n')) {
        if (!line.includes('regex_step_limit')) continue
        const [, name, reason, count] = /name="([^"]*)",reason="([^"]*)"\} (\d+)/.exec(line) ?? []
        if (Number(count) > 0) reached.push(`${name} ${reason}`)
      }
      expect(reached.sort()).toEqual(isReached ? [...USES].sort() : [])
      expect(out().filter((line) => line.includes(TEXT))).toHaveLength(6)
      expect(out().some((line) => line.startsWith(`t._: `))).toBe(true)
      await agent.stop()
    },
    400_000,
  )
})
