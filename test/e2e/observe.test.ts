import { expect, test } from 'bun:test'
import { appendFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { forwardPeer, silent } from '../support/forward/peer.ts'
import { freePorts } from '../support/ports.ts'
import { start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const DUMP = /^--- shipper [\s\S]*?^---$/m
const SENT = /^output {2}forward\.0 {2}1 record[^\n]*\n {2}chunks waiting 0, in flight 0, retrying 0$/m
const IN_FLIGHT = /chunks waiting 0, in flight 1, retrying 0\n/
const RETRYING =
  /retrying 1, next retry in \d\.\d s\n {2}errors 0, retries [1-9][\s\S]*last error: [^\n]*127\.0\.0\.1:\d+/
const DOWN =
  /^ok\nforward\.0 has been down since \S+Z \(\d+ s, \d+ attempts?\): cannot connect to 127\.0\.0\.1:\d+/
const DELIVERED = /^fluentbit_output_proc_records_total\{name="forward\.0"\} 1$/m

/** Writes a configuration with one followed file and one forward output, and returns its path. */
function conf(dir: string, port: number, service = '', output = ''): string {
  const path = join(dir, 'agent.conf')
  writeFileSync(
    path,
    `[SERVICE]\n    Flush 0.05\n    Log_Format text\n    Scheduler.Base 0.2\n    Scheduler.Cap 0.2\n${service}` +
      `[INPUT]\n    Name tail\n    Path ${dir}/a.log\n    DB ${dir}/pos.db\n    Read_From_Head on\n` +
      `[FILTER]\n    Name grep\n    Match *\n    Exclude log ^drop\n` +
      `[OUTPUT]\n    Name forward\n    Match *\n    Port ${port}\n${output}`,
  )
  return path
}

test('SIGUSR1 and SIGCONT print every input, file, offset, lag, queue and retry, and change nothing', async () => {
  const dir = tmp()
  const log = join(dir, 'a.log')
  writeFileSync(log, 'one\ndrop\n')
  const peer = await forwardPeer()
  const agent = start(['-c', conf(dir, peer.port)])
  const dump = async (signal: 'SIGUSR1' | 'SIGCONT'): Promise<string> => {
    const before = agent.stderr.length
    agent.kill(signal)
    return until(() => DUMP.exec(agent.stderr.slice(before))?.[0], { what: () => agent.stderr.slice(-2000) })
  }
  const shows = (text: RegExp, signal: 'SIGUSR1' | 'SIGCONT') =>
    until(async () => text.test(await dump(signal)), {
      what: () => `${text} in\n${agent.stderr.slice(-2000)}`,
    })
  // By then its signal handlers are installed.
  await until(() => peer.arrivals.length === 1)
  const { dev, ino } = statSync(log)
  await shows(new RegExp(`^ +idle +0 +9 +9 +9 +${dev}:${ino} +${log}$`, 'm'), 'SIGUSR1')
  const done = await dump('SIGCONT')
  expect(done).toContain('input   tail.0  2 records')
  expect(done).toContain('filter  grep.0  2 records')
  expect(done).toContain('dropped 1, added 0')
  expect(done).toMatch(SENT)

  peer.answer = silent
  appendFileSync(log, 'two\n')
  await shows(IN_FLIGHT, 'SIGUSR1')
  await shows(new RegExp(`^ +idle +4 +13 +13 +9 +${dev}:${ino} +${log}$`, 'm'), 'SIGCONT')
  await peer.close()
  await shows(RETRYING, 'SIGUSR1')
  expect(agent.exit).toBeUndefined()
})

test('the endpoints report that the peer is unreachable, and that it is reachable again', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), 'one\n')
  const peer = await forwardPeer()
  await peer.close()
  const [port = 0] = await freePorts(1)
  const service = `    HTTP_Server on\n    HTTP_Port ${port}\n    Health_Check on\n`
  const agent = start(['-c', conf(dir, peer.port, service)])
  await agent.waitForStderr('http server is ready')
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)
  type Metrics = { output: Record<string, { retries: number }> }
  const forward = async () => ((await (await get('/api/v1/metrics')).json()) as Metrics).output['forward.0']
  await until(async () => ((await forward())?.retries ?? 0) > 0)
  expect(await forward()).toMatchObject({ proc_records: 0, errors: 0, retries_failed: 0 })
  // No chunk is dropped: the lines wait in their file.
  const soon = await get('/api/v1/health')
  expect(soon.status).toBe(200)
  expect(await soon.text()).toMatch(DOWN)
  const waiting = (await (await get('/api/v1/files')).json()) as { files: object[] }
  expect(waiting.files).toMatchObject([{ read: 4, acked: 0, lag: 4 }])
  expect((await get('/api/v1/nothing')).status).toBe(404)

  await peer.listen()
  const acked = async (): Promise<boolean> =>
    (await (await get('/api/v1/files')).text()).includes('"acked":4')
  await until(acked, { what: () => agent.stderr.slice(-2000) })
  const text = await (await get('/api/v2/metrics/prometheus')).text()
  expect(text).toMatch(DELIVERED)
})

test('health is an error when chunks were dropped', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.log'), 'one\n')
  const peer = await forwardPeer()
  await peer.close()
  const [port = 0] = await freePorts(1)
  const service = `    HTTP_Server on\n    HTTP_Port ${port}\n    Health_Check on\n    HC_Retry_Failure_Count 0\n`
  const agent = start(['-c', conf(dir, peer.port, service, '    Retry_Limit no_retries\n')])
  await agent.waitForStderr('http server is ready')
  const health = (version: string) => fetch(`http://127.0.0.1:${port}/api/${version}/health`)
  await until(async () => (await health('v1')).status === 500, { what: () => agent.stderr.slice(-2000) })
  expect(await (await health('v1')).text()).toStartWith('error\n')
  expect(await (await health('v2')).json()).toMatchObject({ status: 'error', retries_failed: 1 })
})
