import { describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { run, type StartOptions, shipperCommand, start } from '../support/process.ts'
import { atEnd, tmp } from '../support/tmp.ts'

const IN = '[INPUT]\n    Name dummy\n'
const OUT = '[OUTPUT]\n    Name null\n    Match *\n'

/**
 * Expects a run to be refused before anything has started; returns its lines, one for each problem. A dry run may print the plan of
 * what is valid.
 */
async function refused(args: string[], options: StartOptions = {}): Promise<string[]> {
  const { code, stdout, stderr } = await run(args, options)
  expect(code).toBe(1)
  expect(stdout).toMatch(args.includes('-D') ? /^(?:plan of what is valid\n|$)/ : /^$/)
  const lines = stderr.split('\n')
  expect(lines.pop()).toBe('')
  const count = lines.length - 1
  const counted = count === 1 ? '1 problem' : `${count} problems`
  const outcome = args.includes('-D') ? '' : ': not started'
  expect(lines.pop()).toBe(`shipper: ${counted} in the configuration${outcome}`)
  return lines
}

/** Expects the file `a.conf` to be refused with and without -D; returns the lines. */
async function refusedFile(text: string, env: Record<string, string> = {}): Promise<string[]> {
  const cwd = tmp()
  writeFileSync(join(cwd, 'a.conf'), text)
  const lines = await refused(['-c', 'a.conf', '-D'], { cwd, env })
  expect(await refused(['-c', 'a.conf'], { cwd, env })).toEqual(lines)
  return lines
}

/** The mistake, the file, and the line that reports it. */
const MISTAKES: [string, string, string][] = [
  [
    'an unknown section',
    `[INPTU]\n    Name x\n${IN}${OUT}`,
    'a.conf:1:1: unknown section [INPTU] (did you mean INPUT?)',
  ],
  [
    'an unknown plugin',
    `[INPUT]\n    Name tial\n${OUT}`,
    'a.conf:2:10: unknown input "tial" (did you mean tail?)',
  ],
  [
    'an unknown plugin with no similar name',
    `[INPUT]\n    Name xyz\n${OUT}`,
    'a.conf:2:10: unknown input "xyz"; `shipper plugins` lists them',
  ],
  [
    'an output as an input',
    `[INPUT]\n    Name null\n${OUT}`,
    'a.conf:2:10: unknown input "null" (there is an output of this name); `shipper plugins` lists them',
  ],
  [
    'an unknown option',
    `[INPUT]\n    Name tail\n    Path a\n    Tga x\n${OUT}`,
    'a.conf:4:5: [tail] unknown option "Tga" (did you mean tag?)',
  ],
  [
    'an unknown option with no similar name',
    `${IN}    Frobnicate x\n${OUT}`,
    'a.conf:3:5: [dummy] unknown option "Frobnicate"; `shipper -i dummy -h` lists them',
  ],
  [
    'a missing option',
    `[INPUT]\n    Name tail\n${OUT}`,
    'a.conf:1:1: [tail] required option "path" is missing',
  ],
  [
    'a value out of range',
    `${IN}[OUTPUT]\n    Name forward\n    Match *\n    Port 70000\n`,
    'a.conf:6:10: [forward] "Port" must be an integer from 1 to 65535, not "70000"',
  ],
  [
    'a word that is not in the list',
    `${IN}[OUTPUT]\n    Name forward\n    Match *\n    Compress gzp\n`,
    'a.conf:6:14: [forward] "Compress" must be one of text, gzip, zstd, not "gzp" (did you mean gzip?)',
  ],
  [
    'an invalid Tag_Regex',
    `[INPUT]\n    Name tail\n    Path a\n    Tag_Regex (?<x>a\n${OUT}`,
    'a.conf:4:15: [tail] "Tag_Regex" must be a regular expression, not "(?<x>a": unsupported regular expression: a group without a closing parenthesis, near character 7; see docs/plugins/parser-regex.md for the supported syntax',
  ],
  [
    'an invalid Match_Regex',
    `${IN}[OUTPUT]\n    Name null\n    Match_Regex *a\n`,
    'a.conf:5:17: [null] "Match_Regex" must be a regular expression, not "*a": unsupported regular expression: a repetition of nothing, near character 1; see docs/plugins/parser-regex.md for the supported syntax',
  ],
  [
    'an invalid rule of grep',
    `${IN}[FILTER]\n    Name grep\n    Match *\n    Exclude log a)\n${OUT}`,
    'a.conf:6:13: [grep] "Exclude" must be a key and a regular expression, not "log a)": unsupported regular expression: ' +
      'a closing parenthesis without an opening one, near character 2; see docs/plugins/parser-regex.md for the supported ' +
      'syntax',
  ],
  [
    'an invalid record',
    `${IN}    Dummy [1]\n${OUT}`,
    'a.conf:3:11: [dummy] "Dummy" must be a JSON object, not "[1]": it cannot be parsed as one; for example {"message":"dummy"}',
  ],
  [
    'options that exclude each other',
    `${IN}[OUTPUT]\n    Name forward\n    Match *\n    Time_As_Integer on\n    Compress zstd\n`,
    'a.conf:6:21: [forward] "time_as_integer" cannot be combined with "compress"; receivers that need whole seconds cannot read ' +
      'compressed chunks; choose one of the two',
  ],
  [
    'TLS, which is not supported yet',
    `${IN}[OUTPUT]\n    Name forward\n    Match *\n    tls on\n`,
    'a.conf:6:9: [forward] "tls" must be off, not "on"; TLS is not supported yet: send through a tunnel, or leave ' +
      'this option out on a trusted network',
  ],
  [
    'a shared key, which is not supported yet',
    `${IN}[OUTPUT]\n    Name forward\n    Match *\n    tls off\n    Shared_Key hunter2\n`,
    'a.conf:7:16: [forward] "Shared_Key" must be left out, not ******; a shared key is not supported yet: send through a ' +
      'tunnel, or leave this option out on a trusted network',
  ],
  [
    'a process to measure that does not exist',
    `[INPUT]\n    Name cpu\n    Pid 99999999\n${OUT}`,
    "a.conf:3:9: [cpu] cannot measure process 99999999: ENOENT: no such file or directory, open '/proc/99999999/stat'; set " +
      'Pid to a running process, or leave it out to measure the machine; for one of another user, for the systemd unit, copy /etc/shipper/drop-ins/proc.conf to /etc/systemd/system/shipper.service.d/',
  ],
  [
    'a parser that does not exist',
    `[INPUT]\n    Name stdin\n    Parser cir\n${OUT}`,
    'a.conf:3:12: [stdin] there is no parser "cir" (did you mean cri?)',
  ],
  ['a key without a value', `${IN}    Tag\n${OUT}`, 'a.conf:3:5: "Tag" has no value'],
]

test.each(MISTAKES)(
  '%s in a file is reported in one line with position, problem and hint',
  async (_, text, line) => {
    expect(await refusedFile(text)).toEqual([line])
  },
)

test('all mistakes of a file and of the arguments are reported in one run', async () => {
  const cwd = tmp()
  writeFileSync(
    join(cwd, 'a.conf'),
    '[SERVICE]\n    Flush 1\n[INPUT]\n    Name tail\n    Path a\n    Tag_Regex (\n[FILTER]\n    Name grep\n    Match *\n' +
      '    Regex log (\n    Exclude log [\n[OUTPUT]\n    Name forward\n    Match *\n    Time_As_Integer on\n    Compress gzip\n',
  )
  const args = [
    '-c',
    'a.conf',
    '-R',
    'none.conf',
    '-i',
    'cpu',
    '-p',
    'pid=99999999',
    '-o',
    'nul',
    '-f',
    'never',
  ]
  const lines = await refused(args, { cwd })
  const places = lines.map((line) => line.slice(0, line.indexOf(': ')))
  expect(places).toEqual([
    'a.conf:6:15',
    'a.conf:10:11',
    'a.conf:11:13',
    'a.conf:15:21',
    'command line, -R none.conf',
    'command line, -f',
    'command line, -o nul',
    'command line, -p pid',
  ])
})

describe('an invalid value from the environment', () => {
  const text = `${IN}[OUTPUT]\n    Name forward\n    Match *\n    Port \${PORT}\n`

  test('is reported in one line that names the variable, whatever its value', async () => {
    const where = 'a.conf:6:10: [forward] "Port" must be an integer from 1 to 65535, not'
    const from = `; the value comes from \${PORT}`
    expect(await refusedFile(text, { PORT: 'http' })).toEqual([`${where} "http"${from}`])
    expect(await refusedFile(text, { PORT: '1\n[OUTPUT]\x1b[2J' })).toEqual([
      `${where} "1\\n[OUTPUT]\\x1b[2J"${from}`,
    ])
    const [long = ''] = await refusedFile(text, { PORT: 'x'.repeat(100_000) })
    expect(long.length).toBeLessThan(700)
    expect(long).toEndWith(`...${from}`)
  })

  test('is reported when the variable is not set', async () => {
    const cwd = tmp()
    writeFileSync(join(cwd, 'a.conf'), text)
    const { code, stderr } = await run(['-c', 'a.conf', '-D'], { cwd, env: { PORT: undefined } })
    expect(code).toBe(0)
    expect(stderr).toStartWith(
      'a.conf:6:10: variable PORT is not set: "Port" is ignored; its default, if any, applies (warning)\n',
    )
  })
})

test('a configuration that cannot be read is reported with the reason only', async () => {
  const cwd = tmp()
  const todo = '; check the path and its permissions'
  expect(await refused(['-c', 'none.conf'], { cwd })).toEqual([
    `shipper: cannot read none.conf: ENOENT: no such file or directory${todo}`,
  ])
  expect(await refused(['-c', '.'], { cwd })).toEqual([
    `shipper: cannot read .: EISDIR: illegal operation on a directory${todo}`,
  ])
})

describe('arguments', () => {
  test.each([
    [
      ['-i', 'tail', '-p', 'tag_regex=(', '-p', 'path=a', '-o', 'null'],
      [
        'command line, -p tag_regex: [tail] "tag_regex" must be a regular expression, not "(": unsupported regular expression: a group without a closing parenthesis, near character 2; see docs/plugins/parser-regex.md for the supported syntax',
      ],
    ],
    [
      ['-i', 'dummy', '-o', 'forward://h:99999'],
      [
        'command line, -o forward://h:99999: [forward] "port" must be an integer from 1 to 65535, not "99999"',
      ],
    ],
    [
      ['-i', 'dummy', '-o', 'null', '-f', 'soon'],
      ['command line, -f: [service] "flush" must be a time like 60 or 5m of at least 1ms, not "soon"'],
    ],
    [
      ['-i', 'cup', '-o', 'nul'],
      [
        'command line, -i cup: unknown input "cup" (did you mean cpu?)',
        'command line, -o nul: unknown output "nul" (did you mean null?)',
      ],
    ],
    [['-i', 'cpu'], ['shipper: there is no output; add -o NAME, or name a file with -c']],
    [['-o', 'null'], ['shipper: there is no input; add -i NAME, or name a file with -c']],
  ])('%j are refused with the wrong argument', async (args, lines) => {
    expect(await refused(args)).toEqual(lines)
    expect(await refused([...args, '-D'])).toEqual(lines)
  })

  test.each([
    [[], 'Usage: shipper'],
    [['--inputt', 'cpu'], "shipper: unknown option '--inputt' (did you mean --input?)"],
    [['-p', 'a=b'], 'shipper: -p a comes before any -i, -F or -o; see `shipper --help`'],
    [['plugin'], 'shipper: unknown command "plugin" (did you mean plugins?)'],
  ])('%j end with status 2', async (args, text) => {
    const { code, stdout, stderr } = await run(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toStartWith(text)
  })
})

describe('a configuration with a warning', () => {
  /** Runs until `text` is logged, then stops; returns all log lines. */
  async function warned(args: string[], text: string): Promise<{ level: string; message: string }[]> {
    const agent = start(args)
    await agent.waitForStderr(text)
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
    return agent.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  test('runs with an output that matches nothing', async () => {
    const lines = await warned(
      ['-i', 'dummy', '-t', 'app', '-o', 'null', '-m', 'sys.*', '-o', 'null'],
      'it gets no records',
    )
    expect(lines.filter(({ level }) => level !== 'info')).toMatchObject([
      {
        level: 'warn',
        message: 'command line, -m sys.*: [null] Match sys.* does not match the tag app: it gets no records',
      },
    ])
  })

  test('runs with two inputs of one name, and renames the second', async () => {
    const two = ['-i', 'dummy', '-p', 'alias=a', '-i', 'dummy', '-p', 'alias=a', '-o', 'null']
    const lines = await warned(two, 'is already taken')
    expect(lines.filter(({ level }) => level !== 'info')).toMatchObject([
      {
        level: 'warn',
        message: 'command line, -p alias: alias "a" is already taken: using the name dummy.1',
      },
    ])
  })
})

test('a port of -H that is in use is reported in one line with a hint, and status 1', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => void server.close())
  const { port } = server.address() as { port: number }
  const { code, stderr } = await run(['-i', 'dummy', '-o', 'null', '-H', '-P', String(port)])
  expect(code).toBe(1)
  const line = JSON.parse(stderr)
  expect(line).toMatchObject({ level: 'error', code: 'E_LISTEN' })
  expect(line.message).toContain(`127.0.0.1:${port}`)
  expect(line.hint).not.toBe('')
})

test('a configuration may come from a pipe whose writer pauses', () => {
  const script = `"$0" "$@" -c <(printf '[INPUT]\n  Name dummy\n'; sleep 0.3; printf '[OUTPUT]\n  Name null\n  Match *\n') -D`
  const { status, stdout } = spawnSync('bash', ['-c', script, ...shipperCommand()], { encoding: 'utf8' })
  expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('successful') })
})

