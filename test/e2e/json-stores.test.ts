import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DATADOG, JsonLogsApi } from '../support/doubles/json-logs.ts'
import { FAULTS, type Fault } from '../support/doubles/plan.ts'
import { SplunkApi } from '../support/doubles/splunk.ts'
import { type StoreApi, StoreDouble } from '../support/doubles/store-double.ts'
import { agentTo, writeRecords } from '../support/stores/scenario.ts'
import { testWithVictoriaLogs, VictoriaLogs } from '../support/stores/victoria-logs.ts'
import { tmp } from '../support/tmp.ts'
import { until, untilReaches } from '../support/until.ts'

/** Faults after which the store has what nobody knows of: of a question for acknowledgements, the answer is then lost for good. */
const UNANSWERED: readonly Fault[] = ['close-kept', 'reset-kept', 'cut-kept']
const NEW_RELIC = { path: '/log/v1', status: 202, keyHeader: 'x-license-key', maxBytes: 1_000_000 }

interface Case {
  api: () => StoreApi
  options: Record<string, string>
  faults?: readonly Fault[]
}

const CASES: Record<string, Case> = {
  splunk: { api: () => new SplunkApi('off'), options: { splunk_token: 't', compress: 'gzip' } },
  'splunk with acknowledgements': {
    api: () => new SplunkApi(1),
    options: { splunk_token: 't' },
    faults: FAULTS.filter((fault) => !UNANSWERED.includes(fault)),
  },
  datadog: { api: () => new JsonLogsApi(DATADOG), options: { apikey: 'k', tls: 'off', compress: 'gzip' } },
  nrlogs: { api: () => new JsonLogsApi(NEW_RELIC), options: { license_key: 'k' } },
}
const PART = 300

for (const [name, { api, options, faults = FAULTS }] of Object.entries(CASES)) {
  test(`${name}: whatever happens to a request, no record is missing, and order is kept`, async () => {
    const double = await StoreDouble.start(api(), { lean: true })
    double.plan.next(...faults)
    const dir = tmp()
    const [plugin = ''] = name.split(' ')
    const address =
      plugin === 'nrlogs'
        ? { base_uri: `http://127.0.0.1:${double.port}/log/v1` }
        : { host: '127.0.0.1', port: double.port }
    const agent = agentTo({
      dir,
      output: { name: plugin, ...address, 'http.response_timeout': 1, ...options },
      service: { 'scheduler.cap': 1 },
    })
    const injected = (): number => Object.values(double.plan.injected).reduce((sum, count) => sum + count, 0)
    let written = 0
    while (injected() < faults.length) {
      writeRecords(join(dir, 'a.log'), written, written + PART)
      written += PART
      await untilReaches(written, () => double.ledger.settled, { what: () => agent.stderr.slice(-3000) })
    }
    expect(await agent.stop()).toMatchObject({ code: 0 })
    expect(double.bad).toEqual([])
    const report = double.ledger.report(written)
    expect(report).toMatchObject({ kept: written, missing: 0, refused: 0, disorder: 0 })
    // Nothing is repeated but what the store had taken without an answer.
    expect(report.twice).toBeLessThanOrEqual(
      faults.filter((fault) => UNANSWERED.includes(fault)).length * PART,
    )
  })
}

testWithVictoriaLogs(
  'a real VictoriaLogs has every record that datadog sent, with its attributes',
  async () => {
    const store = await VictoriaLogs.start()
    const dir = tmp()
    const output = { name: 'datadog', host: '127.0.0.1', port: store.port, tls: 'off', apikey: 'k' }
    const attributes = {
      dd_source: 'nginx',
      dd_tags: 'env:test,team:web',
      dd_message_key: 'text',
      compress: 'gzip',
    }
    // It takes no other attributes than texts.
    const lines = Array.from({ length: 5000 }, (_, n) => `{"t":1700000000,"n":"${n}","text":"line ${n}"}\n`)
    writeFileSync(join(dir, 'a.log'), lines.join(''))
    const agent = agentTo({ dir, output: { ...output, ...attributes } })
    await until(async () => (await store.count()) === 5000, {
      everyMs: 200,
      limitMs: 120_000,
      what: () => agent.stderr.slice(-3000),
    })
    await agent.stop()
    expect(await store.count('n:>=2500')).toBe(2500)
    const [row] = await store.query('n:=7')
    expect(row).toMatchObject({ n: '7', _msg: 'line 7', ddsource: 'nginx', env: 'test', team: 'web' })
    expect(row?._time).toStartWith('2023-11-14T22:13:20')
  },
)
