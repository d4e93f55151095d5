import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { freePorts } from '../support/ports.ts'
import { run, start } from '../support/process.ts'
import { atEnd, tmp } from '../support/tmp.ts'

test('shipper -i cpu -o stdout -f 1 prints the fields of fluent-bit', async () => {
  const agent = start(['-i', 'cpu', '-o', 'stdout', '-f', '1'])
  await agent.waitForStdout(
    /^\[0\] cpu\.0: \[\[\d+\.\d{9}, \{\}\], \{"cpu_p"=>[\d.]+, "user_p"=>[\d.]+, "system_p"=>[\d.]+, "cpu0\.p_cpu"=>/m,
  )
})

test('mem prints kB of memory and swap', async () => {
  const agent = start(['-i', 'mem', '-o', 'stdout', '-p', 'format=json_lines', '-f', '0.1'])
  await agent.waitForStdout(
    /"Mem.total":\d+,"Mem.used":\d+,"Mem.free":\d+,"Swap.total":\d+,"Swap.used":\d+,"Swap.free":\d+\}/,
  )
})

test('health distinguishes a port that accepts connections from one that does not', async () => {
  const server = createServer((socket) => socket.destroy())
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  atEnd(() => void server.close())
  const agent = start(['-i', `health://127.0.0.1:${port}`, '-o', 'stdout', '-f', '0.1'])
  await agent.waitForStdout('{"alive"=>true}')
  server.close()
  await agent.waitForStdout('{"alive"=>false}')
})

test('stdin: lines and JSON objects become records, and the agent ends at the end of its input', async () => {
  const result = await run(
    ['-i', 'stdin', '-o', 'stdout', '-p', 'format=json_lines', '-p', 'json_date_key=false'],
    {
      stdin: 'plain\r\n{"a":[1,2.5,"x"]}\n{"broken"\nlast',
    },
  )
  expect(result.stdout).toBe('{"log":"plain"}\n{"a":[1,2.5,"x"]}\n{"log":"{\\"broken\\""}\n{"log":"last"}\n')
  expect(result.code).toBe(0)
})

test('stdin: every line of a pipe of 40 MB arrives, more than Mem_Buf_Limit holds', async () => {
  const dir = tmp()
  const lines = 200_000
  const agent = await run(
    [
      '-i',
      'stdin',
      '-o',
      'file',
      '-p',
      `path=${dir}`,
      '-p',
      'file=out',
      '-p',
      'format=template',
      '-p',
      'template={log}',
    ],
    {
      stdin: Array.from({ length: lines }, (_, i) => `${i} ${'x'.repeat(190)}\n`).join(''),
    },
  )
  expect(agent.code).toBe(0)
  const out = readFileSync(join(dir, 'out'), 'utf8').split('\n')
  expect(out).toHaveLength(lines + 1)
  expect(out.every((line, i) => i === lines || line.startsWith(`${i} `))).toBe(true)
})

test('a classic configuration with parser, filters and ${ENV} runs', async () => {
  const dir = tmp()
  writeFileSync(
    join(dir, 'a.log'),
    '2026-11-21T06:00:00.5Z stdout F hello\n2026-11-21T06:00:01Z stderr F drop me\n',
  )
  writeFileSync(
    join(dir, 'c.conf'),
    `[SERVICE]
    Flush 0.1
[INPUT]
    Name tail
    Path ${dir}/a.log
    Read_From_Head On
    Exit_On_Eof On
    Parser cri
[FILTER]
    Name grep
    Match *
    Exclude message ^drop
[FILTER]
    Name record_modifier
    Match *
    Record host \${WHO}
[OUTPUT]
    Name stdout
    Match *
    Format json_lines
    Json_Date_Format iso8601
`,
  )
  const result = await run(['-c', join(dir, 'c.conf')], { env: { WHO: 'me' } })
  expect(result.code).toBe(0)
  expect(result.stdout).toBe(
    '{"date":"2026-11-21T06:00:00.500000Z","time":"2026-11-21T06:00:00.5Z","stream":"stdout","logtag":"F","message":"hello","host":"me"}\n',
  )
})

test('the endpoints answer while the agent runs', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), 'one\n')
  const [port = 0] = await freePorts(1)
  const tail = ['-i', 'tail', '-p', `path=${dir}/a.log`, '-p', 'read_from_head=on', '-p', `db=${dir}/pos.db`]
  const agent = start([...tail, '-o', 'stdout', '-m', '*', '-f', '0.1', '-H', '-P', String(port)])
  await agent.waitForStdout('one')
  const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
  expect(JSON.parse(await get('/'))['fluent-bit'].version).toBeString()
  expect(JSON.parse(await get('/api/v1/metrics')).input['tail.0'].records).toBe(1)
  expect(await get('/api/v1/metrics/prometheus')).toContain('fluentbit_input_records_total{name="tail.0"} 1')
  expect(await get('/api/v1/health')).toContain('ok')
  expect(JSON.parse(await get('/api/v1/uptime')).uptime_hr).toContain('has been running:  ')
  expect(JSON.parse(await get('/api/v1/files')).files[0]).toMatchObject({
    path: `${dir}/a.log`,
    size: 4,
    read: 4,
    lag: 0,
  })
  agent.kill('SIGUSR1')
  await agent.waitForStderr('a.log')
})
