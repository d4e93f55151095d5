import { describe, expect, test } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { DiskUsage, spec } from '../../../src/plugins/inputs/disk.ts'
import { InputRun, recordsWithin } from '../../support/engine/input-run.ts'

describe('disk', () => {
  const line = (name: string, read: number, written: number): string =>
    `   8       0 ${name} 10 0 ${read} 5 20 0 ${written} 7 0 12 12 0 0 0 0\n`

  function usage(name: string, ...texts: string[]): unknown[] {
    const measured = new DiskUsage(name, () => texts.shift() ?? '')
    return texts.slice().map(() => decode(measured.record()))
  }

  test('a record has the bytes of the interval, 512 for a sector, of all devices', () => {
    const before = line('sda', 100, 1000) + line('sdb', 5, 5)
    const after = line('sda', 104, 1010) + line('sdb', 6, 5)
    expect(usage('', before, after, after)).toEqual([
      { read_size: 5 * 512, write_size: 10 * 512 },
      { read_size: 0, write_size: 0 },
    ])
  })

  test('Dev_Name is a part of the name', () => {
    const text = (n: number): string => line('sda', n, 0) + line('sda1', n, 0) + line('sdb', n, 0)
    expect(usage('sda', text(1), text(2))).toEqual([{ read_size: 2 * 512, write_size: 0 }])
    expect(usage('sda1', text(1), text(2))).toEqual([{ read_size: 512, write_size: 0 }])
    expect(usage('nvme', text(1), text(2))).toEqual([{ read_size: 0, write_size: 0 }])
  })

  test('a device that comes, goes, or begins again at 0 adds nothing that is not of the interval', () => {
    const records = usage(
      '',
      line('sda', 1000, 1000),
      line('sda', 1000, 1000) + line('sdb', 5000, 5000),
      line('sda', 1, 2) + line('sdb', 5000, 5000),
      '',
    )
    expect(records).toEqual([
      { read_size: 0, write_size: 0 },
      { read_size: 512, write_size: 2 * 512 },
      { read_size: 0, write_size: 0 },
    ])
  })

  test('a Dev_Name that no device has is logged, and its values are 0', async () => {
    const run = new InputRun(spec, { dev_name: 'nosuch' })
    await run.pass(1000, 100)
    expect(run.takeRecords().map(({ record }) => record)).toEqual([{ read_size: 0, write_size: 0 }])
    expect(run.log).toEqual([
      'warn /proc/diskstats has no device whose name contains nosuch: the values are 0',
    ])
    await run.stop()
  })

  test('reads the counters of this machine at each interval', async () => {
    const records = await recordsWithin(spec, {}, 3000)
    expect(records).toHaveLength(3)
    for (const { record } of records) {
      expect(Object.keys(record)).toEqual(['read_size', 'write_size'])
      for (const value of Object.values(record)) expect(Number.isInteger(value)).toBe(true)
    }
  })
})
