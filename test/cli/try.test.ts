import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { folderOf, MAIN, shipper } from '../support/cli.ts'

const HEAD = '[INPUT]\n    Name tail\n    Path none.log\n    Tag app\n'
const OUTPUT = '[OUTPUT]\n    Name file\n    Path out\n    Match app\n'

async function tried(text: string, stdin: string, ...args: string[]): ReturnType<typeof shipper> {
  const cwd = folderOf({ 'a.conf': text })
  const result = await shipper(['try', '-c', 'a.conf', '--tag', 'app', ...args], { cwd, stdin })
  expect(readdirSync(cwd)).toEqual(['a.conf'])
  return result
}

test('prints each record behind each stage, and which filter drops it; nothing is written', async () => {
  const filters =
    '[FILTER]\n    Name grep\n    Match *\n    Exclude log health\n[FILTER]\n    Name record_modifier\n    Match *\n    Record a 1\n'
  const { code, stdout, stderr } = await tried(HEAD + filters + OUTPUT, 'GET /\nGET /health\n')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toBe(`record 1
  tail.0             {"log":"GET /"}
  grep.0             unchanged
  record_modifier.0  {"log":"GET /","a":"1"}
  -> file.0
record 2
  tail.0  {"log":"GET /health"}
  grep.0  dropped
2 records: 1 to file.0, 1 dropped by grep.0
`)
})

test('reads the lines as the input does: its parser, its time, and lines that belong together', async () => {
  const parser =
    '[PARSER]\n    Name p\n    Format regex\n    Regex ^(?<time>[^ ]+) (?<msg>.*)$\n    Time_Key time\n    Time_Format %Y-%m-%dT%H:%M:%SZ\n'
  const parsed = await tried(`${HEAD}    Parser p\n${OUTPUT}${parser}`, '2020-01-02T03:04:05Z hello\n')
  expect(parsed.stdout).toContain('record 1, 2020-01-02T03:04:05Z\n  tail.0     {"msg":"hello"}\n')
  const trace = 'Exception in thread "main" java.lang.Error: x\n    at a.b(C.java:1)\nnext\n'
  const joined = await tried(`${HEAD}    multiline.parser java\n${OUTPUT}`, trace)
  expect(joined.stdout).toContain('java.lang.Error: x\\n    at a.b(C.java:1)')
  expect(joined.stdout).toContain('2 records: 2 to file.0\n')
})

test('shows what a filter holds, and what it sends on later', async () => {
  const filter =
    '[FILTER]\n    Name multiline\n    Match *\n    multiline.key_content log\n    multiline.parser java\n'
  const lines = 'Exception in thread "main" java.lang.Error: x\n    at a.b(C.java:1)\n'
  const { stdout } = await tried(HEAD + filter + OUTPUT, lines)
  expect(stdout).toContain('  multiline.0  held, until records that belong to it have come\n')
  expect(stdout).toContain(
    '  multiline.0  {"log":"Exception in thread \\"main\\" java.lang.Error: x\\n    at a.b(C.java:1)',
  )
  expect(stdout).toContain('-> file.0\n')
})

test('takes JSON records with --json, and other lines as the field log', async () => {
  const { stdout, stderr } = await tried(HEAD + OUTPUT, '{"a":{"b":18446744073709551615}}\nplain\n', '--json')
  expect(stdout).toContain('  tail.0     {"a":{"b":18446744073709551615}}\n')
  expect(stdout).toContain('  tail.0     {"log":"plain"}\n')
  expect(stderr).toBe('shipper: line 2 is not a JSON object: it is kept under "log"\n')
})

test('runs a filter that asks other machines without what it asks for, and says so', async () => {
  const filter = '[FILTER]\n    Name kubernetes\n    Match *\n    Merge_Log on\n'
  const { code, stdout } = await tried(HEAD + filter + OUTPUT, 'x\n{"a":1}\n')
  expect(code).toBe(0)
  expect(stdout).toContain('  kubernetes.0  unchanged  (without pod metadata)\n')
  expect(stdout).toContain('  kubernetes.0  {"log":"{\\"a\\":1}","a":1}  (without pod metadata)\n')
})

