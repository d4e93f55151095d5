import type { RotatingLog } from './log.ts'
import { date, type Row } from './row.ts'

function byNumber(log: RotatingLog, live = log.live): void {
  const name = (n: number) => `${live}.${n}`
  log.shift(name)
  log.rename(live, name(1))
  log.open(live)
}

/**
 * Returns a row whose directory gets another foreign file at each rotation. The files `before` exist before
 * the agent starts.
 */
function beside(name: string, live: string, files: (n: number) => string[], before: string[] = []): Row {
  return {
    name,
    path: [live],
    begin(log) {
      for (const file of before) log.foreign(file, 50)
      log.open(live)
    },
    rotate(log, n) {
      for (const file of [...files(n), ...before]) log.foreign(file)
      byNumber(log, live)
    },
  }
}

const HEADER = `# ${'fields: date time action '.repeat(90)}\n`

/** Schemes with files that must not be read, or not read again. */
export const FOREIGN: Row[] = [
  beside('files of editors and tools', 'app.log', () =>
    ['json', 'swp', 'lck', 'tmp', 'offset', 'pid', 'state.db']
      .map((end) => `app.log.${end}`)
      .concat(['.app.log.swp', 'app.logx', '#app.log#', 'app.log~']),
  ),
  beside('error.log beside error.log2', 'error.log', () => ['error.log2', 'error.log.err', 'error-log.1']),
  beside('worker-1.log beside worker-2.log', 'worker-1.log', (n) => [
    `worker-${n + 1}.log`,
    `worker-${n + 10}.log.1`,
  ]),
  beside('worker1.log beside worker12.log', 'worker1.log', (n) => [`worker1${n}.log`, `worker${n + 1}.log`]),
  beside('app.log beside app-audit.log and its rotated files', 'app.log', (n) => [
    'app-audit.log',
    `app-audit.log.${n}`,
    `app-audit-${date(n, 'YYYYMMDD')}.log`,
    `app-audit.${n}.log`,
    `myapp.log.${n}`,
    `myapp-${date(n, 'YYYYMMDD')}.log`,
  ]),
  beside('app.log beside app.json of the same numbers', 'app.log', (n) => [
    `app.${n}.json`,
    `app-${date(n, 'YYYY-MM-DD')}.json`,
    `app.${n}`,
    `App.log.${n}`,
  ]),
  beside('rotated files older than the agent', 'app.log', () => [], [
    `app.log-${date(-1, 'YYYYMMDD')}`,
    `app.log-${date(-2, 'YYYYMMDD')}.old`,
    `app-${date(-3, 'YYYYMMDD')}.log`,
  ]),
  beside('files in folders of the same names', 'app.log', (n) => [
    `other/app.log.${n}`,
    `../beside/app.log`,
    `../beside/app.log.${n}`,
  ]),
  {
    name: 'rotated files older than the agent, which the rotation shifts',
    path: ['app.log'],
    begin(log) {
      for (let n = 1; n < 4; n++) log.foreign(`app.log.${n}`, 50)
      log.foreign('app.log.4')
      log.gzip('app.log.4')
      log.open('app.log')
    },
    rotate: (log) => byNumber(log),
  },
  {
    name: 'rotated files older than the agent, with delaycompress',
    path: ['app.log'],
    begin(log) {
      log.foreign('app.log.1', 50)
      log.foreign('app.log.2')
      log.gzip('app.log.2')
      log.open('app.log')
    },
    rotate(log) {
      // The new .gz has the content of a file that existed before the agent.
      log.gzip('app.log.1')
      byNumber(log)
    },
  },
  {
    name: 'rotated files older than the agent, dated and compressed at once',
    path: ['app.log'],
    begin(log) {
      for (let n = 1; n < 5; n++) log.foreign(`app-${date(-n, 'YYYYMMDD')}.log`, 50)
      log.open('app.log')
    },
    rotate(log, n) {
      const old = `app-${date(-n, 'YYYYMMDD')}.log`
      if (log.has(old)) log.gzip(old)
      log.rename('app.log', `app-${date(n, 'YYYYMMDD')}.log`)
      log.open()
    },
  },
  {
    name: 'a copy for a person, before the log goes on',
    path: ['app.log'],
    async rotate(log, n) {
      log.copy('app.log', n % 2 === 0 ? `app.log.bak` : `app-${date(n, 'YYYYMMDD')}.log`)
      await log.write(3)
      byNumber(log)
    },
  },
  {
    name: 'a file moved away under any name',
    path: ['app.log'],
    unseen: 'maybe',
    rotate(log, n) {
      log.rename('app.log', ['incident 4711.txt', 'save-me', 'z.log', 'q'][n - 1] ?? `${n}`)
      log.open()
    },
  },
  {
    name: 'a file moved away to a folder under any name',
    path: ['app.log'],
    unseen: 'maybe',
    rotate(log, n) {
      log.rename('app.log', n % 2 === 1 ? `for-support/case-${n}` : `../case-${n}/first.txt`)
      log.open()
    },
  },
  {
    name: 'files moved into Path from a spool folder',
    path: ['*.log'],
    rotate(log, n) {
      log.writeTo(`../spool/part-${n}.log`, 'a')
      log.rename(`../spool/part-${n}.log`, `part-${n}.log`)
    },
  },
  {
    name: 'two inputs in one folder',
    path: ['app.log'],
    others: { b: ['app-2.log'], c: ['app.1.log', 'app.2.log'] },
    rotate(log, n) {
      log.writeTo('app-2.log', 'b')
      log.writeTo(`app.${1 + (n % 2)}.log`, 'c')
      log.rename('app.log', `app-${date(n, 'YYYYMMDD')}.log`)
      log.open()
    },
  },
  {
    name: 'two inputs, one of which follows what the other rotates',
    path: ['app.log'],
    others: { b: ['app.log'] },
    senders: ['a', 'b'],
    rotate: (log) => byNumber(log),
  },
  {
    name: 'two inputs for app.log and app-audit.log with the same rotation',
    path: ['app.log'],
    others: { b: ['app-audit*.log'] },
    rotate(log, n) {
      log.writeTo('app-audit.log', 'b')
      log.rename('app-audit.log', `app-audit-${date(n, 'YYYYMMDD')}.log`)
      log.rename('app.log', `app-${date(n, 'YYYYMMDD')}.log`)
      log.open()
    },
  },
  {
    name: 'worker-1.log rotated by date beside worker-2.log rotated by date',
    path: ['worker-1.log'],
    begin: (log) => log.open('worker-1.log'),
    rotate(log, n) {
      log.foreign('worker-2.log')
      log.foreign(`worker-2-${date(n, 'YYYYMMDD')}.log`)
      log.foreign(`worker-2.log-${date(n, 'YYYYMMDD')}`)
      log.rename('worker-1.log', `worker-1-${date(n, 'YYYYMMDD')}.log`)
      log.open()
    },
  },
  {
    name: 'two logs that swap their names',
    path: ['a.log', 'b.log'],
    begin(log) {
      log.open('a.log')
      log.writeTo('b.log', 'a')
    },
    rotate(log) {
      log.close()
      log.rename('a.log', 'swap')
      log.rename('b.log', 'a.log')
      log.rename('swap', 'b.log')
      log.writeTo('b.log', 'a')
    },
  },
  {
    name: 'a single old file that is replaced',
    path: ['app.log'],
    rotate(log) {
      log.rename('app.log', 'app.log.old')
      log.open()
    },
  },
  {
    name: 'a single old copy that is replaced',
    path: ['app.log'],
    rotate(log) {
      log.copy('app.log', 'app.log.bak')
      log.truncate()
    },
  },
  {
    name: 'a log that is deleted and made again',
    path: ['app.log'],
    unseen: 'maybe',
    rotate(log) {
      log.remove('app.log')
      log.open()
    },
  },
  {
    name: 'a log that exists only when there is something to write',
    path: ['app.log'],
    rotate(log, n) {
      log.close()
      if (!log.has('app.log')) return
      log.rename('app.log', `app-${date(n, 'YYYYMMDD')}.log`)
      log.begin('app.log')
    },
  },
  {
    name: 'rotated files that are compressed and then moved to another folder',
    path: ['app.log'],
    rotate(log, n) {
      const name = (k: number) => `app.log-${date(k, 'YYYYMMDD')}`
      log.rename('app.log', name(n))
      log.open()
      if (n < 2) return
      log.gzip(name(n - 1))
      log.rename(`${name(n - 1)}.gz`, `old/${name(n - 1)}.gz`)
    },
  },
  {
    name: 'late lines in a rotated file',
    path: ['app.log'],
    rotate(log, n) {
      log.keep()
      log.rename('app.log', `app-${date(n, 'YYYYMMDD')}.log`)
      log.open()
      log.writeLate()
    },
    afterwards: (log) => log.writeLate(),
  },
  {
    name: 'every file begins with the same header of 2 KB',
    path: ['app.log'],
    begin(log) {
      log.setHeader(HEADER)
      log.open('app.log')
    },
    rotate: (log) => byNumber(log),
  },
  {
    name: 'every file begins with the same short header, date before the extension',
    path: ['app.log'],
    begin(log) {
      log.setHeader('# start\n')
      log.open('app.log')
    },
    rotate(log, n) {
      log.rename('app.log', `app-${date(n, 'YYYYMMDD')}.log`)
      log.open()
    },
  },
]
