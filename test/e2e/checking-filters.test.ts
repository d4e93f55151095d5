import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { section } from '../support/kafka/agent.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

type Options = Record<string, string | number>

function agentWith(dir: string, filter: Options, service: Options = {}, input: Options = {}): Running {
  const conf = join(dir, 'agent.conf')
  const follows = {
    name: 'tail',
    tag: 'app',
    path: join(dir, 'a.log'),
    db: join(dir, 'pos.db'),
    parser: 'js',
  }
  const text = [
    section('SERVICE', { flush: 0.05, grace: 1, ...service }),
    section('PARSER', { name: 'js', format: 'json' }),
    section('INPUT', { ...follows, read_from_head: 'on', ...input }),
    section('FILTER', { match: '*', ...filter }),
    section('OUTPUT', { name: 'stdout', match: '*', format: 'json_lines', json_date_key: 'false' }),
  ]
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf])
}

test('expect with Action exit ends the run with 255, delivers what was read, and acknowledges nothing from the failed chunk on', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), '{"a":1}\n{"b":2}\n')
  const expectation = { name: 'expect', key_exists: 'a', action: 'exit' }
  for (const _ of ['first run', 'next run, which reads it again']) {
    const agent = agentWith(dir, expectation)
    expect(await agent.ended(), agent.stderr).toEqual({ code: 255, signal: null })
    expect(agent.stdout).toBe('{"a":1}\n{"b":2}\n')
    expect(agent.stderr).toContain(
      'ends the run with status 255: 1 of 2 records with tag app not as expected',
    )
  }
  const repaired = agentWith(
    dir,
    { ...expectation, key_exists: 'b', key_not_exists: 'c', action: 'warn' },
    {},
    { exit_on_eof: 'on' },
  )
  expect(await repaired.ended()).toEqual({ code: 0, signal: null })
  expect(repaired.stdout).toBe('{"a":1}\n{"b":2}\n')
})

test('expect with Action exit does not call records of stdin lost that outputs have got', async () => {
  const dir = tmp()
  const conf = join(dir, 'agent.conf')
  const text = [
    section('SERVICE', { flush: 0.05, grace: 1 }),
    section('INPUT', { name: 'stdin' }),
    section('FILTER', { name: 'expect', match: '*', key_exists: 'log', action: 'exit' }),
    section('OUTPUT', { name: 'stdout', match: '*', format: 'json_lines', json_date_key: 'false' }),
  ]
  writeFileSync(conf, text.join('\n'))
  const agent = start(['-c', conf], { stdin: 'open' })
  agent.child.stdin?.write('{"a":1}\n{"a":2}\n')
  expect(await agent.ended(), agent.stderr).toEqual({ code: 255, signal: null })
  expect(agent.stdout).toBe('{"a":1}\n{"a":2}\n')
  expect(agent.stderr).toContain(
    '2 records sent, 2 not acknowledged: stdin.0 cannot read them again; those that are among the sent ones are not lost',
  )
})

test('log_to_metrics is shown at all endpoints for metrics, and by status', async () => {
  const dir = tmp()
  const rows = Array.from({ length: 1000 }, (_, i) => `{"code":${i % 4 === 0 ? 500 : 200},"ms":${i}}\n`)
  writeFileSync(join(dir, 'a.log'), rows.join(''))
  const [port = 0] = await freePorts(1)
  const metric = { name: 'log_to_metrics', metric_mode: 'histogram', metric_name: 'took', value_field: 'ms' }
  const labels = { add_label: 'status $code', bucket: 100, metric_description: 'Time it took.', tag: 'm' }
  const agent = agentWith(dir, { ...metric, ...labels }, { http_server: 'on', http_port: port })
  await agent.waitForStderr('-> stdout.0')
  const read = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  const lines = [
    '# HELP log_metric_histogram_took Time it took.',
    '# TYPE log_metric_histogram_took histogram',
    'log_metric_histogram_took_bucket{status="500",le="100"} 26',
    'log_metric_histogram_took_bucket{status="500",le="+Inf"} 250',
    'log_metric_histogram_took_sum{status="500"} 124500',
    'log_metric_histogram_took_count{status="500"} 250',
    'log_metric_histogram_took_bucket{status="200",le="100"} 75',
    'log_metric_histogram_took_bucket{status="200",le="+Inf"} 750',
    'log_metric_histogram_took_sum{status="200"} 375000',
    'log_metric_histogram_took_count{status="200"} 750',
  ]
  await until(async () => (await read('/api/v2/metrics/prometheus')).includes(`${lines.join('\n')}\n`), {
    what: () => agent.stderr.slice(-2000),
  })
  expect(await read('/api/v1/metrics/prometheus')).toContain(`${lines.join('\n')}\n`)
  expect(await read('/api/v2/metrics')).toContain(
    'log_metric_histogram_took{status="200"} = { buckets = { 100=75, +Inf=750 }, sum=375000, count=750 }\n',
  )
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
  const printed = agent.stdout.trimEnd().split('\n')
  expect(printed.filter((line) => line.startsWith('{'))).toHaveLength(1000)
  expect(printed.at(-1)).toEndWith(
    ' log_metric_histogram_took{status="200"} = { buckets = { 100=75, +Inf=750 }, sum=375000, count=750 }',
  )
})

test('a script whose promise or timer fails stops the agent in order with 70, and the log names its place', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), '{"a":1}\n{"a":2}\n')
  const script = join(dir, 'late.mjs')
  const late = 'queueMicrotask(() => { throw new Error("late") }); Promise.reject(new Error("rejected"))'
  writeFileSync(script, `export function cb(tag, time, record) {\n  ${late}\n  return [2, time, record]\n}\n`)
  const agent = agentWith(dir, { name: 'script', script, on_error: 'pass' })
  expect(await agent.ended(), agent.stderr).toEqual({ code: 70, signal: null })
  const lines = agent.stderr.trimEnd().split('\n')
  const errors = lines.filter((line) => line.includes('"error"')).map((line) => JSON.parse(line))
  expect(errors).toMatchObject([{ code: 'E_SCRIPT' }])
  expect(errors[0].message).toContain(`error of a script at ${script}:2:`)
  expect(errors[0].message).toContain('stopping: late')
  expect(lines.filter((line) => !line.startsWith('{'))).toEqual([])
})
