import { describe, expect, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { InterfaceUsage, spec } from '../../../src/plugins/inputs/netif.ts'
import { InputRun, recordsWithin } from '../../support/engine/input-run.ts'

const NO_INTERFACE = /there is no network interface surely-not/

describe('netif', () => {
  const HEAD = 'Inter-|   Receive  |  Transmit\n face |bytes    packets errs drop fifo frame\n'
  const line = (name: string, from: number): string =>
    `${name.padStart(6)}: ${Array.from({ length: 16 }, (_, i) => from + i).join('   ')}\n`

  test('a record has the growth of each counter, under the names of fluent-bit', () => {
    const texts = [HEAD + line('eth0', 10), HEAD + line('eth0', 15)]
    const usage = new InterfaceUsage('eth0', true, () => texts.shift() ?? '')
    const keys = [
      ...['rx.bytes', 'rx.packets', 'rx.errors', 'rx.drop', 'rx.fifo', 'rx.frame', 'rx.compressed'],
      ...['rx.multicast', 'tx.bytes', 'tx.packets', 'tx.errors', 'tx.drop', 'tx.fifo', 'tx.collisions'],
      ...['tx.carrier', 'tx.compressepd'],
    ]
    const record = decode(usage.record() ?? Buffer.alloc(0)) as Record<string, number>
    expect(Object.keys(record)).toEqual(keys.map((key) => `eth0.${key}`))
    expect(new Set(Object.values(record))).toEqual(new Set([5]))
  })

  test('an interface is known by its whole name, which a digit may follow without a blank', () => {
    const texts = [`${line('eth10', 1000)}  eth1:5 5 5 5 5 5 5 5 5 5 5 5 5 5 5 5\n`]
    texts.push(`${line('eth10', 9000)}  eth1:6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6\n`)
    const usage = new InterfaceUsage('eth1', false, () => texts.shift() ?? '')
    expect(decode(usage.record() ?? Buffer.alloc(0))).toMatchObject({
      'eth1.rx.bytes': 1,
      'eth1.tx.errors': 1,
    })
  })

  test('counters that begin again count from 0, and an interface that comes back gives no jump', () => {
    const texts = [line('w0', 100), line('w0', 0), HEAD, line('w0', 5000), line('w0', 5001)]
    const usage = new InterfaceUsage('w0', false, () => texts.shift() ?? '')
    expect(decode(usage.record() ?? Buffer.alloc(0))).toMatchObject({ 'w0.rx.bytes': 0, 'w0.rx.packets': 1 })
    expect(() => usage.record()).toThrow('there is no network interface w0')
    expect(usage.record()).toBeUndefined()
    expect(decode(usage.record() ?? Buffer.alloc(0))).toMatchObject({ 'w0.rx.bytes': 1 })
  })

  test('reads the counters of this machine at each interval', async () => {
    const records = await recordsWithin(spec, { interface: 'lo' }, 2000)
    expect(records).toHaveLength(2)
    expect(Object.keys(records[0]?.record ?? {})).toHaveLength(6)
  })

  test('a missing interface is logged and gives no record; Test_At_Init refuses to start', async () => {
    const run = new InputRun(spec, { interface: 'surely-not' })
    await run.pass(2000, 100)
    expect(run.takeRecords()).toEqual([])
    expect(run.log.filter((text) => NO_INTERFACE.test(text))).not.toEqual([])
    await run.stop()
    expect(() => new InputRun(spec, { interface: 'surely-not', test_at_init: 'on' })).toThrow(NO_INTERFACE)
    await new InputRun(spec, { interface: 'lo', test_at_init: 'on' }).stop()
  })
})
