import { expect } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Guide } from '../../support/guide.ts'
import { freePorts } from '../../support/ports.ts'
import { CONF, machineWith, QUICK, SCRIPT, UNIT } from '../../support/release/install.ts'
import { onPath, peerOrSkip } from '../../support/skip.ts'
import { testWithVictoriaLogs, VictoriaLogs } from '../../support/stores/victoria-logs.ts'
import { until } from '../../support/until.ts'

const EXEC_START = /^ExecStart=\S+shipper (.*)$/m
const LINES = [
  '{"level":"error","msg":"no route","path":"/a"}\n',
  '{"level":"info","msg":"ready"}\n',
  'no JSON\n',
].join('')
const testMachine = onPath('curl') ? testWithVictoriaLogs : peerOrSkip('curl', false, 'no `curl` on PATH')

testMachine('the commands of the guide from a VM to OpenTelemetry run as written', async () => {
  const store = await VictoriaLogs.start()
  const { machine, server } = await machineWith({ version: '0.1.0' })
  const [port = 0, http = 0] = await freePorts(2)
  const calls = (name: string): string => `echo "$*" >> ${name}.calls`
  const guide = new Guide('docs/guides/vm-to-opentelemetry.md', {
    replacements: {
      'port=4318': `port=${port}`,
      '2020': String(http),
      '    HTTP_Server   on': `    HTTP_Server   on\n    HTTP_Port     ${http}`,
      'URL/install.sh': `${server.url}/install.sh`,
      '/etc/shipper/': `${machine.root}/etc/shipper/`,
      '/var/log/': `${machine.root}/var/log/`,
      'collector.example.org': '127.0.0.1',
      'Port           4318': `Port           ${store.port}\n    Logs_Uri       ${VictoriaLogs.PATHS.opentelemetry}`,
      'Tls            on': 'Tls            off',
    },
    env: { SHIPPER_STATE: join(machine.root, 'var/lib/shipper'), OTLP_TOKEN: 'secret' },
    programs: { sudo: 'exec env "$@"', systemctl: calls('systemctl'), journalctl: calls('journalctl') },
  })
  server.files.set('/install.sh', Buffer.from(QUICK + SCRIPT))
  const logs = machine.path('var/log')
  mkdirSync(join(logs, 'app'))
  writeFileSync(join(logs, 'boot.log'), 'booted\n')
  writeFileSync(join(logs, 'app/a.log'), LINES)

  const receiver = guide.start('shipper -i opentelemetry')
  await receiver.waitForStderr('listening on')
  await guide.run('shipper -i tail')
  await receiver.waitForStdout('booted')
  await receiver.stop()

  const install = await machine.shell(
    `${guide.next('curl').replace('sudo', 'env')} -s -- --root ${machine.root}`,
    {},
  )
  expect([install.code, install.stderr]).toEqual([0, expect.not.stringContaining('error')])
  machine.write(CONF, guide.configuration())
  await guide.run('echo OTLP_TOKEN')
  await guide.run('sudo chmod')
  expect(machine.read('etc/shipper/shipper.env')).toContain('OTLP_TOKEN=secret\n')
  expect(await guide.run('shipper -c')).toContain('successful')
  await guide.run('sudo systemctl restart')
  const [, args = ''] = EXEC_START.exec(machine.read(UNIT)) ?? []
  const service = guide.launch(`shipper ${args.replaceAll('/etc/', `${machine.root}/etc/`)}`)
  await until(async () => (await store.count()) === 3, { everyMs: 100, what: () => service.stderr })
  const rows = await store.query('*')
  const row = (text: string): Record<string, string> => rows.find(({ _msg }) => _msg === text) ?? {}
  const host = expect.stringMatching(/./)
  expect(row('no route')).toMatchObject({
    severity_number: '17',
    severity_text: 'error',
    path: '/a',
    'host.name': host,
  })
  expect(row('ready')).toMatchObject({ severity_number: '9' })
  expect(row('no JSON')).toMatchObject({ 'host.name': host })

  const command = guide.next('curl -s http://127.0.0.1')
  const acknowledged = async (): Promise<boolean> => {
    const { stdout } = await machine.shell(command, {})
    const { files } = JSON.parse(stdout) as { files: { acked: number; lag: number }[] }
    return files.some(({ acked, lag }) => acked === LINES.length && lag === 0)
  }
  await until(acknowledged, { what: () => service.stderr, everyMs: 50 })
  await guide.run('sudo journalctl')
  expect(readFileSync(join(guide.dir, 'systemctl.calls'), 'utf8')).toBe('restart shipper\n')
  expect((await service.stop()).code).toBe(0)
  guide.done()
})
