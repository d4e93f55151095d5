import { expect, test } from 'bun:test'
import { EarlyLog } from '../../../src/observe/log/early-log.ts'
import { createLog } from '../../../src/observe/log/log.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'

function logInto(lines: string[]) {
  const sink = { write: (line: string) => void lines.push(line), reopen() {}, close() {} }
  return createLog({ level: 'info', clock: new ManualClock(0), format: 'text', sink })
}

test('lines are kept in their order until there is a log, and keep their name and level', () => {
  const early = new EarlyLog()
  const a = early.child('a')
  const quiet = early.child('quiet', 'off')
  a.warn('first')
  quiet.error('nobody reads this')
  early.child('b').info('second', { port: 1 })
  expect(early.warnings).toEqual(['a: first'])
  const lines: string[] = []
  early.open(logInto(lines))
  expect(early.warnings).toEqual([])
  a.error('third', { code: 'E_X' })
  a.debug('below the level')
  const head = '[1970/01/01 00:00:00.000]'
  expect(lines.map((line) => line.trim())).toEqual([
    `${head} [ warn] [a] first`,
    `${head} [ info] [b] second port=1`,
    `${head} [error] [a] third code=E_X`,
  ])
})

test('a tap gets what was kept when there is a log, then each line once, until it is removed', () => {
  const early = new EarlyLog()
  const taken: string[] = []
  const untap = early.tap(({ level, instance, text }) => taken.push(`${level} ${instance} ${text}`))
  const removed = early.tap(() => taken.push('removed before there was a log'))
  removed()
  early.child('a').warn('first')
  expect(taken).toEqual([])
  const lines: string[] = []
  const log = logInto(lines)
  early.open(log)
  early.child('b').info('second', { port: 1 })
  early.child('b').debug('below the level')
  log.block('shipper', ['a dump is no line of the log'])
  expect(taken).toEqual(['warn a [a] first', 'info b [b] second port=1'])
  untap()
  early.child('b').info('third')
  expect(taken).toHaveLength(2)
})
