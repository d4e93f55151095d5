import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { faultOnSignal } from '../support/fault.ts'
import { Sink } from '../support/forward/sink.ts'
import { run, shipperCommand, start } from '../support/process.ts'
import { allArrive, linesWith, ship } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 1000
const DEFECT = { code: 70, signal: null }

/** Returns the command of a binary that makes the fault on SIGUSR2. */
function faulty(fault: Parameters<typeof faultOnSignal>[0]): string[] {
  const env = Object.entries(faultOnSignal(fault)).map(([name, value]) => `${name}=${value}`)
  return ['env', ...env, ...shipperCommand()]
}

for (const fault of ['throw', 'reject', 'value'] as const) {
  test(`an error that nothing has caught (${fault}) is logged, stops the agent in order with 70, and costs no line`, async () => {
    const dir = tmp()
    const sink = await Sink.start()
    writeLines(join(dir, 'a.log'), 0, LINES)
    const agent = ship({ dir, ports: [sink.port], command: faulty(fault) })
    await allArrive(sink, agent, LINES)
    agent.kill('SIGUSR2')
    expect(await agent.ended()).toEqual(DEFECT)

    const [line, ...more] = linesWith(agent, 'E_INTERNAL')
    expect(more).toEqual([])
    expect(line?.message).toStartWith('unexpected error, stopping: injected')
    expect(line?.message).toContain('positions are stored up to the last acknowledgement')
    if (fault !== 'value') {
      expect(line?.stack).toStartWith('RangeError: injected\n    at ')
      expect(line?.stack).toContain('caused by TypeError: its cause\n    at ')
    }

    writeLines(join(dir, 'a.log'), LINES, 2 * LINES)
    const next = ship({ dir, ports: [sink.port] })
    await allArrive(sink, next, 2 * LINES)
    expect(await next.stop()).toEqual({ code: 0, signal: null })
    // The stop in order has stored the position: nothing is sent twice.
    expect(await sink.summary()).toMatchObject({ distinct: 2 * LINES, duplicates: 0 })
  })
}

test('the stop after a defect waits for acknowledgements up to Grace; the next run sends the rest', async () => {
  const dir = tmp()
  const sink = await Sink.start()
  await sink.ask('ack off')
  writeLines(join(dir, 'a.log'), 0, LINES)
  const agent = ship({ dir, ports: [sink.port], service: { grace: 1 }, command: faulty('throw') })
  await until(async () => (await sink.summary()).distinct === LINES)
  const before = performance.now()
  agent.kill('SIGUSR2')
  expect(await agent.ended()).toEqual(DEFECT)
  expect(performance.now() - before).toBeGreaterThan(900)
  await sink.ask('ack on')
  await until(async () => (await sink.summary()).open === 0)
  await sink.ask('reset')
  const next = ship({ dir, ports: [sink.port] })
  await allArrive(sink, next, LINES)
})

test('a second error during the stop ends the agent at once, also when Grace has no limit', async () => {
  const dir = tmp()
  const sink = await Sink.start()
  await sink.ask('ack off')
  writeLines(join(dir, 'a.log'), 0, LINES)
  const agent = ship({ dir, ports: [sink.port], service: { grace: 600 }, command: faulty('throw') })
  await until(async () => (await sink.summary()).distinct === LINES)
  agent.kill('SIGUSR2')
  await agent.waitForStderr('unexpected error, stopping')
  agent.kill('SIGUSR2')
  expect(await agent.ended()).toEqual(DEFECT)
  expect(agent.stderr).toContain('unexpected error during the stop, exiting immediately: injected')
})

test('an error that nothing has caught before an agent runs ends the program with 70 and a stack', async () => {
  const ended = await run(['plugins'], { env: faultOnSignal('start') })
  expect(ended).toMatchObject({ code: 70 })
  expect(ended.stderr).toStartWith('shipper: unexpected error: RangeError: injected\n    at ')
})

test('a turn of the event loop of over a second is logged and counted, and the lag is in the metrics', async () => {
  const agent = start(['-i', 'dummy', '-o', 'null', '-H', '-P', '0', '-f', '0.1'], {
    env: faultOnSignal('block 2500'),
  })
  await agent.waitForStderr(/"port":\d+/)
  const port = /"port":(\d+)/.exec(agent.stderr)?.[1]
  agent.kill('SIGUSR2')
  await agent.waitForStderr('the agent was blocked for at least ')
  expect(agent.stderr).toContain('all inputs and outputs waited, nothing is lost')
  const url = `http://127.0.0.1:${port}/api/v2/metrics/prometheus`
  const metrics = await (await fetch(url)).text()
  expect(metrics).toMatch(/^shipper_event_loop_slow_turns_total(?:\{\})? 1\b/m)
  const [, lag] = /^shipper_event_loop_lag_seconds_max(?:\{\})? ([\d.]+)/m.exec(metrics) ?? []
  expect(Number(lag)).toBeGreaterThan(1)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})
