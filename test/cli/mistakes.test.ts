/** What `-D` and a start say about mistakes that the plugins of the agent, or several sections together, show. */
import { describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPlan } from '../../src/agent/dry-run.ts'
import { loadPlan } from '../../src/config/load.ts'
import { formatLocation } from '../../src/core/error.ts'
import { registry } from '../../src/registry.ts'
import { tmp } from '../support/tmp.ts'

interface Checked {
  problems: string[]
  warnings: string[]
}

/** Checks a configuration in a folder of its own; messages have no path of it, and `DIR` in the text is the folder. */
async function check(text: string, name = 'a.conf'): Promise<Checked> {
  const dir = tmp()
  mkdirSync(join(dir, 'logs'))
  const file = join(dir, name)
  writeFileSync(file, text.replaceAll('DIR', dir))
  const result = await loadPlan({ file, flags: undefined, registry, env: {} })
  const checked = await checkPlan(result.plan ?? result.checkable, '1')
  const short = (line: string): string => line.replaceAll(`${dir}/`, '').replaceAll(dir, 'DIR')
  return {
    problems: [...result.problems, ...checked.problems].map((p) =>
      short(`${formatLocation(p.location)}: ${p.message}`),
    ),
    warnings: [...result.warnings, ...checked.warnings].map(short),
  }
}

const STDIN = '[INPUT]\n    Name stdin\n    Tag t\n'
const NULL = '[OUTPUT]\n    Name null\n    Match *\n'
const section = (kind: string, lines: string): string =>
  `[${kind}]\n${lines
    .split('\n')
    .map((line) => `    ${line}\n`)
    .join('')}`

test('what a plugin misses is reported next to the problems of other stages, all of one stage at once', async () => {
  const { problems } = await check(
    `
pipeline:
  inputs:
    - name: stdin
      tag: t
      processors:
        logs:
          - {name: content_modifier, action: extract, key: k, pattern: (?<a>}
          - {name: content_modifier, action: upsert}
          - {name: content_modifier, action: convert, key: k}
    - name: tail
      processors:
        logs:
          - {name: content_modifier, action: rename, key: k}
  outputs:
    - {name: stdout, match: '*', porcessors: x}
`,
    'a.yaml',
  )
  const messages = problems.map((line) => line.replace(/^a\.yaml:(\d+):\d+: \[\w+\] /, '$1 ')).sort()
  expect(messages).toEqual([
    '10 the action convert needs "converted_type"',
    '11 required option "path" is missing',
    '14 the action rename needs "value"',
    '16 unknown option "porcessors" (did you mean processors?)',
    expect.stringMatching(/^8 "pattern" must be/),
    '9 the action upsert needs "key" and "value"',
  ])
})

describe('an output to an input of the same agent', () => {
  const loop = async (
    listen: string,
    host: string,
    more = 'Match *',
    output = 'forward',
  ): Promise<boolean> => {
    const input = section('INPUT', `Name forward\nListen ${listen}\nPort 24296`)
    const { problems, warnings } = await check(
      input + section('OUTPUT', `Name ${output}\nHost ${host}\nPort 24296\n${more}`),
    )
    expect(problems).toEqual([])
    return warnings.some((line) =>
      line.includes(`${output}.0 sends to ${host} port 24296, on which forward.0`),
    )
  }

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1', 'localhost'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', 'localhost'],
    ['::', '::1'],
    ['10.1.2.3', '10.1.2.3'],
  ])('is warned of: on %s, to %s', async (listen, host) => {
    expect(await loop(listen, host)).toBe(true)
    expect(await loop(listen, host, 'Match *', 'tcp')).toBe(true)
  })

  test('is warned of where a route leads to it', async () => {
    const { warnings } = await check(
      `
pipeline:
  inputs:
    - name: forward
      routes: {logs: [{name: r, to: {outputs: [hub]}}]}
  outputs:
    - {name: forward, alias: hub, host: 127.0.0.1}
`,
      'a.yaml',
    )
    expect(warnings.join()).toContain('hub sends to 127.0.0.1 port 24224, on which forward.0')
  })

  test('is not when the host or the port is another, or the match has none of its tags', async () => {
    expect(await loop('127.0.0.1', '10.1.2.3')).toBe(false)
    expect(await loop('10.1.2.3', '127.0.0.1')).toBe(false)
    const input = '[INPUT]\n    Name forward\n    Tag a\n    Port 24296\n'
    for (const output of ['Match *\nPort 24297', 'Match b\nPort 24296'])
      expect(
        (await check(input + STDIN + section('OUTPUT', `Name forward\n${output}`))).warnings.join(),
      ).not.toContain('sends to')
  })
})

