/**
 * The memory of the module `fields` and of the modules of expressions, which read the same lines. Its size is
 * fixed, because growing it would detach the buffers that point into it; what nothing has needed yet is not
 * resident. All of them have one: the runtime protects only a few memories by page faults, and checks each
 * access to the others.
 */
export const PAGE_BYTES = 65_536
/** Pages of the module `fields`, which come first: assembly/fields/memory.ts. */
export const FIELDS_PAGES = 10
/** Pages of expressions, after those: src/lib/regex/wasm/layout.ts. */
const MATCHER_PAGES = 273
export const SHARED_PAGES = FIELDS_PAGES + MATCHER_PAGES

let memory: WebAssembly.Memory | undefined

/** Returns the memory; the first call creates it. */
export function sharedMemory(): WebAssembly.Memory {
  memory ??= new WebAssembly.Memory({ initial: SHARED_PAGES, maximum: SHARED_PAGES })
  return memory
}
