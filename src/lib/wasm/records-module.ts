import { floatText } from '../json/float-text.ts'
import { instantiate, type WasmExports } from './instance.ts'
import { WASM } from './records.wasm.ts'

/** Makes an instance of the module `records`, which leaves floats of many digits to the runtime. */
export function instantiateRecords<X extends WasmExports>(): ReturnType<typeof instantiate<X>> {
  let memory = new Uint8Array()
  const putFloat = (number: number, at: number): number => {
    const text = floatText(number)
    for (let i = 0; i < text.length; i++) memory[at + i] = text.charCodeAt(i)
    return text.length
  }
  const instance = instantiate<X>(WASM, { env: { putFloat } })
  // It has a fixed size.
  memory = new Uint8Array(instance.exports.memory.buffer)
  return instance
}
