import { writeFileSync } from 'node:fs'
import { zstdCompressSync } from 'node:zlib'
import type { RotatingLog } from './log.ts'
import { logrotateCommand } from './logrotate.ts'
import { date, type Row } from './row.ts'

/*
 * logrotate 3.21, step by step as strace shows it:
 *
 * - With delaycompress, the newest rotated file is compressed first.
 * - All numbers are incremented, from the highest down.
 * - The log is renamed or copied, and `create` makes the new one.
 * - postrotate tells the program to open it; until then it writes to the old one.
 * - Without delaycompress, the file just rotated is compressed last, under its final name, and gets the old
 *   times.
 */

interface Directives {
  /** Name of the rotated file; default: numbers, `app.log.1`. */
  name?: (n: number) => string
  how?: 'create' | 'nocreate' | 'copytruncate' | 'copy' | 'renamecopy'
  compress?: 'no' | 'now' | 'delayed'
  keep?: number
  /** Name of the log; default: `app.log`. */
  live?: string
}

/** Returns a rotation that increments numbers. */
function numbered(o: Directives & { start?: number } = {}): Row['rotate'] {
  const { name = (n: number) => `app.log.${n}`, compress = 'no', start = 1, keep = 9 } = o
  const newest = name(start)
  return async (log) => {
    if (compress === 'delayed' && log.has(newest)) log.gzip(newest)
    log.shift(name, { from: start, keep })
    await moved(log, newest, o)
    if (compress === 'now') log.gzip(newest)
  }
}

/** Returns a rotation that inserts a date into the name. */
function dated(name: (n: number) => string, o: Directives = {}): Row['rotate'] {
  const { compress = 'no' } = o
  return async (log, n) => {
    if (compress === 'delayed' && n > 1) log.gzip(name(n - 1))
    await moved(log, name(n), o)
    if (compress === 'now') log.gzip(name(n))
  }
}

async function moved(
  log: RotatingLog,
  to: string,
  { how = 'create', compress = 'no', live = 'app.log' }: Directives,
) {
  if (how === 'copy') {
    log.copy(live, to)
  } else if (how === 'copytruncate') {
    log.copy(live, to)
    log.truncate()
  } else if (how === 'renamecopy') {
    log.rename(live, `${live}.tmp`)
    log.open()
    log.copy(`${live}.tmp`, to)
    log.remove(`${live}.tmp`)
  } else {
    log.rename(live, to)
    // The program has not been told yet.
    if (compress !== 'now') await log.write(2)
    if (how === 'nocreate') log.close()
    log.open(live)
  }
}

/** Command of the real program; undefined where there is none. */
export const LOGROTATE_COMMAND = logrotateCommand()

const day = (n: number) => date(n, 'YYYYMMDD')
const app = (ending = '') => ({ path: [`app.log${ending}`] })
/** A log that is never empty when the agent first sees it: its copies are recognized by their content. */
const written = (): Pick<Row, 'path' | 'begin'> => ({
  path: ['app.log'],
  async begin(log) {
    log.open('app.log')
    await log.write()
  },
})
const beforeEnding = (n: number) => `app-${day(n)}.log`

