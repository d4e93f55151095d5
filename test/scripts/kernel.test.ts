import { expect, test } from 'bun:test'
import { kernelNames, sourceHash } from '../../scripts/kernel.ts'

test.each(kernelNames())('the kernel %s is what its sources make', async (name) => {
  const { SOURCE } = await import(`../../src/lib/wasm/${name}.wasm.ts`)
  expect(SOURCE).toBe(sourceHash(name))
})
