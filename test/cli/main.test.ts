import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { ALIAS_FLAGS, FLAGS, IGNORED_FLAGS, UNSUPPORTED_FLAGS } from '../../src/cli/arguments.ts'
import { registry } from '../../src/registry.ts'
import { run, type StartOptions } from '../support/process.ts'
import { atEnd, tmp } from '../support/tmp.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
const WITHOUT_EFFECT = /^command line, -.*?: \[service\] ".*?" has no effect: /gm
const VERSION_LINE = /^shipper \d+\.\d+\.\d+ \(\w+\), linux-\w+, bun [\d.]+\n$/

const LONG_NAME = /--([\w-]+)/
const BLANKS = /\s+/

/** Runs from source: the built program may be older. */
function shipper(args: string[], options: StartOptions = {}): ReturnType<typeof run> {
  return run(args, { command: [process.execPath, MAIN], ...options })
}

/** Expects the arguments to be refused with status 2; returns stderr. */
async function refused(args: string[]): Promise<string> {
  const { code, stdout, stderr } = await shipper(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  return stderr
}

/** Checks the file `a.conf` with -D. */
async function check(text: string, ...args: string[]): ReturnType<typeof run> {
  const cwd = tmp()
  writeFileSync(join(cwd, 'a.conf'), text)
  return shipper(['-c', 'a.conf', '-D', ...args], { cwd })
}

test('a start without a help text does not load the streams of stdout', async () => {
  const dir = tmp()
  const preload = join(dir, 'no-stdout.ts')
  writeFileSync(
    preload,
    "Object.defineProperty(process, 'stdout', { get: () => { throw new Error('stdout was used') } })\n",
  )
  const command = [process.execPath, '--preload', preload, MAIN]
  const options = { command, cwd: dir }
  writeFileSync(join(dir, 'a.log'), 'a line\n')
  const tail = ['-i', 'tail', '-p', 'path=a.log', '-p', 'read_from_head=on', '-p', 'exit_on_eof=on']
  const { code, stderr } = await run([...tail, '-o', 'null'], options)
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('1 record sent') })
  expect((await run(['-h'], options)).stderr).toContain('stdout was used')
})

describe('invalid arguments', () => {
  test('end with status 2 and one line', async () => {
    const see = '; see `shipper --help`\n'
    expect(await refused(['plugins', 'tail'])).toBe(`shipper: unexpected argument "tail" after plugins${see}`)
    expect(await refused(['--inptu', 'x'])).toBe(
      "shipper: unknown option '--inptu' (did you mean --input?)\n",
    )
    expect(await refused(['-p', 'a=b'])).toBe(`shipper: -p a comes before any -i, -F or -o${see}`)
    expect(await refused(['-i', 'tail', '-m', '*'])).toBe(
      `shipper: -m * follows -i tail: only filters and outputs have a match${see}`,
    )
    expect(await refused(['-o', 'null', '-t', 'a'])).toBe(
      `shipper: -t a follows -o null: only an input has a tag${see}`,
    )
    expect(await refused(['-i', 'tail', '-p', 'path'])).toBe(
      `shipper: -p needs key=value, and "path" has no value${see}`,
    )
    expect(await refused(['-i'])).toBe(`shipper: option '-i, --input <NAME>' argument missing${see}`)
    expect(await refused(['plugin'])).toBe('shipper: unknown command "plugin" (did you mean plugins?)\n')
    expect(await refused(['-c', 'a', '-w', '/none'])).toContain('cannot change to directory /none of -w')
  })

  test('include an empty command line, which prints the help', async () => {
    expect(await refused([])).toContain('Usage: shipper')
  })
})

describe('stdout has', () => {
  test('the version on one line, whatever the other arguments', async () => {
    const { code, stdout } = await shipper(['-i', 'tail', '-V'])
    expect(code).toBe(0)
    expect(stdout).toMatch(VERSION_LINE)
  })

  test('the help, or after a plugin the help of the plugin', async () => {
    const help = await shipper(['-h'])
    expect(help.code).toBe(0)
    expect(help.stdout).toContain('-i, --input <NAME>')
    const tail = await shipper(['-o', 'null', '-i', 'tail', '-p', 'path=a', '-h', '-o', 'forward'])
    expect(tail.code).toBe(0)
    expect(tail.stdout).toContain('Options of tail (-p name=value):')
    expect(tail.stdout).toContain('refresh_interval')
    expect(tail.stdout).toContain('mem_buf_limit')
    const unknown = await shipper(['-i', 'tial', '-h'])
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toBe('shipper: unknown input "tial" (did you mean tail?)\n')
  })

  test('the list of all plugins', async () => {
    const { code, stdout } = await shipper(['plugins'])
    expect(code).toBe(0)
    for (const kind of ['input', 'filter', 'output', 'parser'] as const) {
      for (const name of registry.names(kind)) expect(stdout).toContain(`\n  ${name} `)
    }
  })
})

