import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { ShipperError } from '../../../src/core/error.ts'
import { spec } from '../../../src/plugins/inputs/cpu.ts'
import { InputRun, recordsWithin, sleeper } from '../../support/engine/input-run.ts'

const PROCESS_ENDED = /cannot collect a record.*ENOENT/

describe('cpu', () => {
  test('a record has the machine, then each core, in order, as floats', async () => {
    const [one] = await recordsWithin(spec, {})
    const keys = Object.keys(one?.record ?? {})
    const cores = readFileSync('/proc/stat', 'utf8').match(/^cpu\d+/gm)?.length ?? cpus().length
    expect(keys.slice(0, 6)).toEqual([
      'cpu_p',
      'user_p',
      'system_p',
      'cpu0.p_cpu',
      'cpu0.p_user',
      'cpu0.p_system',
    ])
    expect(keys).toHaveLength(3 + 3 * cores)
    for (const value of Object.values(one?.record ?? {})) expect(value).toBeNumber()
  })

  test('Interval_Sec and Interval_Nsec add up', async () => {
    expect(await recordsWithin(spec, {}, 4000)).toHaveLength(4)
    expect(await recordsWithin(spec, { interval_sec: '1', interval_nsec: '500000000' }, 4500)).toHaveLength(3)
  })

  test('a process is measured, and its end is logged and does not stop the input', async () => {
    const { pid, end } = await sleeper()
    const run = new InputRun(spec, { pid })
    await run.pass(1000, 100)
    expect(Object.keys(run.takeRecords()[0]?.record ?? {})).toEqual(['cpu_p', 'user_p', 'system_p'])
    await end()
    await run.pass(2000, 100)
    expect(run.takeRecords()).toEqual([])
    expect(run.log.filter((line) => PROCESS_ENDED.test(line))).toHaveLength(2)
    await run.stop()
  })

  test('a process that does not exist at the start is a configuration error', () => {
    expect(() => new InputRun(spec, { pid: '4194303' })).toThrow(ShipperError)
  })
})
