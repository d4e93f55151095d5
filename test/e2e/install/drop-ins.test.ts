import { expect } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Systemd } from '../../support/journal/systemd.ts'
import { shipperCommand } from '../../support/process.ts'
import { releaseOf } from '../../support/release/release.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { until } from '../../support/until.ts'

const systemd = await Systemd.boot()
const [binary = ''] = shipperCommand()
const hasKernelLog =
  systemd?.sh('mknod /dev/kmsg c 1 11 && dd if=/dev/kmsg bs=8192 count=1 of=/dev/null').status === 0
const testWithSystemd = peerOrSkip(
  'a booted systemd with /dev/kmsg',
  hasKernelLog,
  'needs root, overlay, cgroup2 and the log of the kernel',
)

/** Answers each request for events of Docker with one event. */
const DOCKER = `
import grp, os, socket
server = socket.socket(socket.AF_UNIX)
server.bind('/run/docker.sock')
os.chown('/run/docker.sock', 0, grp.getgrnam('docker').gr_gid)
os.chmod('/run/docker.sock', 0o660)
server.listen()
event = b'{"status":"start","time":1700000000,"timeNano":1700000000000000001}\\n'
while True:
  peer, _ = server.accept()
  peer.recv(10000)
  peer.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n')
  peer.sendall(b'%x\\r\\n%s\\r\\n' % (len(event), event))
`

const INPUTS = {
  kmsg: '[INPUT]\n  Name kmsg\n  Tag kmsg\n',
  docker: '[INPUT]\n  Name docker_events\n  Tag docker\n',
  syslog: '[INPUT]\n  Name syslog\n  Mode udp\n  Port 514\n  Tag syslog\n',
  http: '[INPUT]\n  Name http\n  Port 80\n  Tag http\n',
  proc: '[INPUT]\n  Name proc\n  Proc_Name systemd\n  Tag proc\n',
}

/** Text of the guide and the drop-in, with the error of the agent that it belongs to. */
const ERRORS: [keyof typeof INPUTS, string, string][] = [
  ['kmsg', 'kmsg', 'cannot read /dev/kmsg: ENOENT'],
  ['docker', 'docker-events', 'cannot read events of Docker from /var/run/docker.sock: connect EACCES'],
  ['syslog', 'low-ports', 'cannot listen on'],
  ['http', 'low-ports', 'cannot listen on'],
  ['proc', 'proc', 'the processes of other users are hidden from the agent'],
]

testWithSystemd(
  'each error that the sandbox causes names an installed drop-in, and all drop-ins together take every one back',
  async () => {
    const host = systemd as Systemd
    host.folder('/opt/release', releaseOf(readFileSync(binary)))
    host.sh('rm -rf /var/log/*; groupadd docker')
    writeFileSync(host.path('/opt/docker.py'), DOCKER)
    expect(host.sh('systemd-run --unit docker-stub python3 /opt/docker.py').status).toBe(0)
    await until(() => host.sh('test -S /run/docker.sock').status === 0)
    mkdirSync(host.path('/etc/shipper'), { recursive: true })
    const configure = (inputs: string): void =>
      writeFileSync(
        host.path('/etc/shipper/shipper.conf'),
        `[SERVICE]\n  Flush 0.1\n  Log_File /var/lib/shipper/log\n${inputs}[OUTPUT]\n  Name file\n  Match *\n  Path /var/lib/shipper\n`,
      )
    configure(INPUTS.docker)
    expect(await host.install('--from', '/opt/release')).toMatchObject({ code: 0, stderr: '' })
    const read = (name: string): string => host.sh(`cat /var/lib/shipper/${name}`).stdout

    for (const [input, dropIn, text] of ERRORS) {
      configure(INPUTS[input])
      host.sh('systemctl stop shipper; rm -f /var/lib/shipper/*; systemctl restart shipper')
      await until(() => read('log').includes(`/etc/shipper/drop-ins/${dropIn}.conf`))
      expect(read('log')).toContain(text)
    }

    host.sh(
      'systemctl stop shipper; rm -f /var/lib/shipper/*; mkdir -p /etc/systemd/system/shipper.service.d',
    )
    host.sh(
      'cp /etc/shipper/drop-ins/*.conf /etc/systemd/system/shipper.service.d/ && systemctl daemon-reload',
    )
    configure(Object.values(INPUTS).join(''))
    expect(host.sh('systemctl restart shipper').status).toBe(0)
    await until(() => ['kmsg', 'docker', 'proc'].every((name) => read(name) !== ''))
    expect(read('log')).toContain('listening on 127.0.0.1:514')
    expect(read('log')).toContain('listening on 127.0.0.1:80')
    expect(read('log')).not.toMatch(/"level":"(?:error|warn)"/)
    expect(read('proc')).toContain('"alive":true')
  },
  120_000,
)
