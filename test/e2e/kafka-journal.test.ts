import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { Journal, numberedEntries, START_US } from '../support/journal/journal.ts'
import { journalTools } from '../support/journal/tools.ts'
import { KafkaBroker, testWithKafka } from '../support/kafka/brokers.ts'
import { KafkaPeer } from '../support/kafka/peer.ts'
import { type Running, start } from '../support/process.ts'
import { peerOrSkip } from '../support/skip.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until, untilReaches } from '../support/until.ts'

const CONF = resolve(import.meta.dirname, '../../conf/journald-to-kafka.conf')
const ENTRIES = 20_000

const tools = journalTools()
const testJournal = peerOrSkip('the journal', tools.reason === '', tools.reason)
const testLeaf = tools.reason === '' ? testWithKafka : peerOrSkip('the journal', false, tools.reason)

/** Starts conf/journald-to-kafka.conf unchanged, except for the journal it reads. */
function leaf(dir: string, journal: Journal, bootstrap: string, state = dir): Running {
  const conf = join(dir, 'leaf.conf')
  writeFileSync(conf, readFileSync(CONF, 'utf8').replace('[INPUT]\n', `[INPUT]\n    Path ${journal.dir}\n`))
  return start(['-c', conf], {
    env: { PATH: tools.path, KAFKA_BROKERS: bootstrap, SHIPPER_STATE: state },
  })
}

testLeaf(
  'conf/journald-to-kafka.conf loses no entry when killed repeatedly, with the unit as key and the entry’s time',
  async () => {
    const broker = await KafkaBroker.start()
    await broker.createTopic('journal')
    const dir = tmp()
    const journal = new Journal(tools, join(dir, 'j'))
    journal.write(
      numberedEntries(0, ENTRIES).map((e, i) => ({
        ...e,
        fields: { ...e.fields, _SYSTEMD_UNIT: `unit-${i % 3}.service` },
      })),
    )
    let agent = leaf(dir, journal, broker.bootstrap)
    for (let kill = 1; kill <= 3; kill++) {
      const some = async (): Promise<boolean> => (await broker.records('journal')) >= (kill * ENTRIES) / 5
      await until(some, { limitMs: 120_000, everyMs: 10, what: () => agent.stderr })
      agent.kill('SIGKILL')
      await agent.exited
      agent = leaf(dir, journal, broker.bootstrap)
    }
    const seen = new Set<string>()
    const what = () => `${seen.size} entries; ${agent.stderr}`
    // Reading all of them costs much more than asking for their number.
    for (let records = ENTRIES; seen.size < ENTRIES; ) {
      await untilReaches(records, () => broker.records('journal'), { everyMs: 100, what })
      const all = await broker.consume('journal')
      const asWritten = all.map(({ value, key, timestamp }) => {
        const map = decode(value as Uint8Array) as Record<string, string>
        seen.add(String(map.log))
        const number = Number(String(map.log).slice(5))
        const unit = `unit-${number % 3}.service`
        return (
          String(key) === `journal.${unit}` &&
          map.systemd_unit === unit &&
          timestamp === START_US / 1000 + number
        )
      })
      expect(all.filter((_, i) => !asWritten[i])).toEqual([])
      records = all.length + ENTRIES - seen.size
    }
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
  400_000,
)

testJournal(
  'an entry that no broker accepts goes to a file next to the database of the journal',
  async () => {
    const MESSAGE_TOO_LARGE = 10
    const broker = await new KafkaPeer().listen()
    atEnd(() => broker.close())
    broker.topics.set('journal', 1)
    broker.refuse = () => MESSAGE_TOO_LARGE
    const [work, dir] = [tmp(), tmp()]
    const journal = new Journal(tools, join(work, 'j'))
    journal.write(numberedEntries(0, 1))
    const agent = leaf(work, journal, `127.0.0.1:${broker.port}`, dir)
    await agent.waitForStderr('1 record rejected and written to')
    const letters = readFileSync(join(dir, 'dead-letters.kafka.0.jsonl'), 'utf8')
    expect(JSON.parse(letters)).toMatchObject({
      reason: 'journal/0: MESSAGE_TOO_LARGE',
      tag: 'journal.unknown',
      input: 'systemd.0',
    })
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
)
