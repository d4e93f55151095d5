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

  test('is warned of with datagrams, and not between a datagram and a connection', async () => {
    const loops = async (input: string, output: string): Promise<boolean> => {
      const { warnings } = await check(
        section('INPUT', `Name ${input}\nListen 127.0.0.1\nPort 24297`) +
          section('OUTPUT', `Name ${output}\nPort 24297\nMatch *`),
      )
      return warnings.some((line) => line.includes('sends to 127.0.0.1 port 24297'))
    }
    expect(await loops('udp', 'udp')).toBe(true)
    expect(await loops('udp', 'gelf')).toBe(true)
    expect(await loops('udp', 'gelf\nMode tcp')).toBe(false)
    expect(await loops('udp', 'tcp')).toBe(false)
    expect(await loops('tcp', 'udp')).toBe(false)
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

test('a record accessor that cannot be read, a bad address and a bad mode hide no other mistakes', async () => {
  const inputs =
    section('INPUT', 'Name http\nTag_Key $a[\nPort abc\nListen http://x/') +
    section('INPUT', 'Name opentelemetry\nTag_Key $') +
    section('INPUT', 'Name syslog\nMode udpp') +
    section('INPUT', 'Name tcp\nListen a b')
  const { problems } = await check(inputs + NULL)
  expect(problems).toEqual([
    expect.stringMatching(
      /^a\.conf:3:13: \[http\] "Tag_Key" must be a key or a record accessor, not "\$a\[": .* not closed/,
    ),
    'a.conf:4:10: [http] "Port" must be an integer from 0 to 65535, not "abc"',
    'a.conf:5:12: [http] "Listen" must be a host name or address, not "http://x/": it is a URL',
    expect.stringMatching(/^a\.conf:8:13: \[opentelemetry\] "Tag_Key" must be a key or a record accessor/),
    expect.stringMatching(/^a\.conf:11:10: \[syslog\] "Mode" must be one of .*, not "udpp"/),
    'a.conf:14:12: [tcp] "Listen" must be a host name or address, not "a b": a blank is not allowed in a host name',
  ])
})

describe('what listens', () => {
  const listener = (lines: string): string => section('INPUT', lines)

  test('on the port and address of another is a problem at the later of the two', async () => {
    const text =
      section('SERVICE', 'HTTP_Server on\nHTTP_Port 9880') +
      listener('Name tcp\nPort 5170') +
      listener('Name syslog\nMode tcp\nListen 0.0.0.0\nPort 5170') +
      listener('Name http\nListen ::')
    const { problems } = await check(text + NULL)
    expect(problems).toEqual([
      'a.conf:11:10: [syslog] syslog.0 listens on 0.0.0.0 port 5170, and tcp.0 does so, on 127.0.0.1: only one of them could start',
      'a.conf:12:1: [http] http.0 listens on :: port 9880, and the HTTP server does so, on 127.0.0.1: only one of them could start',
    ])
  })

  test('on another address, another protocol, or a port that the kernel chooses is none', async () => {
    const text =
      listener('Name tcp\nPort 5170') +
      listener('Name udp\nPort 5170') +
      listener('Name syslog\nMode unix_udp\nPath DIR/s\nPort 5170') +
      listener('Name tcp\nListen 127.0.0.2\nPort 5170') +
      listener('Name tcp\nListen ::1\nPort 5170') +
      listener('Name http\nPort 0') +
      listener('Name forward\nPort 0') +
      section('SERVICE', 'HTTP_Port 5170')
    expect((await check(text + NULL)).problems).toEqual([])
    const two = listener('Name udp\nPort 5140') + listener('Name syslog\nPort 5140\nMode udp')
    expect((await check(two + NULL)).problems).toHaveLength(1)
  })

  test('with files for TLS that are not there is a problem at the option, and files without TLS are a warning', async () => {
    const files = 'tls.crt_file DIR/no.crt\ntls.key_file DIR/logs\ntls.verify_client_cert off'
    const { problems } = await check(listener(`Name tcp\ntls on\n${files}`) + NULL)
    expect(problems).toEqual([
      'a.conf:4:18: [tcp] the file of tls.crt_file, no.crt, does not exist',
      'a.conf:5:18: [tcp] the file of tls.key_file, logs, is a directory',
    ])
    const folder = await check(section('OUTPUT', 'Name tcp\nMatch *\ntls on\ntls.ca_path DIR/no') + STDIN)
    expect(folder.problems).toEqual([
      expect.stringMatching(/^a\.conf:\d+:\d+: \[tcp\] the directory of tls\.ca_path, no, does not exist$/),
    ])
    const plain = await check(listener(`Name http\n${files}`) + NULL)
    expect(plain).toEqual({
      problems: [],
      warnings: [
        'a.conf:3:5: [http] "tls.crt_file" has no effect without `tls on`',
        'a.conf:4:5: [http] "tls.key_file" has no effect without `tls on`',
      ],
    })
  })
})

test('an option that needs another one, which is there with a wrong value, has no warning of its own', async () => {
  const output = section(
    'OUTPUT',
    'Name kinesis_streams\nMatch *\nRegion eu-west-1\nStream s\nRole_ARN nonsense\nExternal_Id x',
  )
  const { problems, warnings } = await check(output + STDIN)
  expect(problems).toEqual([expect.stringContaining('must be the ARN of a role')])
  expect(warnings).toEqual([])
})

describe('an option that has no effect with the values of others is a warning', () => {
  const BASE = 'Listen 127.0.0.1\nPort 5140\nPath DIR/s'
  const STREAM = 'Format newline\nBuffer_Max_Size 2M\nMax_Connections 5'
  for (const [what, lines, warnings] of [
    [
      'syslog over UDP',
      `Name syslog\nMode udp\nPort 5140\nUnix_Perm 0600\n${STREAM}\ntls.crt_file DIR/x`,
      [
        'a.conf:5:5: [syslog] "Unix_Perm" has no effect without `mode unix_udp` or `mode unix_tcp`',
        'a.conf:6:5: [syslog] "Format" has no effect without `mode tcp` or `mode unix_tcp`',
        'a.conf:7:5: [syslog] "Buffer_Max_Size" has no effect without `mode tcp` or `mode unix_tcp`',
        'a.conf:8:5: [syslog] "Max_Connections" has no effect without `mode tcp` or `mode unix_tcp`',
        'a.conf:9:5: [syslog] "tls.crt_file" has no effect without `tls on`',
      ],
    ],
    [
      'syslog over TCP',
      `Name syslog\nMode tcp\n${BASE}\nReceive_Buffer_Size 1M\nSource_Address_Form host`,
      [
        'a.conf:6:5: [syslog] "Path" has no effect without `mode unix_udp` or `mode unix_tcp`',
        'a.conf:7:5: [syslog] "Receive_Buffer_Size" has no effect without `mode unix_udp` or `mode udp`',
        'a.conf:8:5: [syslog] "Source_Address_Form" has no effect without `source_address_key`',
      ],
    ],
    [
      'syslog on a Unix socket',
      `Name syslog\nPath DIR/s\nListen 0.0.0.0\nPort 514`,
      [
        'a.conf:4:5: [syslog] "Listen" has no effect without `mode tcp` or `mode udp`',
        'a.conf:5:5: [syslog] "Port" has no effect without `mode tcp` or `mode udp`',
      ],
    ],
    [
      'a separator for JSON',
      'Name tcp\nSeparator |\nPort 5170',
      ['a.conf:3:5: [tcp] "Separator" has no effect without `format none` or `parser`'],
    ],
    [
      'JSON with a parser, which needs lines',
      'Name tcp\nFormat json\nParser nginx\nSeparator |',
      ['a.conf:3:5: [tcp] "Format" has no effect with `parser`'],
    ],
    ['lines with a parser', 'Name udp\nFormat none\nParser nginx\nSeparator |', []],
    [
      'a database that is not there',
      'Name tail\nPath DIR/logs/*\nDB.Sync full',
      ['a.conf:4:5: [tail] "DB.Sync" has no effect without `db`'],
    ],
    [
      'a port next to a Unix socket',
      'Name forward\nUnix_Path DIR/f\nPort 24224',
      ['a.conf:4:5: [forward] "Port" has no effect with `unix_path`'],
    ],
  ] as [string, string, string[]][])
    test(what, async () => {
      const checked = await check(section('INPUT', lines) + NULL)
      expect(checked.problems).toEqual([])
      expect(checked.warnings.filter((text) => text.includes('no effect'))).toEqual(warnings)
    })
})

test('a path that is too long for a socket, and a key that is used twice, are problems', async () => {
  const path = `/run/${'x'.repeat(103)}`
  const { problems } = await check(
    section('INPUT', `Name syslog\nPath ${path}`) +
      section('INPUT', 'Name syslog\nMode udp\nRaw_Message_Key a\nSource_Address_Key a') +
      NULL,
  )
  expect(problems).toEqual([
    `a.conf:3:10: [syslog] "Path" must be at most 107 bytes long, as every path of a socket, not "${path}": it has 108 bytes`,
    'a.conf:7:21: [syslog] raw_message_key and source_address_key are both "a"',
  ])
})

test('an option of other plugins names all of its kind that take it', async () => {
  const { problems } = await check(section('INPUT', 'Name udp\ntls on\nunix_perm 0600') + NULL)
  expect(problems).toEqual([
    'a.conf:3:5: [udp] unknown option "tls", an option of the inputs http, opentelemetry, tcp and syslog',
    'a.conf:4:5: [udp] unknown option "unix_perm", an option of the inputs forward and syslog',
  ])
})
