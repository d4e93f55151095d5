import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folderOf, shipper } from '../support/cli.ts'

const MAIN = `@SET PLACE=hall
[SERVICE]
    Flush         1
    Parsers_File  parsers.conf
@INCLUDE part.conf
[FILTER]
    Name     grep
    Match    *
    Regex    log a
    Exclude  log b
    Regex    log c
[OUTPUT]
    Name      forward
    Match     *
    Host      \${PLACE:-here}
`
const PART = '[INPUT]\n    Name tail\n    Path a.log\n    Path b.log\n    Tag  app\n'
const FILES = { 'a.conf': MAIN, 'part.conf': PART, 'parsers.conf': '[PARSER]\n    Name p\n    Format json\n' }

test('writes YAML with variables as written and the content of included files', async () => {
  const { code, stdout, stderr } = await shipper(['migrate', 'a.conf', '--to', 'yaml'], {
    cwd: folderOf(FILES),
  })
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: 'shipper: the content of part.conf is a part of the output\n',
  })
  expect(stdout).toBe(`# From a.conf, by shipper migrate
env:
  PLACE: hall
service:
  flush: 1
  parsers_file: parsers.conf
pipeline:
  inputs:
    - name: tail
      path:
        - a.log
        - b.log
      tag: app
  filters:
    - name: grep
      match: '*'
      regex: log a
      exclude: log b
      regex: log c
  outputs:
    - name: forward
      match: '*'
      host: \${PLACE:-here}
`)
})

test('writes the classic format, and lists what that cannot express', async () => {
  const yaml = `env: {PLACE: hall}
pipeline:
  inputs:
    - {name: tail, path: [a.log, b.log], processors: {logs: [{name: grep, regex: log a}]}}
  outputs:
    - {name: "null", match: "*"}
tests:
  - {name: t, line: x, expect: {log: x, n: 5}}
`
  const { code, stdout, stderr } = await shipper(['migrate', 'a.yaml', '--to', 'classic'], {
    cwd: folderOf({ 'a.yaml': yaml }),
  })
  expect(code).toBe(1)
  expect(stderr).toContain('a.yaml:4:')
  expect(stderr).toContain(
    '[PROCESSOR] of [INPUT]: the classic format has no such part\nshipper: 1 part is not in the output\n',
  )
  expect(stdout).toBe(`# From a.yaml, by shipper migrate
@SET PLACE=hall

[INPUT]
    name  tail
    path  a.log
    path  b.log

[OUTPUT]
    name   null
    match  *

[TEST]
    name    t
    line    x
    expect  {"log":"x","n":5}
`)
})

test('refuses an unknown format, no format, and what is no configuration', async () => {
  const cwd = folderOf(FILES)
  for (const args of [
    ['a.conf'],
    ['a.conf', '--to', 'toml'],
    ['--to', 'yaml'],
    ['a.conf', 'b.conf', '--to', 'yaml'],
  ]) {
    const { code, stdout } = await shipper(['migrate', ...args], { cwd })
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' })
  }
})

const FLUENTD = `<source>
  @type tail
  path "#{ENV['LOGS'] || '/var/log'}/x.log"
  tag app.x
  <parse>
    @type none
  </parse>
</source>
<source>
  @type s3
  tag sys
</source>
<filter app.**>
  @type record_transformer
  <record>
    where \${tag}
    key "#{ENV['KEY']}-\${tag}"
    unset "#{ENV['UNSET']}"
    part \${tag_parts[0]}
  </record>
</filter>
<filter app.**>
  @type concat
  key message
  n_lines 2
  separator "\\n"
</filter>
<match **>
  @type stdout
</match>
`

for (const to of ['classic', 'yaml'])
  test(`writes a fluentd file as ${to} with its variables and placeholders, and names what is missing`, async () => {
    const cwd = folderOf({ 'td.conf': FLUENTD })
    const env = { KEY: 'secret value' }
    const { code, stdout, stderr } = await shipper(['migrate', 'td.conf', '--to', to], { cwd, env })
    expect(code).toBe(1)
    expect(stderr).toContain('td.conf:10:9: input s3: there is none; ')
    expect(stdout).not.toContain('secret value')
    expect(stdout).toContain('unset ${UNSET}')
    expect(stdout).toContain('part ${tag_parts[0]}')
    const file = to === 'yaml' ? 'new.yaml' : 'new.conf'
    writeFileSync(join(cwd, file), stdout)
    const tried = await shipper(['try', '-c', file, '--tag', 'app.x'], {
      cwd,
      env: { ...env, UNSET: 'set' },
      stdin: 'a\nb\n',
    })
    expect(tried.stdout).toContain(
      '{"message":"a\\nb","where":"app.x","key":"secret value-app.x","unset":"set","part":"app"}',
    )
  })

