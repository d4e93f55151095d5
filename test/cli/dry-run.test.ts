import { expect, test } from 'bun:test'
import { appendFileSync, readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { folderOf, shipper } from '../support/cli.ts'

const CONFIG = `[SERVICE]
    Daemon        on
    Memory_Limit  24M
[INPUT]
    Name            tail
    Path            *.log
    Tag             app.*
    DB              pos.db
    Mem_Buf_Limit   5M
    Exit_On_Eof     \${ONCE}
    Read_From_Head  on
[FILTER]
    Name     grep
    Match    app.*
    Exclude  log debug
[OUTPUT]
    Name   null
    Match  *
`
const LINES = 'one\ntwo\n'

test('says that a Mem_Buf_Limit above Memory_Limit does not count', async () => {
  const text = CONFIG.replace('5M', '50M').replace(/ *Exit_On_Eof.*\n/, '')
  const { stdout } = await shipper(['-c', 'a.conf', '-D'], {
    cwd: folderOf({ 'a.conf': text, 'a.log': LINES }),
  })
  expect(stdout).toContain('  24M   tail.0, Memory_Limit, below its Mem_Buf_Limit of 50M\n')
})

test('prints the files with where reading starts, the routes, the memory and what has no effect', async () => {
  const cwd = folderOf({ 'a.conf': CONFIG, 'a.log': LINES, 'b.log': '' })
  const { code, stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect(code).toBe(0)
  expect(stdout).toContain('tail.0  2 files of *.log, tag app.*\n')
  expect(stdout).toContain(`${cwd}/a.log  from its beginning, 8 bytes\n`)
  expect(stdout).toContain(`${cwd}/b.log  from its beginning, it is empty\n`)
  expect(stdout).toContain('-> grep.0 -> null.0\n')
  expect(stdout).toContain('  24M   all inputs together, Memory_Limit\n')
  expect(stdout).toContain('  5M    tail.0, Mem_Buf_Limit\n')
  // 128M + 4 x 24M, and 10K for each file.
  expect(stdout).toContain('  225M  the whole process at most')
  expect(stdout).toContain('  Daemon  a.conf:2:5  run it under a service manager\n')
  expect(stdout).toEndWith('\n\nconfiguration test is successful\n')
  expect(stdout.split('\n').filter((line) => line.length > 100 && !line.includes(cwd))).toEqual([])
})

test('names a filter without a match, which gets no records', async () => {
  const filter = '[FILTER]\n    Name grep\n    Exclude log secret\n'
  const text = `[INPUT]\n    Name stdin\n${filter}[OUTPUT]\n    Name null\n    Match *\n`
  const { stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd: folderOf({ 'a.conf': text }) })
  expect(stdout).toContain('no effect\n  grep.0  a.conf:3:1  no Match: gets no records\n')
})

test('has the memory of filters as lines of their own, and in the sum', async () => {
  const lua = '[FILTER]\n    Name lua\n    Match *\n    Call cb\n    Code function cb() return 0 end\n'
  const text = CONFIG.replace('[OUTPUT]', `${lua}${lua}    Memory_Limit 30M\n[OUTPUT]`)
  const { code, stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd: folderOf({ 'a.conf': text }) })
  expect(code).toBe(0)
  expect(stdout).toContain('  64M   lua.0, Memory_Limit of its interpreter\n')
  expect(stdout).toContain('  30M   lua.1, Memory_Limit of its interpreter\n')
  expect(stdout).toMatch(/ {2}318M {2}the whole process at most: .* and the filters\n/)
})

test.each([[['-D']], [['explain']]])('%p names what a filter cannot start with, and fails', async (words) => {
  const filter = '[FILTER]\n    Name checklist\n    Match *\n    File none.txt\n    Record a b\n'
  const text = CONFIG.replace('[OUTPUT]', `${filter}[OUTPUT]`)
  const { code, stderr } = await shipper([...words, '-c', 'a.conf'], { cwd: folderOf({ 'a.conf': text }) })
  expect(code).toBe(1)
  expect(stderr).toContain('a.conf:19:10: [checklist] cannot read the patterns from none.txt')
})