describe('an output that may write a file which an input reads', () => {
  const loop = async (output: string, input = 'Path DIR/logs/*.log\nTag app'): Promise<string[]> => {
    const { problems, warnings } = await check(
      section('INPUT', `Name tail\nDB DIR/pos.db\n${input}`) +
        section('OUTPUT', `Name file\nMatch *\n${output}`),
    )
    expect(problems).toEqual([])
    return warnings.map((line) => /writes? .*reads/.exec(line)?.[0] ?? '').filter((line) => line !== '')
  }

  test('is warned of, with an example', async () => {
    expect(await loop('Path DIR/logs\nFile $TAG.log')).toEqual([
      'write files such as logs/app.log, which tail.0 reads',
    ])
    expect(await loop('Path DIR/logs\nFile $a.log')).toEqual([
      'write files such as logs/x.log, which tail.0 reads',
    ])
    expect(await loop('Path DIR/logs/', 'Path DIR/logs/*.log\nTag app.log')).toEqual([
      'write files such as logs/app.log, which tail.0 reads',
    ])
    expect(await loop('Path DIR/logs\nFile a.log')).toEqual(['writes logs/a.log, which tail.0 reads'])
  })

  test('is not when its directory or its suffix is another', async () => {
    expect(await loop('Path DIR/else\nFile $TAG.log')).toEqual([])
    expect(await loop('Path DIR/logs\nFile $TAG.txt')).toEqual([])
    expect(
      await loop('Path DIR/logs\nFile $TAG.log', 'Path DIR/logs/*.log\nTag app\nExclude_Path *app*'),
    ).toEqual([])
  })
})

test('the log of the agent under a watched pattern is warned of', async () => {
  const { warnings } = await check(
    `[SERVICE]\n    Log_File DIR/logs/agent.log\n[INPUT]\n    Name tail\n    Path DIR/logs/*.log\n    DB DIR/p.db\n${NULL}`,
  )
  expect(warnings.join()).toContain('tail.0 reads Log_File logs/agent.log')
})

test.each(['forward', 'tcp'])('Host of %s with a port is an error', async (name) => {
  const { problems } = await check(STDIN + section('OUTPUT', `Name ${name}\nMatch *\nHost 127.0.0.1:24224`))
  expect(problems).toEqual([
    `a.conf:7:10: [${name}] "Host" must be a host name or address, not "127.0.0.1:24224": it holds a port`,
  ])
})

test('a directive of a time without Enable_Strftime is warned of', async () => {
  const of = async (lines: string): Promise<string[]> =>
    (await check(STDIN + section('OUTPUT', `Name file\nMatch *\nPath DIR/logs\n${lines}`))).warnings
  expect((await of('File r-%Y.log')).join()).toContain('"%Y" stays as written; set Enable_Strftime on')
  expect(await of('File r-%Y.log\nEnable_Strftime on')).toEqual([])
  expect(await of('File 100%.log')).toEqual([])
})

test('Sasl_Username without a mechanism is warned of', async () => {
  const of = async (more: string): Promise<string[]> => {
    const sasl = `Name kafka\nMatch *\nBrokers b:9092\nTopics x\nSasl_Username u\nSasl_Password p${more}`
    return (await check(STDIN + section('OUTPUT', sasl))).warnings
  }
  expect((await of('')).join()).toContain('does not authenticate without Sasl_Mechanism')
  expect((await of('\nSasl_Mechanism PLAIN')).join()).not.toContain('Sasl_Mechanism')
  expect((await of('\nSecurity.Protocol sasl_plaintext')).join()).not.toContain('Sasl_Mechanism')
})

test('an option of two words names them', async () => {
  const { problems } = await check(`${STDIN}${section('FILTER', 'Name grep\nMatch *\nRegex ^abc')}${NULL}`)
  expect(problems).toEqual([
    'a.conf:7:11: [grep] "Regex" must be KEY EXPRESSION, e.g. `log ^abc`, not "^abc": a word is missing',
  ])
})

test('an accessor with dots is one key, with a warning that shows the path', async () => {
  const dotted = section('FILTER', 'Name grep\nMatch *\nRegex $kubernetes.labels.app x')
  const { problems, warnings } = await check(STDIN + dotted + NULL)
  expect(problems).toEqual([])
  expect(warnings).toEqual([
    'a.conf:7:11: [grep] "Regex" $kubernetes.labels.app is the single key "kubernetes.labels.app"; for nested maps write $kubernetes[\'labels\'][\'app\']',
  ])
  const nested = section(
    'FILTER',
    "Name grep\nMatch *\nRegex $kubernetes['labels']['app.kubernetes.io/name'] x",
  )
  expect(await check(STDIN + nested + NULL)).toEqual({ problems: [], warnings: [] })
  const modifier = section('FILTER', 'Name content_modifier\nMatch *\nAction delete\nKey $a.b')
  expect((await check(STDIN + modifier + NULL)).warnings).toEqual([
    'a.conf:8:9: [content_modifier] "Key" $a.b is the single key "a.b"; for nested maps write $a[\'b\']',
  ])
})
