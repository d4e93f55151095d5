import { expect, test } from 'bun:test'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { EsApi } from '../support/doubles/es.ts'
import { JsonLogsApi } from '../support/doubles/json-logs.ts'
import { LokiApi } from '../support/doubles/loki.ts'
import { OtlpApi } from '../support/doubles/otlp.ts'
import type { Fault } from '../support/doubles/plan.ts'
import { type StoreApi, StoreDouble } from '../support/doubles/store-double.ts'
import { shortOrLong } from '../support/long.ts'
import { agentTo, writeRecords } from '../support/stores/scenario.ts'
import { tmp } from '../support/tmp.ts'
import { untilReaches } from '../support/until.ts'

const SEED = Number(process.env.SHIPPER_SEED ?? Date.now() % 100_000)
process.stdout.write(`store-faults.test.ts: SHIPPER_SEED=${SEED}\n`)

const RECORDS = shortOrLong(10_000, 200_000)
/** A part is written when a request after the one before it has come, so that there are many requests. */
const PARTS = shortOrLong(10, 100)
const REFUSED = 0.0005

interface Case {
  api: () => StoreApi
  options: Record<string, string | number>
  never?: readonly Fault[]
  /** True where the store tells repeated records by their ids, or keeps equal ones once. */
  isOnce: boolean
  /** True where the store does not say which records it refuses: they are counted. */
  countsRefused?: boolean
}

/** Each output over HTTP, with its store. */
const OUTPUTS: Record<string, Case> = {
  http: {
    api: () => new JsonLogsApi(),
    options: { format: 'json_lines', 'http.response_timeout': 1 },
    // Nothing is known of the answers of a plain receiver.
    never: ['html-200'],
    isOnce: false,
  },
  es: { api: () => new EsApi(), options: { 'http.response_timeout': 1 }, isOnce: true },
  loki: { api: () => new LokiApi(), options: { 'http.response_timeout': 1 }, isOnce: true },
  opentelemetry: {
    api: () => new OtlpApi(),
    options: { 'http.response_timeout': 1 },
    isOnce: false,
    countsRefused: true,
  },
}

/** Returns the numbers of the records in a file of dead letters, sorted, each once. */
function numbersIn(letters: string): number[] {
  if (!existsSync(letters)) return []
  const lines = readFileSync(letters, 'utf8').split('\n').filter(Boolean)
  const numbers = lines.map((line) => {
    const { record } = JSON.parse(line) as { record: string }
    const [, { n }] = decode(Buffer.from(record, 'base64')) as [unknown, { n: number }]
    return n
  })
  return [...new Set(numbers)].sort((a, b) => a - b)
}

for (const [name, { api, options, never = [], isOnce, countsRefused = false }] of Object.entries(OUTPUTS)) {
  test(`${name}: under every fault each record has one fate, and what is refused is in the dead letters`, async () => {
    const plan = { seed: SEED, anyFault: 0.25, later: 0.01, refused: REFUSED, never }
    const double = await StoreDouble.start(api(), { ...plan, lean: true })
    const dir = tmp()
    const path = join(dir, 'a.log')
    const letters = join(dir, 'letters')
    const output = { name, host: '127.0.0.1', port: double.port, dead_letter_file: letters, ...options }
    const agent = agentTo({ dir, output, service: { 'scheduler.cap': 1 } })
    for (let part = 0; part < PARTS; part++) {
      writeRecords(path, (RECORDS * part) / PARTS, (RECORDS * (part + 1)) / PARTS)
      const requests = double.requests.length + double.heads.length
      await untilReaches(requests + 1, () => double.requests.length + double.heads.length)
    }
    const what = (): string => `${JSON.stringify(double.plan.injected)}\n${agent.stderr.slice(-3000)}`
    await untilReaches(RECORDS, () => double.ledger.settled, { everyMs: 50, what })
    const refused = Array.from({ length: RECORDS }, (_, n) => n).filter((n) => double.plan.isRefused(n))
    // The answer that refuses the last of them may have been lost. One that is refused alone waits until another record is accepted.
    const lettersAfterAnother = (): number => {
      appendFileSync(path, '{"t":1700000000,"same":"another"}\n')
      return numbersIn(letters).length
    }
    if (!countsRefused) await untilReaches(refused.length, lettersAfterAnother, { everyMs: 200, what })
    await agent.stop()
    const report = double.ledger.report(RECORDS)
    expect(report).toMatchObject({
      kept: RECORDS - refused.length,
      refused: refused.length,
      both: 0,
      missing: 0,
    })
    if (isOnce) expect(report.twice).toBe(0)
    expect(double.bad).toEqual([])
    if (!countsRefused) expect(numbersIn(letters)).toEqual(refused)
    expect(Object.keys(double.plan.injected)).not.toEqual([])
  })
}
