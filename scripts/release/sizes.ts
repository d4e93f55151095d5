import { statSync } from 'node:fs'
import type { Built } from '../build.ts'

/** Parts of a binary, in bytes. */
export interface Sizes {
  target: string
  /** Size of the complete file. */
  binary: number
  /** bun's executable. */
  runtime: number
  /** JavaScript of src/, minified. */
  ours: number
  /** JavaScript of the packages, minified. */
  packages: number
  /** The rest: the same program as bytecode, so that it starts without parsing, and padding. */
  bytecode: number
}

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

const HEAD = `| binary | MB | runtime (bun) | our JavaScript | packages' JavaScript | bytecode | as tar.gz |
|---|---|---|---|---|---|---|`

/** Returns the rows of docs/RELEASE.md; `archives` has the size of the tar.gz of each target. */
export function sizesTable(sizes: Sizes[], archives: Record<string, number>): string {
  const rows = sizes.map(({ target, binary, runtime, ours, packages, bytecode }) => {
    const numbers = [binary, runtime, ours, packages, bytecode, archives[target] ?? 0]
    return `| ${target} | ${numbers.map((each) => (each / 1e6).toFixed(2)).join(' | ')} |`
  })
  return `${HEAD}\n${rows.join('\n')}\n`
}
