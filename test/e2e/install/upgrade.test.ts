import { expect } from 'bun:test'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { Sink } from '../../support/forward/sink.ts'
import { shipperCommand, start } from '../../support/process.ts'
import { CONF, Machine } from '../../support/release/install.ts'
import { ReleaseServer, releaseOf } from '../../support/release/release.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { until } from '../../support/until.ts'

const RATE = 5000
const SECONDS = 10
const WRITER = join(ROOT, 'test/support/tail/writer-process.ts')

const [binary = '', ...rest] = shipperCommand()
const testWithBinary = peerOrSkip('the binary', rest.length === 0, 'not built, see npm run build')

testWithBinary('an upgrade under load loses no line, and neither does one that is rolled back', async () => {
  const machine = new Machine()
  const server = await ReleaseServer.start()
  machine.url = server.url
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const real = readFileSync(binary)
  const sink = await Sink.start('lines')
  server.publish(version, releaseOf(real))
  const log = machine.path('var/log/app.log')
  mkdirSync(machine.path('etc/shipper'))
  machine.write(
    CONF,
    `[SERVICE]
    Flush 0.1
[INPUT]
    Name            tail
    Path            ${log}
    DB              \${SHIPPER_STATE:-.}/shipper.db
    Read_From_Head  on
[OUTPUT]
    Name   forward
    Match  *
    Host   127.0.0.1
    Port   ${sink.port}
`,
  )
  machine.write('var/log/app.log', '00000000 the first line\n')
  expect(await machine.run()).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('runs as the service'),
  })
  await until(() => machine.has('var/lib/shipper/shipper.db'))

  const writer = start([log, String(RATE), '1', String(SECONDS * 1000), '0', 'rename'], {
    command: [process.execPath, WRITER],
  })
  await until(async () => (await sink.summary()).distinct > RATE)
  const first = machine.pid
  const upgraded = await machine.run()
  expect([upgraded.code, upgraded.code === 0 ? '' : upgraded.stderr]).toEqual([0, ''])
  expect(machine.pid).not.toBe(first)
  expect(machine.running()).toBe(true)

  // A binary that accepts the configuration and prints its version, but ends when it is started as the service.
  const broken = Buffer.from(
    `#!/bin/sh\ncase " $* " in *' -D '* | *' --version '*) exec ${binary} "$@" ;; esac\nexit 1\n`,
  )
  server.publish(version, releaseOf(broken))
  const second = machine.pid
  expect(await machine.run()).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('everything was rolled back'),
  })
  await until(() => machine.running(), { what: () => machine.serviceLog.slice(-2000) })
  expect(machine.pid).not.toBe(second)
  expect(readFileSync(machine.path('usr/local/bin/shipper')).equals(real)).toBe(true)

  await writer.ended()
  const lines = Number(writer.stdout)
  await until(async () => (await sink.summary()).distinct >= lines, {
    what: () => machine.serviceLog.slice(-2000),
  })
  expect(await sink.missing(lines)).toEqual({ missing: 0, first: [] })
  expect((await machine.run(['--uninstall', '--purge'])).code).toBe(0)
  expect(machine.running()).toBe(false)
})
