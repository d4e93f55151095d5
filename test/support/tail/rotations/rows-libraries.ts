import { Program } from './program.ts'
import { date, type Row } from './row.ts'

type Name = (n: number) => string

/**
 * Returns a rotation that renames the live file, creates a new one and compresses the old one, as most
 * libraries do.
 */
function renamed(
  name: Name,
  o: { compress?: boolean; temporary?: (name: string) => string } = {},
): Row['rotate'] {
  return (log, n) => {
    log.rename(log.live, name(n))
    log.open()
    if (o.compress)
      log.gzip(name(n), { keepTime: false, ...(o.temporary ? { temporary: o.temporary(name(n)) } : {}) })
  }
}

/** Returns a rotation that increments all numbers before it renames the live file to the first of them. */
function shifted(name: Name, o: { compress?: boolean; from?: number } = {}): Row['rotate'] {
  const { compress = false, from = 1 } = o
  return (log) => {
    log.shift(name, { from })
    log.rename(log.live, name(from))
    log.open()
    if (compress) log.gzip(name(from), { keepTime: false })
  }
}

/** Returns a row for a library that writes to names of their own and renames nothing. */
function direct(name: string, file: Name, path: string, o: { compress?: boolean } = {}): Row {
  return {
    name,
    path: [path],
    begin: (log) => log.open(file(0)),
    rotate(log, n) {
      log.open(file(n))
      if (o.compress) log.gzip(file(n - 1), { keepTime: false })
    },
  }
}

function python(name: string, handler: string, options: Record<string, unknown>): Row {
  return {
    name,
    path: ['app.log'],
    needs: 'python3',
    begin(log) {
      log.program = new Program(handler, log.path('app.log'), options)
      log.begin('app.log')
    },
    async rotate(log) {
      await log.program?.rotate()
      log.begin('app.log')
    },
  }
}

const lumberjack: Name = (n) => `app-${date(n, 'YYYY-MM-DD')}T${date(n, 'HH-mm-ss.SSS')}.log`
const serilog: Name = (n) => `app${date(n, 'YYYYMMDD')}.log`

