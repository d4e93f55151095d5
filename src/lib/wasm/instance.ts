/** What every kernel has. */
export interface WasmExports {
  memory: WebAssembly.Memory
}

/** Compiles and starts a kernel: `wasm` of its .wasm.ts. `part` is the memory from one exported address on, by its size. */
export function instantiate<X extends WasmExports>(
  wasm: string,
): { exports: X; part: (at: WebAssembly.Global, size: WebAssembly.Global) => Buffer } {
  const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'))
  const exports = new WebAssembly.Instance(module).exports as unknown as X
  const part = (at: WebAssembly.Global, size: WebAssembly.Global) =>
    Buffer.from(exports.memory.buffer, at.value, size.value)
  return { exports, part }
}

/** One for the process, made when it is asked for the first time. */
export function lazyShared<K>(make: () => K): () => K {
  let made: K | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Longer entries are rare: one that is not for a kernel and one that is cut off need not be told apart by it. */
const LONGEST = 16_448

/** What of a chunk is in the input of a kernel, a block at a time: chunk[from, to). */
export class InputBlock {
  from = 0
  to = 0
  readonly #input: Buffer

  constructor(input: Buffer) {
    this.#input = input
  }

  /** For another chunk. */
  clear(): void {
    this.from = this.to = 0
  }

  /** Lets `run` see the entries of chunk[at, end) from `at` on: again if it took none, and the first may be cut off. */
  run(chunk: Buffer, at: number, end: number, run: () => boolean): boolean {
    if (at < this.from || at >= this.to) this.#load(chunk, at, end)
    if (run()) return true
    const isCutOff = this.to < end && this.to - at < LONGEST && this.from < at
    if (!isCutOff) return false
    this.#load(chunk, at, end)
    return run()
  }

  #load(chunk: Buffer, at: number, end: number): void {
    this.from = at
    this.to = at + chunk.copy(this.#input, 0, at, Math.min(end, at + this.#input.length))
  }
}
