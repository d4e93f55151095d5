import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { EventTime, FluentClient } from '@fluent-org/logger'
import { numbersIn } from '../support/kafka/agent.ts'
import { sharedBroker, testWithKafka } from '../support/kafka/brokers.ts'
import { KafkaPeer } from '../support/kafka/peer.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { ackedBytes, seeded, ship } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const CONF = resolve(import.meta.dirname, '../../conf/relay.conf')
const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`kafka-relay.test.ts: SHIPPER_SEED=${SEED}\n`)

const kafka = await sharedBroker({ autoCreate: true })

/** Starts conf/relay.conf unchanged, except for its addresses. */
function relay(dir: string, port: number, broker: { bootstrap: string }): Running {
  const text = readFileSync(CONF, 'utf8')
    .replace('0.0.0.0', '127.0.0.1')
    .replace('24224', String(port))
    .replace('127.0.0.1:9092', broker.bootstrap)
    .replace('[SERVICE]\n', '[SERVICE]\n    Scheduler.Base 1\n    Scheduler.Cap 2\n    Grace 2\n')
    .replace('[OUTPUT]\n', '[OUTPUT]\n    Request_Timeout 3\n')
  const conf = join(dir, 'relay.conf')
  writeFileSync(conf, text)
  return start(['-c', conf], { env: { SHIPPER_STATE: dir } })
}

testWithKafka(
  'conf/relay.conf sends records to the topic of their tag, with the tag as key and the time of the event',
  async () => {
    const [port = 0] = await freePorts(1)
    const hop = relay(tmp(), port, kafka)
    await hop.waitForStderr('listening on')
    const options = { socket: { host: '127.0.0.1', port, timeout: 20_000 }, ack: { ackTimeout: 20_000 } }
    const client = new FluentClient('app', { ...options, eventMode: 'PackedForward' })
    await client.connect()
    await Promise.all(
      [1, 2, 3].map((n) =>
        client.emit('web', { n, log: `line ${n}` }, new EventTime(1_700_000_000 + n, 5e6)),
      ),
    )
    // The sender got its ack, so Kafka has the records already.
    const records = await kafka.consume('app.web')
    await client.disconnect()
    expect(records.map(({ value }) => JSON.parse(String(value)))).toMatchObject(
      [1, 2, 3].map((n) => ({ n, log: `line ${n}` })),
    )
    expect(records.map(({ key }) => String(key))).toEqual(['app.web', 'app.web', 'app.web'])
    expect(records.map(({ timestamp }) => timestamp)).toEqual(
      [1, 2, 3].map((n) => (1_700_000_000 + n) * 1000 + 5),
    )
    expect(await hop.stop()).toEqual({ code: 0, signal: null })
  },
  400_000,
)

testWithKafka(
  'a sender gets no ack while the broker is stopped, and killed relays lose none of its lines',
  async () => {
    await kafka.createTopic('app')
    const dir = tmp()
    const lines = 200_000
    const [port = 0] = await freePorts(1)
    let hop = relay(dir, port, kafka)
    await hop.waitForStderr('listening on')
    await kafka.stop()
    atEnd(() => kafka.cont())
    writeLines(join(dir, 'a.log'), 0, lines)
    const leaf = ship({ dir, ports: [port] })
    await until(() => hop.stderr.includes('output unreachable') || hop.stderr.includes('retrying chunk'), {
      limitMs: 120_000,
      what: () => hop.stderr,
    })
    expect(await ackedBytes(leaf)).toEqual([0])
    kafka.cont()
    const random = seeded(SEED)
    for (let kill = 0; kill < 5; kill++) {
      const target = Math.min(lines, (await kafka.records('app')) + 1 + random() * 30_000)
      const arrived = async () => (await kafka.records('app')) >= target
      await until(arrived, {
        limitMs: 120_000,
        everyMs: 20,
        what: () => `kill ${kill}; ${leaf.stderr} ${hop.stderr}`,
      })
      hop.kill('SIGKILL')
      await hop.exited
      hop = relay(dir, port, kafka)
    }
    expect(await numbersIn(kafka, hop, lines, 'app')).toMatchObject({ missing: 0, disorder: 0 })
    const size = Bun.file(join(dir, 'a.log')).size
    await until(async () => (await ackedBytes(leaf))[0] === size, { limitMs: 120_000, everyMs: 100 })
  },
  400_000,
)

test('conf/relay.conf writes a record that no broker accepts to a file, and acknowledges its sender', async () => {
  const MESSAGE_TOO_LARGE = 10
  const broker = await new KafkaPeer().listen()
  atEnd(() => broker.close())
  broker.topics.set('app.web', 1)
  broker.refuse = () => MESSAGE_TOO_LARGE
  const dir = tmp()
  const [port = 0] = await freePorts(1)
  const hop = relay(dir, port, { bootstrap: `127.0.0.1:${broker.port}` })
  await hop.waitForStderr('listening on')
  const options = { socket: { host: '127.0.0.1', port, timeout: 20_000 }, ack: { ackTimeout: 20_000 } }
  const client = new FluentClient('app', { ...options, eventMode: 'Message' })
  await client.connect()
  await client.emit('web', { log: 'large' }, new EventTime(1_700_000_000, 0))
  await client.disconnect()
  const letters = readFileSync(join(dir, 'dead-letters.jsonl'), 'utf8')
  const letter = {
    cause: 'rejected',
    reason: 'app.web/0: MESSAGE_TOO_LARGE',
    tag: 'app.web',
    output: 'kafka.0',
  }
  expect(JSON.parse(letters)).toMatchObject(letter)
  expect(await hop.stop()).toEqual({ code: 0, signal: null })
}, 400_000)