export const LIBRARIES: Row[] = [
  { name: 'lumberjack', path: ['app.log'], rotate: renamed(lumberjack) },
  { name: 'lumberjack, Compress', path: ['app.log'], rotate: renamed(lumberjack, { compress: true }) },
  {
    name: 'logback TimeBasedRollingPolicy',
    path: ['app.log'],
    rotate: renamed((n) => `app.${date(n, 'YYYY-MM-DD')}.log`),
  },
  {
    name: 'logback SizeAndTimeBasedRollingPolicy, .gz',
    path: ['app.log'],
    // The raw file has a temporary name while the compressing thread is busy.
    rotate(log, n) {
      const archive = `app.${date(0, 'YYYY-MM-DD')}.${n - 1}.log`
      const raw = `${archive}${1_000_000_007 * n}.tmp`
      log.rename('app.log', raw)
      log.open()
      log.gzip(raw, { to: `${archive}.gz`, keepTime: false })
    },
  },
  {
    name: 'logback FixedWindowRollingPolicy',
    path: ['app.log'],
    rotate: shifted((n) => `app.${n}.log`),
  },
  direct('logback without a file property', (n) => `app.${date(n, 'YYYY-MM-DD')}.log`, 'app.*.log'),
  {
    name: 'log4j2 %d{MM-dd-yyyy}-%i',
    path: ['app.log'],
    rotate: renamed((n) => `app-${date(0, 'MM-DD-YYYY')}-${n}.log`),
  },
  {
    name: 'log4j2 in a folder for each month, .gz',
    path: ['app.log'],
    rotate: renamed((n) => `${date(0, 'YYYY-MM')}/app-${date(n, 'MM-DD-YYYY')}-1.log`, { compress: true }),
  },
  {
    name: 'log4j2 with a temporary compressed file',
    path: ['app.log'],
    rotate: renamed((n) => `app-${n}.log`, { compress: true, temporary: (name) => `${name}.gz.tmp` }),
  },
  {
    name: 'log4j 1 DailyRollingFileAppender',
    path: ['app.log'],
    rotate: renamed((n) => `app.log.${date(n, 'YYYY-MM-DD')}`),
  },
  {
    name: 'java.util.logging with %g',
    path: ['app*.log'],
    begin: (log) => log.open('app0.log'),
    rotate: shifted((n) => `app${n}.log`),
  },
  {
    name: 'JVM garbage collection log with filecount',
    path: ['gc.log'],
    begin: (log) => log.open('gc.log'),
    rotate: renamed((n) => `gc.log.${(n - 1) % 5}`),
  },
  python('Python RotatingFileHandler', 'Rotating', { backupCount: 9 }),
  python('Python RotatingFileHandler, backupCount 1', 'Rotating', { backupCount: 1 }),
  python('Python RotatingFileHandler with namer and rotator of .gz', 'Compressing', { backupCount: 9 }),
  python('Python TimedRotatingFileHandler', 'Timed', { when: 'S' }),
  python('Python TimedRotatingFileHandler, daily', 'Timed', { when: 'midnight' }),
  python('Python TimedRotatingFileHandler with the date before the extension', 'NamedTimed', { when: 'H' }),
  {
    ...python('Python WatchedFileHandler', 'Watched', {}),
    rotate(log) {
      if (!log.has('app.log')) return
      log.shift((n) => `app.log.${n}`)
      log.rename('app.log', 'app.log.1')
      // The handler notices it at its next line.
      log.begin('app.log')
    },
  },
  {
    name: 'loguru, compression gz',
    path: ['app.log'],
    rotate: renamed((n) => `app.${date(n, 'YYYY-MM-DD_HH-mm-ss')}_000001.log`, { compress: true }),
  },
  {
    name: 'Ruby Logger, daily',
    path: ['app.log'],
    rotate: renamed((n) => `app.log.${date(n, 'YYYYMMDD')}`),
  },
  direct('winston File, maxsize', (n) => `app${n === 0 ? '' : n}.log`, 'app*.log'),
  { name: 'winston File, tailable', path: ['app.log'], rotate: shifted((n) => `app${n}.log`) },
  {
    name: 'winston File, tailable, zippedArchive',
    path: ['app.log'],
    rotate: shifted((n) => `app${n}.log`, { compress: true }),
  },
  direct('winston DailyRotateFile', (n) => `app-${date(n, 'YYYY-MM-DD')}.log`, 'app-*.log'),
  direct(
    'winston DailyRotateFile, maxSize, zippedArchive',
    (n) => `app-${date(0, 'YYYY-MM-DD')}.log${n === 0 ? '' : `.${n}`}`,
    'app-*',
    { compress: true },
  ),
  {
    name: 'rotating-file-stream of node',
    path: ['app.log'],
    rotate: renamed((n) => `${date(n, 'YYYYMMDD-HHmm')}-01-app.log`),
  },
  {
    name: 'pm2-logrotate',
    path: ['app-out.log'],
    begin: (log) => log.open('app-out.log'),
    rotate(log, n) {
      log.copy('app-out.log', `app-out__${date(n, 'YYYY-MM-DD_HH-mm-ss')}.log`)
      log.truncate()
    },
  },
  {
    name: 'pm2-logrotate, compress',
    path: ['app-out.log'],
    begin: (log) => log.open('app-out.log'),
    rotate(log, n) {
      log.gzip('app-out.log', { to: `app-out__${date(n, 'YYYY-MM-DD_HH-mm-ss')}.log.gz`, keepSource: true })
      log.truncate()
    },
  },
  direct('serilog, daily', serilog, 'app*.log'),
  direct(
    'serilog, rollOnFileSizeLimit',
    (n) => `app${date(0, 'YYYYMMDD')}${n === 0 ? '' : `_${String(n).padStart(3, '0')}`}.log`,
    'app*.log',
  ),
  { name: 'serilog names after a rename', path: ['app.log'], rotate: renamed(serilog) },
  { name: 'NLog archive', path: ['app.log'], rotate: renamed((n) => `archives/app.${n}.log`) },
  {
    name: 'log4net, preserveLogFileNameExtension',
    path: ['app.log'],
    rotate: shifted((n) => `app.${n}.log`),
  },
  {
    name: 'Docker json-file, max-file, compress',
    path: ['*-json.log'],
    begin: (log) => log.open('8e5a1f-json.log'),
    rotate(log) {
      const name: Name = (n) => `8e5a1f-json.log.${n}`
      log.shift(name)
      log.rename('8e5a1f-json.log', name(1))
      log.open()
      log.gzip(name(1), { keepTime: false })
    },
  },
  direct(
    'syslog-ng with $YEAR$MONTH$DAY in the folder',
    (n) => `${date(n, 'YYYYMMDD')}/app.log`,
    '*/app.log',
  ),
  direct('rsyslog with the date in the name', (n) => `app-${date(n, 'YYYY-MM-DD')}.log`, 'app-*.log'),
  direct('PostgreSQL', (n) => `postgresql-${date(n, 'YYYY-MM-DD_HHmmss')}.log`, 'postgresql-*.log'),
  direct('Tomcat', (n) => `localhost_access_log.${date(n, 'YYYY-MM-DD')}.txt`, 'localhost_access_log.*.txt'),
]
