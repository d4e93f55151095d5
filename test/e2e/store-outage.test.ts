import { expect, test } from 'bun:test'
import { EsApi } from '../support/doubles/es.ts'
import { JsonLogsApi } from '../support/doubles/json-logs.ts'
import { LokiApi } from '../support/doubles/loki.ts'
import { OtlpApi } from '../support/doubles/otlp.ts'
import { SplunkApi } from '../support/doubles/splunk.ts'
import { type StoreApi, StoreDouble } from '../support/doubles/store-double.ts'
import { LONG, shortOrLong } from '../support/long.ts'
import { type OutageInit, outage } from '../support/stores/outage.ts'

/** Ten minutes in `npm run test:long`. */
const SECONDS = shortOrLong(2, 600)
/**
 * For a store that hangs. In the long form all stores catch up at the same time, in one process: what a second is enough for in the short
 * one would be sent again without end.
 */
const RESPONSE_TIMEOUT_S = shortOrLong(1, 20)
/** 83 MB: many times what may be in memory. */
const BATCH = 480_000
const COMPLETE = { kept: 1.375 * BATCH, missing: 0, refused: 0, disorder: 0 }
/** Growth of the highest resident memory over ten minutes of attempts, of 8 MB of records: garbage, which does not add up. */
const MAX_OUTAGE_GROWTH = 20_000_000
const MB = 1e6

type How = OutageInit['how']

interface Case {
  api: () => StoreApi
  options?: Record<string, string | number>
  /** Default: a store that refuses connections. */
  hows?: readonly How[]
  /** Default in `npm run test:long`: all of ALL. */
  longHows?: readonly How[]
  /** True where a record that is sent again has the id of the first time. */
  isOnce?: boolean
}

const DOWN: readonly How[] = ['down']
const ALL: readonly How[] = ['down', '503', '401', 'hang']

/** Outputs over HTTP, with their stores. */
const OUTPUTS: Record<string, Case> = {
  http: {
    api: () => new JsonLogsApi(),
    options: { format: 'json_lines' },
    hows: ['down', 'hang'],
  },
  // With acknowledgements the little memory of this test is full until they come, once a second.
  splunk: { api: () => new SplunkApi('off'), options: { splunk_token: 't' } },
  es: { api: () => new EsApi(), isOnce: true },
  // These two doubles keep what they get.
  loki: { api: () => new LokiApi(), longHows: ['down', '503'] },
  opentelemetry: {
    api: () => new OtlpApi(),
    longHows: ['down', '503'],
  },
}

const RUNS = Object.entries(OUTPUTS).flatMap(([name, { hows = DOWN, longHows = ALL, ...rest }]) =>
  shortOrLong(hows, longHows).map((how) => ({ name, how, ...rest })),
)

async function isAway({ name, how, api, options, isOnce = false }: (typeof RUNS)[number]): Promise<void> {
  const double = await StoreDouble.start(api(), { lean: true })
  const timeout = how === 'hang' ? { 'http.response_timeout': RESPONSE_TIMEOUT_S } : {}
  const output = { name, host: '127.0.0.1', port: double.port, ...options, ...timeout }
  const { peaks, ...report } = await outage({ double, output, how, seconds: SECONDS, batch: BATCH })
  expect({ name, how, ...report }).toMatchObject({ name, how, ...COMPLETE, ...(isOnce ? { twice: 0 } : {}) })
  if (!LONG) return
  const figures = Object.entries(peaks).map(([when, bytes]) => `${when} ${(bytes / MB).toFixed(1)}`)
  process.stdout.write(`${name} ${how}: highest resident memory in MB: ${figures.join(', ')}\n`)
  expect(peaks.end - peaks.before).toBeLessThan(MAX_OUTAGE_GROWTH)
}

// Ten minutes are spent once.
if (LONG)
  test('stores that are away for ten minutes under load get every record, in order, and memory stays flat', async () => {
    await Promise.all(RUNS.map(isAway))
  })
else
  for (const run of RUNS)
    test(`${run.name}: a store that is away for a while (${run.how}) gets every record, in order, and memory stays flat`, () =>
      isAway(run))
