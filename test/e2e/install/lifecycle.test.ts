import { expect } from 'bun:test'
import { CONF, INSTALLED, machineWith, names, SHELLS, UNIT } from '../../support/release/install.ts'
import { BINARY_NAME } from '../../support/release/release.ts'

for (const { name, command: shell, test } of SHELLS) {
  test(`${name}: one line installs a running service, and prints what it did in five lines`, async () => {
    const { it } = await machineWith({ version: '1.0.0' })
    const before = it.tree()
    const { code, stdout, stderr } = await it.run([], { shell })
    expect(stderr).toBe(`downloading shipper 1.0.0 for ${BINARY_NAME.slice(8)} from ${it.url}/v1.0.0\n`)
    expect(code).toBe(0)
    expect(stdout.trim().split('\n')).toHaveLength(5)
    expect(stdout).toContain('runs as the service shipper')
    expect(it.running()).toBe(true)
    const added = names(it.tree()).filter((path) => !names(before).includes(path))
    expect(added).toEqual(INSTALLED)
    expect(it.tree()).toContainEqual(expect.stringContaining('usr/local/bin/shipper 755 '))
    expect(it.tree()).toContain(`etc/systemd/system/multi-user.target.wants/shipper.service -> /${UNIT}`)
    expect(it.read(CONF)).toContain(`\${SHIPPER_STATE:-/var/lib/shipper}`)
  })

  test(`${name}: an upgrade keeps the configuration, shows the new default and restarts`, async () => {
    const { it, publish } = await machineWith({ version: '1.0.0' })
    await it.run([], { shell })
    const pid = it.pid
    it.write(CONF, '# mine\n')
    publish({ version: '1.1.0' }, { 'parsers.conf': '# of 1.1.0\n' })
    const { code, stdout } = await it.run([], { shell })
    expect(code).toBe(0)
    expect(stdout).toContain('1.1.0')
    expect(stdout).toContain('replaces 1.0.0')
    expect(it.read(CONF)).toBe('# mine\n')
    expect(it.read(`${CONF}.new`)).toContain('[OUTPUT]')
    expect(it.read('etc/shipper/parsers.conf.new')).toBe('# of 1.1.0\n')
    expect(it.read('usr/local/bin/shipper')).toContain('1.1.0')
    expect(it.running()).toBe(true)
    expect(it.pid).not.toBe(pid)
    expect(names(it.tree()).filter((path) => path.includes('/.'))).toEqual([])
  })

  test(`${name}: a version that does not stay up is rolled back, and the old one runs`, async () => {
    const { it, publish } = await machineWith({ version: '1.0.0' })
    await it.run([], { shell })
    const before = it.tree()
    const pid = it.pid
    publish(
      { version: '1.1.0', staysUp: false },
      { 'shipper.service': '[Service]\nExecStart=/usr/local/bin/shipper x\n' },
    )
    const { code, stderr } = await it.run([], { shell })
    expect(code).toBe(1)
    expect(stderr).toContain('shipper 1.1.0 does not stay up, everything was rolled back')
    expect(it.tree()).toEqual(before)
    expect(it.running()).toBe(true)
    expect(it.pid).not.toBe(pid)
  })

  test(`${name}: --uninstall leaves configuration and state, --purge nothing`, async () => {
    const { it } = await machineWith({ version: '1.0.0' })
    const before = it.tree()
    await it.run([], { shell })
    it.write('var/lib/shipper/shipper.db', 'positions')
    const removed = await it.run(['--uninstall'], { shell })
    expect(removed).toMatchObject({ code: 0, stderr: '' })
    expect(it.running()).toBe(false)
    const left = names(it.tree()).filter((path) => !names(before).includes(path))
    expect(left).toEqual([
      'etc/shipper/',
      'etc/shipper/parsers.conf',
      CONF,
      'var/lib/shipper/',
      'var/lib/shipper/shipper.db',
    ])
    expect((await it.run(['--uninstall', '--purge'], { shell })).code).toBe(0)
    expect(it.tree()).toEqual(before)
    expect((await it.run(['--uninstall', '--purge'], { shell })).stdout).toContain('is not installed')
  })
}
