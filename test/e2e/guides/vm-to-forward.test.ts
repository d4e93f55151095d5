import { expect } from 'bun:test'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Guide } from '../../support/guide.ts'
import { freePorts } from '../../support/ports.ts'
import { CONF, machineWith, QUICK, SCRIPT, testInstall, UNIT } from '../../support/release/install.ts'
import { until } from '../../support/until.ts'

const EXEC_START = /^ExecStart=\S+shipper (.*)$/m
const ACCESS = '10.1.1.1 - - [21/Nov/2026:06:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl"\n'
const TRACE = 'java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)'

testInstall('the commands of the guide from a VM to a forward peer run as written', async () => {
  const { machine, server } = await machineWith({ version: '0.1.0' })
  const [port = 0, http = 0] = await freePorts(2)
  const calls = (name: string): string => `echo "$*" >> ${name}.calls`
  const guide = new Guide('docs/guides/vm-to-forward.md', {
    replacements: {
      'listen=0.0.0.0': 'listen=127.0.0.1',
      '10.0.0.5': '127.0.0.1',
      '24224': String(port),
      '2020': String(http),
      '    HTTP_Server   on': `    HTTP_Server   on\n    HTTP_Port     ${http}`,
      'URL/install.sh': `${server.url}/install.sh`,
      '/etc/shipper/': `${machine.root}/etc/shipper/`,
      '/var/log/': `${machine.root}/var/log/`,
    },
    env: { SHIPPER_STATE: join(machine.root, 'var/lib/shipper'), SITE: 'vm-1' },
    programs: { sudo: 'exec env "$@"', systemctl: calls('systemctl'), journalctl: calls('journalctl') },
  })
  server.files.set('/install.sh', Buffer.from(QUICK + SCRIPT))
  const logs = machine.path('var/log')
  for (const name of ['nginx', 'app']) mkdirSync(join(logs, name))
  writeFileSync(join(logs, 'boot.log'), 'booted\n')
  writeFileSync(join(logs, 'nginx/access.log'), ACCESS)
  writeFileSync(join(logs, 'app/a.log'), `${TRACE}\nnext\n`)

  expect(await guide.run('shipper -i tail')).toContain('"log"=>"booted"')
  const receiver = guide.start('shipper -i forward')
  await receiver.waitForStderr('listening on')
  const install = await machine.shell(
    `${guide.next('curl').replace('sudo', 'env')} -s -- --root ${machine.root}`,
    {},
  )
  expect([install.code, install.stderr]).toEqual([0, expect.not.stringContaining('error')])
  expect(machine.running()).toBe(true)

  machine.write(CONF, guide.configuration())
  expect(await guide.run('shipper -c')).toContain('successful')
  await guide.run('sudo systemctl restart')
  const [, args = ''] = EXEC_START.exec(machine.read(UNIT)) ?? []
  const service = guide.launch(`shipper ${args.replaceAll('/etc/', `${machine.root}/etc/`)}`)
  await receiver.waitForStdout('"path"=>"/a"')
  await receiver.waitForStdout(`"log"=>"${TRACE}"`)
  await receiver.waitForStdout('"site"=>"vm-1"')

  appendFileSync(join(logs, 'app/a.log'), 'last\n')
  await receiver.waitForStdout('"log"=>"last')
  const size = readFileSync(join(logs, 'app/a.log')).length
  await guide.run('systemctl status')
  const command = guide.next('curl -s http://127.0.0.1')
  const acknowledged = async (): Promise<boolean> => {
    const { stdout } = await machine.shell(command, {})
    const { files } = JSON.parse(stdout) as { files: { path: string; acked: number; lag: number }[] }
    return files.some(({ path, acked, lag }) => path.endsWith('a.log') && acked === size && lag === 0)
  }
  await until(acknowledged, { what: () => service.stderr, everyMs: 50 })
  expect(await guide.run('curl -s http')).toContain('fluentbit_input_records_total')
  await guide.run('sudo systemctl kill')
  await guide.run('sudo journalctl')
  const calledWith = (name: string): string => readFileSync(join(guide.dir, `${name}.calls`), 'utf8')
  expect(calledWith('systemctl')).toBe('restart shipper\nstatus shipper\nkill --signal=USR1 shipper\n')
  expect(calledWith('journalctl')).toBe('-u shipper -n 50\n')
  service.kill('SIGUSR1')
  await service.waitForStderr('a.log')
  expect((await service.stop()).code).toBe(0)
  guide.done()
})