const LOCAL = `<source>
  @type forward
  bind 127.0.0.1
  port "#{ENV['PORT'] || '24224'}"
</source>
<filter **>
  @type record_transformer
  <record>
    host "#{Socket.gethostname}"
    both "#{hostname}-\${tag}"
    mixed "#{ENV['ZONE'] || hostname}"
    braces \${tag} \${hostname}
  </record>
</filter>
<match **>
  @type stdout
</match>
<system>
  log_level "#{ENV['LEVEL']}"
</system>
`

test('writes the name of the host as ${HOSTNAME}, and says where else a value of this machine was put in', async () => {
  const cwd = folderOf({ 'td.conf': LOCAL })
  const env = { ZONE: 'zone-7', LEVEL: 'debug' }
  const { code, stdout, stderr } = await shipper(['migrate', 'td.conf', '--to', 'classic'], { cwd, env })
  expect(code).toBe(0)
  for (const line of ['host ${HOSTNAME}', 'both ${HOSTNAME}-${ tag }', 'braces ${ tag } ${ hostname }'])
    expect(stdout).toContain(`Record  ${line}\n`)
  expect(stdout).toContain('${PORT:-24224}')
  expect(stderr.match(/td\.conf:\d+:\d+: "\w+": the value that its expression has on this machine/g)).toEqual(
    [
      'td.conf:11:11: "mixed": the value that its expression has on this machine',
      'td.conf:19:13: "log_level": the value that its expression has on this machine',
    ],
  )
  expect(stderr).not.toContain('zone-7')
  writeFileSync(join(cwd, 'new.conf'), stdout)
  const given = { cwd, env: { HOSTNAME: 'box' }, stdin: '{}\n' }
  const tried = await shipper(['try', '-c', 'new.conf', '--tag', 'app.x'], given)
  expect(tried.stdout).toContain('"host":"box","both":"box-app.x","mixed":"zone-7","braces":"app.x ')
})

test('names a section of a fluentd file whose tags depend on the machine, and an array', async () => {
  const text = `<source>
  @type sample
  sample {"host":"#{hostname}"}
  tag a
</source>
<match "#{ENV['TEAM']}.**">
  @type stdout
</match>
`
  const { stderr } = await shipper(['migrate', 'td.conf', '--to', 'yaml'], {
    cwd: folderOf({ 'td.conf': text }),
    env: { TEAM: 'web' },
  })
  expect(stderr).toContain('td.conf:3:10: "sample": the value that its expression has on this machine')
  expect(stderr).toContain('td.conf:6:8: "<match>": the value that its expression has on this machine')
})

test('begins with [SERVICE], wherever a fluentd file has <system>', async () => {
  const cwd = folderOf({ 'td.conf': `${LOCAL}` })
  const { stdout } = await shipper(['migrate', 'td.conf', '--to', 'classic'], { cwd, env: { LEVEL: 'warn' } })
  expect(stdout.match(/^\[\w+\]/gm)?.[0]).toBe('[SERVICE]')
})

test('names the tags, filters and outputs of labels that are not in the output', async () => {
  const text = `<source>
  @type sample
  @label @APP
  tag web
</source>
<source>
  @type sample
  tag web
</source>
<label @APP>
  <match **>
    @type stdout
  </match>
</label>
<filter web.*>
  @type grep
  <regexp>
    key a
    pattern b
  </regexp>
</filter>
<match web.**>
  @type null
</match>
`
  const { code, stderr } = await shipper(['migrate', 'td.conf', '--to', 'yaml'], {
    cwd: folderOf({ 'td.conf': text }),
  })
  expect(code).toBe(1)
  expect(stderr).toContain(
    'td.conf:6:1: records of this input begin outside of any label, those of another one at the label @APP: ',
  )
  expect(stderr).toContain('write these steps with a Match of its tag web\n')
  expect(stderr).toContain(
    'td.conf:15:1: the steps outside of any label, filter grep (web.*), match to null (web.**): there are no labels\n',
  )
})

test('writes secrets of a fluentd file that come from the environment as variables', async () => {
  const text = `<source>
  @type forward
  bind 127.0.0.1
  <security>
    self_hostname h
    shared_key "#{ENV['SHARED']}"
    <user>
      username agent
      password "#{ENV['PASSWORD']}"
    </user>
  </security>
</source>
<match **>
  @type stdout
</match>
`
  const env = { SHARED: 'first-secret', PASSWORD: 'second-secret' }
  const cwd = folderOf({ 'td.conf': text })
  const { stdout, stderr } = await shipper(['migrate', 'td.conf', '--to', 'classic'], { cwd, env })
  expect(stdout).toMatch(/Shared_Key +\$\{SHARED\}\n/)
  expect(stdout).toMatch(/Security\.Users +agent \$\{PASSWORD\}\n/)
  expect(`${stdout}${stderr}`).not.toMatch(/first-secret|second-secret|was put in/)
})