test('runs the filter kubernetes as it is when it asks nobody', async () => {
  const id = 'a'.repeat(64)
  const filters = `[FILTER]
    Name               kubernetes
    Match              *
    Kube_Tag_Prefix    kube.
    Use_Tag_For_Meta   On
    Merge_Log          On
[FILTER]
    Name     grep
    Match    *
    Exclude  level ^debug$
`
  const tag = `kube.web-1_shop_web-${id}.log`
  const text = `${HEAD}${filters}${OUTPUT}`.replace('Tag app', `Tag ${tag}`).replace('Match app', 'Match *')
  const { stdout } = await tried(text, '{"level":"debug"}\n{"level":"info"}\n', '--tag', tag)
  expect(stdout).toContain(
    `"level":"info","kubernetes":{"pod_name":"web-1","namespace_name":"shop","container_name":"web","docker_id":"${id}"}}\n`,
  )
  expect(stdout).toEndWith('2 records: 1 dropped by grep.0, 1 to file.0\n')
})

test('says what an output would not take', async () => {
  const output = (more: string): string =>
    `[OUTPUT]\n    Name file\n    Match *\n    Path /tmp/logs\n    File $d.log\n${more}`
  const rejected = await tried(HEAD + output(''), '{"d":"x"}\n{"e":1}\n', '--json')
  expect(rejected.stdout).toMatch(/\n {2}tail\.0 {5}\{"e":1\}\n {2}-> file\.0\s+would be rejected: /)
  expect(rejected.stdout).toEndWith('2 records: 1 to file.0, 1 not taken by file.0\n')
  const dropped = await tried(HEAD + output('    On_Missing_Field drop\n'), '{"e":1}\n', '--json')
  expect(dropped.stdout).toMatch(/-> file\.0\s+would be dropped by On_Missing_Field: /)
  const fallback = '    On_Missing_Field fallback\n    Fallback_File rest.log\n'
  const written = await tried(HEAD + output(fallback), '{"e":1}\n', '--json')
  expect(written.stdout).toEndWith('1 record: 1 to file.0\n')
})

test('says how many lines the parser did not read, and the time of how many', async () => {
  const parser =
    '[PARSER]\n    Name p\n    Format regex\n    Regex ^(?<time>[^ ]+) (?<msg>.*)$\n    Time_Key time\n    Time_Format %Y-%m-%d\n'
  const text = `${HEAD}    Parser p\n${OUTPUT}${parser}`
  const lines = 'x\nnoon a\n2020-01-02 b\n'
  const { stderr } = await tried(text, lines)
  expect(stderr).toBe(
    'shipper: tail.0: the parser p did not read 1 line: kept unchanged\n' +
      'shipper: tail.0: the parser p did not read the time of 1 line: the time of reading is used\n',
  )
  const ofStdin = await tried(text.replace('Name tail\n    Path none.log', 'Name stdin'), lines)
  expect(ofStdin.stderr).toBe(
    'shipper: line 1 is not read by the parser p: it is kept under "log"\n' +
      'shipper: the time of line 2 is not read by the parser p: the time of reading is used\n',
  )
})

const FLUENTD_SOURCE =
  '<source>\n  @type tail\n  path none.log\n  pos_file none.pos\n  tag app\n  <parse>\n    @type none\n  </parse>\n</source>\n'
const FLUENTD_ERRORS = '<label @ERROR>\n  <match **>\n    @type stdout\n  </match>\n</label>\n'
const FLUENTD_MATCH = '<match **>\n  @type null\n</match>\n'

test('shows a record that a filter sends to @ERROR as one record', async () => {
  const filter =
    '<filter **>\n  @type record_transformer\n  enable_ruby true\n  <record>\n    a ${record["message"].dig("b")}\n  </record>\n</filter>\n'
  const { stdout } = await tried(FLUENTD_SOURCE + filter + FLUENTD_MATCH + FLUENTD_ERRORS, 'x\ny\n')
  expect(stdout).toBe(`record 1
  tail.0                {"message":"x"}
  record_transformer.0  sent to @ERROR: {"message":"x"}
  -> stdout.0
record 2
  tail.0                {"message":"y"}
  record_transformer.0  sent to @ERROR: {"message":"y"}
  -> stdout.0
2 records: 2 to stdout.0
`)
})

