import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../support/forward/sink.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { ackedBytes, allArrive, kill9At, seeded, ship } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`relay.test.ts: SHIPPER_SEED=${SEED}\n`)

/** Starts the binary between two others: forward in, forward out. */
function relay(dir: string, port: number, sinks: number[], more = ''): Running {
  const outputs = sinks.map((to) => `[OUTPUT]\n    Name forward\n    Match *\n    Port ${to}\n`)
  const text = `[SERVICE]\n    Flush 1\n    Grace 2\n${more}[INPUT]\n    Name forward\n    Port ${port}\n${outputs.join('')}`
  const conf = join(dir, 'relay.conf')
  writeFileSync(conf, text)
  return start(['-c', conf])
}

for (const compress of ['text', 'gzip']) {
  test(`kill -9 of a relay ten times loses no line of a sender with acks (compress ${compress})`, async () => {
    const dir = tmp()
    const lines = 300_000
    writeLines(join(dir, 'a.log'), 0, lines)
    const [port = 0] = await freePorts(1)
    const sink = await Sink.start('lines')
    const random = seeded(SEED)
    let hop = relay(dir, port, [sink.port])
    await hop.waitForStderr('listening on')
    const leaf = ship({ dir, ports: [port], forward: { compress } })
    for (let kill = 0; kill < 10; kill++) {
      await kill9At(hop, sink, Math.min((await sink.summary()).distinct + 1 + random() * 20_000, lines))
      hop = relay(dir, port, [sink.port])
    }
    await allArrive(sink, leaf, lines)
    expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
    expect((await sink.summary()).disorder).toBe(0)
    expect(await hop.stop()).toEqual({ code: 0, signal: null })
  })
}

test('while a peer of the relay does not acknowledge, the stored offset of the sender does not advance', async () => {
  const dir = tmp()
  writeLines(join(dir, 'a.log'), 0, 20_000)
  const [port = 0] = await freePorts(1)
  const [one, two] = [await Sink.start('lines'), await Sink.start('lines')]
  await two.ask('ack off')
  const hop = relay(dir, port, [one.port, two.port])
  await hop.waitForStderr('listening on')
  const leaf = ship({ dir, ports: [port] })
  await until(async () => (await two.summary()).chunks > 0 && (await one.summary()).chunks > 0)
  expect(await ackedBytes(leaf)).toEqual([0])
  // After Grace the relay drops what is not acknowledged, and does not acknowledge it to the sender.
  expect(await hop.stop()).toEqual({ code: 0, signal: null })
  expect(await ackedBytes(leaf)).toEqual([0])
  await two.ask('ack on')
  relay(dir, port, [one.port, two.port])
  await allArrive(two, leaf, 20_000)
  expect(await one.missing(20_000)).toEqual({ missing: 0, first: [] })
})