test('creates no database and changes none, and reads the positions in it', async () => {
  const cwd = folderOf({ 'a.conf': CONFIG, 'a.log': LINES })
  await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect(readdirSync(cwd).sort()).toEqual(['a.conf', 'a.log'])
  const env = { ONCE: 'on' }
  const { code } = await shipper(['-c', 'a.conf'], { cwd, env })
  expect(code).toBe(0)
  appendFileSync(join(cwd, 'a.log'), 'three\n')
  const database = join(cwd, 'pos.db')
  const before = {
    bytes: readFileSync(database),
    ms: statSync(database).mtimeMs,
    names: readdirSync(cwd).sort(),
  }
  const { stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect(stdout).toContain(`${cwd}/a.log  from 8 of 14 bytes (position in pos.db)\n`)
  expect(readFileSync(database).equals(before.bytes)).toBe(true)
  expect({ ms: statSync(database).mtimeMs, names: readdirSync(cwd).sort() }).toEqual({
    ms: before.ms,
    names: before.names,
  })
})

test('says why a file is not read, and names ten files at most', async () => {
  const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`x${i}.log`, 'a\n']))
  const cwd = folderOf({ ...files, 'old.gone': 'x\n' })
  const args = [
    '-i',
    'tail',
    '-p',
    'path=x*.log,old.gone',
    '-p',
    'ignore_older=1h',
    '-t',
    'app',
    '-o',
    'null',
    '-D',
  ]
  utimesSync(join(cwd, 'x0.log'), 1, 1)
  const { stdout } = await shipper(args, { cwd })
  expect(stdout).toContain('tail.0  13 files of x*.log, old.gone, tag app\n')
  expect(stdout).toMatch(/x0\.log +skipped: not modified for \d+ d.* \(Ignore_Older\)\n/)
  expect(stdout).toContain('      and 3 more\n')
  expect(stdout.indexOf('x2.log')).toBeLessThan(stdout.indexOf('x7.log'))
  expect(stdout).toContain(
    'no DB: positions are not stored, so a restart skips what was written in between\n',
  )
})

test('of which a part is valid does not say that there is no output', async () => {
  const cwd = folderOf({ 'a.conf': '[INPUT]\n    Name cpu\n[OUTPUT]\n    Name nowhere\n    Match *\n' })
  const { stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect(stdout).toContain('  cpu.0  CPU usage of the machine and of each core, in percent, tag cpu.0\n')
  expect(stdout).toContain('  cpu.0  cpu.0  -> no valid output\n')
})

test('with problems prints the plan of what is valid, what is missing once, and ends with 1', async () => {
  const missing = '[FILTER]\n    Name wasm\n    Match *\n'
  const cwd = folderOf({
    'a.conf': `[INPUT]\n    Name dummy\n    Tag a\n${missing}${missing}[OUTPUT]\n    Name null\n    Match *\n`,
  })
  const { code, stdout, stderr } = await shipper(['-c', 'a.conf', '-D'], { cwd })
  expect(code).toBe(1)
  expect(stdout).toStartWith('plan of what is valid\n')
  expect(stdout).toContain('  dummy.0  a  -> null.0\n')
  expect(stdout).toMatch(/\n {2}filter wasm {2}2 sections/)
  expect(stdout).not.toContain('successful')
  expect(stderr).toEndWith('in the configuration\n')
})

test('listens nowhere, and says where a start would', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  try {
    const args = ['-i', 'forward', '-p', 'listen=127.0.0.1', '-p', `port=${port}`, '-o', 'null', '-D']
    const { code, stdout } = await shipper(args)
    expect(code).toBe(0)
    expect(stdout).toContain(`forward.0  listens on 127.0.0.1:${port}, tag chosen by the sender\n`)
    expect(stdout).toContain('  forward.0  any tag  -> null.0\n')
  } finally {
    server.close()
  }
})

