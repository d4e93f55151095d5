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

testInstall('a first version that does not stay up leaves nothing', async () => {
  const { it } = await machineWith({ version: '1.0.0', staysUp: false })
  const before = it.tree()
  const { code, stderr } = await it.run()
  expect(code).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(2)
  expect(it.tree()).toEqual(before)
})

testInstall(
  'a version that rejects the existing configuration changes nothing, and the service keeps running',
  async () => {
    const { it, publish } = await machineWith({ version: '1.0.0' })
    await it.run()
    const before = it.tree()
    const { pid } = it
    const calls = it.calls.length
    publish({ version: '1.1.0', takesConfiguration: false })
    const { code, stderr } = await it.run()
    expect(code).toBe(1)
    expect(stderr).toContain(
      `1.1.0 does not accept ${it.path(CONF)}; nothing was changed: error: no such option`,
    )
    expect(it.tree()).toEqual(before)
    expect(it.pid).toBe(pid)
    expect(it.calls).toHaveLength(calls)
  },
)

testInstall('an older version can be installed by its number', async () => {
  const { it, publish } = await machineWith({ version: '1.0.0' })
  publish({ version: '1.1.0' })
  await it.run()
  const { code } = await it.run([], { env: { SHIPPER_VERSION: 'v1.0.0' } })
  expect(code).toBe(0)
  expect(it.read('usr/local/bin/shipper')).toContain('shipper 1.0.0')
})

testInstall('--no-start installs and enables, and leaves a running service as it is', async () => {
  const { it, publish } = await machineWith({ version: '1.0.0' })
  const first = await it.run(['--no-start'])
  expect(first.code).toBe(0)
  expect(first.stdout).toContain('is not started')
  expect(names(it.tree())).toEqual(expect.arrayContaining(INSTALLED))
  expect(it.pid).toBe(0)
  await it.run()
  const { pid } = it
  publish({ version: '1.1.0' })
  expect((await it.run(['--no-start'])).code).toBe(0)
  expect(it.pid).toBe(pid)
  expect(it.read('usr/local/bin/shipper')).toContain('1.1.0')
})

testInstall('an upgrade does not enable a disabled service', async () => {
  const { it } = await machineWith({ version: '1.0.0' })
  await it.run()
  rmSync(it.path('etc/systemd/system/multi-user.target.wants/shipper.service'))
  await it.run()
  expect(it.has('etc/systemd/system/multi-user.target.wants/shipper.service')).toBe(false)
})

testInstall('--dry-run lists every file that would be written, and changes nothing', async () => {
  const { it, server } = await machineWith({ version: '1.0.0' })
  const before = it.tree()
  const { code, stdout } = await it.run(['--dry-run'])
  expect(code).toBe(0)
  expect(it.tree()).toEqual(before)
  expect(server.asked).toEqual(['/latest', '/v1.0.0/SHA256SUMS'])
  for (const path of ['usr/local/bin/shipper', CONF, 'etc/shipper/parsers.conf', UNIT, 'var/lib/shipper']) {
    expect(stdout).toContain(it.path(path))
  }
  expect(stdout).toContain('would create the user shipper\n')
  await it.run()
  const installed = it.tree()
  const added = names(installed).filter((name) => !name.endsWith('/') && !names(before).includes(name))
  expect(added.filter((name) => !stdout.includes(it.path(name)))).toEqual([])
  const removal = await it.run(['--dry-run', '--uninstall', '--purge'])
  expect(removal.stdout).toContain(`would remove ${it.path(UNIT)}`)
  expect(it.tree()).toEqual(installed)
  expect(it.running()).toBe(true)
})

