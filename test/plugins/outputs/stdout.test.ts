import { describe, expect, spyOn, test } from 'bun:test'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { spec } from '../../../src/plugins/outputs/stdout.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { outputContext } from '../../support/engine/output-context.ts'
import { run, shipperCommand, start } from '../../support/process.ts'
import { testWith } from '../../support/skip.ts'
import { tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const FIXED = [
  '-p',
  'start_time_sec=1700000000',
  '-p',
  'start_time_nsec=123456789',
  '-p',
  'fixed_timestamp=on',
]
const DUMMY = [
  '-i',
  'dummy',
  '-t',
  'my.tag',
  '-p',
  'copies=2',
  '-p',
  'samples=1',
  '-p',
  'interval_nsec=1000000',
  ...FIXED,
]

function printed(dummy: string, options: string[]) {
  const texts = options.flatMap((option) => ['-p', option])
  return start([...DUMMY, '-p', `dummy=${dummy}`, '-o', 'stdout', ...texts, '-m', '*', '-f', '0.05'])
}

const JSON_TEXT = '{"a":"x\\n","b":[1,-2.5,true,null],"c":{}}'
const BODY = JSON_TEXT.slice(1)
const CASES: [string, string[], string][] = [
  [
    'msgpack',
    [],
    [0, 1]
      .map(
        (n) =>
          `[${n}] my.tag: [[1700000000.123456789, {}], {"a"=>"x\n", "b"=>[1, -2.500000, true, nil], "c"=>{}}]\n`,
      )
      .join(''),
  ],
  ['json', ['format=json'], `[{"date":1700000000.123456,${BODY},{"date":1700000000.123456,${BODY}]\n`],
  ['json_lines without time', ['format=json_lines', 'json_date_key=false'], `${JSON_TEXT}\n`.repeat(2)],
  [
    'json_stream',
    ['format=json_stream', 'json_date_key=t', 'json_date_format=epoch'],
    `{"t":1700000000,${BODY}`.repeat(2),
  ],
  [
    'epoch_ms',
    ['format=json_lines', 'json_date_format=epoch_ms'],
    `{"date":1700000000123,${BODY}\n`.repeat(2),
  ],
  [
    'iso8601',
    ['format=json_lines', 'json_date_format=iso8601'],
    `{"date":"2023-11-14T22:13:20.123456Z",${BODY}\n`.repeat(2),
  ],
  [
    'java_sql_timestamp',
    ['format=json_lines', 'json_date_format=java_sql_timestamp'],
    `{"date":"2023-11-14 22:13:20.123456",${BODY}\n`.repeat(2),
  ],
]

describe('stdout', () => {
  for (const [name, options, text] of CASES) {
    test(`prints ${name}`, async () => {
      const agent = printed(JSON_TEXT, options)
      await until(() => agent.stdout.length >= text.length, { what: () => agent.stderr })
      expect(agent.stdout).toBe(text)
    })
  }

  test('CVE-2025-12977: escapes control characters of tags and values', async () => {
    const dummy = '{"a":"\\u001b[2J\\u007f\\u0085\\u202e"}'
    const options = ['-i', 'dummy', '-p', 'samples=1', '-t', 'evil\x1b[2J\n\u202e', '-p', `dummy=${dummy}`]
    const agent = start([...options, '-o', 'stdout', '-m', '*', '-f', '0.05'])
    await agent.waitForStdout('}]\n')
    expect(agent.stdout).toStartWith('[0] evil\\x1b[2J\\n\\u202e: [[')
    expect(agent.stdout).toEndWith('{"a"=>"\\u001b[2J\\u007f\\u0085\\u202e"}]\n')
  })

  testWith('script')('on a terminal, tabs and ends of lines in texts are escaped, too', async () => {
    const dummy = '{"a":"x\\"y\\n\\r\\t"}'
    const command = [...shipperCommand(), '-i', 'dummy', '-p', 'samples=1', '-p', `dummy='${dummy}'`]
    const text = [...command, '-o', 'stdout', '-f', '0.05'].join(' ')
    const agent = start(['-qec', text, '/dev/null'], { command: ['script'] })
    await agent.waitForStdout('{"a"=>"x"y\\n\\r\\t"}]')
    agent.kill('SIGTERM')
  })

  test('prints only the time of an empty record', async () => {
    const agent = printed('{}', ['format=json_lines'])
    await agent.waitForStdout('{"date":1700000000.123456}\n')
  })

  test('prints metrics of filters whose tag fits Match, without control characters, and no warning says it gets nothing', async () => {
    const dir = tmp()
    const config = join(dir, 'a.conf')
    const record = '{"a":"\\u001b[2J"}'
    writeFileSync(
      config,
      `[SERVICE]\n Flush 0.05\n[INPUT]\n Name dummy\n Samples 2\n Interval_Nsec 1000000\n Dummy ${record}\n` +
        '[FILTER]\n Name log_to_metrics\n Match *\n Tag m.a\n Metric_Name hits\n Label_Field a\n Flush_Interval_Nsec 50000000\n' +
        '[OUTPUT]\n Name stdout\n Match m.*\n[OUTPUT]\n Name stdout\n Match other\n',
    )
    const agent = start(['-c', config])
    await agent.waitForStdout('= 2\n')
    const line = String.raw`log_metric_counter_hits{a="\x1b[2J"} = 2`
    expect(agent.stdout.trimEnd().split('\n').at(-1)?.replace(/^\S+ /, '')).toBe(line)
    const warned = [...agent.stderr.matchAll(/Match (\S+) does not match/g)].map((found) => found[1])
    expect(warned).toEqual(['other'])
  })

  test('the agent ends quietly with the status of SIGPIPE when the reader of stdout has ended', async () => {
    const agent = start(['-i', 'dummy', '-p', 'rate=500', '-o', 'stdout', '-f', '0.05'])
    await agent.waitForStdout('"message"=>"dummy"')
    agent.child.stdout?.destroy()
    expect((await agent.ended(120_000)).code).toBe(141)
    // Only the line that says what runs.
    expect(agent.stderr.trim().split('\n')).toEqual([expect.stringContaining('dummy.0 -> stdout.0')])
  }, 180_000)

  test('what a reader that has ended did not get stays unacknowledged: the next run sends it', async () => {
    const dir = tmp()
    const log = join(dir, 'a.log')
    const args = [
      '-i',
      'tail',
      '-p',
      `path=${log}`,
      '-p',
      `db=${dir}/pos.db`,
      '-p',
      'read_from_head=on',
      '-f',
      '0.05',
    ]
    writeFileSync(log, 'first\n')
    const agent = start([...args, '-o', 'stdout'])
    await agent.waitForStdout('first')
    agent.child.stdout?.destroy()
    appendFileSync(log, 'second\n')
    expect((await agent.ended(120_000)).code).toBe(141)
    const again = start([...args, '-o', 'stdout'])
    await again.waitForStdout('second')
    expect(again.stdout).not.toContain('first')
  }, 180_000)

  test('another output gets everything before the agent ends', async () => {
    const dir = tmp()
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'x'.repeat(90)}\n`).join('')
    writeFileSync(join(dir, 'a.log'), lines)
    const file = ['-o', 'file', '-p', `path=${dir}`, '-p', 'file=out', '-p', 'format=plain']
    const tail = [
      '-i',
      'tail',
      '-p',
      `path=${dir}/a.log`,
      '-p',
      'read_from_head=on',
      '-p',
      `db=${dir}/pos.db`,
    ]
    const agent = start([...tail, '-o', 'stdout', ...file, '-f', '0.05'])
    await agent.waitForStdout('0 xxx')
    agent.child.stdout?.destroy()
    expect((await agent.ended(120_000)).code).toBe(141)
    expect(readFileSync(join(dir, 'out'), 'utf8')).toContain('{"log":"0 xxx')
    expect(agent.stderr).toContain('not acknowledged: tail.0 reads them again after the next start')
  }, 180_000)

  test('a finite run whose output is not read completely does not exit with 0', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${'x'.repeat(90)}\n`).join('')
    const agent = start(['-i', 'stdin', '-o', 'stdout', '-f', '0.05'], { stdin: lines })
    agent.child.stdin?.on('error', () => {})
    await agent.waitForStdout('0 xxx')
    agent.child.stdout?.destroy()
    expect((await agent.ended(120_000)).code).toBe(141)
  }, 180_000)

  test('a slow reader gets every line once', async () => {
    const lines = 30_000
    const stdin = Array.from({ length: lines }, (_, i) => `${i} ${'x'.repeat(90)}\n`).join('')
    const script = '"$@" | { read -r first; echo "$first"; sleep 0.3; cat; }'
    const command = ['sh', '-c', script, 'sh', ...shipperCommand()]
    const args = ['-i', 'stdin', '-o', 'stdout', '-p', 'format=json_lines', '-p', 'json_date_key=false']
    const { stdout } = await run(args, { stdin, command, limitMs: 120_000 })
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => Number.parseInt(line.slice(8), 10)),
    ).toEqual(Array.from({ length: lines }, (_, i) => i))
  }, 180_000)
})

