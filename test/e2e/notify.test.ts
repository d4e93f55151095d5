import { expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { NotifyManager } from '../support/notify-manager.ts'
import { type Running, start } from '../support/process.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const WATCHDOG_MS = 600

/** Starts an agent with 1,000 lines to read, as the service manager would with a watchdog. */
function startUnder(manager: NotifyManager, port: number, env: Record<string, string> = {}): Running {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, 1000)
  const tail = ['-i', 'tail', '-p', `path=${dir}/a.log`, '-p', 'read_from_head=on']
  return start([...tail, '-o', 'forward', '-p', `port=${port}`, '-f', '0.1'], {
    env: { NOTIFY_SOCKET: manager.address, ...env },
  })
}

for (const [kind, make] of [
  ['a path', () => new NotifyManager()],
  ['an abstract name', () => new NotifyManager(`@shipper-test-${process.pid}`)],
] as const) {
  test(`tells the service manager at ${kind} that it is ready, alive and stopping, with a sentence`, async () => {
    const manager = make()
    const sink = await Sink.start()
    const agent = startUnder(manager, sink.port, { WATCHDOG_USEC: String(WATCHDOG_MS * 1000) })
    await manager.received('READY=1')
    // Until it runs, the watchdog is patient.
    expect(manager.messages[0]).toBe(`WATCHDOG_USEC=${WATCHDOG_MS * 10_000}\nSTATUS=starting`)
    const ready = manager.messages.find((message) => message.includes('READY=1'))
    expect(ready).toMatch(/^READY=1\nSTATUS=sending; \d+ files? open; \d+ chunks? waiting$/)
    await manager.received(`WATCHDOG_USEC=${WATCHDOG_MS * 1000}`)
    await until(() => manager.status === 'sending; 1 file open; 0 chunks waiting')
    await manager.received('WATCHDOG=1', 4)
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
    expect(manager.messages.filter((message) => message.includes('STOPPING=1'))).toEqual([
      'STOPPING=1\nSTATUS=stopping: waiting for acknowledgements',
    ])
    expect(manager.count('READY=1')).toBe(1)
    expect(agent.stderr).not.toContain('service manager')
  })
}

test('an agent that hangs gives no sign of life', async () => {
  const manager = new NotifyManager()
  const sink = await Sink.start()
  const agent = startUnder(manager, sink.port, { WATCHDOG_USEC: String(WATCHDOG_MS * 1000) })
  await manager.received('WATCHDOG=1')
  agent.kill('SIGSTOP')
  // A witness of the time: another agent with the same watchdog.
  const witness = new NotifyManager()
  startUnder(witness, sink.port, { WATCHDOG_USEC: String(WATCHDOG_MS * 1000) })
  const before = manager.messages.length
  await witness.received('WATCHDOG=1', 6)
  expect(manager.messages.length).toBe(before)
  agent.kill('SIGCONT')
  await until(() => manager.messages.length > before)
})

test('the sentence names an output that delivers nothing, and since when, until it delivers again', async () => {
  const manager = new NotifyManager()
  const sink = await Sink.start()
  await sink.ask('accept off')
  startUnder(manager, sink.port, { WATCHDOG_USEC: String(WATCHDOG_MS * 1000) })
  await until(() => manager.status.startsWith('forward.0 has delivered nothing since '))
  expect(manager.status).toMatch(
    / \d\d-\d\d \d\d:\d\d \(cannot connect to .+\); 1 file open; \d+ chunks? waiting$/,
  )
  await sink.ask('accept on')
  await until(() => manager.status === 'sending; 1 file open; 0 chunks waiting')
})

test('a watchdog that waits for another process gets no sign of life', async () => {
  const manager = new NotifyManager()
  const sink = await Sink.start()
  const agent = startUnder(manager, sink.port, { WATCHDOG_USEC: '300000', WATCHDOG_PID: '1' })
  const witness = new NotifyManager()
  startUnder(witness, sink.port, { WATCHDOG_USEC: '300000' })
  await manager.received('READY=1')
  await witness.received('WATCHDOG=1', 4)
  expect(manager.count('WATCHDOG=1')).toBe(0)
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

test('a child process cannot speak for the agent: it gets no variable of the protocol', async () => {
  const manager = new NotifyManager()
  const bin = tmp()
  const found = join(bin, 'environment')
  writeFileSync(join(bin, 'journalctl'), `#!/bin/sh\nenv >${found}.new && mv ${found}.new ${found}\n`, {
    mode: 0o755,
  })
  start(['-i', 'systemd', '-o', 'null'], {
    env: {
      NOTIFY_SOCKET: manager.address,
      WATCHDOG_USEC: '300000',
      WATCHDOG_PID: '',
      PATH: `${bin}:${process.env.PATH}`,
    },
  })
  await manager.received('READY=1')
  await until(() => existsSync(found) && readFileSync(found, 'utf8').includes('PATH='))
  const environment = readFileSync(found, 'utf8')
  expect(environment).toContain('PATH=')
  expect(environment).not.toMatch(/NOTIFY_SOCKET|WATCHDOG_/)
})

test.each([
  ['nobody listens at its address', '/nowhere/notify'],
  ['only paths and abstract names are supported', 'vsock:2:1234'],
  ['its address is longer than 108 bytes', `/${'x'.repeat(200)}`],
])(
  'a service manager that cannot be reached (%s) is a warning that names the consequence',
  async (why, address) => {
    const sink = await Sink.start()
    const agent = start(['-i', 'dummy', '-o', 'forward', '-p', `port=${sink.port}`, '-f', '0.1'], {
      env: { NOTIFY_SOCKET: address, WATCHDOG_USEC: '30000000' },
    })
    await agent.waitForStderr(`${why}; its watchdog ends the agent after 30 s`)
    await until(async () => (await sink.summary()).records > 0)
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
)
