import { expect, test } from 'bun:test'
import { moduleNames, sourceHash } from '../../scripts/wasm.ts'

test.each(moduleNames())('%s.wasm.ts was compiled from the present sources', async (name) => {
  const { SOURCE } = await import(`../../src/lib/wasm/${name}.wasm.ts`)
  expect(SOURCE).toBe(sourceHash(name))
})
