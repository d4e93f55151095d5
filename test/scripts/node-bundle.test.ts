import { expect, test } from 'bun:test'
import { readManifest } from '../../scripts/manifest.ts'
import { bundleForNode } from '../../scripts/node-bundle.ts'

test('the program bundles into one CommonJS text for node that has the WebAssembly modules in it', async () => {
  const program = await bundleForNode(readManifest(), 'linux-x64')
  expect(program).toContain('data:application/wasm;base64,')
  expect(program).toContain('node-linux-x64')
  expect(program).not.toMatch(/^import /m)
})
