import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { useAwsEnvironment } from '../support/aws/environment.ts'
import { CloudwatchApi } from '../support/doubles/cloudwatch.ts'
import { CuttingProxy } from '../support/doubles/cutting-proxy.ts'
import { StoreDouble } from '../support/doubles/store-double.ts'
import { shortOrLong } from '../support/long.ts'
import { Moto, testWithMoto } from '../support/stores/moto.ts'
import { agentTo, killAgain, writeRecords } from '../support/stores/scenario.ts'
import { tmp } from '../support/tmp.ts'
import { untilReaches } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`cloudwatch-logs.test.ts: SHIPPER_SEED=${SEED}\n`)

const NUMBERS = shortOrLong(15_000, 300_000)
const KILLS = shortOrLong(4, 20)
const PARTS = shortOrLong(10, 100)

useAwsEnvironment()

function outputTo(url: string): Record<string, string | number> {
  return {
    ...{ name: 'cloudwatch_logs', region: 'us-east-1', endpoint: url, 'http.response_timeout': 1 },
    ...{ log_group_name: '/app/logs', log_stream_prefix: 'node1.', auto_create_group: 'on' },
  }
}

function numbersIn(messages: string[]): number[] {
  return messages.map((message) => (JSON.parse(message) as { n: number }).n)
}

test('under every fault each record arrives, in order', async () => {
  const double = await StoreDouble.start(new CloudwatchApi(), { seed: SEED, anyFault: 0.25, lean: true })
  const dir = tmp()
  const path = join(dir, 'a.log')
  const agent = agentTo({
    ...{ dir, output: outputTo(double.url), tail: { parser: 'untimed' } },
    service: { 'scheduler.cap': 1 },
  })
  for (let part = 0; part < PARTS; part++) {
    writeRecords(path, (NUMBERS * part) / PARTS, (NUMBERS * (part + 1)) / PARTS)
    const requests = double.requests.length + double.heads.length
    await untilReaches(requests + 1, () => double.requests.length + double.heads.length)
  }
  const what = (): string => `${JSON.stringify(double.plan.injected)}\n${agent.stderr.slice(-3000)}`
  await untilReaches(NUMBERS, () => double.ledger.settled, { everyMs: 50, what })
  await agent.stop()
  const report = double.ledger.report(NUMBERS)
  expect(report).toMatchObject({ kept: NUMBERS, refused: 0, missing: 0, disorder: 0 })
  expect(double.bad).toEqual([])
})

testWithMoto('cut connections, throttling and kills: moto has every event, in order', async () => {
  const moto = await Moto.start()
  const plan = { seed: SEED, cutAfterBody: 0.05, cutInBody: 0.05, tooMany: 0.1, retryAfter: '1' }
  const proxy = await CuttingProxy.start(moto.port, plan)
  const dir = tmp()
  const messages = async (): Promise<string[]> =>
    await moto.logMessages('/app/logs', 'node1.app').catch(() => [])
  const known = new Set<number>()
  await killAgain({
    ...{ dir, output: outputTo(`http://127.0.0.1:${proxy.port}`) },
    // One log: what is rotated is read before what is written after it. Of two files within Path, neither waits for the other.
    tail: { parser: 'untimed', path: join(dir, 'a.log') },
    ...{ numbers: NUMBERS, equal: 0, kills: KILLS, seed: SEED, requests: () => proxy.cuts.requests },
    records: async () => {
      for (const n of numbersIn(await messages())) known.add(n)
      return known.size
    },
  })
  const firsts = [...new Set(numbersIn(await messages()))]
  expect(firsts).toEqual(Array.from({ length: NUMBERS }, (_, n) => n))
  expect(proxy.cuts.afterBody + proxy.cuts.inBody + proxy.cuts.tooMany).toBeGreaterThan(0)
})
