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
 * `npm run build [-- --target NAME ...]` builds the binaries of pkg.config.json, by default all of them. They are never
 * stripped, because that would cut off the program at the end of the file.
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

/** Output of `bun build --metafile`: the input files, and how many bytes of each are in the output. */
export interface Metafile {
  outputs: Record<string, { bytes: number; inputs: Record<string, { bytesInOutput: number }> }>
}

export interface Built {
  file: string
  /** Path of the executable without the program. */
  runtime: string
  metafile: Metafile
}

/**
 * Builds into a draft directory in `directory` and renames the result, so that a running binary can be replaced and
 * none is ever incomplete. The draft already has the final name, because bun writes the name into the binary.
 */
export function build(manifest: Manifest, name: string, directory = join(ROOT, manifest.out)): Built {
  const spec = manifest.bun.targets[name]
  if (spec === undefined) throw new Error(`no target ${name}`)
  const base = `${manifest.name}-${name}`
  mkdirSync(directory, { recursive: true })
  const draftDirectory = mkdtempSync(join(directory, '.draft-'))
  const draft = join(draftDirectory, base)
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
    renameSync(draft, join(directory, base))
    const metafile = JSON.parse(readFileSync(`${draft}.json`, 'utf8')) as Metafile
    return { file: join(directory, base), runtime, metafile }
  } finally {
    rmSync(draftDirectory, { recursive: true, force: true })
  }
}

/**
 * Returns the executable to which the program is appended: the running one if the target is this machine, otherwise that
 * of the npm package, so that `bun build` does not download anything itself.
 */
function runtimeOf(name: string): string {
  const installed = join(ROOT, 'node_modules', name)
  const isThisMachine = existsSync(installed) && !existsSync(join(installed, 'bin/bun'))
  if (isThisMachine) return process.execPath
  return join(existsSync(installed) ? installed : fetchPackage(locked(name)), 'bin/bun')
}

if (import.meta.main) main()
