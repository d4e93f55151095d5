import type { RotatingLog } from './log.ts'
import { date, type Row } from './row.ts'

const dated = (n: number) => `app.log-${date(n, 'YYYYMMDD')}`
const number = (n: number) => `app.log.${n}`

interface Steps {
  name?: (n: number) => string
  copy?: boolean
  compress?: 'now' | 'delayed'
}

/** Returns a rotation by number. */
function shifted({ name = number, copy, compress }: Steps = {}): Row['rotate'] {
  return (log) => {
    if (compress === 'delayed' && log.has(name(1))) log.gzip(name(1))
    log.shift(name)
    moveTo(log, name(1), copy)
    if (compress === 'now') log.gzip(name(1))
  }
}

function moveTo(log: RotatingLog, to: string, copy = false): void {
  if (copy) {
    log.copy('app.log', to)
    log.truncate()
  } else {
    log.rename('app.log', to)
    log.open('app.log')
  }
}

/** Schemes in which Path also matches the names of rotated files. */
export const PATTERNS: Row[] = [
  { name: 'Path app.log*: create', path: ['app.log*'], rotate: shifted() },
  { name: 'Path app.log*: create, compress', path: ['app.log*'], rotate: shifted({ compress: 'now' }) },
  {
    name: 'Path app.log*: create, delaycompress',
    path: ['app.log*'],
    rotate: shifted({ compress: 'delayed' }),
  },
  { name: 'Path app.log*: copytruncate', path: ['app.log*'], rotate: shifted({ copy: true }) },
  {
    name: 'Path app.log*: copytruncate, compress',
    path: ['app.log*'],
    rotate: shifted({ copy: true, compress: 'now' }),
  },
  {
    name: 'Path app.log*: copytruncate, delaycompress',
    path: ['app.log*'],
    rotate: shifted({ copy: true, compress: 'delayed' }),
  },
  {
    name: 'Path app.log*: copytruncate, dateext',
    path: ['app.log*'],
    rotate: (log, n) => moveTo(log, dated(n), true),
  },
  {
    name: 'Path app.log*: files of dateext compressed by hand much later',
    path: ['app.log*'],
    rotate(log, n) {
      moveTo(log, dated(n))
      if (n > 2) log.gzip(dated(n - 2))
    },
  },
  {
    name: 'Path app.log*: rotated files older than the agent, delaycompress',
    path: ['app.log*'],
    begin(log) {
      log.open('app.log')
      log.writeTo('app.log.1', 'a', 50)
      log.writeTo('app.log.2', 'a')
      log.gzip('app.log.2')
    },
    rotate: shifted({ compress: 'delayed' }),
  },
  { name: 'Path *.log: extension .log', path: ['*.log'], rotate: shifted({ name: (n) => `app.${n}.log` }) },
  {
    name: 'Path *.log: extension .log, copytruncate',
    path: ['*.log'],
    rotate: shifted({ name: (n) => `app.${n}.log`, copy: true }),
  },
  {
    name: 'Path *.log: extension .log, compress leads out of Path',
    path: ['*.log'],
    rotate: shifted({ name: (n) => `app.${n}.log`, compress: 'now' }),
  },
  {
    name: 'Path *.log: dates before the extension',
    path: ['*.log'],
    rotate: (log, n) => moveTo(log, `app-${date(n, 'YYYYMMDD')}.log`),
  },
  { name: 'Path *: everything in the folder', path: ['*'], rotate: shifted({ compress: 'delayed' }) },
  {
    name: 'Path of two patterns that match the same files',
    path: ['app.log', 'app.log.*'],
    rotate: shifted({ compress: 'delayed' }),
  },
  {
    name: 'Path of the folder and of olddir',
    path: ['app.log', 'old/*'],
    rotate: shifted({ name: (n) => `old/app.log.${n}`, compress: 'now' }),
  },
  {
    name: 'Path app.log*, Exclude_Path *.gz',
    path: ['app.log*'],
    exclude: ['*.gz'],
    // Arrives only if it was read before the file was compressed, or through the open descriptor.
    unseen: 'never',
    rest: 'maybe',
    rotate: (log, n) => {
      moveTo(log, dated(n))
      log.gzip(dated(n))
    },
  },
  {
    name: 'Path *.log, Exclude_Path of rotated names',
    path: ['*.log'],
    exclude: ['*.[0-9].log'],
    unseen: 'never',
    rotate: shifted({ name: (n) => `app.${n}.log` }),
  },
  {
    name: 'Path app.log, Exclude_Path of rotated names',
    path: ['app.log'],
    exclude: ['*.log.*'],
    unseen: 'never',
    rotate: shifted(),
  },
  {
    name: 'Path *.log: gunzip puts a compressed file back',
    path: ['*.log'],
    async rotate(log, n) {
      const name = `app-${date(n, 'YYYYMMDD')}.log`
      moveTo(log, name)
      log.gzip(name)
      await log.run(['gunzip', `${name}.gz`])
    },
  },
]
