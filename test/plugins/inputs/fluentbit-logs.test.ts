import { describe, expect, test } from 'bun:test'
import type { LoggedLine } from '../../../src/core/services.ts'
import { createLog, type Log, type LogLevel } from '../../../src/observe/log/log.ts'
import { spec } from '../../../src/plugins/inputs/fluentbit-logs.ts'
import { InputRun } from '../../support/engine/input-run.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'

const WAY = ['engine', 'out.0']

describe('fluentbit_logs', () => {
  /** An input that is connected to a real log, whose clock goes with that of the input. */
  function started(
    level: LogLevel = 'info',
    limit?: number,
  ): { run: InputRun; log: Log; pass(ms: number): Promise<void> } {
    const clock = new ManualClock()
    const sink = { write() {}, reopen() {}, close() {} }
    const log = createLog({ level, clock, sink, format: 'json' })
    const tapLog = (take: (line: LoggedLine, isOnWay: boolean) => void) =>
      log.tap((line) => take(line, WAY.includes(line.instance)))
    const run = new InputRun(spec, {}, limit, { tapLog })
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms)
      await run.pass(ms, ms)
    }
    return { run, log, pass }
  }

  test('a record has the level and the line without time and level', async () => {
    const { run, log, pass } = started('debug')
    log.child('tail.0').error('cannot open', { path: '/var/x', code: 'E_X' })
    log.child('shipper').info('1 record sent')
    log.child('tail.0').debug('a turn')
    await pass(10)
    expect(run.takeRecords().map(({ record }) => record)).toEqual([
      { level: 'error', message: '[tail.0] cannot open path=/var/x code=E_X' },
      { level: 'info', message: '[shipper] 1 record sent' },
      { level: 'debug', message: '[tail.0] a turn' },
    ])
    await run.stop()
  })

  test('a record has the time of its line, and what Log_Level leaves out is none', async () => {
    const { run, log, pass } = started('warn')
    log.child('tail.0').info('left out')
    log.child('tail.0', 'info').info('of an instance with a level of its own')
    const before = (run.bench.clock.nowMs() / 1000).toFixed(3)
    await pass(10)
    const records = run.takeRecords()
    expect(records.map(({ record }) => record.message)).toEqual([
      '[tail.0] of an instance with a level of its own',
    ])
    expect(Number(records[0]?.time)).toBeCloseTo(Number(before), 2)
    await run.stop()
  })

  test('secrets are hidden and control characters escaped, as in the log', async () => {
    const { run, log, pass } = started()
    log.child('tail.0').info('connects to http://user:pw@host/ \u001b[31m', { password: 'hunter2' })
    await pass(10)
    expect(run.takeRecords()[0]?.record.message).toBe(
      '[tail.0] connects to http://user:******@host/ \\x1b[31m password=******',
    )
    await run.stop()
  })

  test('debug lines about chunks of its records make no records', async () => {
    const { run, log, pass } = started('debug')
    log.child('tail.0').info('begin')
    let records = 0
    for (let i = 0; i < 100; i++) {
      await pass(1000)
      const taken = run.takeRecords().length
      records += taken
      if (taken === 0) continue
      log.child('out.0').debug('delivered a chunk', { chunk: `${i}` })
      log.child('engine').debug('released a chunk', { chunk: `${i}` })
    }
    expect(records).toBe(1)
    await run.stop()
  })

  test('an output that complains of each record in other words makes a bounded number of records', async () => {
    const { run, log, pass } = started()
    log.child('tail.0').info('begin')
    const HOURS = 10
    let records = 0
    for (let second = 0; second < HOURS * 3600; second++) {
      await pass(1000)
      for (const { record } of run.takeRecords()) {
        records++
        log.child('out.0').warn(`refused record ${records} of ${second}`, { text: record.message })
      }
      // Others go on, so that there is always something to complain of.
      if (second % 60 === 0) log.child('tail.0').info(`news ${second}`)
    }
    expect(records).toBeLessThanOrEqual(HOURS * 60 + 101 + HOURS * 60)
    expect(run.counters.get('lost_lines')).toBe(run.counters.get('lost_lines', 'limit'))
    await run.stop()
  })

  test('lines that come while there is no memory wait, up to 1000, and those beyond are counted and told of', async () => {
    const { run, log, pass } = started('info', 150_000)
    const text = 'x'.repeat(3000)
    for (let i = 0; i < 30; i++) log.child(`tail.${i}`).info(text)
    await pass(10)
    for (let i = 0; i < 1500; i++) log.child(`tail.${i % 100}`).info(`${i}`)
    await pass(10)
    const lost = run.counters.get('lost_lines', 'memory')
    expect(lost).toBeGreaterThan(0)
    let n = 0
    for (let i = 0; i < 50; i++) {
      n += run.takeRecords().length
      await pass(10)
    }
    expect(n).toBe(1530 - lost)
    expect(run.log.some((line) => line.includes('did not become records'))).toBe(true)
    await run.stop()
  })

  test('what waits at the stop becomes records, and after it nothing is taken', async () => {
    const { run, log } = started()
    log.child('tail.0').info('last')
    await run.end()
    expect(run.takeRecords()).toHaveLength(1)
    await run.stop()
    log.child('tail.0').info('after the end')
    expect(run.counters.get('lines')).toBe(1)
  })
})
