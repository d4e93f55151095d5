import { expect } from 'bun:test'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { Guide } from '../../support/guide.ts'
import { numbersIn } from '../../support/kafka/agent.ts'
import { KafkaBroker, testWithKafka } from '../../support/kafka/brokers.ts'
import { freePorts } from '../../support/ports.ts'
import { onPath } from '../../support/skip.ts'
import { writeLines } from '../../support/tail/lines.ts'
import { until } from '../../support/until.ts'

const LINES = 20_000

testWithKafka(
  'the commands of the relay guide run as written, and a killed relay loses nothing',
  async () => {
    const broker = await KafkaBroker.start({ autoCreate: true })
    const [port = 0] = await freePorts(1)
    const guide = new Guide('docs/guides/relay.md', {
      replacements: {
        'conf/relay.conf': 'relay.conf',
        'relay:24224': `127.0.0.1:${port}`,
        'Host   relay': 'Host   127.0.0.1',
        '0.0.0.0': '127.0.0.1',
        '24224': String(port),
        '127.0.0.1:9092': broker.bootstrap,
        '/var/log/': 'log/',
      },
    })
    const conf = readFileSync(join(ROOT, 'conf/relay.conf'), 'utf8')
    guide.file('relay.conf', guide.mine(conf))
    mkdirSync(join(guide.dir, 'log'))
    writeLines(join(guide.dir, 'log/a.log'), 0, LINES)

    expect(await guide.run('shipper -c conf/relay.conf -D')).toContain('successful')
    const command = guide.next('shipper -c conf/relay.conf')
    const first = guide.launch(command)
    await first.waitForStderr('listening on')
    const leaf = guide.start('shipper -i tail')
    const some = async (): Promise<boolean> => (await broker.records('app').catch(() => 0)) > 0
    await until(some, { everyMs: 20, what: () => first.stderr + leaf.stderr })
    first.kill('SIGKILL')
    await first.exited
    const second = guide.launch(command)
    expect(await numbersIn(broker, second, LINES, 'app')).toMatchObject({ missing: 0, disorder: 0 })
    expect((await leaf.stop()).code).toBe(0)

    guide.file('leaf.conf', guide.configuration())
    writeLines(join(guide.dir, 'log/a.log'), LINES, LINES + 10)
    const classic = guide.launch('shipper -c leaf.conf')
    const all = await numbersIn(broker, classic, LINES + 10, 'app')
    expect(all).toMatchObject({ missing: 0, disorder: 0 })
    expect((await classic.stop()).code).toBe(0)
    expect((await second.stop()).code).toBe(0)

    if (onPath('kcat')) expect(await guide.run('kcat')).toContain('app {')
    else guide.next('kcat')
    guide.done()
  },
)
