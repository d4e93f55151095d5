import { describe, expect, test } from 'bun:test'
import {
  compareDatesOfNames,
  differInDigitsOnly,
  isRotatedName,
  liveNamesOf,
} from '../../../../../src/plugins/inputs/tail/rotation/names.ts'

/** Names that widespread programs give to a rotated file, by its live name. */
const ROTATED: [live: string, names: string[]][] = [
  [
    'app.log',
    [
      'app.log.1', // logrotate, log4j, docker
      'app.log.1.gz',
      'app.log.10.gz',
      'app.log-20261121', // logrotate dateext
      'app.log-20261121.gz',
      'app.log-2026-11-21-06',
      'app.log-20261121-1732168800', // dateformat -%Y%m%d-%s
      'app-20261121.log', // extension .log
      'app-20261121.log.gz',
      'app-2026-11-21T06-00-00.000.log', // lumberjack
      'app-2026-11-21T06-00-00.000.log.gz',
      'app.2026-11-21.0.log', // logback
      'app.2026-11-21.0.log.gz',
      'app-11-21-2026-1.log', // log4j2
      'app-11-21-2026-1.log.gz',
      'app20261121.log', // serilog
      'app20261121_001.log',
      'app_001.log',
      'app.1.log', // winston, pino
      'app1.log',
      'app.log.2026-11-21', // python, daily
      'app.log.2026-11-21_06-00-00', // python, hourly
      'app.log.2026.11.21',
      'app.log20261121',
      'app.log.20261121-060000', // kubelet
      'app.log.old',
      'app.log.bak',
      'app.log.2026-11-21T06:00:00+01:00',
      'app.log.2026-11-21T06:00:00Z',
      'app-2026-11-21.log.1', // both
      '2026-11-21-app.log',
      '20261121_app.log',
    ],
  ],
  ['0.log', ['0.log.20261121-060000', '0.log.20261121-060000.gz']],
  ['messages', ['messages.1', 'messages-20261121', 'messages.0', 'messages-20261121.gz']],
  ['c0ffee-json.log', ['c0ffee-json.log.1', 'c0ffee-json.log.2.gz']],
  ['worker-1.log', ['worker-1.log.1', 'worker-1.1.log', 'worker-1-20261121.log']],
  ['access_log', ['access_log.1', 'access_log-20261121', 'access_log.2026-11-21']],
  ['app-error.log', ['app-2026-11-21-error.log', 'app-error-2026-11-21.log']],
]

/** Names of other files, by the live name next to them. */
const FOREIGN: [live: string, names: string[]][] = [
  [
    'app.log',
    [
      'app.log',
      'app.log.json',
      'app.log.swp',
      'app.log~',
      'app-error.log',
      'myapp.log',
      'app.logs',
      'app.lo',
      'app.txt',
    ],
  ],
  ['error.log', ['error.log2', 'error2log', 'error.log.2x', 'error.log.pos', 'error.log.1.json']],
  ['worker1.log', ['worker12.log', 'worker2.log', 'worker.log', 'worker11.log']],
  ['worker-1.log', ['worker-2.log', 'worker-11.log', 'worker-12.log', 'worker-2-1.log', 'worker.log']],
  ['20261121.log', ['20261122.log', '.log']],
  ['a', ['b', 'ab', 'a2', 'ba.1']],
]

describe('a name that rotation makes of the live one', () => {
  for (const [live, names] of ROTATED) {
    for (const name of names)
      test(`${name} is a rotated name of ${live}`, () => expect(isRotatedName(name, live)).toBe(true))
  }
  for (const [live, names] of FOREIGN) {
    for (const name of names)
      test(`${name} is not a rotated name of ${live}`, () => expect(isRotatedName(name, live)).toBe(false))
  }
})

test('a hostile name of 255 characters yields a bounded number of names', () => {
  for (const part of ['1-', '.1', '-', '1', 'T1', '1.a', '_1T'])
    expect([part, liveNamesOf(part.repeat(255).slice(0, 255)).size <= 65]).toEqual([part, true])
})

describe('files of a log are ordered by the dates in their names', () => {
  test('where both have one', () => {
    expect(compareDatesOfNames('app-20261120.log.gz', 'app-20261121.log')).toBe(-1)
    expect(compareDatesOfNames('app-2026-11-21T07-00-00.000.log', 'app-2026-11-21T06-00-00.000.log')).toBe(1)
  })
  test('and not by their numbers', () => {
    expect(compareDatesOfNames('app.log.1', 'app.log.2')).toBe(0)
    expect(compareDatesOfNames('app.log-1767571444', 'app.log-1767657905.gz')).toBe(-1)
    expect(compareDatesOfNames('app-1767657905123.log', 'app-1767571444123.log')).toBe(1)
    // A date within a longer number does not count, and seconds are not compared with milliseconds.
    expect(compareDatesOfNames('app-1720010101.log', 'app-1719991231.log')).toBe(1)
    expect(compareDatesOfNames('app-1767571444.log', 'app-1767571444123.log')).toBe(0)
    expect(compareDatesOfNames('app.log.1', 'app.log-20261121')).toBe(0)
  })
})

test('names that differ only in digits are distinguished from others', () => {
  expect(differInDigitsOnly('2026-11-21.log', '2026-11-22.log')).toBe(true)
  expect(differInDigitsOnly('app.9.log', 'app.10.log')).toBe(true)
  expect(differInDigitsOnly('app.log', 'app.log')).toBe(false)
  expect(differInDigitsOnly('a.log', 'b.log')).toBe(false)
})

test('a name is a rotated name of another exactly if the other is among its live names', () => {
  const parts = [
    'x',
    '1',
    '12',
    '.',
    '-',
    '_',
    'T',
    'Z',
    '.old',
    '.log',
    '.gz',
    '20261121',
    '2026-11-21',
    '+',
    'a',
    '-1',
  ]
  const nameOf = (seed: number): string => {
    let name = ''
    for (let rest = seed; rest > 0; rest = Math.floor(rest / parts.length)) name += parts[rest % parts.length]
    return name
  }
  const wrong: string[] = []
  for (let i = 1; i <= 10_000; i++) {
    const name = nameOf((i * 2_654_435_761) % parts.length ** 6)
    const live = liveNamesOf(name)
    for (const one of live) if (!isRotatedName(name, one)) wrong.push(`${name} of ${one}`)
    const other = nameOf((i * 40_503) % parts.length ** 4)
    if (isRotatedName(name, other) !== live.has(other)) wrong.push(`${name}, ${other}`)
  }
  expect(wrong).toEqual([])
})
