import { expect } from 'bun:test'
import { readFileSync } from 'node:fs'
import { Sink } from '../../support/forward/sink.ts'
import { Systemd } from '../../support/journal/systemd.ts'
import { shipperCommand } from '../../support/process.ts'
import { releaseOf } from '../../support/release/release.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { writeLines } from '../../support/tail/lines.ts'
import { until } from '../../support/until.ts'

const LINES = 1000
const DROP_IN = '/etc/systemd/system/shipper.service.d/test.conf'

const systemd = await Systemd.boot()
const testWithSystemd = peerOrSkip(
  'a booted systemd',
  systemd !== undefined,
  'needs root, overlay and cgroup2',
)
const [binary = ''] = shipperCommand()

testWithSystemd(
  'under a real systemd an agent that hangs is ended by the watchdog and started again, and no line is lost',
  async () => {
    const host = systemd as Systemd
    const property = (name: string): string =>
      host.sh(`systemctl show -p ${name} --value shipper`).stdout.trim()
    const sink = await Sink.start('lines')
    host.folder('/opt/good', releaseOf(readFileSync(binary)))
    host.sh('rm -rf /var/log/* && mkdir -p /etc/shipper $(dirname $DROP_IN)'.replace('$DROP_IN', DROP_IN))
    host.sh(`printf 'FORWARD_PORT=${sink.port}\\n' >/etc/shipper/shipper.env`)
    host.sh(`printf '[Service]\\nWatchdogSec=3\\nRestartSec=1\\n' >${DROP_IN}`)
    writeLines(host.path('/var/log/app.log'), 0, LINES)
    expect(await host.install('--from', '/opt/good')).toMatchObject({ code: 0, stderr: '' })

    await until(() => property('StatusText') === 'sending; 1 file open; 0 chunks waiting')
    const pid = property('MainPID')
    expect([property('WatchdogUSec'), property('NotifyAccess'), property('NRestarts')]).toEqual([
      '3s',
      'main',
      '0',
    ])
    // It outlives its watchdog as long as its event loop turns.
    const alive = property('WatchdogTimestampMonotonic')
    await until(() => Number(property('WatchdogTimestampMonotonic')) > Number(alive) + 4_000_000)
    expect(property('MainPID')).toBe(pid)

    host.sh(`kill -STOP ${pid}`)
    writeLines(host.path('/var/log/app.log'), LINES, 2 * LINES)
    await until(() => Number(property('NRestarts')) === 1)
    await until(async () => (await sink.summary()).distinct === 2 * LINES)
    expect(property('MainPID')).not.toBe(pid)
    expect(await sink.missing(2 * LINES)).toEqual({ missing: 0, first: [] })
  },
)
