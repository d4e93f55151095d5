import { expect } from 'bun:test'
import { CuttingProxy } from '../support/doubles/cutting-proxy.ts'
import { shortOrLong } from '../support/long.ts'
import { OpenSearch, testWithOpenSearch } from '../support/stores/opensearch.ts'
import { killAgain } from '../support/stores/scenario.ts'
import { tmp } from '../support/tmp.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`es-exactly-once.test.ts: SHIPPER_SEED=${SEED}\n`)

/** Two million records in `npm run test:long`: with the equal ones, a tenth. */
const NUMBERS = shortOrLong(45_000, 1_800_000)
const EQUAL = 9
const KILLS = shortOrLong(5, 20)

testWithOpenSearch(
  'connections cut after the body, answers 429 and kills: the index holds each record once, equal lines among them',
  async () => {
    const store = await OpenSearch.start()
    await store.createIndex('logs', { n: 'long', same: 'keyword' })
    const plan = { seed: SEED, cutAfterBody: 0.1, cutInBody: 0.05, tooMany: 0.1, retryAfter: '1' }
    const proxy = await CuttingProxy.start(store.port, plan)
    const output = {
      name: 'opensearch',
      host: '127.0.0.1',
      port: proxy.port,
      index: 'logs',
      suppress_type_name: 'on',
    }
    const { records, equal } = await killAgain({
      dir: tmp(),
      output,
      numbers: NUMBERS,
      equal: EQUAL,
      kills: KILLS,
      seed: SEED,
      requests: () => proxy.cuts.requests,
      records: () => store.count('logs'),
    })
    expect(records).toBe(NUMBERS + NUMBERS / EQUAL)
    const numbers = { records, without: equal, distinct: NUMBERS, duplicates: 0, missing: 0, first: [] }
    expect(await store.numbers('logs', NUMBERS)).toEqual(numbers)
    expect(proxy.cuts.afterBody + proxy.cuts.inBody + proxy.cuts.tooMany).toBeGreaterThan(0)
  },
)
