import { expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { section } from '../support/kafka/agent.ts'
import { commandAsOtherUser, testAsOtherUser } from '../support/other-user.ts'
import { type Running, run, start } from '../support/process.ts'
import { peerOrSkip } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

type Options = Record<string, string | number>

const JSON_LINES = { name: 'stdout', match: '*', format: 'json_lines', json_date_key: 'false' }
const METRIC_LINE = /^\d{4}-\d\d-\d\dT\S+Z fluentbit_uptime\{hostname="[^"]+"\} = \d+$/m
const SCRAPES = /fluentbit_input_metrics_scrapes_total\{name="fluentbit_metrics\.0"\} = \d/

function agent(service: Options, inputs: Options[], outputs: Options[]): Running {
  const conf = join(tmp(), 'agent.conf')
  const text = [
    section('SERVICE', { flush: 0.05, grace: 2, ...service }),
    ...inputs.map((input) => section('INPUT', input)),
    ...outputs.map((output) => section('OUTPUT', output)),
  ]
  writeFileSync(conf, text.join('\n'))
  return start(['-c', conf])
}

const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`).length > 0

/** Opens /dev/kmsg for one write; undefined where that is not allowed. */
function writesKernelLog(): boolean {
  try {
    writeFileSync('/dev/kmsg', `<7>shipper test ${process.pid}: begin\n`)
    readFileSync('/proc/sys/kernel/dmesg_restrict')
    return true
  } catch {
    return false
  }
}

const testWithKernelLog = peerOrSkip(
  '/dev/kmsg',
  writesKernelLog(),
  'it may not be written, or is not there',
  'nowhere',
)

test('exec: the status of the command is that of the agent, after each of 100,000 lines has arrived', async () => {
  const dir = tmp()
  const out = { name: 'file', match: '*', path: dir, file: 'out', format: 'template', template: '{exec}' }
  const command = 'seq 1 100000; exit 7'
  const exec = { name: 'exec', tag: 't', command, exit_after_oneshot: 'on', propagate_exit_code: 'on' }
  const running = agent({}, [exec], [out])
  expect(await running.ended(), running.stderr).toEqual({ code: 7, signal: null })
  const lines = readFileSync(join(dir, 'out'), 'utf8').trim().split('\n')
  expect(lines).toHaveLength(100_000)
  expect(lines.every((line, i) => line === String(i + 1))).toBe(true)
})

test('exec: a stop of the agent ends the command with what it has started', async () => {
  const command = 'sleep 600 & echo $! $$; wait'
  const running = agent({}, [{ name: 'exec', command, oneshot: 'on' }], [JSON_LINES])
  await running.waitForStdout('"exec"')
  const [, ...pids] = /"exec":"(\d+) (\d+)"/.exec(running.stdout) ?? []
  expect(pids.map(Number).map(isAlive)).toEqual([true, true])
  expect((await running.stop()).code).toBe(0)
  await until(() => !pids.map(Number).some(isAlive))
})

test('exec: an immediate exit, by a second signal, ends a command that ignores SIGTERM', async () => {
  const command = 'trap "" TERM; echo $$; while :; do sleep 0.5; done'
  const running = agent({}, [{ name: 'exec', command, oneshot: 'on' }], [JSON_LINES])
  await running.waitForStdout('"exec"')
  const pid = Number(/"exec":"(\d+)"/.exec(running.stdout)?.[1])
  expect(isAlive(pid)).toBe(true)
  running.child.kill('SIGTERM')
  await running.waitForStderr('stopping')
  running.child.kill('SIGTERM')
  expect((await running.ended()).code).toBe(1)
  await until(() => !isAlive(pid))
})

test('exec: a flood of 200 MB is read at the speed of the output, in little memory', async () => {
  const command = 'yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c 200000000'
  const running = agent(
    {},
    [{ name: 'exec', command, exit_after_oneshot: 'on' }],
    [{ name: 'null', match: '*' }],
  )
  let peak = 0
  await until(() => {
    const status = existsSync(`/proc/${running.pid}/status`)
      ? readFileSync(`/proc/${running.pid}/status`, 'latin1')
      : ''
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
    return running.exit !== undefined
  })
  expect(running.exit, running.stderr).toEqual({ code: 0, signal: null })
  expect(running.stderr).toContain('5,405,406 records sent')
  expect(peak).toBeLessThan(150_000)
})

test('exec: a flood without end leaves the timer of Time_Limit its turn', async () => {
  const exec = { name: 'exec', command: 'yes', exit_after_oneshot: 'on', time_limit: '500ms' }
  // Only an output that takes everything at once lets the command flood.
  const running = agent({}, [exec], [{ name: 'file', match: '*', path: tmp(), file: 'out' }])
  expect(await running.ended(), running.stderr).toEqual({ code: 0, signal: null })
  expect(running.stderr).toContain('the command was ended after Time_Limit, 0.5 s')
})

test('fluentbit_logs: the log at level debug makes records, and deliveries of these no more of them', async () => {
  const dir = tmp()
  const running = agent(
    { log_level: 'debug', flush: 0.02 },
    [
      { name: 'fluentbit_logs', tag: 'log' },
      { name: 'dummy', tag: 'clock', rate: 50 },
      { name: 'exec', tag: 'clock', command: 'echo complaint >&2', oneshot: 'on' },
    ],
    [
      { name: 'file', match: 'log', path: dir, file: 'log', format: 'plain' },
      { ...JSON_LINES, match: 'clock' },
    ],
  )
  // Each of the first 100 flushes of the clock is a chance for the log to feed on itself.
  await until(() => running.stdout.split('\n').length > 100)
  expect((await running.stop()).code, running.stderr).toBe(0)
  const lines = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n')
  expect(lines.some((line) => line.includes('[exec.0] stderr of the command: complaint'))).toBe(true)
  expect(lines.every((line) => /^\{"level":"(?:info|warn|error|debug)","message":"\[/.test(line))).toBe(true)
  expect(lines.length).toBeLessThan(60)
})

test('fluentbit_logs: with an output that gives up every chunk, the log does not feed on itself', async () => {
  const dir = tmp()
  const running = agent(
    { log_level: 'debug', flush: 0.02, 'scheduler.base': 0.01, 'scheduler.cap': 0.02 },
    [
      { name: 'fluentbit_logs', tag: 'log' },
      { name: 'dummy', tag: 'clock', rate: 50 },
    ],
    [
      { name: 'tcp', match: 'log', port: 1, retry_limit: 1, dead_letter_file: 'off' },
      { name: 'file', match: 'log', path: dir, file: 'log', format: 'plain' },
      { ...JSON_LINES, match: 'clock' },
    ],
  )
  // Each of these 150 flushes is a chance to give up a chunk and to log that.
  await until(() => running.stdout.split('\n').length > 150)
  await running.stop()
  const lines = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n')
  expect(lines.some((line) => line.includes('[tcp.0]'))).toBe(true)
  expect(lines.length).toBeLessThan(60)
})

test('fluentbit_metrics: stdout prints the metrics as fluent-bit does, and an output for records is told that it gets none', async () => {
  const dir = tmp()
  const running = agent(
    {},
    [{ name: 'fluentbit_metrics', tag: 'm', scrape_interval: '200ms' }],
    [
      { name: 'stdout', match: 'm' },
      { name: 'file', match: 'm', path: dir, file: 'out' },
    ],
  )
  await running.waitForStdout(METRIC_LINE)
  await running.waitForStdout(SCRAPES)
  expect((await running.stop()).code).toBe(0)
  expect(running.stderr).toContain('[file] Match m does not match any tag of records')
  expect(running.stderr).not.toContain('[stdout] Match m')
  expect(existsSync(join(dir, 'out'))).toBe(false)
})

testWithKernelLog('kmsg: a message of the kernel arrives while the agent runs', async () => {
  const running = start(['-i', 'kmsg', '-t', 'k', '-o', 'stdout', '-p', 'format=json_lines', '-f', '0.05'])
  await running.waitForStdout('"sequence"')
  const text = `shipper test ${process.pid}: ${Date.now()}`
  writeFileSync('/dev/kmsg', `<4>${text}\n`)
  await running.waitForStdout(`"msg":"${text}"`)
  const line = running.stdout.split('\n').find((found) => found.includes(text))
  expect(JSON.parse(line ?? '')).toMatchObject({ priority: 4, msg: text })
  expect(Math.abs(JSON.parse(line ?? '').date - Date.now() / 1000)).toBeLessThan(60)
  expect((await running.stop()).code).toBe(0)
})

testWithKernelLog('kmsg: with a DB each message is a record once, over a kill and a stop', async () => {
  const dir = tmp()
  const mark = `shipper test ${process.pid} db`
  const kmsg = { name: 'kmsg', tag: 'k', db: join(dir, 'pos.db') }
  const out = {
    name: 'file',
    match: '*',
    path: dir,
    file: 'out',
    format: 'template',
    template: '{sequence} {msg}',
  }
  const lines = (): string[] =>
    // A message may have further lines, which describe a device.
    existsSync(join(dir, 'out')) ? (readFileSync(join(dir, 'out'), 'utf8').match(/^\d+ .*$/gm) ?? []) : []
  const write = (name: string): void => writeFileSync('/dev/kmsg', `<6>${mark} ${name}\n`)
  const hasArrived = (name: string) => until(() => lines().some((line) => line.endsWith(`${mark} ${name}`)))

  write('one')
  let running = agent({}, [kmsg], [out])
  await hasArrived('one')
  expect((await running.stop()).code).toBe(0)
  write('two')
  running = agent({}, [kmsg], [out])
  await hasArrived('two')
  write('three')
  await hasArrived('three')
  await running.stop('SIGKILL')
  write('four')
  running = agent({}, [kmsg], [out])
  await hasArrived('four')
  expect((await running.stop()).code).toBe(0)
  // At most what was acknowledged right before the kill may come again.
  const numbers = lines().map((line) => Number(line.split(' ')[0]))
  const three = numbers[lines().findIndex((line) => line.endsWith('three'))] ?? 0
  expect(numbers.filter((number, i) => number !== three && numbers.indexOf(number) !== i)).toEqual([])
  const found = new Set(numbers)
  expect(Math.max(...found) - Math.min(...found) + 1).toBe(found.size)
})

const isRestricted = (): boolean => {
  try {
    return readFileSync('/proc/sys/kernel/dmesg_restrict', 'latin1').trim() === '1'
  } catch {
    return false
  }
}

const testWithRestriction = isRestricted()
  ? testAsOtherUser
  : peerOrSkip('kernel.dmesg_restrict', false, 'everybody may read the log of the kernel', 'nowhere')

testWithRestriction(
  'kmsg: without the capability the agent refuses to start and names the drop-in',
  async () => {
    const ended = await run(['-i', 'kmsg', '-o', 'stdout'], { command: commandAsOtherUser() })
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('E_KMSG')
    expect(ended.stderr).toContain('/etc/shipper/drop-ins/kmsg.conf')
  },
)
