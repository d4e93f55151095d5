import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './bootstrap.mjs'
import { CACHE, readManifest } from './manifest.ts'

/**
 * `npm run wasm [-- --check]`: compiles each src/lib/wasm/assembly/NAME/NAME.ts to src/lib/wasm/NAME.wasm.ts. The
 * results are committed, because the compiler has a hundred megabytes and nothing else needs it: it is fetched into
 * .cache/ and is not a dependency. With --check nothing is written, and the exit status is 1 if a file differs.
 */
const FOLDER = 'src/lib/wasm'
const ASSEMBLY = join(ROOT, FOLDER, 'assembly')
/** Folder of what every module may import. */
const COMMON = 'common'
const FLAGS = ['-O3', '--converge', '--runtime', 'stub', '--enable', 'simd', '--use', 'abort=']

/**
 * Memory of each module in pages of 64 KiB, and the offset of the module's own data in it. The memory before and after
 * that data belongs to the caller (memory.ts of the module). A module that is not used costs nothing.
 */
const MODULES: Record<string, { pages: number; base: number }> = {
  crc32c: { pages: 1, base: 0 },
  lines: { pages: 7, base: 20_480 },
  merge: { pages: 4, base: 4096 },
  records: { pages: 4, base: 5120 },
}

export const moduleNames = (): string[] => Object.keys(MODULES)

function flagsOf(name: string): string[] {
  const { pages, base } = MODULES[name] as { pages: number; base: number }
  const memory = ['--memoryBase', base, '--initialMemory', pages, '--maximumMemory', pages]
  return [...FLAGS, ...memory.map(String)]
}

/** Returns the SHA-256 of the sources. A test compares it, to find sources that were changed and not compiled. */
export function sourceHash(name: string): string {
  const hash = createHash('sha256').update(flagsOf(name).join(' '))
  for (const folder of [COMMON, name]) {
    const path = join(ASSEMBLY, folder)
    for (const file of readdirSync(path).sort()) hash.update(readFileSync(join(path, file)))
  }
  return hash.digest('hex')
}

function compile(name: string): string {
  const { compiler } = readManifest()
  const folder = join(CACHE, compiler.replace('@', '-'))
  const asc = join(folder, 'node_modules/assemblyscript/bin/asc.js')
  if (!existsSync(asc)) {
    mkdirSync(folder, { recursive: true })
    const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', compiler]
    execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const file = join(folder, `${name}.${process.pid}.wasm`)
  try {
    execFileSync('node', [asc, join(ASSEMBLY, name, `${name}.ts`), ...flagsOf(name), '--outFile', file], {
      cwd: folder,
      stdio: ['ignore', 'inherit', 'ignore'],
    })
    return readFileSync(file).toString('base64')
  } finally {
    rmSync(file, { force: true })
  }
}

/** Writes or checks the compiled file. Returns false if a check finds a file that differs from its sources. */
function update(name: string, check: boolean): boolean {
  const path = join(ROOT, FOLDER, `${name}.wasm.ts`)
  const text = `/** Made by \`npm run wasm\` from assembly/${name}/: change that, not this. */
export const SOURCE = '${sourceHash(name)}'
export const WASM =
  '${compile(name)}'
`
  if (!check) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    process.stderr.write(`${path} differs from its sources: run \`npm run wasm\`\n`)
    return false
  }
  return true
}

if (import.meta.main) {
  const check = process.argv.includes('--check')
  const good = moduleNames().map((name) => update(name, check))
  if (good.includes(false)) process.exit(1)
}