const FLUENTD = `<source>
  @type forward
  port 24225
</source>
<filter app.**>
  @type concat
  key m
  n_lines 2
  timeout_label @LATE
</filter>
<match app.**>
  @type copy
  <store>
    @type stdout
  </store>
  <store>
    @type relabel
    @label @COPY
  </store>
</match>
<label @COPY>
  <match a.** b.**>
    @type null
  </match>
</label>
<label @LATE>
  <match **>
    @type null
  </match>
</label>
`

test('prints the routes of a fluentd file with its labels, and each default that is another one here', async () => {
  const cwd = folderOf({ 'td.conf': FLUENTD })
  const { code, stdout, stderr } = await shipper(['-c', 'td.conf', '-D'], { cwd })
  expect(code).toBe(0)
  const routes = stdout.slice(stdout.indexOf('routes\n'), stdout.indexOf('\nmemory'))
  expect(routes.split('\n').map((line) => line.trim())).toEqual([
    'routes',
    'forward.0  any tag  -> tags app.** -> concat.0 -> stdout.0, label @COPY',
    '-> label @LATE, any tag -> null.1',
    '-> label @COPY, tags a.** b.** -> null.0',
    '',
  ])
  const differences = stdout.slice(stdout.indexOf('differences from fluentd\n'))
  expect(differences).toContain(
    '  td.conf:5:1\n      [concat] a joined text has at most Multiline_Buffer_Limit, 2 MB: what is beyond becomes\n      another record; fluentd has no limit\n',
  )
  expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([])
  expect(stderr).toContain('td.conf:1:1: port 24225 has no bind: listening on 127.0.0.1 only;')
})

test('refuses a filter and an output of the command line next to a fluentd file, which would get nothing', async () => {
  const cwd = folderOf({ 'td.conf': FLUENTD })
  const args = ['-c', 'td.conf', '-F', 'grep', '-p', 'regex=a b', '-o', 'stdout', '-i', 'dummy']
  const { code, stderr } = await shipper(args, { cwd })
  expect(code).toBe(1)
  const lines = stderr.split('\n').filter((line) => line.includes('it would get no records'))
  expect(lines.map((line) => line.split(':')[0])).toEqual([
    'command line, -F grep',
    'command line, -o stdout',
  ])
  expect(lines[0]).toContain('`shipper try -c FILE --tag TAG')
})

test('shows the HTTP server with its address, in every format', async () => {
  const classic =
    '[SERVICE]\n    HTTP_Server on\n    HTTP_Listen ::1\n    HTTP_Port 2021\n[INPUT]\n    Name dummy\n'
  const monitor = '<source>\n  @type monitor_agent\n  bind 127.0.0.1\n  port 24220\n</source>\n'
  const none = '[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n'
  const cwd = folderOf({ 'a.conf': classic, 'td.conf': monitor, 'none.conf': none })
  const page = async (file: string): Promise<string> => (await shipper(['-c', file, '-D'], { cwd })).stdout
  expect(await page('a.conf')).toContain('http server\n  http://[::1]:2021 ')
  expect(await page('td.conf')).toContain('http server\n  http://127.0.0.1:24220 ')
  expect(await page('none.conf')).not.toContain('http server')
})

test('shows the way to @ERROR for the tags of a fluentd file, known and unknown', async () => {
  const text = `<source>
  @type sample
  tag app.x
</source>
<source>
  @type forward
  bind 127.0.0.1
  port 24225
</source>
<filter **>
  @type record_transformer
  enable_ruby true
  <record>
    n \${record["n"].upcase}
  </record>
</filter>
<match **>
  @type null
</match>
<label @ERROR>
  <match **>
    @type stdout
  </match>
</label>
`
  const { stdout } = await shipper(['-c', 'td.conf', '-D'], { cwd: folderOf({ 'td.conf': text }) })
  const lines = stdout.split('\n').map((line) => line.trim())
  expect(lines).toContain(
    '-> records on which an expression fails in record_transformer.0: label @ERROR -> stdout.0',
  )
  expect(lines).toContain('-> label @ERROR, any tag -> stdout.0')
})

