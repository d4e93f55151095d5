import { expect, test } from 'bun:test'
import { folderOf, shipper } from '../support/cli.ts'

const CONFIG = `[INPUT]
    Name  dummy
    Tag   app.web
[INPUT]
    Name   forward
    Alias  relay
    Port   1
[FILTER]
    Name   grep
    Match  app.*
    Regex  log .
[FILTER]
    Name         record_modifier
    Match_Regex  ^kube
    Record       a 1
[OUTPUT]
    Name   null
    Match  app.web
[OUTPUT]
    Name   null
    Alias  others
    Match  sys.*
`

async function routeOf(tag: string, ...args: string[]): ReturnType<typeof shipper> {
  return shipper(['route', tag, '-c', 'a.conf', ...args], { cwd: folderOf({ 'a.conf': CONFIG }) })
}

test('lists the filters in order and the outputs, and why the others are not passed', async () => {
  const { code, stdout } = await routeOf('app.web', '--input', 'dummy.0')
  expect(stdout).toBe(`tag app.web, records of dummy.0
   1  filter  grep.0  Match app.*
  ->  output  null.0  Match app.web
not passed
  filter  record_modifier.0  Match_Regex ^kube does not match
  output  others             Match sys.* does not match
`)
  expect(code).toBe(0)
})

test('has every input whose records may have the tag', async () => {
  const { stdout } = await routeOf('app.web')
  expect(stdout).toContain('records of dummy.0\n')
  expect(stdout).toContain('records of relay\n')
})

test('ends with 1 when no output gets the records', async () => {
  const { code, stdout } = await routeOf('kube.x')
  expect(stdout).toContain('   1  filter  record_modifier.0  Match_Regex ^kube\n')
  expect(stdout).toContain('no output: the records are discarded')
  expect(code).toBe(1)
})

test('says so when no input has the tag', async () => {
  const text = '[INPUT]\n    Name dummy\n    Tag a\n[OUTPUT]\n    Name null\n    Match b\n'
  const { code, stdout } = await shipper(['route', 'b', '-c', 'a.conf'], {
    cwd: folderOf({ 'a.conf': text }),
  })
  expect(stdout).toStartWith('tag b, which no input has: dummy.0 has a\n')
  expect(stdout).toContain('->  output  null.0  Match b\n')
  expect(code).toBe(0)
})

test('shows the processors and the conditional routes of an input', async () => {
  const yaml = `pipeline:
  inputs:
    - name: dummy
      tag: a
      processors: {logs: [{name: grep, regex: log .}]}
      routes:
        logs:
          - name: bad
            condition: {rules: [{field: $level, op: eq, value: error}]}
            to: {outputs: [alarm]}
  outputs:
    - {name: "null", alias: alarm}
    - {name: "null", alias: rest, match: "*", processors: {logs: [{name: record_modifier, record: b 2}]}}
`
  const { code, stdout } = await shipper(['route', 'a', '-c', 'a.yaml'], {
    cwd: folderOf({ 'a.yaml': yaml }),
  })
  expect(stdout).toMatch(/ 1 {2}filter {2}\S*grep\S* +processor of dummy\.0\n/)
  expect(stdout).toContain('      route bad: $level eq error\n')
  expect(stdout).toMatch(/-> {2}output {2}alarm /)
  expect(stdout).toMatch(/ 2 {2}filter {2}\S*record_modifier\S* +processor of rest\n/)
  expect(code).toBe(0)
})

test('refuses a pattern, no tag, two tags and an unknown input', async () => {
  for (const args of [['app.*'], [], ['a', 'b'], ['a', '--input', 'nobody']]) {
    const { code, stderr } = await shipper(['route', ...args, '-c', 'a.conf'], {
      cwd: folderOf({ 'a.conf': CONFIG }),
    })
    expect({ args, code }).toEqual({ args, code: 2 })
    expect(stderr).toStartWith('shipper: ')
  }
})

const LABELS = `<source>
  @type forward
  bind 127.0.0.1
  port 24225
</source>
<filter app.**>
  @type record_transformer
  enable_ruby true
  <record>
    n \${record["n"].upcase}
  </record>
</filter>
<filter app.**>
  @type concat
  key m
  n_lines 2
  timeout_label @LATE
</filter>
<match app.**>
  @type null
</match>
<label @ERROR>
  <filter **>
    @type concat
    key m
    n_lines 3
  </filter>
  <match app.x>
    @type relabel
    @label @LATE
  </match>
</label>
<label @LATE>
  <match **>
    @type stdout
  </match>
</label>
`

test('shows the ways to @ERROR and to timeout labels', async () => {
  const cwd = folderOf({ 'td.conf': LABELS })
  const { code, stdout } = await shipper(['route', 'app.x', '-c', 'td.conf'], { cwd })
  expect(stdout).toBe(`tag app.x, records of forward.0
   1  filter  record_transformer.0  td.conf:6
   2  filter  concat.0              td.conf:13
  ->  output  null.0                td.conf:19
      records on which an expression fails in record_transformer.0; records that are not complete in concat.1: label @ERROR
   1  filter  concat.1              td.conf:23
  ->  output  stdout.0              td.conf:34
      records that have waited in concat.0: label @LATE
  ->  output  stdout.0              td.conf:34
`)
  expect(code).toBe(0)
  const other = await shipper(['route', 'app.y', '-c', 'td.conf'], { cwd })
  expect(other.stdout).toContain('not complete in concat.1: label @ERROR\n   1  filter  concat.1')
})

test('ends with 1 when only records that fail get to an output', async () => {
  const cwd = folderOf({ 'td.conf': LABELS.replace('<match app.**>', '<match other>') })
  const { code, stdout } = await shipper(['route', 'app.x', '-c', 'td.conf'], { cwd })
  expect(stdout).toContain('no output: the records are discarded')
  expect(code).toBe(1)
})

test('shows where records go to which a filter gives another tag', async () => {
  const text = `[INPUT]
    Name  dummy
    Tag   app.web
[FILTER]
    Name   rewrite_tag
    Match  app.*
    Rule   $level ^error$ error.$TAG[1] true
    Rule   $user ^. user.$user false
[FILTER]
    Name    record_modifier
    Match   error.*
    Record  a 1
[OUTPUT]
    Name   null
    Alias  errors
    Match  error.*
[OUTPUT]
    Name   null
    Alias  vip
    Match  user.vip
[OUTPUT]
    Name   null
    Alias  rest
    Match  app.*
`
  const { code, stdout } = await shipper(['route', 'app.web', '-c', 'a.conf'], {
    cwd: folderOf({ 'a.conf': text }),
  })
  expect(stdout).toBe(`tag app.web, records of dummy.0
   1  filter  rewrite_tag.0         Match app.*
  ->  output  rest                  Match app.*
      $level matches ^error$ in rewrite_tag.0: tag error.web
   1  filter  record_modifier.0     Match error.*
  ->  output  errors                Match error.*
      $user matches ^. in rewrite_tag.0: tag user.*
  ->  output  vip (Match user.vip)
`)
  expect(code).toBe(0)
})
