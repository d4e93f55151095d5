import { expect } from 'bun:test'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode } from '@msgpack/msgpack'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { Guide } from '../../support/guide.ts'
import { Journal, numberedEntries } from '../../support/journal/journal.ts'
import { journalTools } from '../../support/journal/tools.ts'
import { KafkaBroker, testWithKafka } from '../../support/kafka/brokers.ts'
import { onPath, peerOrSkip } from '../../support/skip.ts'
import { until } from '../../support/until.ts'

const tools = journalTools()
const testLeaf = tools.reason === '' ? testWithKafka : peerOrSkip('the journal', false, tools.reason)

testLeaf('the commands of the guide from the journal to Kafka run as written', async () => {
  const broker = await KafkaBroker.start({ autoCreate: true })
  const guide = new Guide('docs/guides/journald-to-kafka.md', {
    replacements: {
      '-i systemd': '-i systemd -p path=j',
      'conf/journald-to-kafka.conf': 'journald-to-kafka.conf',
      'kafka-1:9092': broker.bootstrap,
      '/etc/shipper/': 'etc/',
    },
    programs: { sudo: 'exec env "$@"', systemctl: 'echo systemctl "$@"' },
    env: { PATH: tools.path, KAFKA_PASSWORD: 'secret' },
  })
  const journal = new Journal(tools, join(guide.dir, 'j'))
  journal.write(numberedEntries(0, 30, { _SYSTEMD_UNIT: 'ssh.service' }))
  journal.write(numberedEntries(30, 50, { _SYSTEMD_UNIT: 'cron.service' }))
  const conf = readFileSync(join(ROOT, 'conf/journald-to-kafka.conf'), 'utf8')
  guide.file('journald-to-kafka.conf', conf.replace('[INPUT]\n', `[INPUT]\n    Path ${journal.dir}\n`))
  mkdirSync(join(guide.dir, 'etc'))

  const shown = await guide.run('shipper -i systemd')
  expect([shown.split('"message 29"').length, shown.includes('message 30')]).toEqual([2, false])
  expect(await guide.run('KAFKA_BROKERS')).toContain('successful')
  const leaf = guide.start('KAFKA_BROKERS')
  const all = async (): Promise<boolean> => (await broker.records('journal').catch(() => 0)) === 50
  await until(all, { everyMs: 50, what: () => leaf.stderr })
  expect((await leaf.stop()).code).toBe(0)
  const records = await broker.consume('journal')
  const ssh = records.filter(({ key }) => String(key) === 'journal.ssh.service')
  const messages = ssh.map(({ value }) => (decode(value as Uint8Array) as { message: string }).message)
  expect(messages).toEqual(Array.from({ length: 30 }, (_, i) => `message ${i}`))
  if (onPath('kcat')) expect(await guide.run('kcat')).toContain('journal.cron.service ')
  else guide.next('kcat')

  guide.file('etc/kafka-ca.pem', broker.authority.cert)
  guide.file('safe.conf', `[INPUT]\n    Name mem\n    Tag journal.x\n${guide.configuration()}`)
  const checked = guide.launch('shipper -c safe.conf -D')
  expect([(await checked.ended()).code, checked.stderr]).toEqual([0, ''])

  await guide.run('sudo cp')
  await guide.run('echo KAFKA_BROKERS')
  await guide.run('sudo chmod')
  expect(await guide.run('sudo systemctl')).toBe('systemctl restart shipper\n')
  // As the service does: variables from the file, positions in its own folder.
  const env = { SHIPPER_STATE: '.' }
  const service = guide.launch(`$(cat etc/shipper.env) shipper -c etc/shipper.conf`, { env })
  journal.write(numberedEntries(50, 60, { _SYSTEMD_UNIT: 'ssh.service' }), 'b.journal')
  const more = async (): Promise<boolean> => (await broker.records('journal')) === 60
  await until(more, { everyMs: 50, what: () => service.stderr })
  expect((await service.stop()).code).toBe(0)
  guide.done()
})
