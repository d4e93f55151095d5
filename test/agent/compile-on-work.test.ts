import { expect, test } from 'bun:test'
import pkg from '../../pkg.config.json' with { type: 'json' }
import { CompileOnWork } from '../../src/agent/compile-on-work.ts'
import { compileLate, compileSoon } from '../../src/lib/wasm/compile-policy.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'

test('code is compiled soon from the first timer after 1,000 records on, and late again when the agent is idle', () => {
  const manual = new ManualClock(0)
  let records = 0
  const calls: string[] = []
  const set = { soon: () => void calls.push('soon'), late: () => void calls.push('late') }
  const compiler = new CompileOnWork(manual, () => records, set)
  const tick = () => {
    compiler.clock.after(10, () => {})
    manual.advance(10)
  }
  records = 999
  tick()
  expect(calls).toEqual([])
  records = 1000
  // It has no timers of its own.
  expect(manual.waiting).toBe(0)
  tick()
  tick()
  expect(calls).toEqual(['soon'])
  compiler.idle()
  records += 999
  tick()
  expect(calls).toEqual(['soon', 'late'])
  records += 1
  tick()
  expect(calls).toEqual(['soon', 'late', 'soon'])
})

test('the binary starts with compiling as late as an idle agent', () => {
  const { unsafe } = Bun
  const set = unsafe.setJITPolicy
  const scales: number[] = []
  unsafe.setJITPolicy = (scale) => void scales.push(scale)
  try {
    compileLate()
    compileSoon()
  } finally {
    unsafe.setJITPolicy = set
  }
  const [late, soon] = scales
  expect(soon).toBe(1)
  expect(pkg.bun.flags).toContain(`--compile-jit-policy=${late}`)
})
