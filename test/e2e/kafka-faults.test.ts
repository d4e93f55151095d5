import { expect } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { leafTo, numbersIn } from '../support/kafka/agent.ts'
import { sharedBroker, testWithKafka } from '../support/kafka/brokers.ts'
import { shortOrLong } from '../support/long.ts'
import { ackedBytes, seeded } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`kafka-faults.test.ts: SHIPPER_SEED=${SEED}\n`)

const LINES = shortOrLong(200_000, 400_000)
/** Records at which the broker is stopped or killed. */
const MOMENTS = [LINES / 20, LINES * 0.375]
/** Kills of the agent; the log is rotated after half of them. */
const KILLS = shortOrLong(6, 20)
/** Small chunks make many batches, so that some are in flight at every fault. */
const SMALL = { service: { chunk_size: 65_536 }, kafka: { request_timeout: 3 } }
const COMPLETE = { records: LINES, missing: 0, duplicates: 0, disorder: 0 }

const broker = await sharedBroker()

const hasMore = (topic: string, than: number) => async () =>
  (await broker.records(topic).catch(() => 0)) > than

testWithKafka(
  'a broker is stopped longer than the request timeout, twice: no record lost or duplicated, all in order',
  async () => {
    await broker.createTopic('stopped')
    const dir = tmp()
    let written = LINES / 2
    writeLines(join(dir, 'a.log'), 0, written)
    const agent = leafTo({ dir, broker, topic: 'stopped', ...SMALL })
    const stopped: number[] = []
    for (const after of MOMENTS) {
      await until(hasMore('stopped', after), { limitMs: 120_000, everyMs: 5, what: () => agent.stderr })
      await broker.stop()
      atEnd(() => broker.cont())
      // However fast the drain was, there is something to deliver while the broker is stopped.
      writeLines(join(dir, 'a.log'), written, written + LINES / 4)
      written += LINES / 4
      const before = agent.stderr.length
      await until(() => agent.stderr.slice(before).includes('output unreachable'), {
        limitMs: 120_000,
        what: () => agent.stderr,
      })
      // Stays stopped as long again, so that its sockets contain retries as well.
      await Bun.sleep(3500)
      broker.cont()
      stopped.push(await broker.records('stopped'))
    }
    expect(await numbersIn(broker, agent, LINES, 'stopped')).toMatchObject(COMPLETE)
    expect(Math.max(...stopped)).toBeLessThan(LINES)
    const batches = await broker.batches('stopped')
    expect(new Set(batches.map(({ producerId }) => producerId)).size).toBe(1)
  },
  400_000,
)

testWithKafka(
  'a broker is killed twice and restarted: it has every line, in order',
  async () => {
    await broker.createTopic('killed', {}, { 'flush.messages': '1' })
    const dir = tmp()
    writeLines(join(dir, 'a.log'), 0, LINES)
    const agent = leafTo({ dir, broker, topic: 'killed', ...SMALL })
    for (const after of MOMENTS) {
      await until(hasMore('killed', after), { limitMs: 120_000, everyMs: 5, what: () => agent.stderr })
      await broker.kill9()
      await broker.restart()
    }
    expect(await numbersIn(broker, agent, LINES, 'killed')).toMatchObject(COMPLETE)
  },
  400_000,
)

