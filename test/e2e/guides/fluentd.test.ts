import { expect, test } from 'bun:test'
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Sink } from '../../support/forward/sink.ts'
import { Guide } from '../../support/guide.ts'
import { until } from '../../support/until.ts'

test('the commands of the fluentd guide run as written, and continue after the line that fluentd has read last', async () => {
  const sink = await Sink.start('count')
  const guide = new Guide('docs/guides/fluentd.md', {
    replacements: {
      '10.0.0.5': '127.0.0.1',
      '24224': String(sink.port),
      '/var/log/app/': 'app/',
      '/var/log/td-agent/': '',
      'flush_interval 5s': 'flush_interval 0.1',
    },
  })
  const configuration = guide.configuration()
  guide.file('td-agent.conf', configuration)
  mkdirSync(join(guide.dir, 'app'))
  const log = join(guide.dir, 'app/a.log')
  const line = (text: string, level = 'info'): string =>
    `${JSON.stringify({ time: '2026-11-21T10:00:00.5+0100', level, log: text })}\n`
  writeFileSync(log, line('read by fluentd') + line('noise', 'debug') + line('1'))
  const offset = line('read by fluentd').length.toString(16).padStart(16, '0')
  const inode = statSync(log).ino.toString(16).padStart(16, '0')
  const positions = `app/a.log\t${offset}\t${inode}\n`
  guide.file('app.pos', positions)

  expect(await guide.run('shipper -c td-agent.conf -D')).toContain('successful')
  expect(existsSync(join(guide.dir, 'app.pos.shipper.db'))).toBe(false)
  guide.file('sample.log', line('noise', 'debug') + line('kept'))
  const tried = await guide.run('shipper try -c td-agent.conf --tag app.web < sample.log')
  expect(tried).toContain('2 records: 1 dropped by grep.0, 1 to forward.0')
  const agent = guide.start('shipper -c td-agent.conf')
  await until(async () => (await sink.summary()).records > 0, { what: () => agent.stderr })
  appendFileSync(log, line('2') + line('noise', 'debug'))
  await until(async () => (await sink.summary()).records > 1, { what: () => agent.stderr })
  expect((await sink.summary()).records).toBe(2)
  expect((await agent.stop()).code).toBe(0)
  expect(readFileSync(join(guide.dir, 'app.pos'), 'utf8')).toBe(positions)
  expect(existsSync(join(guide.dir, 'app.pos.shipper.db'))).toBe(true)
  guide.done()
})
