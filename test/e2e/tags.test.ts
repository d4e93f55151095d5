import { expect, test } from 'bun:test'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { type Running, start } from '../support/process.ts'
import { ackedBytes, allArrive, kill9, kill9At, seeded } from '../support/shipping.ts'
import { numbered, writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 100_000
const KILLS = 6
const LINE_BYTES = numbered(0).length

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`tags.test.ts: SHIPPER_SEED=${SEED}\n`)

/** Starts the binary: each line goes on as it is, and as a copy; the odd ones leave their own tag for a third. */
function ship(dir: string, ports: { own: number; copies: number; odd: number }): Running {
  const output = (match: string, port: number): string =>
    `[OUTPUT]\n    Name forward\n    Match ${match}\n    Port ${port}\n`
  writeFileSync(
    join(dir, 'agent.conf'),
    `[SERVICE]
    Flush           0.1
    Scheduler.Cap   1
    Scheduler.Base  1
[INPUT]
    Name            tail
    Tag             app.a
    Path            ${dir}/a.log
    DB              ${dir}/pos.db
    Read_From_Head  on
[FILTER]
    Name   rewrite_tag
    Match  app.*
    Rule   $log ^\\d copy.$TAG true
[FILTER]
    Name   rewrite_tag
    Match  app.*
    Rule   $log ^\\d{7}([13579]) odd.$1 false
${output('app.*', ports.own)}${output('copy.*', ports.copies)}${output('odd.*', ports.odd)}`,
  )
  return start(['-c', join(dir, 'agent.conf')])
}

test('kill -9 while records get another tag loses none under any tag, though one of the outputs is down', async () => {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, LINES)
  const [own, copies, odd] = await Promise.all([
    Sink.start('lines'),
    Sink.start('lines'),
    Sink.start('lines'),
  ])
  const ports = { own: own.port, copies: copies.port, odd: odd.port }
  const random = seeded(SEED)
  for (let kill = 0; kill < KILLS; kill++) {
    // The output of the copies is down in every second run: the position must not move past what it has not got.
    const isDown = kill % 2 === 1
    if (kill > 0) await copies.ask(isDown ? 'accept off' : 'accept on')
    const { distinct } = await own.summary()
    const agent = ship(dir, ports)
    if (isDown) {
      const { records } = await own.summary()
      await until(async () => (await own.summary()).records > records)
      await Bun.sleep(random() * 600)
      await kill9(agent, own)
    } else await kill9At(agent, own, distinct + 1 + random() * 3000)
    await until(async () => (await copies.summary()).open === 0 && (await odd.summary()).open === 0)
  }
  await copies.ask('accept on')
  const agent = ship(dir, ports)
  await allArrive(copies, agent, LINES)
  await allArrive(own, agent, LINES / 2)
  await allArrive(odd, agent, LINES / 2)
  expect(await copies.missing(LINES)).toEqual({ missing: 0, first: [] })
  const even = await own.summary()
  const rest = await odd.summary()
  expect([even.distinct, even.min, even.max]).toEqual([LINES / 2, 0, LINES - 2])
  expect([rest.distinct, rest.min, rest.max]).toEqual([LINES / 2, 1, LINES - 1])
  expect((await copies.summary()).disorder).toBe(0)
  await until(async () => (await ackedBytes(agent))[0] === LINES * LINE_BYTES, { what: 'the position' })
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})

test('while the output of the new tag does not acknowledge, the position stays before the records', async () => {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, 10)
  const [own, copies, odd] = await Promise.all([
    Sink.start('lines'),
    Sink.start('lines'),
    Sink.start('lines'),
  ])
  await copies.ask('ack off')
  const agent = ship(dir, { own: own.port, copies: copies.port, odd: odd.port })
  await until(async () => (await copies.summary()).distinct === 10 && (await own.summary()).distinct === 5)
  await until(async () => (await odd.summary()).distinct === 5)
  expect(await ackedBytes(agent)).toEqual([0])
  await kill9(agent, copies)
  await copies.ask('ack on')
  const next = ship(dir, { own: own.port, copies: copies.port, odd: odd.port })
  await next.waitForStderr('-> forward.0')
  await until(async () => (await ackedBytes(next))[0] === 10 * LINE_BYTES)
  // Cut in the same way, the chunks have the same ids.
  expect((await copies.summary()).duplicateChunks).toBeGreaterThan(0)
  expect((await copies.summary()).distinct).toBe(10)
})

/** Number of lines, and the rate with which they may pass: the first RATE at once. */
const SLOW_LINES = 300
const RATE = 50

function throttled(dir: string, port: number): Running {
  writeFileSync(
    join(dir, 'agent.conf'),
    `[SERVICE]
    Flush           0.1
[INPUT]
    Name            tail
    Tag             app.a
    Path            ${dir}/*.log
    DB              ${dir}/pos.db
    Read_From_Head  on
[FILTER]
    Name      throttle
    Match     *
    Rate      ${RATE}
    Window    1
    Action    delay
[OUTPUT]
    Name   forward
    Match  *
    Port   ${port}
`,
  )
  return start(['-c', join(dir, 'agent.conf')])
}

test('with throttle and Action delay every line arrives, not faster than the rate, through kill -9, rotation and deletion', async () => {
  const dir = tmp()
  for (const [i, name] of ['a.log', 'b.log', 'c.log'].entries())
    writeLines(join(dir, name), i * 100, (i + 1) * 100)
  const sink = await Sink.start('lines')
  const beganMs = performance.now()
  const first = throttled(dir, sink.port)
  await until(async () => (await sink.summary()).distinct >= RATE)
  expect((await sink.summary()).distinct).toBeLessThan(SLOW_LINES)
  await kill9(first, sink)
  const second = throttled(dir, sink.port)
  await second.waitForStderr('-> forward.0')
  await until(async () => (await ackedBytes(second)).length === 3)
  // What waits in a file outlasts its name.
  renameSync(join(dir, 'b.log'), join(dir, 'b.log.1'))
  rmSync(join(dir, 'c.log'))
  await allArrive(sink, second, SLOW_LINES)
  const seconds = (performance.now() - beganMs) / 1000
  // Each of the runs begins with as many lines as pass in a Window.
  expect(SLOW_LINES).toBeLessThanOrEqual((seconds + 2.5) * RATE)
  expect(await sink.missing(SLOW_LINES)).toEqual({ missing: 0, first: [] })
  await until(async () => (await ackedBytes(second)).every((bytes) => bytes === 100 * LINE_BYTES))
  expect(await second.stop()).toEqual({ code: 0, signal: null })
})
