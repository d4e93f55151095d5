import { expect, test } from 'bun:test'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { freePorts } from '../support/ports.ts'
import { ship } from '../support/shipping.ts'
import { numbered } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { HANG_MS, until } from '../support/until.ts'

const FILES = 20_000
const FILES_PER_DIR = 10

/** Makes files with one numbered line each. */
function manyLogs(): { dir: string; logs: string[] } {
  const dir = tmp()
  const logs: string[] = []
  for (let i = 0; i < FILES; i++) {
    const folder = join(dir, `d${Math.floor(i / FILES_PER_DIR)}`)
    if (i % FILES_PER_DIR === 0) mkdirSync(folder)
    const log = join(folder, `${i}.log`)
    writeFileSync(log, numbered(i))
    logs.push(log)
  }
  return { dir, logs }
}

const LIMIT = { limitMs: 10 * HANG_MS }

test('the first scan of 20,000 files holds the event loop for a small part of its time', async () => {
  const { dir } = manyLogs()
  const sink = await Sink.start('lines')
  const [port = 0] = await freePorts(1)
  const startMs = performance.now()
  const agent = ship({
    dir,
    ports: [sink.port],
    service: { http_server: 'on', http_port: port, http_listen: '127.0.0.1' },
    tail: { path: `${dir}/*/*.log` },
  })
  const metrics = (): Promise<string> =>
    fetch(`http://127.0.0.1:${port}/api/v2/metrics/prometheus`).then((answer) => answer.text())
  // It answers while the scan is under way.
  await until(async () => (await sink.summary()).distinct > 0, LIMIT)
  expect((await sink.summary()).distinct).toBeLessThan(FILES)
  await until(async () => (await sink.summary()).distinct === FILES, LIMIT)
  const tookMs = performance.now() - startMs
  const [, lag = ''] = /^shipper_event_loop_lag_seconds_max(?:\{\})? (\S+)$/m.exec(await metrics()) ?? []
  expect(Number(lag) * 1000).toBeLessThan(tookMs / 4)
  agent.kill('SIGKILL')
  await agent.ended()
})

test.each(['SIGKILL', 'SIGTERM'] as const)(
  '%s in the middle of the first scan loses nothing',
  async (signal) => {
    const { dir, logs } = manyLogs()
    const sink = await Sink.start('lines')
    const tail = { path: `${dir}/*/*.log` }
    const first = ship({ dir, ports: [sink.port], service: { grace: 120 }, tail })
    await until(async () => (await sink.summary()).distinct > 0, LIMIT)
    first.kill(signal)
    await first.ended(LIMIT.limitMs)
    expect((await sink.summary()).distinct).toBeLessThan(FILES)
    for (const [i, log] of logs.entries()) appendFileSync(log, numbered(FILES + i))
    const last = ship({ dir, ports: [sink.port], tail: { ...tail, exit_on_eof: 'on' } })
    expect(await last.ended(LIMIT.limitMs)).toEqual({ code: 0, signal: null })
    expect(await sink.missing(2 * FILES)).toEqual({ missing: 0, first: [] })
  },
)
