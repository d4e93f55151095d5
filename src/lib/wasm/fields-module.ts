import { WASM } from './fields.wasm.ts'
import { instantiate, lazyShared, type WasmExports } from './instance.ts'
import { sharedMemory } from './shared-memory.ts'

/** Exports of the module `fields`; assembly/fields/memory.ts describes the memory regions. */
export interface FieldsExports extends WasmExports {
  META: WebAssembly.Global
  META_BYTES: WebAssembly.Global
  IN: WebAssembly.Global
  ENTRIES_BYTES: WebAssembly.Global
  OUT: WebAssembly.Global
  OUT_BYTES: WebAssembly.Global
  consumed: WebAssembly.Global
  records: WebAssembly.Global
  stopped: WebAssembly.Global
  setup(size: number, pairs: number, mergeKey: number, keep: number, trim: number, byStream: number): void
  metaKey(at: number): void
  merge(start: number, end: number, room: number): number
}

/** What the module calls for the few values that it does not read itself: a call costs as much as 50 bytes of a line. */
function imports(): Record<string, (from: number, to: number) => number> {
  let memory: Buffer | undefined
  return {
    numberOf(from, to) {
      memory ??= Buffer.from(sharedMemory().buffer)
      return Number(memory.toString('latin1', from, to))
    },
  }
}

/** The module, of which there is one instance: it keeps what it knows of the last records in the shared memory. */
export const fieldsModule = lazyShared(() =>
  instantiate<FieldsExports>(WASM, { env: { memory: sharedMemory(), ...imports() } }),
)
