import { expect, test } from 'bun:test'
import { moduleNames, sourceHash } from '../../scripts/wasm.ts'

test.each(moduleNames())('the module %s is what its sources make', async (name) => {
  const { SOURCE } = await import(`../../src/lib/wasm/${name}.wasm.ts`)
  expect(SOURCE).toBe(sourceHash(name))
})