const GOOD = '[INPUT]\n    Name tail\n    Path a.log\n[OUTPUT]\n    Name null\n    Match *\n'

test('a dry run of a valid configuration succeeds with status 0 and starts nothing', async () => {
  const { code, stdout, stderr } = await check(GOOD)
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/\nconfiguration test is successful\n$/),
    stderr: '',
  })
})

test('a dry run with -v says how each expression is matched', async () => {
  const { code, stdout } = await check(GOOD.replace('Match *', 'Match_Regex ^a(?=p)'), '-v')
  expect(code).toBe(0)
  expect(stdout).toContain(
    '[OUTPUT] null.0, match_regex: ^a(?=p)\n  matched: slower: by backtracking in TypeScript, because of',
  )
  expect(stdout).toEndWith('configuration test is successful\n')
})

describe('flags of fluent-bit', () => {
  test('that have no effect are accepted with a warning', async () => {
    const args = ['-b', '/x', '-e', 'x.so', '-s', '1', '--supervisor', '-Y', '-W', '-Z']
    const { code, stderr } = await check(GOOD, ...args)
    expect(code).toBe(0)
    const about = stderr.match(WITHOUT_EFFECT)
    expect(about).toHaveLength(7)
    expect(stderr).toContain(
      '[service] "hot_reload" has no effect: reloading is not supported; a restart loses no line of files and the journal',
    )
  })

  // The long names of its option tables, those of Windows included.
  const LONG = `storage_path config daemon dry-run flush http supervisor log_file port custom input processor filter output
    match parser prop plugin tag sp-task version verbose workdir quiet help help-json coro_stack_size
    coro_collective_timeslice sosreport http_server http_listen http_port enable-hot-reload enable-chunk-trace trace
    trace-input trace-output trace-output-property disable-thread-safety-on-hot-reload enable-fips windows_maxstdio`

  test('are all known: accepted, or refused with what stands in for them', () => {
    const tables = [FLAGS, ALIAS_FLAGS, IGNORED_FLAGS, UNSUPPORTED_FLAGS].flatMap((table) =>
      table.map(([flags]) => flags),
    )
    const known = new Set(tables.map((flags) => LONG_NAME.exec(flags)?.[1]))
    expect(LONG.split(BLANKS).filter((name) => !known.has(name))).toEqual([])
  })

  test('--port and --http_server set what -P and -H set', async () => {
    const { stderr } = await check(GOOD, '--http_server', '--port', '70000')
    expect(stderr).toContain('"http_port" must be')
  })

  test.each([
    ['-r', 'content_modifier', 'there are no processors: add a filter with -F'],
    ['-S', undefined, '`shipper status` prints the state of a running agent'],
    ['-J', undefined, 'see docs/plugins for the options of every plugin'],
    ['-M', '2048', 'LimitNOFILE of the unit and `ulimit -n` set the number of open files'],
    ['-T', 'SELECT 1', 'there is no stream processor'],
    ['-C', 'calyptia', 'custom plugins are not supported'],
    ['--enable-fips', undefined, 'there is no FIPS mode'],
    ['--trace-input', 'cpu', 'use -v to log every delivered chunk'],
  ])('for missing features are refused: %s', async (flag, value, why) => {
    expect(await refused([flag, ...(value === undefined ? [] : [value])])).toBe(
      `shipper: ${flag} of fluent-bit is not supported; ${why}\n`,
    )
  })
})

describe('commands', () => {
  test('help and version print what -h and -V print', async () => {
    const help = await shipper(['help'])
    expect([help.code, help.stdout]).toEqual([0, (await shipper(['-h'])).stdout])
    expect((await shipper(['version'])).stdout).toMatch(VERSION_LINE)
    expect((await shipper(['help', '-i', 'tail'])).stdout).toContain('Options of tail')
  })

  test.each([['manifest'], ['status'], ['plugins']])('-h after %s prints its help', async (command) => {
    const { code, stdout } = await shipper([command, '-h'])
    expect([code, stdout.startsWith(`Usage: shipper ${command}`)]).toEqual([0, true])
  })
})

