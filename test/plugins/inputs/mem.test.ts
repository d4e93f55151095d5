import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { spec } from '../../../src/plugins/inputs/mem.ts'
import { recordsWithin, sleeper } from '../../support/engine/input-run.ts'

const HUMAN = /^\d+\.\d\d[bKMGT]$/

describe('mem', () => {
  test('a record has memory and swap in kB that add up', async () => {
    const [one] = await recordsWithin(spec, {})
    const r = one?.record as Record<string, number>
    expect(Object.keys(r)).toEqual([
      'Mem.total',
      'Mem.used',
      'Mem.free',
      'Swap.total',
      'Swap.used',
      'Swap.free',
    ])
    expect((r['Mem.used'] ?? 0) + (r['Mem.free'] ?? 0)).toBe(r['Mem.total'] as number)
    expect(readFileSync('/proc/meminfo', 'utf8')).toContain(`${r['Mem.total']} kB`)
  })

  test('the memory of a process is added while it runs', async () => {
    const { pid, end } = await sleeper()
    const [one] = await recordsWithin(spec, { pid })
    expect(one?.record.proc_bytes).toBeGreaterThan(0)
    expect(one?.record.proc_hr).toMatch(HUMAN)
    await end()
    const [two] = await recordsWithin(spec, { pid })
    expect(Object.keys(two?.record ?? {})).toHaveLength(6)
  })
})
