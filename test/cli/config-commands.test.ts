import { describe, expect, test } from 'bun:test'
import { folderOf, MAIN, shipper } from '../support/cli.ts'

const SECRET = 'distinctive-4711'
const CONFIG = `[INPUT]
    Name  tail
    Path  a.log
    Tag   app
[FILTER]
    Name    record_modifier
    Match   *
    Record  api_key ${SECRET}
    Record  db postgres://me:${SECRET}@host/x
    Record  other \${ACCESS_TOKEN}
[OUTPUT]
    Name                       kafka
    Match                      *
    Brokers                    127.0.0.1:1
    Topics                     logs
    rdkafka.sasl.password      ${SECRET}
    rdkafka.sasl.username      me
    rdkafka.sasl.mechanism     PLAIN
    rdkafka.security.protocol  sasl_plaintext
[TEST]
    Name      has the key
    Line      x
    Contains  api_key=wrong
    Expect    {"api_key":"${SECRET}x"}
`
const COMMANDS: [string, string[]][] = [
  ['-D', ['-c', 'a.conf', '-D']],
  ['explain', ['explain', '-c', 'a.conf']],
  ['route', ['route', 'app', '-c', 'a.conf']],
  ['try', ['try', '-c', 'a.conf']],
  ['test', ['test', 'a.conf']],
]

describe('a secret is never printed', () => {
  test.each(COMMANDS)('by %s', async (_, args) => {
    const cwd = folderOf({ 'a.conf': CONFIG })
    const { code, stdout, stderr } = await shipper(args, { cwd, stdin: 'x\n', env: { ACCESS_TOKEN: SECRET } })
    // Of a field with any name the record itself is the only source.
    const shown =
      args[0] === 'try' || args[0] === 'test' ? stdout.replaceAll(`"other":"${SECRET}"`, '') : stdout
    expect(shown).not.toContain(SECRET)
    expect(stderr).not.toContain(SECRET)
    expect(stdout).not.toBe('')
    expect(code).toBeLessThan(2)
  })

  test('by explain: an address and a value from a variable with such a name', async () => {
    const cwd = folderOf({ 'a.conf': CONFIG })
    const { stdout } = await shipper(['explain', '-c', 'a.conf'], { cwd, env: { ACCESS_TOKEN: SECRET } })
    expect(stdout).not.toContain(SECRET)
    expect(stdout).toContain('db postgres://******@host/x')
    expect(stdout).toContain(', ACCESS_TOKEN from the environment\n')
    expect(stdout.split('******').length).toBeGreaterThan(4)
  })
})

describe('misuse', () => {
  const ALL = [...COMMANDS, ['migrate', ['migrate', 'a.conf', '--to', 'yaml']] as [string, string[]]]

  test.each(ALL)('a missing file ends %s with one line', async (_, args) => {
    const { code, stdout, stderr } = await shipper(args, { cwd: folderOf({}), stdin: '' })
    expect({ code, stdout: stdout.replace(/^#.*\n/gm, '') }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('cannot read a.conf')
  })

  test.each(ALL)('an endless file ends %s', async (_, args) => {
    const endless = args.map((arg) => (arg === 'a.conf' ? '/dev/zero' : arg))
    const { code, stderr } = await shipper(endless, { stdin: '' })
    expect(code).toBe(1)
    expect(stderr).toContain('cannot read /dev/zero')
  })

  test.each(ALL)('a reader of stdout that has gone ends %s without a word', async (_, args) => {
    const cwd = folderOf({ 'a.conf': CONFIG })
    // The reader has ended before anything is written.
    const command = [
      'bash',
      '-c',
      'exec 3> >(exec true); wait $!; exec "$0" "$@" >&3',
      process.execPath,
      MAIN,
    ]
    const { code, stderr } = await shipper(args, { cwd, command, stdin: 'x\n', env: { ACCESS_TOKEN: 'x' } })
    expect(code).toBe(141)
    expect(stderr).not.toContain('EPIPE')
  })

  test.each(['explain', 'route', 'try', 'test', 'migrate'])(
    'the help of %s names its usage',
    async (command) => {
      const { code, stdout } = await shipper([command, '-h'])
      expect(code).toBe(0)
      expect(stdout).toStartWith(`Usage: shipper ${command} `)
      expect(stdout.split('\n').filter((line) => line.length > 128)).toEqual([])
    },
  )
})
