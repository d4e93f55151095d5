import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './bootstrap.mjs'
import { CACHE, readManifest } from './manifest.ts'

/**
 * `npm run kernel [-- --check]`: compiles src/lib/kernel/assembly/ to src/lib/kernel/wasm.ts. What it makes is committed,
 * because the compiler is a hundred megabytes that nobody else needs: it is fetched into .cache/ and is no dependency.
 * With --check nothing is written, and a difference ends with status 1.
 */
const FOLDER = 'src/lib/kernel'
const ASSEMBLY = join(ROOT, FOLDER, 'assembly')
const FLAGS = [
  ...['-O3', '--converge', '--runtime', 'stub', '--enable', 'simd', '--use', 'abort='],
  // The pages below are the caller's (memory.ts), and there are no others.
  ...['--memoryBase', '20480', '--initialMemory', '7', '--maximumMemory', '7'],
]

/** SHA-256 of the sources: by it a test sees that they were changed and not compiled. */
export function sourceHash(): string {
  const hash = createHash('sha256').update(FLAGS.join(' '))
  for (const name of readdirSync(ASSEMBLY).sort()) hash.update(readFileSync(join(ASSEMBLY, name)))
  return hash.digest('hex')
}

function compile(): string {
  const { compiler } = readManifest()
  const folder = join(CACHE, compiler.replace('@', '-'))
  const asc = join(folder, 'node_modules/assemblyscript/bin/asc.js')
  if (!existsSync(asc)) {
    mkdirSync(folder, { recursive: true })
    const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', compiler]
    execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const file = join(folder, `lines.${process.pid}.wasm`)
  try {
    execFileSync('node', [asc, join(ASSEMBLY, 'lines.ts'), ...FLAGS, '--outFile', file], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'ignore'],
    })
    return readFileSync(file).toString('base64')
  } finally {
    rmSync(file, { force: true })
  }
}

function main(): void {
  const path = join(ROOT, FOLDER, 'wasm.ts')
  const text = `/** Made by \`npm run kernel\` from assembly/: change that, not this. */
export const SOURCE = '${sourceHash()}'
export const WASM =
  '${compile()}'
`
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text)
    return
  }
  if (readFileSync(path, 'utf8') === text) return
  process.stderr.write(`${FOLDER}/wasm.ts is not what its sources make: run \`npm run kernel\`\n`)
  process.exit(1)
}

if (import.meta.main) main()
