import { describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, shipperCommand, start } from '../../support/process.ts'
import { tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const LINES = ['-o', 'stdout', '-p', 'format=json_lines', '-p', 'json_date_key=false', '-f', '0.05']

async function printed(stdin: string | Uint8Array, options: string[] = []): Promise<string> {
  const texts = options.flatMap((option) => ['-p', option])
  const result = await run(['-i', 'stdin', ...texts, ...LINES], { stdin })
  expect(result.code).toBe(0)
  return result.stdout
}

describe('lines of stdin', () => {
  test('a line that is a JSON object becomes the record, any other line is kept unchanged', async () => {
    const lines = ['{"a":{"b":[1]}}', '{"a":1} more', '[1]', '"text"', '12', '{', '', ' {"a":1}', '{}']
    const logs = lines.map((line) =>
      line === lines[0] || line === '{}' ? line : JSON.stringify({ log: line }),
    )
    expect(await printed(`${lines.join('\n')}\n`)).toBe(`${logs.join('\n')}\n`)
  })

  test('numbers of JSON leave as they came: a whole float stays a float, an integer an integer', async () => {
    const line = '{"f":1.0,"zero":-0.0,"i":1,"big":18446744073709551615,"list":[2.5,3.0,1e+300]}\n'
    expect(await printed(line)).toBe(line)
  })

  test('of a key that a line has twice, also in a nested map, the last one is printed', async () => {
    expect(await printed('{"a":1,"m":{"k":1,"l":[],"k":2},"a":2}\n')).toBe('{"m":{"l":[],"k":2},"a":2}\n')
  })

  test('blank lines between objects are passed over, and those after text are lines of it', async () => {
    const text = ['panic: oh', '', 'goroutine 1 [running]:', ' ', 'main.main()']
    expect(await printed(`\n \t\n{"a":1}\n\r\n\n{"a":2}\n${text.join('\n')}\n{"a":3}\n\n`)).toBe(
      ['{"a":1}', '{"a":2}', ...text.map((log) => JSON.stringify({ log })), '{"a":3}', ''].join('\n'),
    )
  })

  test('an event of fluent-bit becomes a record with its time, any other list is kept as text', async () => {
    const events = [
      '[1700000000.25,{"a":1}]',
      '[ 1700000001 , {"a":2} ]',
      '[[1700000002.123456789,{"m":{"x":[1]}}],{"a":3}]',
      '[ [ 1700000003.5, {} ] , {} ]',
    ]
    const others = [
      '[1700000000.25,{"a":1}',
      '[1700000000.25,{"a":1}]]',
      '[1700000000.25,[1]]',
      '[-1,{"a":1}]',
      '[4294967296,{"a":1}]',
      '[[1700000002.1,5],{"a":3}]',
      '[[1700000002.1],{"a":3}]',
      '[[1700000002.1,{}] {"a":3}]',
      '[2026-11-21] {"a":3}]',
      '[]',
    ]
    const args = ['-i', 'stdin', '-o', 'stdout', '-p', 'format=json_lines', '-p', 'json_date_format=iso8601']
    const { stdout } = await run(args, { stdin: [...events, ...others].join('\n') })
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(records.slice(0, 4)).toEqual([
      { date: '2023-11-14T22:13:20.250000Z', a: 1 },
      { date: '2023-11-14T22:13:21.000000Z', a: 2 },
      { date: '2023-11-14T22:13:22.123456Z', a: 3 },
      { date: '2023-11-14T22:13:23.500000Z' },
    ])
    expect(records.slice(4).map(({ log }) => log)).toEqual(others)
  })

  test('a directory as standard input is an error with the reason', async () => {
    const command = ['sh', '-c', `exec "$@" < '${tmp()}'`, 'sh', ...shipperCommand()]
    const { stderr, code } = await run(['-i', 'stdin', ...LINES], { command })
    expect(code).toBe(1)
    expect(stderr).toContain('cannot read standard input: EISDIR')
    expect(stderr).toContain('E_STDIN')
  })

  test('a carriage return is removed before a newline and nowhere else', async () => {
    expect(await printed('a\r\nb\rc\nd\r')).toBe('{"log":"a"}\n{"log":"b\\rc"}\n{"log":"d\\r"}\n')
  })

  test('an empty input ends the run', async () => {
    expect(await printed('')).toBe('')
  })

  test('a line longer than Buffer_Size is split, and no byte of it is lost', async () => {
    const long = Array.from({ length: 5000 }, (_, i) =>
      i % 97 === 0 ? '\r' : String.fromCharCode(97 + (i % 26)),
    ).join('')
    const out = await printed(`short\n${long}\nlast`, ['buffer_size=1024'])
    const logs = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).log as string)
    expect(logs.length).toBeGreaterThan(5)
    expect(logs[0]).toBe('short')
    expect(logs.at(-1)).toBe('last')
    expect(logs.slice(1, -1).join('')).toBe(long)
  })

  test('a file as standard input is read to its end', async () => {
    const path = join(tmp(), 'in')
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}`)
    writeFileSync(path, lines.join('\n'))
    const command = ['sh', '-c', `exec "$@" < '${path}'`, 'sh', ...shipperCommand()]
    const { stdout, code } = await run(['-i', 'stdin', ...LINES], { command })
    expect(code).toBe(0)
    expect(stdout).toBe(lines.map((log) => `${JSON.stringify({ log })}\n`).join(''))
  })

  test('logs the first line that cannot be parsed and the first time that cannot be read', async () => {
    const config = join(tmp(), 'c.conf')
    writeFileSync(
      config,
      '[PARSER]\n    Name p\n    Format json\n    Time_Key t\n    Time_Format %s\n[INPUT]\n    Name stdin\n    Parser p\n[OUTPUT]\n    Name null\n',
    )
    const { stderr, code } = await run(['-c', config], {
      stdin: 'a\x1bb\nc\n{"t":"x"}\n{"t":"y"}\n{"t":1}\n',
    })
    expect(code).toBe(0)
    const warnings = stderr.split('\n').filter((line) => line.includes('standard input has'))
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toContain('a line that cannot be parsed')
    expect(warnings[0]).toContain('x1bb')
    expect(warnings[1]).toContain('a time that cannot be read')
  })

  test('a parser creates the record, and a line that it does not match is kept', async () => {
    const dir = tmp()
    const [parsers, config] = [join(dir, 'p.conf'), join(dir, 'c.conf')]
    writeFileSync(parsers, '[PARSER]\n    Name pair\n    Format regex\n    Regex ^(?<k>[a-z]+)=(?<v>\\d+)$\n')
    const output = '[OUTPUT]\n    Name stdout\n    Match *\n    Format json_lines\n    Json_Date_Key false\n'
    const service = `[SERVICE]\n    Parsers_File ${parsers}\n    Flush 0.05\n`
    writeFileSync(config, `${service}[INPUT]\n    Name stdin\n    Parser pair\n${output}`)
    const { stdout } = await run(['-c', config], { stdin: 'a=1\n{"no":1}\nb=2' })
    expect(stdout).toBe('{"k":"a","v":"1"}\n{"log":"{\\"no\\":1}"}\n{"k":"b","v":"2"}\n')
  })
})

describe('stdin', () => {
  test('a stop is an end like any other when all that was there has been acknowledged', async () => {
    const agent = start(['-i', 'stdin', ...LINES], { stdin: 'open' })
    agent.child.stdin?.write('one\n')
    await agent.waitForStdout('{"log":"one"}\n')
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
    const cut = start(['-i', 'stdin', ...LINES], { stdin: 'open' })
    cut.child.stdin?.write('one\nhalf')
    await cut.waitForStdout('{"log":"one"}\n')
    expect(await cut.stop()).toEqual({ code: 1, signal: null })
  })

  test('a stop does not wait for the end of a line', async () => {
    const agent = start(['-i', 'stdin', ...LINES], { stdin: 'open' })
    agent.child.stdin?.write('one\nhalf')
    await agent.waitForStdout('{"log":"one"}\n')
    const from = performance.now()
    await agent.stop()
    expect(performance.now() - from).toBeLessThan(4000)
    expect(agent.stderr).not.toContain('stopping before all records')
  })

  test('the writer of the pipe waits while the output fails, and then every line arrives once', async () => {
    const dir = tmp()
    const [big, fifo, target] = ['big', 'fifo', 'target'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ]
    const text = Array.from({ length: 40_000 }, (_, i) => `${i} ${'x'.repeat(190)}\n`).join('')
    writeFileSync(big, text)
    // A directory in place of the output file makes the output fail until it is removed.
    mkdirSync(target)
    const options = [`path=${dir}`, 'file=target', 'format=template', 'template={log}'].flatMap((option) => [
      '-p',
      option,
    ])
    const script = `mkfifo '${fifo}' && { cat '${big}' > '${fifo}' & exec "$@" < '${fifo}'; }`
    const command = ['sh', '-c', script, 'sh', ...shipperCommand()]
    const args = ['-i', 'stdin', '-p', 'mem_buf_limit=500K', '-o', 'file', ...options, '-f', '0.05']
    const agent = start(args, { command })
    await agent.waitForStderr('cannot write')
    await until(
      () => {
        agent.kill('SIGUSR1')
        return agent.stderr.includes('PAUSED at its limit')
      },
      { everyMs: 100, what: () => agent.stderr },
    )
    rmdirSync(target)
    expect((await agent.ended(120_000)).code).toBe(0)
    expect(readFileSync(target, 'utf8')).toBe(text)
  }, 180_000)
})