test('while a pipe is full the latest metrics wait, and records are not printed in the middle of them', async () => {
  let room = 10
  let printed = ''
  const writeSync = (_fd: number, bytes: Buffer, at: number): number => {
    const taken = Math.min(room, bytes.length - at)
    if (taken === 0) throw Object.assign(new Error('full'), { code: 'EAGAIN' })
    room -= taken
    printed += bytes.toString('utf8', at, at + taken)
    return taken
  }
  const written = spyOn(systemCalls, 'writeSync').mockImplementation(writeSync as never)
  try {
    const clock = new ManualClock(0)
    const options = parseOptions(spec.options, { format: 'json_lines', json_date_key: 'false' })
    const output = spec.create(options, outputContext({ clock }))
    const show = (name: string, value: number) =>
      output.showMetrics?.([{ name, help: '', type: 'counter', samples: [{ labels: {}, value }] }])
    show('a', 1)
    const flushed = output.flush(chunkOf([{ log: 'x' }]))
    for (let value = 2; value < 100; value++) for (const name of ['a', 'b']) show(name, value)
    room = 1000
    await until(async () => {
      clock.advance(10)
      return printed.includes('log')
    })
    await flushed
    const time = '1970-01-01T00:00:00.000000000Z'
    expect(printed).toBe(`${time} a = 1\n${time} a = 99\n${time} b = 99\n{"log":"x"}\n`)
  } finally {
    written.mockRestore()
  }
})
