import { expect, test } from 'bun:test'
import { LAYOUT_END } from '../../../src/lib/regex/wasm/layout.ts'
import { sharedFields } from '../../../src/lib/wasm/fields-module.ts'
import { FIELDS_PAGES, PAGE_BYTES, sharedMemory } from '../../../src/lib/wasm/shared-memory.ts'

test('the regions of the module and of the expressions are in the memory, one after the other', () => {
  expect(sharedFields().exports.END.value).toBeLessThanOrEqual(FIELDS_PAGES * PAGE_BYTES)
  expect(LAYOUT_END).toBeLessThanOrEqual(sharedMemory().buffer.byteLength)
})
