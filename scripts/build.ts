import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from './bootstrap.mjs'
import { chooseTargets, defines, fetchPackage, locked, type Manifest, readManifest } from './manifest.ts'

/**
 * `npm run build [-- --target NAME ...]`: the binaries of pkg.config.json, all of them without a name.
 * They are never stripped: the program is at the end of the file and would be cut off.
 */
function main(): void {
  const manifest = readManifest()
  const { values } = parseArgs({ options: { target: { type: 'string', multiple: true } } })
  const known = Object.keys(manifest.bun.targets)
  for (const name of chooseTargets(known, values.target ?? known)) {
    const started = performance.now()
    const { file } = build(manifest, name)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    process.stdout.write(
      `${relative(ROOT, file)} ${(statSync(file).size / 1e6).toFixed(1)} MB, ${seconds} s\n`,
    )
  }
}

/** What `bun build --metafile` says: what went in, and how much of each file came out. */
export interface Metafile {
  outputs: Record<string, { bytes: number; inputs: Record<string, { bytesInOutput: number }> }>
}

export interface Built {
  file: string
  /** The executable without the program. */
  runtime: string
  metafile: Metafile
}

/**
 * Builds into `folder`, in a draft folder beside the final name, and renames: a binary that is running can be replaced,
 * and none is ever half there. The draft has the final name already, because bun puts it into the binary.
 */
export function build(manifest: Manifest, name: string, folder = join(ROOT, manifest.out)): Built {
  const spec = manifest.bun.targets[name]
  if (spec === undefined) throw new Error(`no target ${name}`)
  const base = `${manifest.name}-${name}`
  mkdirSync(folder, { recursive: true })
  const drafts = mkdtempSync(join(folder, '.draft-'))
  const draft = join(drafts, base)
  const runtime = runtimeOf(spec.runtime)
  const args = [
    ...['build', '--compile', ...manifest.bun.flags, `--target=${spec.target}`],
    ...(runtime === process.execPath ? [] : [`--compile-executable-path=${runtime}`]),
    ...manifest.external.flatMap((each) => ['--external', each]),
    ...manifest.assets.map((each) => `--asset=${each}`),
    ...defines(name),
    ...[`--metafile=${draft}.json`, manifest.entry, '--outfile', draft],
  ]
  try {
    execFileSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
    chmodSync(draft, 0o755)
    renameSync(draft, join(folder, base))
    const metafile = JSON.parse(readFileSync(`${draft}.json`, 'utf8')) as Metafile
    return { file: join(folder, base), runtime, metafile }
  } finally {
    rmSync(drafts, { recursive: true, force: true })
  }
}

/**
 * The executable that the program is put into. Our own one where the target is this machine; else that of the npm
 * package, so that `bun build` downloads nothing by itself.
 */
function runtimeOf(name: string): string {
  const installed = join(ROOT, 'node_modules', name)
  const own = existsSync(installed) && !existsSync(join(installed, 'bin/bun'))
  if (own) return process.execPath
  return join(existsSync(installed) ? installed : fetchPackage(locked(name)), 'bin/bun')
}

if (import.meta.main) main()