test('counts the records of the sample, and apart from them those that a filter sends on later', async () => {
  const filter =
    '<filter **>\n  @type concat\n  key message\n  multiline_start_regexp /^A/\n  flush_interval 5\n  timeout_label @ERROR\n</filter>\n'
  const { stdout } = await tried(FLUENTD_SOURCE + filter + FLUENTD_MATCH + FLUENTD_ERRORS, 'A1\nb\nA2\nc\n')
  expect(stdout).toContain('\nrecord 4\n')
  expect(stdout).not.toContain('record 5')
  expect(stdout).toContain(
    '\nsent on by concat.0, to @ERROR\n  concat.0     {"message":"A2\\nc"}\n  -> stdout.0\n',
  )
  expect(stdout).toMatch(/\n4 records: .*; concat\.0 sent on \d records?\n$/)
})

test('takes the lines of an unknown tag as records with --json, and says so', async () => {
  const { stdout, stderr } = await shipper(['try', '-c', 'a.conf', '--tag', 'other', '--json'], {
    cwd: folderOf({ 'a.conf': HEAD + OUTPUT }),
    stdin: '{"a":1}\n',
  })
  expect(stdout).toContain('{"a":1}')
  expect(stderr).toStartWith('shipper: no input has the tag other: each line is a record\n')
})

test('takes the tag of the only input when none is given', async () => {
  const cwd = folderOf({ 'a.conf': HEAD + OUTPUT })
  const { code, stdout } = await shipper(['try', '-c', 'a.conf'], { cwd, stdin: 'x' })
  expect(code).toBe(0)
  expect(stdout).toEndWith('1 record: 1 to file.0\n')
})

test('takes an unknown tag, whose records are a field log', async () => {
  const { code, stdout, stderr } = await shipper(['try', '-c', 'a.conf', '--tag', 'other'], {
    cwd: folderOf({ 'a.conf': HEAD + OUTPUT }),
    stdin: 'x\n',
  })
  expect(code).toBe(0)
  expect(stderr).toContain('no input has the tag other')
  expect(stdout).toContain('no filter and no output matches: discarded')
})

test('ends though the sample does not, and leaves out a line that is too long', async () => {
  const cwd = folderOf({ 'a.conf': HEAD + OUTPUT })
  const command = ['sh', '-c', 'yes "a line" | "$0" "$@"', process.execPath, MAIN]
  const many = await shipper(['try', '-c', 'a.conf', '--limit', '2'], { cwd, command })
  expect(many.stdout).toEndWith('2 records: 2 to file.0\n')
  expect(many.stderr).toContain('only the first 2 lines are taken')
  const one = await shipper(['try', '-c', 'a.conf', '--limit', '1'], { cwd, command })
  expect(one.stderr).toContain('only the first line is taken')
  const long = await tried(HEAD + OUTPUT, `${'x'.repeat(1_500_000)}\nshort\n`)
  expect(long.stdout).toContain('{"log":"short"}')
  expect(long.stdout).toEndWith('1 record: 1 to file.0\n')
  expect(long.stderr).toContain('a line is longer than 1,000,000 bytes')
})

