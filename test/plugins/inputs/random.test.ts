import { describe, expect, test } from 'bun:test'
import { spec } from '../../../src/plugins/inputs/random.ts'
import { InputRun, recordsWithin } from '../../support/engine/input-run.ts'

const UINT64 = 0xcf

describe('random', () => {
  test('a record has a number of 64 bits, another one each time', async () => {
    const run = new InputRun(spec, {})
    await run.pass(5000, 100)
    run.bench.appender.seal()
    const { chunk } = run.bench.sealed[0] ?? {}
    const entry = chunk?.entries() ?? Buffer.alloc(0)
    const key = entry.indexOf('rand_value')
    expect(entry[key + 'rand_value'.length]).toBe(UINT64)
    const values = run.takeRecords().map(({ record }) => record.rand_value)
    expect(values).toHaveLength(5)
    expect(new Set(values).size).toBe(5)
    await run.stop()
  })

  test('Samples limits the number of records, 0 to none', async () => {
    expect(await recordsWithin(spec, { samples: '2' }, 5000)).toHaveLength(2)
    expect(await recordsWithin(spec, { samples: '0' }, 5000)).toHaveLength(0)
    expect(await recordsWithin(spec, { samples: '-1' }, 5000)).toHaveLength(5)
  })
})