describe('status', () => {
  test('says where no agent answers, and what it needs', async () => {
    const { code, stdout, stderr } = await shipper(['status', '-P', '1'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe(
      'shipper: no agent answers at http://127.0.0.1:1: ECONNREFUSED; the agent needs HTTP_Server on (or -H); -c, -P and --url name another address\n',
    )
    expect(await refused(['status', '--url', 'localhost'])).toContain('--url needs an address such as')
  })

  test('refuses another program, and escapes and bounds what a program writes', async () => {
    const answers: Record<string, string> = {}
    const other = createServer(({ url = '' }, response) => {
      const text = answers[url.split('?')[0] ?? '']
      response.writeHead(text === undefined ? 404 : 200).end(text)
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    atEnd(() => void other.close())
    const { port } = other.address() as AddressInfo
    const args = ['status', '--url', `http://127.0.0.1:${port}/`]
    expect((await shipper(args)).stderr).toContain(
      'answered with status 404; is another program listening there',
    )
    answers['/api/v1/snapshot'] = '--- \x1b[2J\n'
    answers['/api/v1/health'] = 'ok\n'
    expect(await shipper(args)).toMatchObject({ code: 0, stdout: '--- \\x1b[2J\nhealth  ok\n' })
    answers['/api/v1/snapshot'] = 'x'.repeat(5_000_000)
    expect((await shipper(args)).stderr).toContain('the response is larger than 4000000 bytes')
  })

  test('asks no proxy of the environment', async () => {
    const proxy = 'http://127.0.0.1:2'
    const { stderr } = await shipper(['status', '-P', '1'], { env: { http_proxy: proxy, HTTP_PROXY: proxy } })
    expect(stderr).toContain('no agent answers at http://127.0.0.1:1: ECONNREFUSED')
  })
})

test('a dry run prints warnings', async () => {
  const { code, stderr } = await check(`${GOOD}    Workers 2\n`, '-d')
  expect(code).toBe(0)
  expect(stderr).toBe(
    'a.conf:7:5: [null] "Workers" has no effect: the agent is single-threaded (warning)\n' +
      'command line, -d: [service] "daemon" has no effect: run it under a service manager (warning)\n',
  )
})

test('a dry run prints warnings that plugins report at creation', async () => {
  const tail = '[INPUT]\n    Name tail\n    Path a.log\n    Parser json\n    multiline.parser java\n'
  const { code, stderr } = await check(`${tail}[OUTPUT]\n    Name null\n    Match *\n`)
  expect(code).toBe(0)
  expect(stderr).toBe('tail.0: "parser" has no effect: "multiline.parser" reads the lines (warning)\n')
})

test('a dry run reports an unknown multiline parser once', async () => {
  const tail = '[INPUT]\n    Name tail\n    Path a.log\n    multiline.parser jav\n'
  const { stderr } = await check(`${tail}[OUTPUT]\n    Name null\n    Match *\n`)
  expect(stderr).toBe(
    'a.conf:4:22: [tail] there is no multiline parser "jav" (did you mean java?)\n' +
      'shipper: 1 problem in the configuration\n',
  )
})

test('a dry run reports all problems with their positions, with status 1', async () => {
  const { code, stderr } = await check(
    '[INPUT]\n    Name tail\n    Path a\n    Refresh_Intervall 5\n    DB.Sync x\n[OUTPUT]\n    Name nul\n',
    '-i',
    'taill',
  )
  expect(code).toBe(1)
  expect(stderr).toBe(
    'a.conf:4:5: [tail] unknown option "Refresh_Intervall" (did you mean refresh_interval?)\n' +
      'a.conf:5:13: [tail] "DB.Sync" must be one of normal, extra, full, off, not "x"\n' +
      'a.conf:7:10: unknown output "nul" (did you mean null?)\n' +
      'command line, -i taill: unknown input "taill" (did you mean tail?)\n' +
      'shipper: 4 problems in the configuration\n',
  )
})

test('a dry run reports an invalid regular expression', async () => {
  const { code, stderr } = await check(`${GOOD}[PARSER]\n    Name a\n    Format regex\n    Regex ^(?<a>x\n`)
  expect(code).toBe(1)
  expect(stderr).toContain('a.conf:10:11: [parser a] ')
})

test('a dry run of a missing file names it', async () => {
  const { code, stderr } = await shipper(['-D', '-c', '/none/a.conf'])
  expect(code).toBe(1)
  expect(stderr).toContain('shipper: cannot read /none/a.conf: ENOENT')
})

test('-c and -R are relative to the current directory, all other paths to -w', async () => {
  const cwd = tmp()
  writeFileSync(join(cwd, 'a.conf'), GOOD)
  writeFileSync(join(cwd, 'p.conf'), '[PARSER]\n    Name mine\n    Format json\n')
  const args = [
    '-D',
    '-c',
    'a.conf',
    '-R',
    'p.conf',
    '-w',
    '/',
    '-i',
    'tail',
    '-p',
    'path=x',
    '-p',
    'parser=mine',
  ]
  const { code, stderr } = await shipper(args, { cwd })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

test('a run configured by flags ends with status 0 and logs the warnings of the plan', async () => {
  const cwd = tmp()
  writeFileSync(join(cwd, 'a.log'), 'one\ntwo\n')
  const input = ['-i', 'tail', '-p', 'path=a.log', '-p', 'read_from_head=on', '-p', 'exit_on_eof=on']
  const { code, stderr } = await shipper([...input, '-p', 'db=a.db', '-o', 'null', '-p', 'workers=2'], {
    cwd,
  })
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining('the agent is single-threaded'),
  })
  const quiet = await shipper([...input, '-p', 'db=a.db', '-o', 'null', '-p', 'workers=2', '-q'], { cwd })
  expect(quiet).toMatchObject({ code: 0, stderr: '' })
})