test('does not let a record control the terminal', async () => {
  const { stdout } = await tried(HEAD + OUTPUT, '\u001b[31mred\u009b\n')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal obeys
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

test('refuses a pattern as the tag, and a --tag elsewhere', async () => {
  const cwd = folderOf({ 'a.conf': HEAD + OUTPUT })
  expect((await shipper(['try', '-c', 'a.conf', '--tag', 'a.*'], { cwd, stdin: '' })).code).toBe(2)
  expect((await shipper(['try', '-c', 'a.conf', '--limit', '0'], { cwd, stdin: '' })).code).toBe(2)
  const elsewhere = await shipper(['-t', 'a', '-c', 'a.conf', '-D'], { cwd })
  expect(elsewhere.stderr).toContain('-t a comes before any -i, -F or -o')
  expect(elsewhere.code).toBe(2)
})

test('follows the order of a fluentd file: the first match takes a record, copies go on by their label', async () => {
  const text = `<source>
  @type tail
  path none.log
  pos_file none.pos
  tag app.web
  <parse>
    @type none
  </parse>
</source>
<match app.web>
  @type copy
  <store>
    @type stdout
  </store>
  <store>
    @type relabel
    @label @KEEP
  </store>
</match>
<filter **>
  @type grep
  <exclude>
    key message
    pattern /./
  </exclude>
</filter>
<match **>
  @type null
</match>
<label @KEEP>
  <match **>
    @type file
    path out
  </match>
</label>
`
  const cwd = folderOf({ 'td.conf': text })
  const tried = await shipper(['try', '-c', 'td.conf', '--tag', 'app.web'], { cwd, stdin: 'x\n' })
  expect(tried.stdout).toBe(`record 1
  tail.0       {"message":"x"}
  -> stdout.0
  -> file.0
1 record: 1 to stdout.0, 1 to file.0
`)
  const route = await shipper(['route', 'other', '-c', 'td.conf'], { cwd })
  expect(route.stdout).toMatch(
    / 1 {2}filter {2}grep\.0 +td\.conf:20\n {2}-> {2}output {2}null\.0 +td\.conf:27\n/,
  )
  expect(route.code).toBe(0)
  expect(readdirSync(cwd)).toEqual(['td.conf'])
})

test.each([
  [60_000, 4],
  [65_000, 9],
  [30_000, 40],
])('lines of %i bytes are read, %i of them', async (length, count) => {
  const { code, stdout, stderr } = await tried(HEAD + OUTPUT, `${'a'.repeat(length)}\n`.repeat(count))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toEndWith(`\n${count} records: ${count} to file.0\n`)
})

test('everything below a secret name is masked, and passwords within texts', async () => {
  const line = '{"secret":{"a":["S3CRET"]},"connection_string":"Server=x;Password=S3CRET;Port=1"}\n'
  const { stdout } = await tried(HEAD + OUTPUT, line, '--json')
  expect(stdout).toContain('{"secret":"******","connection_string":"Server=x;Password=******;Port=1"}')
})

test('says which processors a record does not pass because of their condition', async () => {
  const modifier = (value: string, condition: string): string =>
    `{name: content_modifier, action: upsert, key: k, value: ${value}, condition: {rules: [${condition}]}}`
  const a = '{field: $a, op: eq, value: x}'
  const b = '{field: $b, op: eq, value: x}'
  const text = `pipeline:
  inputs:
    - name: stdin
      tag: app
      processors: {logs: [${modifier('1', a)}, ${modifier('2', b)}]}
  outputs:
    - name: "null"
      match: "*"
      processors: {logs: [${modifier('3', b)}, ${modifier('4', a)}]}
`
  const cwd = folderOf({ 'a.yaml': text })
  const { stdout } = await shipper(['try', '-c', 'a.yaml'], { cwd, stdin: '{"a":"x"}\n{"c":1}\n' })
  const passed = '{"a":"x","k":"1"}'
  expect(stdout).toBe(`record 1
  stdin.0                     {"a":"x"}
  stdin.0/content_modifier.0  ${passed}
  stdin.0/content_modifier.1  condition not met
  null.0/content_modifier.0   condition not met
  null.0/content_modifier.1   {"a":"x","k":"4"}
  -> null.0
record 2
  stdin.0                     {"c":1}
  stdin.0/content_modifier.0  condition not met
  stdin.0/content_modifier.1  condition not met
  null.0/content_modifier.0   condition not met
  null.0/content_modifier.1   condition not met
  -> null.0
2 records: 2 to null.0
`)
})

test('says that a filter would end the run', async () => {
  const filters =
    '[FILTER]\n    Name expect\n    Match *\n    Key_Exists code\n    Action exit\n[FILTER]\n    Name stdout\n    Match *\n'
  const { code, stdout, stderr } = await tried(HEAD + filters + OUTPUT, 'x\n')
  expect(code).toBe(0)
  expect(stderr).toContain('expect.0 would end the run with status 255: 1 of 1 records')
  expect(stdout).toContain(
    '  expect.0   unchanged\n  stdout.0   unchanged  (without printing)\n  -> file.0\n',
  )
})

test('follows a record to the filters and outputs of the tag that a filter gives it', async () => {
  const filters =
    '[FILTER]\n    Name rewrite_tag\n    Match app\n    Rule $log ^(err) $1.$TAG true\n' +
    '[FILTER]\n    Name record_modifier\n    Match err.*\n    Record a 1\n'
  const other = '[OUTPUT]\n    Name null\n    Match err.*\n'
  const { code, stdout, stderr } = await tried(HEAD + filters + OUTPUT + other, 'err 1\nok\n')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toBe(`record 1
  tail.0             {"log":"err 1"}
  rewrite_tag.0      sent to tag err.app: {"log":"err 1"}
  rewrite_tag.0      unchanged
  -> file.0
  record_modifier.0  {"log":"err 1","a":"1"}
  -> null.0
record 2
  tail.0         {"log":"ok"}
  rewrite_tag.0  unchanged
  -> file.0
2 records: 2 to file.0, 1 to null.0
`)
})

test('lines come as of the input: with its format, its own parsers and its key for what is not parsed', async () => {
  const recordsOf = async (lines: string, stdin: string): Promise<unknown[]> => {
    const { stdout, stderr } = await tried(`[INPUT]\n    Tag app\n    ${lines}\n${OUTPUT}`, stdin)
    const records = stdout.match(/^ +.*?(?=\{)(.*\})$/gm) ?? []
    return [...records.map((row) => JSON.parse(row.slice(row.indexOf('{')))), stderr]
  }
  const syslog =
    '<13>Nov 30 10:00:00 web app[12]: one\n<165>1 2026-11-30T10:00:00Z web app 1 - - two\nthree\n'
  expect(await recordsOf('Name syslog\n    Mode udp', syslog)).toEqual([
    { pri: '13', time: 'Nov 30 10:00:00', host: 'web', ident: 'app', pid: '12', message: 'one' },
    expect.objectContaining({ pri: '165', ident: 'app', message: 'two' }),
    { message: 'three' },
    'shipper: syslog.0: its parser did not read 1 line: kept unchanged\n',
  ])
  expect(await recordsOf('Name tcp', '{"a":1}{"a":\n2}\n[3]\n')).toEqual([
    { a: 1 },
    { a: 2 },
    { msg: [3] },
    '',
  ])
  expect(await recordsOf('Name udp\n    Format none\n    Source_Address_Key from', 'x\n')).toEqual([
    { log: 'x', from: 'udp://127.0.0.1:0' },
    '',
  ])
  expect(await recordsOf('Name exec\n    Command false', 'x\n')).toEqual([{ exec: 'x' }, ''])
  expect(await recordsOf('Name http', '{"a":1}\nx\n')).toEqual([{ a: 1 }, { log: 'x' }, ''])
  const body = '{"a":1}{"b":2}\n[{"c":1},\n{"d":[]}]\n'
  expect(await recordsOf('Name http', body)).toEqual([{ a: 1 }, { b: 2 }, { c: 1 }, { d: [] }, ''])
  expect(await recordsOf('Name http', '{"a":1}{"b":2}\n[{"c":1}]\n[1]\n')).toEqual([
    { a: 1 },
    { b: 2 },
    { c: 1 },
    { log: '[1]' },
    '',
  ])
})

test('says of an input that reads no lines that it does not', async () => {
  const { stdout, stderr } = await tried(`[INPUT]\n    Name cpu\n    Tag app\n${OUTPUT}`, 'x\n')
  expect(stdout).toContain('{"log":"x"}')
  expect(stderr).toBe(
    'shipper: cpu.0 reads no lines: each is taken as the field "log" of a record; --json takes records\n',
  )
})

test('fills the tag of syslog messages as the input does, with --input; without it the error says so', async () => {
  const text =
    '[INPUT]\n    Name syslog\n    Mode udp\n    Tag system.*\n[OUTPUT]\n    Name null\n    Match system.auth.*\n'
  const cwd = folderOf({ 'a.conf': text })
  const stdin = '<34>Nov 30 10:00:00 web su[1]: one\n<13>Nov 30 10:00:00 web app[2]: two\nthree\n'
  const run = (...args: string[]): ReturnType<typeof shipper> =>
    shipper(['try', '-c', 'a.conf', ...args], { cwd, stdin })
  const { code, stdout } = await run('--input', 'syslog.0')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^record 1, tag system\.auth\.crit, .*\n.*\n.*"message":"one".*\n {2}-> null\.0\n/)
  expect(stdout).toContain('record 2, tag system.user.notice')
  expect(stdout).toContain('record 3, tag system.unmatched\n')
  expect(stdout).toEndWith('3 records: 1 to null.0, 2 to no output\n')
  const message = 'syslog.0 makes its tag from each message: use --input syslog.0\n'
  for (const args of [[], ['--tag', 'system.*']]) {
    const refused = await run(...args)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain(message.trim())
  }
  expect((await run('--input', 'syslog.0', '--json')).stderr).toContain('--json needs the tag')
  expect((await run('--tag', 'system.auth.crit')).stdout).toEndWith('3 records: 3 to null.0\n')
})
