import { expect } from 'bun:test'
import { mkdirSync, rmSync, statSync } from 'node:fs'
import {
  CONF,
  INSTALLED,
  IS_ROOT,
  machineWith,
  names,
  testInstall,
  UNIT,
} from '../../support/release/install.ts'
import { peerOrSkip } from '../../support/skip.ts'

const testAsRoot = peerOrSkip('root', IS_ROOT, 'only root gives files to others')

testInstall('a first installation that does not stay up leaves no files', async () => {
  const { machine } = await machineWith({ version: '1.0.0', staysUp: false })
  const before = machine.tree()
  const { code, stderr } = await machine.run()
  expect(code).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(2)
  expect(machine.tree()).toEqual(before)
})

testInstall(
  'a version that rejects the existing configuration changes nothing, and the service keeps running',
  async () => {
    const { machine, publish } = await machineWith({ version: '1.0.0' })
    await machine.run()
    const before = machine.tree()
    const { pid } = machine
    const calls = machine.calls.length
    publish({ version: '1.1.0', takesConfiguration: false })
    const { code, stderr } = await machine.run()
    expect(code).toBe(1)
    expect(stderr).toContain(
      `1.1.0 does not accept ${machine.path(CONF)}; nothing was changed: error: no such option`,
    )
    expect(machine.tree()).toEqual(before)
    expect(machine.pid).toBe(pid)
    expect(machine.calls).toHaveLength(calls)
  },
)

testInstall('an older version can be installed by its number', async () => {
  const { machine, publish } = await machineWith({ version: '1.0.0' })
  publish({ version: '1.1.0' })
  await machine.run()
  const { code } = await machine.run([], { env: { SHIPPER_VERSION: 'v1.0.0' } })
  expect(code).toBe(0)
  expect(machine.read('usr/local/bin/shipper')).toContain('shipper 1.0.0')
})

testInstall('--no-start installs and enables, and leaves a running service as it is', async () => {
  const { machine, publish } = await machineWith({ version: '1.0.0' })
  const first = await machine.run(['--no-start'])
  expect(first.code).toBe(0)
  expect(first.stdout).toContain('is not started')
  expect(names(machine.tree())).toEqual(expect.arrayContaining(INSTALLED))
  expect(machine.pid).toBe(0)
  await machine.run()
  const { pid } = machine
  publish({ version: '1.1.0' })
  expect((await machine.run(['--no-start'])).code).toBe(0)
  expect(machine.pid).toBe(pid)
  expect(machine.read('usr/local/bin/shipper')).toContain('1.1.0')
})

testInstall('an upgrade does not enable a disabled service', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  await machine.run()
  rmSync(machine.path('etc/systemd/system/multi-user.target.wants/shipper.service'))
  await machine.run()
  expect(machine.has('etc/systemd/system/multi-user.target.wants/shipper.service')).toBe(false)
})

testInstall('--dry-run lists every file that would be written, and changes nothing', async () => {
  const { machine, server } = await machineWith({ version: '1.0.0' })
  const before = machine.tree()
  const { code, stdout } = await machine.run(['--dry-run'])
  expect(code).toBe(0)
  expect(machine.tree()).toEqual(before)
  expect(server.requestedPaths).toEqual(['/latest', '/v1.0.0/SHA256SUMS'])
  for (const path of ['usr/local/bin/shipper', CONF, 'etc/shipper/parsers.conf', UNIT, 'var/lib/shipper']) {
    expect(stdout).toContain(machine.path(path))
  }
  expect(stdout).toContain('would create the user shipper\n')
  await machine.run()
  const installed = machine.tree()
  const added = names(installed).filter((name) => !name.endsWith('/') && !names(before).includes(name))
  expect(added.filter((name) => !stdout.includes(machine.path(name)))).toEqual([])
  const removal = await machine.run(['--dry-run', '--uninstall', '--purge'])
  expect(removal.stdout).toContain(`would remove ${machine.path(UNIT)}`)
  expect(machine.tree()).toEqual(installed)
  expect(machine.running()).toBe(true)
})

