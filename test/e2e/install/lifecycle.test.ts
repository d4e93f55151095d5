import { expect } from 'bun:test'
import { CONF, INSTALLED, machineWith, names, SHELLS, UNIT } from '../../support/release/install.ts'
import { BINARY_NAME } from '../../support/release/release.ts'

for (const { name, command: shell, test } of SHELLS) {
  test(`${name}: one line installs a running service, and prints what it did in five lines`, async () => {
    const { machine } = await machineWith({ version: '1.0.0' })
    const before = machine.tree()
    const { code, stdout, stderr } = await machine.run([], { shell })
    expect(stderr).toBe(`downloading shipper 1.0.0 for ${BINARY_NAME.slice(8)} from ${machine.url}/v1.0.0\n`)
    expect(code).toBe(0)
    expect(stdout.trim().split('\n')).toHaveLength(5)
    expect(stdout).toContain('runs as the service shipper')
    expect(machine.running()).toBe(true)
    const added = names(machine.tree()).filter((path) => !names(before).includes(path))
    expect(added).toEqual(INSTALLED)
    expect(machine.tree()).toContainEqual(expect.stringContaining('usr/local/bin/shipper 755 '))
    expect(machine.tree()).toContain(`etc/systemd/system/multi-user.target.wants/shipper.service -> /${UNIT}`)
    expect(machine.read(CONF)).toContain(`\${SHIPPER_STATE:-/var/lib/shipper}`)
  })

  test(`${name}: an upgrade keeps the configuration, shows the new default and restarts`, async () => {
    const { machine, publish } = await machineWith({ version: '1.0.0' })
    await machine.run([], { shell })
    const pid = machine.pid
    machine.write(CONF, '# mine\n')
    publish({ version: '1.1.0' }, { 'parsers.conf': '# of 1.1.0\n' })
    const { code, stdout } = await machine.run([], { shell })
    expect(code).toBe(0)
    expect(stdout).toContain('1.1.0')
    expect(stdout).toContain('replaces 1.0.0')
    expect(machine.read(CONF)).toBe('# mine\n')
    expect(machine.read(`${CONF}.new`)).toContain('[OUTPUT]')
    expect(machine.read('etc/shipper/parsers.conf.new')).toBe('# of 1.1.0\n')
    expect(machine.read('usr/local/bin/shipper')).toContain('1.1.0')
    expect(machine.running()).toBe(true)
    expect(machine.pid).not.toBe(pid)
    expect(names(machine.tree()).filter((path) => path.includes('/.'))).toEqual([])
  })

  test(`${name}: a version that does not stay up is rolled back, and the old one runs`, async () => {
    const { machine, publish } = await machineWith({ version: '1.0.0' })
    await machine.run([], { shell })
    const before = machine.tree()
    const pid = machine.pid
    publish(
      { version: '1.1.0', staysUp: false },
      { 'shipper.service': '[Service]\nExecStart=/usr/local/bin/shipper x\n' },
    )
    const { code, stderr } = await machine.run([], { shell })
    expect(code).toBe(1)
    expect(stderr).toContain('shipper 1.1.0 does not stay up, everything was rolled back')
    expect(machine.tree()).toEqual(before)
    expect(machine.running()).toBe(true)
    expect(machine.pid).not.toBe(pid)
  })

  test(`${name}: --uninstall leaves configuration and state, --purge nothing`, async () => {
    const { machine } = await machineWith({ version: '1.0.0' })
    const before = machine.tree()
    await machine.run([], { shell })
    machine.write('var/lib/shipper/shipper.db', 'positions')
    const removed = await machine.run(['--uninstall'], { shell })
    expect(removed).toMatchObject({ code: 0, stderr: '' })
    expect(machine.running()).toBe(false)
    const left = names(machine.tree()).filter((path) => !names(before).includes(path))
    expect(left).toEqual([
      'etc/shipper/',
      'etc/shipper/parsers.conf',
      CONF,
      'var/lib/shipper/',
      'var/lib/shipper/shipper.db',
    ])
    expect((await machine.run(['--uninstall', '--purge'], { shell })).code).toBe(0)
    expect(machine.tree()).toEqual(before)
    expect((await machine.run(['--uninstall', '--purge'], { shell })).stdout).toContain('is not installed')
  })
}
