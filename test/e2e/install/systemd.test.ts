import { expect } from 'bun:test'
import { chmodSync, readFileSync } from 'node:fs'
import { Sink } from '../../support/forward/sink.ts'
import { Systemd } from '../../support/journal/systemd.ts'
import { shipperCommand } from '../../support/process.ts'
import { releaseOf, stub } from '../../support/release/release.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { writeLines } from '../../support/tail/lines.ts'
import { until } from '../../support/until.ts'

const LINES = 1000
const CAP_DAC_READ_SEARCH = 1 << 2
const UID = /^Uid:\s+(\d+)/m
const CAPABILITIES = /^CapEff:\s+(\w+)/m
const NO_NEW_PRIVILEGES = /^NoNewPrivs:\s+1$/m
const SECCOMP_FILTER = /^Seccomp:\s+2$/m

const systemd = await Systemd.boot()
const testWithSystemd = peerOrSkip(
  'a booted systemd',
  systemd !== undefined,
  'needs root, overlay and cgroup2',
)
const [binary = ''] = shipperCommand()

testWithSystemd(
  'under a real systemd the service runs with all its limits, reads files of root, and is rolled back and removed',
  async () => {
    const host = systemd as Systemd
    const sink = await Sink.start('lines')
    host.folder('/opt/good', releaseOf(readFileSync(binary)))
    host.folder('/opt/bad', releaseOf(stub({ version: '9.9.9', staysUp: false })))
    host.sh('rm -rf /var/log/* && mkdir -p /etc/shipper')
    host.sh(`printf 'FORWARD_PORT=${sink.port}\\n' >/etc/shipper/shipper.env`)
    writeLines(host.path('/var/log/app.log'), 0, LINES)
    chmodSync(host.path('/var/log/app.log'), 0o600)

    expect(await host.install('--from', '/opt/good')).toMatchObject({ code: 0, stderr: '' })
    await until(async () => (await sink.summary()).distinct === LINES)
    const status = host.sh('cat /proc/$(systemctl show -p MainPID --value shipper)/status').stdout
    const [, uid] = UID.exec(status) ?? []
    expect(Number(uid)).toBeGreaterThan(0)
    expect(Number.parseInt(CAPABILITIES.exec(status)?.[1] ?? '', 16)).toBe(CAP_DAC_READ_SEARCH)
    expect(status).toMatch(NO_NEW_PRIVILEGES)
    expect(status).toMatch(SECCOMP_FILTER)
    const inside = 'nsenter -t $(systemctl show -p MainPID --value shipper) -m'
    expect(host.sh(`${inside} touch /var/log/x`).stderr).toContain('Read-only file system')
    expect(host.sh(`${inside} ls /root /home`).stdout).toBe('/home:\n\n/root:\n')

    const bad = await host.install('--from', '/opt/bad')
    expect(bad).toMatchObject({ code: 1, stderr: expect.stringContaining('everything was rolled back') })
    expect(host.sh('systemctl is-active shipper && shipper --version').stdout).toStartWith(
      'active\nshipper 0.',
    )
    writeLines(host.path('/var/log/app.log'), LINES, 2 * LINES)
    await until(async () => (await sink.summary()).distinct === 2 * LINES)

    expect(await host.install('--uninstall', '--purge')).toMatchObject({ code: 0, stderr: '' })
    const left = host.sh(
      'ls -d /etc/shipper /var/lib/shipper /usr/local/bin/shipper; getent passwd shipper; getent group shipper',
    )
    expect(left.stdout).toBe('')
    expect(host.list('/etc/systemd/system/multi-user.target.wants')).not.toContain('shipper.service')
    expect(host.sh('systemctl list-units --all --plain --no-legend shipper.service').stdout).toBe('')
  },
)
