import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './bootstrap.mjs'
import { defineTable, type Manifest } from './manifest.ts'

/**
 * Bundles the program into one CommonJS text for node; `name` is the platform that it shows in its version. The parts
 * of bun stay outside: the program imports each only after it has seen that it runs on bun.
 */
export async function bundleForNode(manifest: Manifest, name: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(ROOT, manifest.entry)],
    target: 'node',
    format: 'cjs',
    minify: true,
    external: [...manifest.external, 'bun', 'bun:*'],
    define: defineTable(`node-${name}`),
    plugins: [EMBEDDED_WASM],
  })
  const [program] = outputs
  if (program === undefined || outputs.length > 1) throw new Error(`the bundle has ${outputs.length} files`)
  return program.text()
}

/** Puts WebAssembly modules into the bundle: there is no second file beside it from which they could be read. */
const EMBEDDED_WASM: Bun.BunPlugin = {
  name: 'embedded-wasm',
  setup: (build) => {
    build.onLoad({ filter: /\.wasm$/ }, ({ path }) => {
      const url = `data:application/wasm;base64,${readFileSync(path, 'base64')}`
      return { contents: `export default ${JSON.stringify(url)}`, loader: 'js' }
    })
  },
}