test('what is no file of a configuration is refused at once, with its path, however it is named', async () => {
  const cwd = tmp()
  spawnSync('mkfifo', [join(cwd, 'fifo')])
  mkdirSync(join(cwd, 'sub'))
  writeFileSync(join(cwd, 'large'), '')
  truncateSync(join(cwd, 'large'), 10_000_000_000)
  const rest = '[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n'
  const kafka = ['-i', 'dummy', '-o', 'kafka', '-p', 'brokers=127.0.0.1:1', '-p', 'topics=t']
  for (const path of ['sub', 'large']) {
    writeFileSync(join(cwd, `${path}.i.conf`), `@INCLUDE ${path}\n${rest}`)
    writeFileSync(join(cwd, `${path}.p.conf`), `[SERVICE]\n    Parsers_File ${path}\n${rest}`)
  }
  const cases = [
    ...['sub', 'large', '/dev/zero', '/proc/self/status'].map((path) => ({ path, args: ['-c', path] })),
    ...['sub', 'large'].flatMap((path) => [
      { path, args: ['-c', `${path}.i.conf`] },
      { path, args: ['-c', `${path}.p.conf`] },
    ]),
    { path: 'large', args: ['-i', 'dummy', '-o', 'null', '-R', 'large'] },
    ...['sub', 'fifo'].map((path) => ({ path, args: [...kafka, '-p', `sasl.password=@${path}`] })),
  ]
  const check = async ({ path, args }: (typeof cases)[number]): Promise<void> => {
    const { code, stderr } = await run([...args, '-D'], { cwd })
    expect([args, code, stderr]).toEqual([
      args,
      1,
      expect.stringMatching(new RegExp(`cannot read .*${path}: `)),
    ])
  }
  await Promise.all(cases.map(check))
}, 400_000)
