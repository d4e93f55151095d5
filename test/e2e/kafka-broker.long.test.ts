import { expect } from 'bun:test'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { Authority } from '../support/certs.ts'
import { KafkaBroker, testWithKafka, USERS } from '../support/kafka/brokers.ts'
import { start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const PIDS = /pids (.*)/

type Config = Partial<ConstructorParameters<typeof Kafka>[0]>

function kafkaOf(broker: KafkaBroker, config: Config = {}): Kafka {
  const brokers = broker.bootstrap.split(',')
  return new Kafka({
    brokers,
    clientId: 'test',
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    // The default of a second is too short for a handshake on a busy machine.
    connectionTimeout: 60_000,
    ...config,
  })
}

async function send(
  broker: KafkaBroker,
  topic: string,
  values: string[],
  config: Config = {},
): Promise<void> {
  const producer = kafkaOf(broker, config).producer({ retry: { retries: 3 } })
  try {
    await producer.connect()
    const messages = values.map((value, i) => ({
      key: `k${i}`,
      value,
      timestamp: '1700000000123',
      headers: { h: `v${i}` },
    }))
    await producer.send({ topic, acks: -1, messages })
  } finally {
    await producer.disconnect()
  }
}

testWithKafka(
  'a broker stores the records of another producer, and Kafka’s consumer reads every part of them',
  async () => {
    const broker = await KafkaBroker.start()
    await broker.createTopic('t', { partitions: 1 })
    await send(broker, 't', ['7 one', '3 two', '7 three'])
    const [first, ...more] = await broker.consume('t')
    expect(first).toEqual({
      partition: 0,
      offset: 0,
      timestamp: 1_700_000_000_123,
      key: Buffer.from('k0'),
      value: Buffer.from('7 one'),
      headers: [['h', Buffer.from('v0')]],
    })
    expect(more.map(({ value }) => String(value))).toEqual(['3 two', '7 three'])
    expect(await broker.records('t')).toBe(3)
    expect(await broker.numbers('t', 5)).toEqual({
      records: 3,
      distinct: 2,
      duplicates: 1,
      disorder: 1,
      missing: 4,
      first: [0, 1, 2, 4],
    })
    expect(await broker.batches('t')).toMatchObject([
      { offset: 0, records: 3, compression: 'none', producerId: -1 },
    ])
    await expect(send(broker, 'unknown', ['x'])).rejects.toThrow('does not host')
    await broker.deleteTopic('t')
    await expect(broker.describe('t')).rejects.toThrow('UnknownTopic')
  },
  400_000,
)

testWithKafka(
  'a killed broker restarts with its records, and a stopped one continues',
  async () => {
    const broker = await KafkaBroker.start({ autoCreate: true })
    await until(
      () =>
        send(broker, 'auto', ['1']).then(
          () => true,
          () => false,
        ),
      { limitMs: 120_000 },
    )
    const before = await broker.records('auto')
    await broker.kill9()
    await expect(send(broker, 'auto', ['2'])).rejects.toThrow('ECONNREFUSED')
    await broker.restart()
    await until(
      () =>
        send(broker, 'auto', ['3']).then(
          () => true,
          () => false,
        ),
      { limitMs: 120_000 },
    )
    expect(await broker.records('auto')).toBeGreaterThan(before)
    await broker.stop()
    const sent = send(broker, 'auto', ['4'])
    const first = await Promise.race([sent.then(() => 'sent'), Bun.sleep(1000).then(() => 'nothing')])
    broker.cont()
    await sent
    expect(first).toBe('nothing')
  },
  400_000,
)

for (const listener of ['sasl_plaintext', 'sasl_ssl'] as const) {
  testWithKafka(
    `${listener} accepts clients with the right password only`,
    async () => {
      const broker = await KafkaBroker.start({ listeners: [listener] })
      await broker.createTopic('t')
      const tls = listener === 'sasl_ssl' ? { ssl: { ca: [broker.authority.cert] } } : {}
      for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
        for (const [username, password] of Object.entries(USERS))
          await send(broker, 't', [mechanism], { ...tls, sasl: { mechanism, username, password } } as Config)
        const wrong = { mechanism, username: 'alice', password: 'x' }
        await expect(send(broker, 't', ['no'], { ...tls, sasl: wrong } as Config)).rejects.toThrow(
          'uthentication',
        )
      }
      expect(await broker.records('t')).toBe(6)
    },
    400_000,
  )
}

testWithKafka(
  'ssl with client authentication requires a certificate of the authority',
  async () => {
    const broker = await KafkaBroker.start({ listeners: ['ssl'], clientAuth: true })
    await broker.createTopic('t')
    const ca = [broker.authority.cert]
    await send(broker, 't', ['yes'], { ssl: { ca, ...broker.authority.issue('client') } })
    await expect(send(broker, 't', ['no'], { ssl: { ca } })).rejects.toThrow()
    const otherAuthority = new Authority('Other')
    await expect(
      send(broker, 't', ['no'], { ssl: { ca, ...otherAuthority.issue('client') } }),
    ).rejects.toThrow()
    await expect(send(broker, 't', ['no'], { ssl: { ca: [otherAuthority.cert] } })).rejects.toThrow()
    expect(await broker.records('t')).toBe(1)
  },
  400_000,
)

testWithKafka(
  'one of three brokers can lead, be killed and be replaced as leader',
  async () => {
    const broker = await KafkaBroker.start({ brokers: 3 })
    await broker.createTopic('t', { partitions: 2 })
    await broker.move('t', [1, 0, 2])
    expect(await broker.leader('t')).toBe(1)
    await send(broker, 't', ['1'])
    await broker.kill9(1)
    await until(async () => (await broker.leader('t')) === 0, { limitMs: 120_000, everyMs: 200 })
    await send(broker, 't', ['2'])
    expect((await broker.numbers('t', 3)).missing).toBe(1)
    await broker.restart(1)
    const full = async () => (await broker.describe('t')).every(({ isr }) => isr.length === 3)
    await until(full, { limitMs: 120_000, everyMs: 200 })
  },
  400_000,
)

testWithKafka(
  'brokers, also a stopped one, end when their parent process is killed',
  async () => {
    const script = `
    import { test } from 'bun:test'
    import { KafkaBroker } from ${JSON.stringify(join(import.meta.dirname, '../support/kafka/brokers.ts'))}
    test('t', async () => {
      const broker = await KafkaBroker.start({ brokers: 3 })
      await broker.stop(0)
      console.log('pids', broker.pids.join(' '))
      await new Promise(() => {})
    }, 100_000)`
    const dir = tmp()
    writeFileSync(join(dir, 'a.test.ts'), script)
    const env = { TMPDIR: dir }
    const child = start(['test', join(dir, 'a.test.ts')], { command: [process.execPath], env })
    await child.waitForStdout('pids', 120_000)
    const pids = PIDS.exec(child.stdout)?.[1]?.split(' ').map(Number) ?? []
    expect(pids).toHaveLength(4)
    await child.stop('SIGKILL')
    const alive = () => pids.filter((pid) => existsSync(`/proc/${pid}`))
    await until(() => alive().length === 0, { limitMs: 120_000, what: () => `the end of ${alive()}` })
  },
  400_000,
)