test('warns of a file output of a fluentd file that a tail of the same records reads', async () => {
  const text = (pattern: string): string => `<source>
  @type tail
  @label @IN
  path logs/*.log
  pos_file logs/pos
  tag app.*
  <parse>
    @type none
  </parse>
</source>
<label @IN>
  <match ${pattern}>
    @type relabel
    @label @OUT
  </match>
  <match **>
    @type null
  </match>
</label>
<label @OUT>
  <match **>
    @type file
    path logs/out
  </match>
</label>
`
  for (const [pattern, isLoop] of [
    ['app.**', true],
    ['app.logs.*', false],
    ['**', true],
    ['other.**', false],
  ] as const) {
    const { stderr } = await shipper(['-c', 'td.conf', '-D'], { cwd: folderOf({ 'td.conf': text(pattern) }) })
    const found = /file\.0 writes \S*logs\/out\.log, which tail\.0 reads/.test(stderr)
    expect({ pattern, found }).toEqual({ pattern, found: isLoop })
  }
})

test('says what is kept on disk, and where the oldest records are dropped', async () => {
  const text =
    '[INPUT]\n    Name tail\n    Path *.log\n    DB state/pos.db\n[INPUT]\n    Name forward\n    Port 0\n    storage.type filesystem\n' +
    '[OUTPUT]\n    Name null\n    Match *\n    storage.total_limit_size 2G\n'
  const { code, stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd: folderOf({ 'a.conf': text }) })
  expect(code).toBe(0)
  expect(stdout).toContain(`
buffer
  state/buffer  records of input forward.0, until their outputs have them
  2.0 GB        limit for output null.0; beyond it, its oldest records are dropped
  no Alias      null.0: set an Alias: a section added before it renames it
`)
})

test('says of an input whose senders choose tags that they do, also where a Tag is configured', async () => {
  const outputs =
    '[OUTPUT]\n    Name null\n    Match app.*\n[OUTPUT]\n    Name null\n    Alias otlp\n    Match v1_logs\n'
  const ofInput = async (text: string): Promise<string> => {
    const cwd = folderOf({ 'a.conf': `[INPUT]\n    Name ${text}\n${outputs}` })
    const { stdout, stderr } = await shipper(['-c', 'a.conf', '-D'], { cwd })
    return `${stderr}${stdout}`
  }
  const http = await ofInput('http\n    Tag x')
  expect(http).toContain('listens on 127.0.0.1:9880, tag x, or chosen by the sender\n')
  expect(http).toMatch(
    / x +-> no output\n.* other tags +-> null\.0 \(Match app\.\*\), otlp \(Match v1_logs\)\n/,
  )
  expect(http).not.toContain('does not match')
  const otlp = await ofInput('opentelemetry')
  expect(otlp).toContain('listens on 127.0.0.1:4318, tag v1_logs\n')
  expect(otlp).toContain('Match app.* does not match the tag v1_logs: it gets no records')
  expect(await ofInput('opentelemetry\n    Tag_Key app')).toContain('tag v1_logs, or chosen by the sender\n')
  expect(await ofInput('forward\n    Tag x')).toContain('listens on 127.0.0.1:24224, tag x\n')
  expect(await ofInput('forward')).toContain('listens on 127.0.0.1:24224, tag chosen by the sender\n')
})

test('says of an input without Listen that other machines cannot reach it, and not of one with it', async () => {
  const inputs = ['', '\n    Listen 127.0.0.1', '\n    Listen ::'].map(
    (listen, i) => `[INPUT]\n    Name tcp\n    Port ${5170 + i}${listen}\n`,
  )
  const unix = '[INPUT]\n    Name forward\n    Unix_Path s.sock\n'
  const text = `${inputs.join('')}${unix}[OUTPUT]\n    Name null\n    Match *\n`
  const { stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd: folderOf({ 'a.conf': text }) })
  const note =
    'tcp.0      listens on 127.0.0.1:5170, tag tcp.0\n      reachable from this machine only: set Listen to accept others; fluent-bit’s default is 0.0.0.0\n'
  expect(stdout).toContain(note)
  expect(stdout.match(/this machine only/g)).toHaveLength(1)
})