testInstall('installs, upgrades, uninstalls and purges under OpenRC', async () => {
  const { machine, publish } = await machineWith({ version: '1.0.0' }, 'openrc')
  const before = machine.tree()
  expect((await machine.run()).stdout).toContain('rc-service shipper restart')
  expect(machine.running()).toBe(true)
  expect(machine.tree()).toContain('etc/runlevels/default/shipper -> /etc/init.d/shipper')
  expect(statSync(machine.path('etc/init.d/shipper')).mode & 0o777).toBe(0o755)
  publish({ version: '1.1.0', staysUp: false })
  const installed = machine.tree()
  expect((await machine.run()).stderr).toContain('does not stay up')
  expect(machine.tree()).toEqual(installed)
  expect(machine.running()).toBe(true)
  await machine.run(['--uninstall', '--purge'])
  expect(machine.running()).toBe(false)
  expect(machine.tree()).toEqual(before)
})

testInstall('without a service manager it installs, and prints how to start the program', async () => {
  const { machine } = await machineWith({ version: '1.0.0' }, 'none')
  const { code, stdout } = await machine.run()
  expect(code).toBe(0)
  expect(stdout).toContain(`Start it with: ${machine.path('usr/local/bin/shipper')} -c ${machine.path(CONF)}`)
})

testInstall('--prefix needs no root and no service, and --purge leaves nothing', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  const before = machine.tree()
  const args = ['--prefix', '/home/me/.local']
  const { code, stdout } = await machine.run(args)
  expect(code).toBe(0)
  expect(stdout.trim().split('\n')).toHaveLength(5)
  expect(machine.calls).toEqual([])
  expect(machine.read(`home/me/.local/${CONF}`)).toContain(
    `\${SHIPPER_STATE:-/home/me/.local/var/lib/shipper}`,
  )
  await machine.run([...args, '--uninstall', '--purge'])
  expect(machine.tree().filter((line) => !line.startsWith('home'))).toEqual(before)
  expect(machine.has('home/me/.local')).toBe(false)
})

testInstall('the address of the peer can be given on the command line', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  const env = { FORWARD_HOST: '10.0.0.5', FORWARD_PORT: '24225' }
  expect((await machine.run([], { env })).stdout).toContain('sends to 10.0.0.5, port 24225')
  expect(machine.read(CONF)).toContain(`Host   \${FORWARD_HOST:-10.0.0.5}`)
  expect(machine.read(CONF)).toContain(`Port   \${FORWARD_PORT:-24225}`)
  expect((await machine.run([], { env: { FORWARD_HOST: '10.0.0.6' } })).stderr).toContain(
    'FORWARD_HOST is not used',
  )
})

testAsRoot('the service has a user of its own, which --purge removes', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  await machine.run()
  const [, , uid, gid, , home, shell] =
    machine
      .read('etc/passwd')
      .split('\n')
      .find((line) => line.startsWith('shipper:'))
      ?.split(':') ?? []
  expect([home, shell]).toEqual(['/var/lib/shipper', '/usr/sbin/nologin'])
  expect(statSync(machine.path('var/lib/shipper'))).toMatchObject({ uid: Number(uid), gid: Number(gid) })
  expect(statSync(machine.path(CONF))).toMatchObject({ uid: 0, gid: Number(gid) })
  expect(statSync(machine.path(CONF)).mode & 0o777).toBe(0o640)
  await machine.run(['--uninstall'])
  expect(machine.read('etc/passwd')).toContain('shipper:')
  await machine.run(['--uninstall', '--purge'])
  expect(machine.read('etc/passwd')).not.toContain('shipper:')
})

testAsRoot('--purge does not delete the account of a person with the same name', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  const person = 'shipper:x:1000:1000::/home/shipper:/bin/sh\n'
  machine.write('etc/passwd', person)
  await machine.run()
  await machine.run(['--uninstall', '--purge'])
  expect(machine.read('etc/passwd')).toBe(person)
})

testInstall('refuses a machine that has the Debian package', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  mkdirSync(machine.path('var/lib/dpkg/info'), { recursive: true })
  machine.write('var/lib/dpkg/info/shipper.list', '')
  expect(await machine.run()).toMatchObject({ code: 1, stderr: expect.stringContaining('Debian package') })
})