testInstall('installs, upgrades, uninstalls and purges under OpenRC', async () => {
  const { it, publish } = await machineWith({ version: '1.0.0' }, 'openrc')
  const before = it.tree()
  expect((await it.run()).stdout).toContain('rc-service shipper restart')
  expect(it.running()).toBe(true)
  expect(it.tree()).toContain('etc/runlevels/default/shipper -> /etc/init.d/shipper')
  expect(statSync(it.path('etc/init.d/shipper')).mode & 0o777).toBe(0o755)
  publish({ version: '1.1.0', staysUp: false })
  const installed = it.tree()
  expect((await it.run()).stderr).toContain('does not stay up')
  expect(it.tree()).toEqual(installed)
  expect(it.running()).toBe(true)
  await it.run(['--uninstall', '--purge'])
  expect(it.running()).toBe(false)
  expect(it.tree()).toEqual(before)
})

testInstall('without a service manager it installs, and prints how to start the program', async () => {
  const { it } = await machineWith({ version: '1.0.0' }, 'none')
  const { code, stdout } = await it.run()
  expect(code).toBe(0)
  expect(stdout).toContain(`Start it with: ${it.path('usr/local/bin/shipper')} -c ${it.path(CONF)}`)
})

testInstall('--prefix needs no root and no service, and --purge leaves nothing', async () => {
  const { it } = await machineWith({ version: '1.0.0' })
  const before = it.tree()
  const args = ['--prefix', '/home/me/.local']
  const { code, stdout } = await it.run(args)
  expect(code).toBe(0)
  expect(stdout.trim().split('\n')).toHaveLength(5)
  expect(it.calls).toEqual([])
  expect(it.read(`home/me/.local/${CONF}`)).toContain(`\${SHIPPER_STATE:-/home/me/.local/var/lib/shipper}`)
  await it.run([...args, '--uninstall', '--purge'])
  expect(it.tree().filter((line) => !line.startsWith('home'))).toEqual(before)
  expect(it.has('home/me/.local')).toBe(false)
})

testInstall('the address of the peer can be given on the command line', async () => {
  const { it } = await machineWith({ version: '1.0.0' })
  const env = { FORWARD_HOST: '10.0.0.5', FORWARD_PORT: '24225' }
  expect((await it.run([], { env })).stdout).toContain('sends to 10.0.0.5, port 24225')
  expect(it.read(CONF)).toContain(`Host   \${FORWARD_HOST:-10.0.0.5}`)
  expect(it.read(CONF)).toContain(`Port   \${FORWARD_PORT:-24225}`)
  expect((await it.run([], { env: { FORWARD_HOST: '10.0.0.6' } })).stderr).toContain(
    'FORWARD_HOST is not used',
  )
})

testAsRoot('the service has a user of its own, which --purge removes', async () => {
  const { it } = await machineWith({ version: '1.0.0' })
  await it.run()
  const [, , uid, gid, , home, shell] =
    it
      .read('etc/passwd')
      .split('\n')
      .find((line) => line.startsWith('shipper:'))
      ?.split(':') ?? []
  expect([home, shell]).toEqual(['/var/lib/shipper', '/usr/sbin/nologin'])
  expect(statSync(it.path('var/lib/shipper'))).toMatchObject({ uid: Number(uid), gid: Number(gid) })
  expect(statSync(it.path(CONF))).toMatchObject({ uid: 0, gid: Number(gid) })
  expect(statSync(it.path(CONF)).mode & 0o777).toBe(0o640)
  await it.run(['--uninstall'])
  expect(it.read('etc/passwd')).toContain('shipper:')
  await it.run(['--uninstall', '--purge'])
  expect(it.read('etc/passwd')).not.toContain('shipper:')
})

testAsRoot('--purge does not delete an account of a person with the same name', async () => {
  const { it } = await machineWith({ version: '1.0.0' })
  const person = 'shipper:x:1000:1000::/home/shipper:/bin/sh\n'
  it.write('etc/passwd', person)
  await it.run()
  await it.run(['--uninstall', '--purge'])
  expect(it.read('etc/passwd')).toBe(person)
})

testInstall('refuses a machine that has the Debian package', async () => {
  const { it } = await machineWith({ version: '1.0.0' })
  mkdirSync(it.path('var/lib/dpkg/info'), { recursive: true })
  it.write('var/lib/dpkg/info/shipper.list', '')
  expect(await it.run()).toMatchObject({ code: 1, stderr: expect.stringContaining('Debian package') })
})
