import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { Guide } from '../../support/guide.ts'
import { freePorts } from '../../support/ports.ts'
import { onPath, peerOrSkip } from '../../support/skip.ts'

const PAGE = 'docs/guides/network-inputs.md'
const PYTHON = /^```python\n([\s\S]*?)^```$/m
const PROGRAMS = ['bash', 'curl', 'logger', 'openssl', 'python3']

const absent = PROGRAMS.filter((program) => !onPath(program))
const testWithPrograms = peerOrSkip('a program of the guide', absent.length === 0, `no ${absent.join(', ')}`)

testWithPrograms(
  'the commands of the guide to network inputs run as written, and each message is a record',
  async () => {
    const theirs = ['5140', '5170', '9880', '4318', '9881']
    const ports = await freePorts(theirs.length)
    const guide = new Guide(PAGE, {
      replacements: Object.fromEntries(theirs.map((port, i) => [port, String(ports[i])])),
    })
    guide.file('net.conf', guide.configuration())
    guide.file('events.ndjson', '{"n":1}\n{"n":2}\n')
    expect(await guide.run('shipper -c net.conf -D')).toContain('configuration test is successful')
    const agent = guide.start('shipper -c net.conf')
    for (const port of ports.slice(0, 4)) await agent.waitForStderr(`listening on 127.0.0.1:${port}`)

    await guide.run('logger')
    await agent.waitForStdout('"message":"by TCP"')
    await guide.run('logger')
    await agent.waitForStdout('"message":"by UDP"')
    const [, python = ''] = PYTHON.exec(readFileSync(join(ROOT, PAGE), 'utf8')) ?? []
    const plain = `${python.split('handler.setFormatter')[0]}logging.getLogger().addHandler(handler)\nlogging.warning('without time')\n`
    for (const [name, text] of Object.entries({ 'timed.py': python, 'plain.py': plain })) {
      guide.file(name, guide.mine(text))
      expect((await guide.launch(`python3 ${name}`).ended()).code).toBe(0)
    }
    await agent.waitForStdout('"ident":"app","pid":')
    await agent.waitForStdout('"message":"from Python"')
    await agent.waitForStdout('"pri":"12","message":"without time"')
    await guide.run('bash')
    await agent.waitForStdout('"message":"one object"')
    await guide.run('curl')
    await agent.waitForStdout('"message":"disk is nearly full"')
    await guide.run('curl')
    await agent.waitForStdout('"n":2')

    await guide.run('openssl')
    const secure = guide.start('shipper -i http')
    await secure.waitForStderr('listening on')
    await guide.run('curl')
    await secure.waitForStdout('"tls"=>true')
    expect((await secure.stop()).code).toBe(0)
    expect((await agent.stop()).code).toBe(0)
    guide.done()
  },
)
