import { expect, test } from 'bun:test'
import { folderOf, shipper } from '../support/cli.ts'

const PIPELINE = `[INPUT]
    Name    tail
    Path    none.log
    Tag     app
    Parser  logfmt
[FILTER]
    Name     grep
    Match    app
    Exclude  path /healthz
[FILTER]
    Name   kubernetes
    Match  app
[OUTPUT]
    Name   null
    Alias  errors
    Match  app
`

async function tested(tests: string, file = 'a.conf', pipeline = PIPELINE): ReturnType<typeof shipper> {
  return shipper(['test', file], { cwd: folderOf({ [file]: pipeline + tests }) })
}

test('passes when records and outputs are as expected', async () => {
  const { code, stdout, stderr } = await tested(
    `[TEST]
    Name    drops health checks
    Line    path=/healthz code=200
    Output  none
[TEST]
    Name      reads the fields
    Tag       app
    Line      path=/ code=500
    Line      path=/a code=200
    Expect    {"code":"500","path":"/"}
    Contains  code=200
    Output    errors
[TEST]
    Name        has pods
    Record      {"a":1}
    Kubernetes  {"pod_name":"web-1","labels":{"app":"web"}}
    Expect      {"a":1,"kubernetes":{"pod_name":"web-1","labels":{"app":"web"}}}
    Contains    a
`.replace('    Contains    a\n', ''),
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toBe(
    'ok      drops health checks\nok      reads the fields\nok      has pods\n3 passed, 0 failed\n',
  )
})

test('fails with the fields that differ, what is missing and what is too much', async () => {
  const { code, stdout } = await tested(`[TEST]
    Name    differs
    Line    path=/ code=500
    Line    path=/healthz
    Line    path=/b
    Expect  {"code":"200","path":"/","user":{"id":1}}
    Expect  {"path":"/b"}
    Expect  {"path":"/c"}
    Output  none
[TEST]
    Name      has more
    Line      a=1
    Line      a=2
    Contains  {"a":"1"}
`)
  expect(code).toBe(1)
  expect(stdout).toBe(`FAILED  differs  (a.conf:17:1)
        record 1 is {"path":"/","code":"500"}
          code: expected "200", got "500"
          user is missing: expected {"id":1}
        record 3 is missing: expected {"path":"/c"}
        the output errors also gets records, and Output does not name it:
          {"path":"/","code":"500"}
          {"path":"/b"}
        kubernetes.0 ran without pod metadata
FAILED  has more  (a.conf:26:1)
        record 2 is not expected: {"a":"2"}
        kubernetes.0 ran without pod metadata
0 passed, 2 failed
`)
})

test('runs at a fixed time', async () => {
  const pipeline = `[INPUT]
    Name  dummy
    Tag   a
[OUTPUT]
    Name   null
    Match  *
`
  const { code, stdout } = await tested(
    '[TEST]\n    Name t\n    Time 1700000000\n    Line x\n    Expect {"log":"x"}\n',
    'a.conf',
    pipeline,
  )
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'ok      t\n1 passed, 0 failed\n' })
  const bad = await tested(
    '[TEST]\n    Name t\n    Time noon\n    Line x\n    Output none\n',
    'a.conf',
    pipeline,
  )
  expect(bad.code).toBe(1)
  expect(bad.stderr).toContain('a.conf:9:10: [test] "Time" must be a date like')
})

test('reads tests of YAML: lists, and maps whose values are compared as texts', async () => {
  const yaml = `pipeline:
  inputs: [{name: tail, path: none.log, tag: app, parser: json}]
  filters: [{name: grep, match: "*", exclude: level debug}]
  outputs: [{name: "null", match: "*"}]
tests:
  - name: keeps errors
    tag: app
    line:
      - '{"level":"error","code":5,"ok":true}'
      - '{"level":"debug"}'
      - '{"level":"info","more":{"id":"7"}}'
    expect: {level: error, code: 5, ok: true}
    contains: {more: {id: 7}}
    output: null.0
  - name: fails
    tag: app
    line: '{"a":1}'
    expect: {a: 2}
`
  const { code, stdout } = await tested('', 'a.yaml', yaml)
  expect(stdout).toBe(`ok      keeps errors
FAILED  fails  (a.yaml:15:5)
        record 1 is {"a":1}
          a: expected 2, got 1
1 passed, 1 failed
`)
  expect(code).toBe(1)
})

