import { compileSoon } from './compile-policy.ts'

/** Exports that every wasm module has. */
export interface WasmExports {
  memory: WebAssembly.Memory
}

/**
 * Compiles and instantiates a module: `wasm` is the text of its .wasm.ts. `region` returns the memory at an exported
 * address, of an exported size.
 */
export function instantiate<X extends WasmExports>(
  wasm: string,
  imports?: ConstructorParameters<typeof WebAssembly.Instance>[1],
): { exports: X; region: (at: WebAssembly.Global, size: WebAssembly.Global) => Buffer } {
  // A module is loaded when there is much to read.
  compileSoon()
  const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'))
  const exports = new WebAssembly.Instance(module, imports).exports as unknown as X
  const region = (at: WebAssembly.Global, size: WebAssembly.Global) =>
    Buffer.from(exports.memory.buffer, at.value, size.value)
  return { exports, region }
}

/** Returns a function that creates an object at its first call and returns the same one from then on. */
export function lazyShared<K>(make: () => K): () => K {
  let made: K | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** Longer entries are rare: for those it does not matter whether the encoder stopped because they are cut off. */
const MAX_ENTRY_BYTES = 16_448

/** Loads a chunk into the input of an encoder, a block at a time; the input holds chunk[from, to). */
export class InputBlock {
  from = 0
  to = 0
  readonly #input: Buffer

  constructor(input: Buffer) {
    this.#input = input
  }

  /** Empties the input before another chunk. */
  clear(): void {
    this.from = this.to = 0
  }

  /**
   * Calls `run` with the entries of chunk[at, end) in the input, from `at` on; once more with a new block when it took none
   * and the first may have been cut off. Returns the result of `run`: true when it took an entry.
   */
  run(chunk: Buffer, at: number, end: number, run: () => boolean): boolean {
    if (at < this.from || at >= this.to) this.#load(chunk, at, end)
    if (run()) return true
    const isCutOff = this.to < end && this.to - at < MAX_ENTRY_BYTES && this.from < at
    if (!isCutOff) return false
    this.#load(chunk, at, end)
    return run()
  }

  #load(chunk: Buffer, at: number, end: number): void {
    this.from = at
    this.to = at + chunk.copy(this.#input, 0, at, Math.min(end, at + this.#input.length))
  }
}
