import { expect, test } from 'bun:test'
import { folderOf, shipper } from '../support/cli.ts'

const CONFIG = `@SET REGION=eu-1
[SERVICE]
    Flush   0.5
    Daemon  on
[INPUT]
    Name  dummy
    Rate  5
[FILTER]
    Name    record_modifier
    Match   *
    Record  region \${REGION}
    Record  host \${PLACE:-here}
[OUTPUT]
    Name   null
    Match  *
`

async function explained(text: string, args: string[] = [], env = {}): Promise<string> {
  const cwd = folderOf({ 'a.conf': text })
  const { code, stdout, stderr } = await shipper(['explain', '-c', 'a.conf', ...args], { cwd, env })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

test('has each value below the place that it comes from', async () => {
  const text = await explained(CONFIG, [], { PLACE: 'there' })
  expect(text).toContain('    # a.conf:3:5\n    Flush                                500ms\n')
  expect(text).toMatch(/ {4}# a\.conf:11:5, REGION from @SET\n {4}Record +region eu-1\n/)
  expect(text).toMatch(/ {4}# a\.conf:12:5, PLACE from the environment\n {4}Record +host there\n/)
  expect(text).toContain(
    '    # a.conf:4:5\n    # Daemon                               true  (no effect: run it under a service manager)\n',
  )
})

test('has the defaults, the tag that an input has without one included', async () => {
  const text = await explained(CONFIG)
  expect(text).toMatch(/ {4}# default\n {4}tag +dummy\.0\n/)
  expect(text).toMatch(/\n {4}dummy +\{"message":"dummy"\}\n/)
  expect(text).toContain(', PLACE is not set, its default\n')
  expect(text).toMatch(/\n {4}retry_limit +no_limits\n/)
})

test('is a configuration with the same effect', async () => {
  const text = await explained(CONFIG)
  const cwd = folderOf({ 'b.conf': text })
  const again = await shipper(['explain', '-c', 'b.conf'], { cwd })
  const values = (output: string): string[] =>
    output.split('\n').filter((line) => !line.trimStart().startsWith('#'))
  expect(again.code).toBe(0)
  expect(values(again.stdout).sort()).toEqual(values(text).sort())
})

test('names flags, and says which of several values counts', async () => {
  const text = '[SERVICE]\n    Flush 1\n[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n'
  const output = await explained(text, ['-f', '3'])
  expect(output).toMatch(/# Flush +1 {2}\(no effect: it is given again\)/)
  expect(output).toMatch(/# command line, -f\n {4}flush +3s\n/)
})

test('prints what is there of a configuration with problems, and ends with 1', async () => {
  const cwd = folderOf({
    'a.conf': '[INPUT]\n    Name tial\n    Path x\n[OUTPUT]\n    Name null\n    Match *\n',
  })
  const { code, stdout, stderr } = await shipper(['explain', '-c', 'a.conf'], { cwd })
  expect(code).toBe(1)
  expect(stdout).toContain('# there is no such plugin: its options are as written\n[INPUT]\n')
  expect(stderr).toContain('did you mean tail?')
})

test('has processors with their options, routes and conditions, without their secrets', async () => {
  const yaml = `pipeline:
  inputs:
    - name: dummy
      processors: {logs: [{name: record_modifier, record: api_key distinctive-9}]}
  outputs:
    - {name: "null", match: "*"}
`
  const { stdout } = await shipper(['explain', '-c', 'a.yaml'], { cwd: folderOf({ 'a.yaml': yaml }) })
  expect(stdout).toMatch(/ {4}\[PROCESSOR\]\n {8}# a\.yaml:4:\d+\n {8}name +record_modifier\n/)
  expect(stdout).toContain('api_key ******\n')
  expect(stdout).not.toContain('distinctive-9')
})

test('a value that has tabs or the text of a variable is the same when it is read again', async () => {
  const text = CONFIG.replace(
    'Record  region',
    'Record  tab a\tb\n    Record  text ${PLACE}\n    Record  region',
  )
  const first = await explained(text, [], { PLACE: 'x ${a}' })
  expect(first).toContain('@SET DOLLAR=$\n')
  expect(first).toMatch(/Record +tab a\tb\n/)
  expect(first).toMatch(/Record +text x \$\{DOLLAR\}\{a\}\n/)
  const again = await explained(first, [], { PLACE: 'other', a: 'wrong' })
  expect(again).toMatch(/Record +text x \$\{DOLLAR\}\{a\}\n/)
})

test('has no tag for an input whose senders choose the tags', async () => {
  const text = '[INPUT]\n    Name forward\n[OUTPUT]\n    Name null\n    Match *\n'
  expect(await explained(text)).not.toMatch(/^ +tag /m)
})

test('finds the problems that a check of the plugins finds', async () => {
  const relabel = (to: string): string => `<match **>\n  @type relabel\n  @label ${to}\n</match>\n`
  const label = (name: string, to: string): string => `<label ${name}>\n${relabel(to)}</label>\n`
  const text = `<source>\n  @type forward\n  bind 127.0.0.1\n</source>\n${relabel('@A')}${label('@A', '@B')}${label('@B', '@A')}`
  const cwd = folderOf({ 'a.conf': text })
  const { code, stderr } = await shipper(['explain', '-c', 'a.conf'], { cwd })
  expect(code).toBe(1)
  expect(stderr).toContain('labels send records in a circle: @A -> @B -> @A')
  expect(stderr).toEndWith('shipper: 1 problem in the configuration\n')
})

test('masks by name only what may be a secret: no number, no switch', async () => {
  const text = await explained(
    '[INPUT]\n    Name  forward\n    Empty_Shared_Key  off\n[FILTER]\n    Name  kubernetes\n    Match  *\n    Kube_Token_TTL  300\n' +
      '[OUTPUT]\n    Name  kafka\n    Match  *\n    Topics  t\n    Sasl_Password  abc\n',
  )
  expect(text).toMatch(/\n {4}Empty_Shared_Key +false\n/)
  expect(text).toMatch(/\n {4}Kube_Token_TTL +5m\n/)
  expect(text).toMatch(/\n {4}Sasl_Password +\*{6}\n/)
})

test('has the parsers of a Parsers_File once, so that the output can run', async () => {
  const cwd = folderOf({
    'a.conf':
      '[SERVICE]\n    Parsers_File  p.conf\n[INPUT]\n    Name  dummy\n[OUTPUT]\n    Name  null\n    Match  *\n',
    'p.conf': '[PARSER]\n    Name  mine\n    Format  json\n',
  })
  const { stdout } = await shipper(['explain', '-c', 'a.conf'], { cwd })
  expect(stdout).toMatch(/\n {4}# Parsers_File +p\.conf {2}\(its sections are in this output\)\n/)
  await Bun.write(`${cwd}/b.conf`, stdout)
  const again = await shipper(['-c', 'b.conf', '-D'], { cwd })
  expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: '' })
})

test('says in the first line when it is no configuration', async () => {
  const plain = await explained('[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n')
  expect(plain).toStartWith('# a.conf:1:1\n')
  const routed = `env: {team: shop}
pipeline:
  inputs:
    - name: dummy
      processors: {logs: [{name: content_modifier, action: insert, key: team, value: "\${team}"}]}
      routes: {logs: [{name: r, condition: {rules: [{field: $a, op: eq, value: b}]}, to: {outputs: [o]}}]}
  outputs: [{name: "null", alias: o}]
`
  const fluentd = '<source>\n  @type dummy\n  tag a\n</source>\n<match **>\n  @type null\n</match>\n'
  const cwd = folderOf({ 'a.yaml': routed, 'a.conf': fluentd })
  const start = '# This is a description and cannot be run as a configuration: the classic format has no '
  const { stdout } = await shipper(['explain', '-c', 'a.yaml'], { cwd })
  expect(stdout).toStartWith(`${start}processors, routes or conditions\n`)
  expect(stdout).toContain(', team from env\n')
  const ordered = await shipper(['explain', '-c', 'a.conf'], { cwd })
  expect(ordered.stdout).toStartWith(`${start}matches or labels of fluentd\n`)
})

test('has the dead-letter file of outputs and of filters that can fail, unless they name one', async () => {
  const text = await explained(
    '[INPUT]\n    Name tail\n    Path a.log\n    DB /var/lib/x/pos.db\n[FILTER]\n    Name redact\n    Match *\n' +
      '[FILTER]\n    Name grep\n    Match *\n    Exclude a b\n[OUTPUT]\n    Name null\n    Match *\n    Alias out\n' +
      '[OUTPUT]\n    Name null\n    Match *\n    Dead_Letter_File own.jsonl\n',
  )
  const files = [...text.matchAll(/dead_letter_file +(.*)/gi)].map(([, file]) => file)
  expect(files).toEqual([
    '/var/lib/x/dead-letters.redact.0.jsonl',
    '/var/lib/x/dead-letters.out.jsonl',
    'own.jsonl',
  ])
})

test('has the folder of the buffer, and the storage.type that an input inherits', async () => {
  const text =
    '[SERVICE]\n    storage.inherit on\n    storage.type filesystem\n[INPUT]\n    Name tail\n    Path *.log\n    DB state/pos.db\n    storage.type memory\n' +
    '[INPUT]\n    Name forward\n    Port 0\n[OUTPUT]\n    Name null\n    Match *\n'
  const { stdout } = await shipper(['explain', '-c', 'a.conf'], { cwd: folderOf({ 'a.conf': text }) })
  expect(stdout).toMatch(/\n {4}storage\.path +state\/buffer\n/)
  const forward = stdout.slice(
    stdout.indexOf('Name ', stdout.indexOf('[INPUT]', stdout.indexOf('[INPUT]') + 1)),
  )
  expect(forward.slice(0, forward.indexOf('[OUTPUT]'))).toMatch(/\n {4}storage\.type +filesystem\n/)
})
