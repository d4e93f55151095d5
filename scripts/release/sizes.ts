import { statSync } from 'node:fs'
import type { Built } from '../build.ts'

/** Sizes of the parts of a binary in bytes. */
export interface Sizes {
  target: string
  /** Complete file. */
  binary: number
  /** Executable of bun. */
  runtime: number
  /** JavaScript of src/, minified. */
  ours: number
  /** JavaScript of the packages, minified. */
  packages: number
  /** The rest: the same program as bytecode, which avoids parsing at the start, and padding. */
  bytecode: number
}

/** Returns the sizes of the parts of a built binary. */
export function sizesOf(target: string, { file, runtime, metafile }: Built): Sizes {
  const outputs = Object.values(metafile.outputs)
  const inputs = outputs.flatMap((output) => Object.entries(output.inputs))
  const sum = (numbers: number[]): number => numbers.reduce((total, each) => total + each, 0)
  const packages = sum(
    inputs.filter(([path]) => path.includes('node_modules/')).map(([, each]) => each.bytesInOutput),
  )
  const script = sum(outputs.map(({ bytes }) => bytes))
  const [binary, runtimeSize] = [statSync(file).size, statSync(runtime).size]
  return {
    target,
    binary,
    runtime: runtimeSize,
    ours: script - packages,
    packages,
    bytecode: binary - runtimeSize - script,
  }
}

const HEADER = `| binary | MB | runtime (bun) | our JavaScript | packages' JavaScript | bytecode | as tar.gz |
|---|---|---|---|---|---|---|`

/** Returns the table of docs/RELEASE.md; `archives` has the size of the tar.gz by target. */
export function sizesTable(sizes: Sizes[], archives: Record<string, number>): string {
  const rows = sizes.map(({ target, binary, runtime, ours, packages, bytecode }) => {
    const numbers = [binary, runtime, ours, packages, bytecode, archives[target] ?? 0]
    return `| ${target} | ${numbers.map((each) => (each / 1e6).toFixed(2)).join(' | ')} |`
  })
  return `${HEADER}\n${rows.join('\n')}\n`
}
