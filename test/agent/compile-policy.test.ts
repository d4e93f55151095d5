import { expect, test } from 'bun:test'
import manifest from '../../pkg.config.json' with { type: 'json' }
import { endReluctance } from '../../src/agent/compile-policy.ts'

test('code is compiled as early as usual, once, when the process has used 1 s of CPU time', () => {
  let cpuMs = 0
  const policies: number[] = []
  const look = endReluctance({ setPolicy: (scale) => policies.push(scale), cpuMs: () => cpuMs })
  look()
  cpuMs = 999
  look()
  expect(policies).toEqual([])
  cpuMs = 1000
  look()
  cpuMs = 9000
  look()
  expect(policies).toEqual([1])
})

test('the binary starts with a policy that this ends', () => {
  expect(manifest.bun.flags.filter((flag) => flag.startsWith('--compile-jit-policy='))).toHaveLength(1)
  expect(typeof Bun.unsafe.setJITPolicy).toBe('function')
})