test('reports what is wrong with a test at its place, and runs none', async () => {
  const { code, stdout, stderr } = await tested(`[TEST]
    Name    nothing expected
    Line    x
[TEST]
    Name    no line
    Output  none
[TEST]
    Line    x
    Expect  {broken
    Ouput   none
`)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain('a.conf:17:1: [test nothing expected] it expects nothing')
  expect(stderr).toContain('a.conf:20:1: [test no line] it has no Line and no Record')
  expect(stderr).toContain('a.conf:23:1: [test] required option "name" is missing')
  expect(stderr).toContain('a.conf:25:13: [test] "Expect" must be a JSON object')
  expect(stderr).toContain('unknown option "Ouput" (did you mean output?)')
})

test('refuses a configuration without tests, or without a file', async () => {
  const none = await tested('')
  expect(none.code).toBe(2)
  expect(none.stderr).toContain('there are no tests in a.conf')
  expect((await shipper(['test'])).code).toBe(2)
})

test('a [TEST] has no effect on a run', async () => {
  const cwd = folderOf({ 'a.conf': `${PIPELINE}[TEST]\n    Name x\n    Line y\n    Output none\n` })
  const { code, stderr } = await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

test('shows nothing of what is below a secret name or in a connection string', async () => {
  const { code, stdout } = await tested(`[TEST]
    Name      secrets
    Record    {"secret":{"a":"S3CRET"},"c":"Server=x;Password=S3CRET"}
    Expect    {"secret":{"a":"S3CRET2"},"c":"Server=y;Password=S3CRET2"}
    Contains  c=Password=S3CRET3
`)
  expect(code).toBe(1)
  expect(stdout).not.toContain('S3CRET')
  expect(stdout).toContain('secret.a: expected ******, got ******')
  expect(stdout).toContain('"Server=y;Password=******"')
})

const MERGING = `[INPUT]
    Name    stdin
    Tag     kube.a
    Parser  cri
[FILTER]
    Name                 kubernetes
    Match                kube.*
    Merge_Log            On
    Merge_Log_Key        app
    Keep_Log             Off
    Annotations          Off
    K8S-Logging.Exclude  On
    K8S-Logging.Parser   On
[FILTER]
    Name     grep
    Match    *
    Exclude  $app['level'] ^debug$
[OUTPUT]
    Name   null
    Match  *
`
const CRI = '2026-01-02T03:04:05.123456789Z stdout F '

test('applies the options of the filter kubernetes to the metadata of a test', async () => {
  const { code, stdout } = await tested(
    `[TEST]
    Name        drops debug
    Line        ${CRI}{"level":"debug"}
    Kubernetes  {"pod_name":"p","namespace_name":"n"}
    Output      none
[TEST]
    Name        is excluded by the annotation
    Line        ${CRI}{"level":"info"}
    Kubernetes  {"pod_name":"p","annotations":{"fluentbit.io/exclude":"true"}}
    Output      none
[TEST]
    Name        merges the line, and leaves out annotations
    Record      {"log":"{\\"level\\":\\"info\\"}"}
    Kubernetes  {"pod_name":"p","labels":{"app":"w"},"annotations":{"a":"b"},"host":"h"}
    Expect      {"app":{"level":"info"},"kubernetes":{"pod_name":"p","labels":{"app":"w"},"host":"h"}}
[TEST]
    Name        takes the parser of the container
    Record      {"log":"a=1","stream":"stdout"}
    Kubernetes  {"container_name":"c","annotations":{"fluentbit.io/parser-c":"logfmt"}}
    Contains    {"app":{"a":"1"}}
[TEST]
    Name        merges without metadata
    Record      {"log":"{\\"level\\":\\"info\\"}"}
    Expect      {"app":{"level":"info"}}
`.replaceAll('\\\\', '\\'),
    'a.conf',
    MERGING,
  )
  expect(stdout).toEndWith('5 passed, 0 failed\n')
  expect(code).toBe(0)
})

test('adds the name of the namespace, and no pod with Namespace_Metadata_Only', async () => {
  const pipeline = `[INPUT]
    Name  stdin
    Tag   a
[FILTER]
    Name                     kubernetes
    Match                    *
    Namespace_Labels         On
    Namespace_Metadata_Only  On
[OUTPUT]
    Name   null
    Match  *
`
  const { stdout } = await tested(
    `[TEST]
    Name        t
    Line        {"a":1}
    Kubernetes  {"pod_name":"p","namespace_name":"n"}
    Expect      {"a":1,"kubernetes_namespace":{"name":"n"}}
`,
    'a.conf',
    pipeline,
  )
  expect(stdout).toBe('ok      t\n1 passed, 0 failed\n')
})

test('says that there is no such output or input, and why a test needs a Tag', async () => {
  const output = '[OUTPUT]\n    Name   null\n    Alias  hub\n    Match  *\n'
  const tail = (tag: string): string => `[INPUT]\n    Name  tail\n    Path  none.log\n    Tag   ${tag}\n`
  const line = '    Line  x\n'
  const unknown = await tested(
    `[TEST]\n    Name  a\n${line}    Output  hubb\n[TEST]\n    Name  b\n    Input tai.0\n${line}    Output  hub\n`,
    'a.conf',
    tail('app') + output,
  )
  expect(unknown.stdout).toContain('        there is no output hubb (did you mean hub?)\n')
  expect(unknown.stdout).toContain('        there is no input "tai.0" (did you mean tail.0?)\n')
  const noTag = `[TEST]\n    Name  a\n${line}    Output  hub\n`
  const pattern = await tested(noTag, 'a.conf', tail('kube.*') + output)
  expect(pattern.stdout).toContain('        set Tag: the tag of tail.0, kube.*, is a pattern\n')
  const several = await tested(noTag, 'a.conf', tail('a') + tail('b') + output)
  expect(several.stdout).toContain('        set Tag or Input: there are several inputs\n')
  const given = await tested(noTag.replace('Line', 'Tag a.*\n    Line'), 'a.conf', tail('a') + output)
  expect(given.stdout).toContain('        Tag a.* is a pattern: set one tag\n')
})

test('fails when the output would reject the record', async () => {
  const pipeline =
    '[INPUT]\n    Name stdin\n    Tag a\n[OUTPUT]\n    Name file\n    Match *\n    Path /tmp/logs\n    File $d.log\n'
  const { code, stdout } = await tested(
    '[TEST]\n    Name t\n    Line {"e":1}\n    Output file.0\n[TEST]\n    Name u\n    Line {"d":"x"}\n    Output file.0\n',
    'a.conf',
    pipeline,
  )
  expect(stdout).toContain('        the output file.0 gets no record: it would be rejected: ')
  expect(stdout).toEndWith('1 passed, 1 failed\n')
  expect(code).toBe(1)
})

test('fails where a filter would end the run, and prints nothing of the filter stdout', async () => {
  const pipeline =
    '[INPUT]\n    Name tail\n    Path none.log\n    Tag app\n[FILTER]\n    Name stdout\n    Match *\n[FILTER]\n    Name expect\n    Match *\n    Key_Exists code\n    Action exit\n[OUTPUT]\n    Name null\n    Match app\n'
  const tests =
    '[TEST]\n    Name has it\n    Record {"code":1}\n    Expect {"code":1}\n[TEST]\n    Name lacks it\n    Record {"a":1}\n    Expect {"a":1}\n'
  const { code, stdout } = await tested(tests, 'a.conf', pipeline)
  expect(code).toBe(1)
  expect(stdout).toMatch(/^ok {6}has it\nFAILED {2}lacks it {2}\(a\.conf:\d+:\d+\)\n/)
  expect(stdout).toContain(
    'expect.0 would end the run with status 255: 1 of 1 records with tag app not as expected',
  )
  expect(stdout).not.toContain('=>')
  expect(stdout).toEndWith('1 passed, 1 failed\n')
})

test('sees the record that rewrite_tag keeps, and each copy under another tag', async () => {
  const pipeline = `[INPUT]
    Name    tail
    Path    none.log
    Tag     app.web
    Parser  json
[PARSER]
    Name    json
    Format  json
[FILTER]
    Name    rewrite_tag
    Match   app.*
    Rule    $level ^error$ err.$TAG true
[FILTER]
    Name    rewrite_tag
    Match   app.*
    Rule    $level ^error$ moved.$TAG false
[FILTER]
    Name    modify
    Match   err.*
    Set     copy 1
[FILTER]
    Name    modify
    Match   app.*
    Set     kept 1
[OUTPUT]
    Name    null
    Match   *
`
  const { stdout } = await tested(
    `[TEST]
    Name    sends errors on
    Line    {"level":"error"}
    Line    {"level":"info"}
    Expect  {"level":"error","copy":"1"}
    Expect  {"level":"error"}
    Expect  {"level":"info","kept":"1"}
[TEST]
    Name    keeps errors
    Line    {"level":"error"}
    Expect  {"level":"error","kept":"1"}
    Expect  {"level":"error","copy":"1"}
    Output  null.0
`,
    'a.conf',
    pipeline,
  )
  expect(stdout).toContain('ok      sends errors on\n')
  const keeping = pipeline.replace(/\[FILTER\]\n {4}Name {4}rewrite_tag\n.*\n.*moved.*\n/, '')
  const { stdout: kept } = await tested(
    `[TEST]
    Name    keeps errors
    Line    {"level":"error"}
    Expect  {"level":"error","kept":"1"}
    Expect  {"level":"error","copy":"1"}
    Output  null.0
`,
    'a.conf',
    keeping,
  )
  expect(kept).toBe('ok      keeps errors\n1 passed, 0 failed\n')
})
