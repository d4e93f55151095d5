import { expect, test } from 'bun:test'
import { Assembly } from '../../src/engine/assembly.ts'
import { registry } from '../../src/registry.ts'
import { load } from '../config/loading.ts'
import { listLog } from '../support/engine/chunks.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'
import { atEnd } from '../support/tmp.ts'

test('log_suppress_interval is that of the log of each input, filter and output', async () => {
  const section = (kind: string, name: string, interval: number): string =>
    `[${kind}]\n    Name ${name}\n    Log_Suppress_Interval ${interval}\n`
  const main = `${section('INPUT', 'dummy', 1)}${section('FILTER', 'grep', 2)}    Match *\n    Regex log .\n${section('OUTPUT', 'null', 3)}    Match *\n`
  const { plan } = await load(main, { registry })
  const intervals = new Map<string, number | undefined>()
  const assembly = new Assembly(
    plan as never,
    {
      parts: {},
      clock: new ManualClock(),
      log: (name: string, _level: unknown, interval?: number) => {
        intervals.set(name, interval)
        return listLog().log
      },
      agent: { version: '1.2.3', id: 'id', hostname: 'leaf' },
      openOffsets: () => Promise.reject(new Error('there are none')),
      finished: () => {},
      onGarbage: () => {},
      signal: new AbortController().signal,
    } as never,
  )
  atEnd(() => assembly.stop())
  expect(Object.fromEntries(intervals)).toMatchObject({ 'dummy.0': 1000, 'grep.0': 2000, 'null.0': 3000 })
})
