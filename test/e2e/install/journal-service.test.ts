import { expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { Sink } from '../../support/forward/sink.ts'
import { MACHINE } from '../../support/journal/journald.ts'
import { Systemd } from '../../support/journal/systemd.ts'
import { shipperCommand } from '../../support/process.ts'
import { releaseOf } from '../../support/release/release.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { until } from '../../support/until.ts'

const ENTRIES = 100

const systemd = await Systemd.boot()
const testService = peerOrSkip('a booted systemd', systemd !== undefined, 'needs root, overlay and cgroup2')

testService(
  'the installed service, with all its limits, reads the journal of the machine and resumes after a kill',
  async () => {
    const host = systemd as Systemd
    /** Writes entries with the field LOG, in which the sink finds the numbers. */
    const log = (from: number): void => {
      const entry = `printf 'MESSAGE=x\\nSYSLOG_IDENTIFIER=test\\nLOG=line %d\\n' $n | logger --journald`
      const { status, stderr } = host.sh(
        `for n in $(seq ${from} ${from + ENTRIES - 1}); do ${entry} || exit 1; done`,
      )
      expect([status, stderr]).toEqual([0, ''])
    }
    const sink = await Sink.start('lines')
    host.folder('/opt/good', releaseOf(readFileSync(shipperCommand()[0] ?? '')))
    host.sh('rm -rf /var/log/* && mkdir -p /var/log/journal /etc/shipper && chmod 700 /var/log/journal')
    writeFileSync(host.path('/etc/machine-id'), `${MACHINE}\n`)
    host.sh('systemctl start systemd-journald && journalctl --flush')
    log(0)

    const conf = readFileSync(join(ROOT, 'conf/journald-to-kafka.conf'), 'utf8')
    const only = '[INPUT]\n    Systemd_Filter SYSLOG_IDENTIFIER=test\n'
    const [leaf = ''] = conf.replace('[INPUT]\n', only).split('[OUTPUT]')
    const output = `[OUTPUT]\n    Name forward\n    Match *\n    Port ${sink.port}\n`
    writeFileSync(host.path('/etc/shipper/shipper.conf'), leaf + output)
    expect(await host.install('--from', '/opt/good')).toMatchObject({ code: 0, stderr: '' })
    const arrived = async (count: number): Promise<boolean> => (await sink.summary()).distinct === count
    const what = (): string =>
      host.sh('systemctl status shipper; ls -laR /var/log/journal; journalctl -n 2').stdout
    await until(() => arrived(ENTRIES), { what })

    host.sh('systemctl kill --signal=KILL shipper')
    log(ENTRIES)
    await until(() => arrived(2 * ENTRIES), { what })
    expect((await sink.summary()).duplicates).toBeLessThan(ENTRIES)
  },
)
