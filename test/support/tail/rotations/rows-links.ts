import type { RotatingLog } from './log.ts'
import { date, type Row } from './row.ts'

const day = (n: number) => date(n, 'YYYY-MM-DD')

/** Returns a rotation that begins the file of the day and switches the link to it. */
function switched(
  link: string,
  target: (n: number) => string,
  how: 'rename' | 'replace',
): Pick<Row, 'begin' | 'rotate'> {
  const next = (log: RotatingLog, n: number): void => {
    log.open(target(n))
    log.link(target(n), link, how)
  }
  return { begin: (log) => next(log, 0), rotate: next }
}

/** Names that the kubelet gives to the log of a container. */
const POD = 'pods/default_web-0_3e1c/web'
const LINK = 'containers/web-0_default_web-8e5a1f.log'

function kubelet(log: RotatingLog, n: number): void {
  const real = `${POD}/0.log`
  const rotated = (k: number) => `${real}.${date(k, 'YYYYMMDD-HHmmss')}`
  // The kubelet compresses all but the newest rotated file before it renames the log.
  if (n > 1) log.gzip(rotated(n - 1), { temporary: `${rotated(n - 1)}.tmp`, keepTime: false })
  log.rename(real, rotated(n))
  log.open()
}

/** multilog and svlogd name a finished file by its time, and always write to `current`. */
function current(log: RotatingLog, n: number): void {
  log.rename('main/current', `main/@4000000065${String(n).padStart(14, '0')}.s`)
  log.open()
}

export const LINKS: Row[] = [
  {
    name: 'cronolog --symlink, Path is the link',
    path: ['current.log'],
    ...switched('current.log', (n) => `app.${day(n)}.log`, 'replace'),
  },
  {
    name: 'cronolog --symlink, Path is the dated files',
    path: ['app.*.log'],
    ...switched('current.log', (n) => `app.${day(n)}.log`, 'replace'),
  },
  {
    name: 'cronolog --symlink, Path matches the link and the files',
    path: ['*.log'],
    ...switched('current.log', (n) => `app.${day(n)}.log`, 'replace'),
  },
  {
    name: 'cronolog with a folder for each day',
    path: ['current.log'],
    // Nothing is known of a file's directory until the agent has seen it.
    unseen: 'maybe',
    ...switched('current.log', (n) => `${day(n)}/app.log`, 'replace'),
  },
  {
    name: 'winston DailyRotateFile, createSymlink',
    path: ['current.log'],
    ...switched('current.log', (n) => `logs/app-${day(n)}.log`, 'rename'),
  },
  {
    name: 'glog with links by severity',
    path: ['app.INFO'],
    ...switched(
      'app.INFO',
      (n) => `app.host.user.log.INFO.${date(n, 'YYYYMMDD-HHmmss')}.${4711 + n}`,
      'replace',
    ),
  },
  {
    name: 'rotatelogs of Apache -L, a hard link',
    path: ['access.log'],
    begin(log) {
      log.open(`access.log.${date(0, 'X')}`)
      log.hardLink(log.live, 'access.log')
    },
    rotate(log, n) {
      log.open(`access.log.${date(n, 'X')}`)
      log.hardLink(log.live, 'access.log')
    },
  },
  {
    name: 'the kubelet, compressing',
    path: ['containers/*.log'],
    begin(log) {
      log.open(`${POD}/0.log`)
      log.link(`../${POD}/0.log`, LINK)
    },
    rotate: kubelet,
  },
  {
    name: 'the kubelet, Path below pods',
    path: ['pods/*/*/*.log'],
    begin: (log) => log.open(`${POD}/0.log`),
    rotate: kubelet,
  },
  {
    name: 'a container that restarts',
    path: ['containers/*.log'],
    ...switchedPods(),
  },
  {
    name: 'two links in a row, Docker behind the kubelet',
    path: ['containers/*.log'],
    begin(log) {
      log.open('docker/8e5a1f/8e5a1f-json.log')
      log.link('../../../docker/8e5a1f/8e5a1f-json.log', `${POD}/0.log`)
      log.link(`../${POD}/0.log`, LINK)
    },
    rotate(log) {
      const name = (n: number) => `docker/8e5a1f/8e5a1f-json.log.${n}`
      log.shift(name)
      log.rename('docker/8e5a1f/8e5a1f-json.log', name(1))
      log.open()
    },
  },
  {
    name: 'multilog and svlogd, Path is current',
    path: ['main/current'],
    // The name of a finished file has nothing in common with `current`.
    unseen: 'maybe',
    begin: (log) => log.open('main/current'),
    rotate: current,
  },
  {
    name: 'multilog and svlogd, Path is the folder',
    path: ['main/*'],
    begin: (log) => log.open('main/current'),
    rotate: current,
  },
  {
    name: 'a log whose folder is renamed',
    path: ['logs/app.log'],
    unseen: 'maybe',
    begin: (log) => log.open('logs/app.log'),
    rotate(log, n) {
      log.rename('logs', `logs-${day(n)}`)
      log.open()
    },
  },
  {
    name: 'a link to a folder that is switched at each start',
    path: ['latest/app.log'],
    unseen: 'maybe',
    begin(log) {
      log.open('run-0/app.log')
      log.link('run-0', 'latest')
    },
    rotate(log, n) {
      log.open(`run-${n}/app.log`)
      log.link(`run-${n}`, 'latest', 'rename')
    },
  },
]

/**
 * Returns a scheme in which each restart of a container has a file of its own, and the link leads to the
 * newest.
 */
function switchedPods(): Pick<Row, 'begin' | 'rotate'> {
  const next = (log: RotatingLog, n: number): void => {
    log.open(`${POD}/${n}.log`)
    log.link(`../${POD}/${n}.log`, LINK, 'rename')
  }
  return { begin: (log) => next(log, 0), rotate: next }
}
