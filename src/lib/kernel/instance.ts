/** What every kernel has. */
export interface KernelExports {
  memory: WebAssembly.Memory
}

/** Compiles and starts a kernel: `wasm` of its .wasm.ts. `part` is the memory from one exported address on, by its size. */
export function startKernel<X extends KernelExports>(
  wasm: string,
): { exports: X; part: (at: WebAssembly.Global, size: WebAssembly.Global) => Buffer } {
  const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'))
  const exports = new WebAssembly.Instance(module).exports as unknown as X
  const part = (at: WebAssembly.Global, size: WebAssembly.Global) =>
    Buffer.from(exports.memory.buffer, at.value, size.value)
  return { exports, part }
}

/** One for the process, made when it is asked for the first time. */
export function shared<K>(make: () => K): () => K {
  let made: K | undefined
  return () => {
    made ??= make()
    return made
  }
}
