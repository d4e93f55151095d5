import { expect } from 'bun:test'
import { join } from 'node:path'
import { NumberCounter } from '../support/stores/numbers.ts'
import { agentTo, writeRecords } from '../support/stores/scenario.ts'
import { testWithVictoriaLogs, VictoriaLogs } from '../support/stores/victoria-logs.ts'
import { tmp } from '../support/tmp.ts'
import { untilReaches } from '../support/until.ts'

const RECORDS = 5000
const { PATHS } = VictoriaLogs

type Options = Record<string, string | number>

/** Each output that a VictoriaLogs understands, with the options that are not host and port; a second word tells runs of one apart. */
const OUTPUTS: Record<string, (store: VictoriaLogs) => Options> = {
  es: ({ port }) => ({ port, path: PATHS.es, suppress_type_name: 'on' }),
  http: ({ port }) => ({
    port,
    uri: `${PATHS.jsonLines}?_time_field=date&_msg_field=text`,
    format: 'json_lines',
    json_date_format: 'iso8601',
  }),
  loki: ({ port }) => ({ port, uri: PATHS.loki, labels: 'job=app', structured_metadata: 'n=$n' }),
  'loki json': ({ port }) => ({
    port,
    uri: PATHS.loki,
    compress: 'gzip',
    labels: 'job=app',
    structured_metadata: 'n=$n',
  }),
  opentelemetry: ({ port }) => ({ port, logs_uri: PATHS.opentelemetry, logs_body_key: 'text' }),
  'opentelemetry zstd': ({ port }) => ({
    port,
    logs_uri: PATHS.opentelemetry,
    logs_body_key: 'text',
    compress: 'zstd',
  }),
  syslog: ({ syslogTcpPort }) => ({
    port: syslogTcpPort,
    mode: 'tcp',
    syslog_message_key: 'text',
    syslog_procid_key: 'n',
  }),
}

for (const [name, options] of Object.entries(OUTPUTS)) {
  testWithVictoriaLogs(
    `${name}: every record comes back from a query of a real VictoriaLogs, once`,
    async () => {
      const store = await VictoriaLogs.start()
      const dir = tmp()
      writeRecords(join(dir, 'a.log'), 0, RECORDS)
      const agent = agentTo({
        dir,
        output: { name: name.split(' ')[0] ?? '', host: '127.0.0.1', ...options(store) },
      })
      const what = (): string => `${store.log.slice(-1000)}\n${agent.stderr.slice(-3000)}`
      await untilReaches(RECORDS, () => store.count(), { everyMs: 100, what })
      await agent.stop()
      const counter = new NumberCounter(RECORDS)
      for (const row of await store.query('*')) counter.add(Number(row.n ?? row.proc_id))
      const once = { records: RECORDS, without: 0, distinct: RECORDS, duplicates: 0, missing: 0, first: [] }
      expect(counter.result()).toEqual(once)
    },
  )
}