export const LOGROTATE: Row[] = [
  { name: 'logrotate create', ...app(), rotate: numbered() },
  { name: 'logrotate create, rotate 1', ...app(), rotate: numbered({ keep: 1 }) },
  { name: 'logrotate create, compress', ...app(), rotate: numbered({ compress: 'now' }) },
  { name: 'logrotate create, delaycompress', ...app(), rotate: numbered({ compress: 'delayed' }) },
  {
    name: 'logrotate nocreate, delaycompress',
    ...app(),
    rotate: numbered({ how: 'nocreate', compress: 'delayed' }),
  },
  { name: 'logrotate start 0', ...app(), rotate: numbered({ start: 0 }) },
  { name: 'logrotate copytruncate', ...app(), rotate: numbered({ how: 'copytruncate' }) },
  {
    name: 'logrotate copytruncate, lines between copy and truncation',
    ...app(),
    async rotate(log) {
      log.shift((n) => `app.log.${n}`)
      log.copy('app.log', 'app.log.1')
      await log.writeFleeting()
      log.truncate()
    },
  },
  {
    name: 'logrotate copytruncate, compress',
    ...app(),
    rotate: numbered({ how: 'copytruncate', compress: 'now' }),
  },
  {
    name: 'logrotate copytruncate, delaycompress',
    ...app(),
    rotate: numbered({ how: 'copytruncate', compress: 'delayed' }),
  },
  {
    name: 'logrotate copytruncate, dateext',
    ...app(),
    rotate: dated((n) => `app.log-${day(n)}`, { how: 'copytruncate' }),
  },
  {
    name: 'logrotate copytruncate, dateext, extension .log, compress',
    ...app(),
    rotate: dated(beforeEnding, { how: 'copytruncate', compress: 'now' }),
  },
  {
    name: 'logrotate copytruncate, olddir',
    ...app(),
    rotate: numbered({ how: 'copytruncate', name: (n) => `old/app.log.${n}` }),
  },
  { name: 'logrotate dateext', ...app(), rotate: dated((n) => `app.log-${day(n)}`) },
  {
    name: 'logrotate dateext, compress',
    ...app(),
    rotate: dated((n) => `app.log-${day(n)}`, { compress: 'now' }),
  },
  {
    name: 'logrotate dateformat -%Y%m%d-%s, delaycompress',
    ...app(),
    rotate: dated((n) => `app.log${date(n, '-YYYYMMDD-X')}`, { compress: 'delayed' }),
  },
  {
    name: 'logrotate dateformat .%Y-%m-%d',
    ...app(),
    rotate: dated((n) => `app.log${date(n, '.YYYY-MM-DD')}`),
  },
  {
    name: 'logrotate hourly dateext',
    ...app(),
    rotate: dated((n) => `app.log${date(n / 24, '-YYYYMMDDHH')}`),
  },
  { name: 'logrotate dateext, extension .log', ...app(), rotate: dated(beforeEnding) },
  {
    name: 'logrotate dateext, extension .log, compress',
    ...app(),
    rotate: dated(beforeEnding, { compress: 'now' }),
  },
  {
    name: 'logrotate dateext, extension .log, delaycompress',
    ...app(),
    rotate: dated(beforeEnding, { compress: 'delayed' }),
  },
  { name: 'logrotate extension .log', ...app(), rotate: numbered({ name: (n) => `app.${n}.log` }) },
  {
    name: 'logrotate extension .log, compress',
    ...app(),
    rotate: numbered({ name: (n) => `app.${n}.log`, compress: 'now' }),
  },
  { name: 'logrotate addextension .old', ...app(), rotate: numbered({ name: (n) => `app.log.${n}.old` }) },
  { name: 'logrotate olddir', ...app(), rotate: numbered({ name: (n) => `old/app.log.${n}` }) },
  {
    name: 'logrotate olddir, dateext, compress',
    ...app(),
    rotate: dated((n) => `old/app.log-${day(n)}`, { compress: 'now' }),
  },
  {
    name: 'logrotate olddir beside the folder, dateext',
    ...app(),
    rotate: dated((n) => `../archive/app.log-${day(n)}`),
  },
  {
    name: 'logrotate olddir beside the folder, dateext, compress',
    ...written(),
    rotate: dated((n) => `../archive/app.log-${day(n)}`, { compress: 'now' }),
  },
  {
    name: 'logrotate copytruncate, olddir beside the folder, dateext',
    ...written(),
    rotate: dated((n) => `../archive/app.log-${day(n)}`, { how: 'copytruncate' }),
  },
  { name: 'logrotate renamecopy', ...app(), rotate: numbered({ how: 'renamecopy' }) },
  { name: 'logrotate copy', ...app(), rotate: numbered({ how: 'copy' }) },
  {
    name: 'logrotate compresscmd zstd, delaycompress',
    ...app(),
    async rotate(log) {
      if (log.has('app.log.1')) log.compress('app.log.1', '.zst', zstdCompressSync)
      log.shift((n) => `app.log.${n}`)
      await moved(log, 'app.log.1', { compress: 'delayed' })
    },
  },
  {
    name: 'savelog of Debian',
    ...app(),
    needs: 'savelog',
    async rotate(log) {
      await log.run(['savelog', '-q', '-c', '9', log.path('app.log')])
      await log.write(2)
      log.open()
    },
  },
  {
    name: 'savelog of Debian by date',
    ...app(),
    needs: 'savelog',
    async rotate(log, n) {
      const format = date(n, 'YYYYMMDDHHmmss')
      await log.run(['savelog', '-q', '-d', '-D', format, '-l', log.path('app.log')])
      log.open()
    },
  },
  {
    name: 'newsyslog of BSD',
    ...app(),
    rotate: numbered({ start: 0, compress: 'delayed' }),
  },
  {
    name: '/var/log/syslog of Debian, a name without extension',
    path: ['syslog'],
    begin: (log) => log.open('syslog'),
    rotate: numbered({ live: 'syslog', name: (n) => `syslog.${n}`, compress: 'delayed' }),
  },
  {
    name: '/var/log/messages of Red Hat, a name without extension',
    path: ['messages'],
    begin: (log) => log.open('messages'),
    rotate: dated((n) => `messages-${day(n)}`, { live: 'messages' }),
  },
  {
    name: 'a name with a blank',
    path: ['my app.log'],
    begin: (log) => log.open('my app.log'),
    rotate: dated((n) => `my app.log-${day(n)}`, { live: 'my app.log', compress: 'delayed' }),
  },
  real('create, delaycompress', ['create', 'compress', 'delaycompress']),
  real('create, compress', ['create', 'compress']),
  real('copytruncate', ['copytruncate']),
  real('copytruncate, compress', ['copytruncate', 'compress']),
  real('copytruncate, delaycompress', ['copytruncate', 'compress', 'delaycompress']),
  real('dateext, extension .log', ['create', 'dateext', 'extension .log']),
  real('dateext, extension .log, compress', ['create', 'dateext', 'extension .log', 'compress']),
  real('olddir, extension .log, compress', [
    'create',
    'createolddir',
    'olddir old',
    'extension .log',
    'compress',
  ]),
  real('renamecopy', ['create', 'renamecopy']),
]

/**
 * Returns a row that runs the real program. Its date contains the number of the rotation; otherwise it would
 * never change.
 */
function real(name: string, directives: string[]): Row {
  return {
    name: `the real logrotate: ${name}`,
    ...app(),
    needs: 'logrotate',
    async rotate(log, n) {
      const conf = log.path('../logrotate.conf')
      const all = [
        ...directives,
        'rotate 9',
        ...(directives.includes('dateext') ? [`dateformat -%Y%m%d${n}`] : []),
      ]
      writeFileSync(conf, `${log.path('app.log')} {\n${all.join('\n')}\n}\n`, { mode: 0o644 })
      await log.run([
        ...(LOGROTATE_COMMAND ?? []),
        '--force',
        '--state',
        log.path('../logrotate.state'),
        conf,
      ])
      if (directives.includes('copytruncate')) {
        log.emptied()
        return
      }
      // The program has not been told yet. With compress, its lines would be lost.
      if (!directives.includes('compress') || directives.includes('delaycompress')) await log.write(2)
      log.open()
    },
  }
}