testWithKafka(
  'the agent is killed again and again and the log rotated: no line is lost, and duplicates have the same headers',
  async () => {
    await broker.createTopic('restarts')
    const dir = tmp()
    const lines = 100_000
    writeLines(join(dir, 'a.log'), 0, lines / 2)
    const random = seeded(SEED)
    const tail = { path_key: 'file', file_id_key: 'file_id', offset_key: 'offset' }
    const kafka = { position_headers: 'on' }
    const all = { dir, broker, topic: 'restarts', tail, kafka, service: { chunk_size: 65_536 } }
    for (let kill = 0; kill < KILLS; kill++) {
      const agent = leafTo(all)
      const target = Math.min(
        kill < KILLS / 2 ? lines / 2 : lines,
        (await broker.records('restarts')) + random() * 15_000,
      )
      await until(hasMore('restarts', target - 1), { limitMs: 120_000, everyMs: 5, what: () => agent.stderr })
      agent.kill('SIGKILL')
      await agent.exited
      if (kill !== KILLS / 2 - 1) continue
      // The new log has lines at the same offsets as the old one.
      renameSync(join(dir, 'a.log'), join(dir, 'a.log.1'))
      writeLines(join(dir, 'a.log'), lines / 2, lines)
    }
    const last = leafTo({ ...all, tail: { ...tail, exit_on_eof: 'on' } })
    expect(await last.ended(120_000), last.stderr).toEqual({ code: 0, signal: null })
    const records = await broker.consume('restarts')
    const places = new Map<string, string>()
    for (const { headers, value } of records) {
      const ours = headers.filter(([name]) => name !== 'file')
      const place = ours.map(([name, bytes]) => `${name}=${bytes}`).join(' ')
      const line = places.get(place) ?? String(value)
      expect(String(value)).toBe(line)
      places.set(place, line)
    }
    const distinct = new Set([...places.values()].map((line) => Number.parseInt(line, 10)))
    expect(distinct.size).toBe(lines)
    expect(places.size).toBe(lines)
    expect(records[0]?.headers.map(([name]) => name)).toEqual(['agent', 'file', 'file_id', 'offset'])
  },
  400_000,
)

testWithKafka(
  'a first batch that is too large is split, and no later batch is written before it',
  async () => {
    await broker.createTopic('split', {}, { 'max.message.bytes': '20000' })
    const dir = tmp()
    // Only the first chunk exceeds the limit after compression.
    const rest = (i: number) => (i < 160 ? randomBytes(150).toString('hex') : 'x'.repeat(300))
    const lines = 5000
    writeFileSync(join(dir, 'a.log'), Array.from({ length: lines }, (_, i) => `${i} ${rest(i)}\n`).join(''))
    const agent = leafTo({ dir, broker, topic: 'split', ...SMALL, kafka: { compression: 'zstd' } })
    expect(await numbersIn(broker, agent, lines, 'split')).toMatchObject({ ...COMPLETE, records: lines })
    const batches = await broker.batches('split')
    expect(batches[0]?.records).toBeLessThan(batches[2]?.records as number)
    expect(new Set(batches.map(({ producerId }) => producerId)).size).toBe(1)
  },
  400_000,
)

testWithKafka(
  'a topic that is deleted and recreated gets all records not acknowledged before the deletion',
  async () => {
    await broker.createTopic('deleted')
    const dir = tmp()
    writeLines(join(dir, 'a.log'), 0, LINES * 0.75)
    const agent = leafTo({ dir, broker, topic: 'deleted', ...SMALL })
    await until(hasMore('deleted', LINES / 20), { limitMs: 120_000, everyMs: 5, what: () => agent.stderr })
    await broker.deleteTopic('deleted')
    // However fast the drain was, there is something to deliver to the deleted topic.
    writeLines(join(dir, 'a.log'), LINES * 0.75, LINES)
    await agent.waitForStderr('UNKNOWN_TOPIC', 120_000)
    await until(
      () =>
        broker.createTopic('deleted').then(
          () => true,
          () => false,
        ),
      { limitMs: 120_000, everyMs: 200 },
    )
    // The records of the deleted topic are lost, so wait until every byte is acknowledged instead.
    await until(async () => (await ackedBytes(agent))[0] === Bun.file(join(dir, 'a.log')).size, {
      limitMs: 120_000,
      everyMs: 200,
      what: () => agent.stderr,
    })
    const { first, ...numbers } = await broker.numbers('deleted', LINES)
    expect(numbers).toMatchObject({ duplicates: 0, disorder: 0 })
    expect(numbers.distinct).toBe(LINES - numbers.missing)
    // Only the first lines are missing: those of the deleted topic.
    expect((await broker.numbers('deleted', numbers.missing)).distinct - numbers.distinct).toBe(0)
    expect(first[0]).toBe(0)
  },
  400_000,
)
