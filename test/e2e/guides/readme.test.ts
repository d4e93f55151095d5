import { expect, test } from 'bun:test'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { Sink } from '../../support/forward/sink.ts'
import { Guide } from '../../support/guide.ts'
import { freePorts } from '../../support/ports.ts'
import { until } from '../../support/until.ts'

const MANIFEST = /`(shipper manifest [^`]+)`/

test('the commands of README.md run as written', async () => {
  const [port = 0] = await freePorts(1)
  const sink = await Sink.start('lines')
  const guide = new Guide('README.md', {
    replacements: {
      // The command of package.json, run in the folder of the test.
      'npm start --': `node ${join(ROOT, 'scripts/start.mjs')}`,
      '-i forward': `-i forward -p port=${port}`,
      '-t host -o forward': `-t host -o forward -p port=${port}`,
      '/var/log/': 'log/',
      '10.0.0.5': '127.0.0.1',
      '24224': String(sink.port),
      '    Host   10.0.0.5': `    Port ${sink.port}\n    Host 127.0.0.1`,
      '/etc/fluent-bit/': '',
      '/etc/td-agent/': '',
      '/tmp/shipper.db': 'shipper.db',
    },
  })
  mkdirSync(join(guide.dir, 'log'))
  writeFileSync(join(guide.dir, 'log/app.log'), 'line 0\nline 1\n')
  expect(readFileSync(join(ROOT, 'package.json'), 'utf8')).toContain('"start": "exec node scripts/start.mjs"')

  const receiver = guide.start('npm start -- -i forward')
  await receiver.waitForStderr('listening on')
  const first = guide.start('npm start -- -i tail')
  await receiver.waitForStdout('"log"=>"line 1"')
  // The runtime is a child of npm's node, which forwards signals.
  expect((await first.stop('SIGINT')).code).toBe(0)
  expect((await receiver.stop('SIGINT')).code).toBe(0)

  const log = join(guide.dir, 'log/app.log')
  let lines = 2
  const arrives = async (): Promise<boolean> => {
    // The agent begins at the end of the file, wherever that is when it opens it.
    appendFileSync(log, `line ${lines++}\n`)
    return (await sink.summary()).distinct > 0
  }
  const flags = guide.start('shipper -i tail -p path=/var/log/app.log')
  await until(arrives, { everyMs: 50, what: () => flags.stderr })
  expect((await flags.stop()).code).toBe(0)

  await sink.ask('reset')
  guide.file('shipper.conf', guide.configuration())
  const classic = guide.start('shipper -c shipper.conf')
  await until(arrives, { everyMs: 50, what: () => classic.stderr })
  expect((await classic.stop()).code).toBe(0)
  expect(await guide.run('shipper -c shipper.conf -D')).toContain('successful')
  expect(await guide.run('shipper -i tail -h')).toContain('read_from_head')
  expect(await guide.run('shipper plugins')).toContain('kafka')

  guide.file(
    'fluent-bit.conf',
    '[INPUT]\n    Name tail\n    Path a.log\n[OUTPUT]\n    Name null\n    Match *\n',
  )
  expect(await guide.run('shipper -c /etc/fluent-bit')).toContain('successful')
  guide.file(
    'td-agent.conf',
    '<source>\n  @type sample\n  tag a\n</source>\n<match **>\n  @type null\n</match>\n',
  )
  expect(await guide.run('shipper -c /etc/td-agent')).toContain('successful')
  const [, manifest = ''] = MANIFEST.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? []
  expect((await guide.launch(manifest).ended()).code).toBe(0)
  expect(readFileSync(join(guide.dir, 'shipper.yaml'), 'utf8')).toContain('brokers  kafka:9092')
  // test/e2e/start.test.ts runs the first; this test is part of the second.
  guide.next('npm start')
  guide.next('npm test')
  guide.done()
})
