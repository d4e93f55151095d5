import { expect } from 'bun:test'
import { join } from 'node:path'
import { leafTo, numbersIn } from '../support/kafka/agent.ts'
import { sharedBroker, testWithKafka } from '../support/kafka/brokers.ts'
import { shortOrLong } from '../support/long.ts'
import { ackedBytes } from '../support/shipping.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = shortOrLong(200_000, 400_000)
/** Time without a replica. */
const MISSING_MS = shortOrLong(3000, 600_000)
const LIMIT_MS = MISSING_MS + 400_000
/** Small chunks make many batches, so that some are in flight at every fault. */
const SMALL = { service: { chunk_size: 65_536 }, kafka: { request_timeout: 3 } }
const COMPLETE = { records: LINES, missing: 0, duplicates: 0, disorder: 0 }

const broker = await sharedBroker({ brokers: 3 })

const hasMore = (topic: string, than: number) => async () =>
  (await broker.records(topic).catch(() => 0)) > than

testWithKafka(
  'nothing is acknowledged while replicas are missing, then every line once',
  async () => {
    await broker.createTopic('missing', {}, { 'min.insync.replicas': '3' })
    await broker.move('missing', [0, 1, 2])
    const dir = tmp()
    await broker.kill9(2)
    await until(async () => (await broker.describe('missing'))[0]?.isr.length === 2, {
      limitMs: 120_000,
      everyMs: 100,
    })
    writeLines(join(dir, 'a.log'), 0, LINES)
    const agent = leafTo({ dir, broker, topic: 'missing', ...SMALL })
    await agent.waitForStderr('NOT_ENOUGH_REPLICAS', 120_000)
    await Bun.sleep(MISSING_MS)
    expect(await ackedBytes(agent)).toEqual([0])
    await broker.restart(2)
    expect(await numbersIn(broker, agent, LINES, 'missing')).toMatchObject(COMPLETE)
  },
  LIMIT_MS,
)

// The last one, as its broker stays down.
testWithKafka(
  'with one of three brokers down and the leader moving between the others, no line is lost, all in order',
  async () => {
    await broker.createTopic('moving', {}, { 'min.insync.replicas': '2' })
    await broker.move('moving', [0, 1, 2])
    const dir = tmp()
    writeLines(join(dir, 'a.log'), 0, LINES)
    const agent = leafTo({ dir, broker, topic: 'moving', ...SMALL })
    await until(hasMore('moving', LINES / 20), { limitMs: 120_000, everyMs: 5, what: () => agent.stderr })
    await broker.kill9(0)
    await until(async () => (await broker.leader('moving')) > 0, { limitMs: 120_000, everyMs: 100 })
    const [from, to] = (await broker.leader('moving')) === 1 ? [1, 2] : [2, 1]
    await until(hasMore('moving', LINES * 0.15), { limitMs: 120_000, everyMs: 5, what: () => agent.stderr })
    await broker.move('moving', [to, from])
    expect(await numbersIn(broker, agent, LINES, 'moving')).toMatchObject(COMPLETE)
  },
  400_000,
)
