import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
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
  mkdirSync(join(ROOT, manifest.out), { recursive: true })
  for (const name of chooseTargets(known, values.target ?? known)) {
    const started = performance.now()
    const file = build(manifest, name)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    process.stdout.write(`${file} ${(statSync(join(ROOT, file)).size / 1e6).toFixed(1)} MB, ${seconds} s\n`)
  }
}

/** Builds beside the final name and renames: a binary that is running can be replaced, and none is ever half there. */
function build(manifest: Manifest, name: string): string {
  const spec = manifest.bun.targets[name]
  if (spec === undefined) throw new Error(`no target ${name}`)
  const file = `${manifest.out}/${manifest.name}-${name}`
  const draft = `${file}.${process.pid}.tmp`
  const args = [
    ...['build', '--compile', ...manifest.bun.flags, `--target=${spec.target}`],
    ...runtime(spec.runtime),
    ...manifest.external.flatMap((each) => ['--external', each]),
    ...manifest.assets.map((each) => `--asset=${each}`),
    ...defines(name),
    ...[manifest.entry, '--outfile', draft],
  ]
  try {
    execFileSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
    chmodSync(join(ROOT, draft), 0o755)
    renameSync(join(ROOT, draft), join(ROOT, file))
  } finally {
    rmSync(join(ROOT, draft), { force: true })
  }
  return file
}

/**
 * The executable that the program is put into. Our own one where the target is this machine; else that of the npm
 * package, so that `bun build` downloads nothing by itself.
 */
function runtime(name: string): string[] {
  const installed = join(ROOT, 'node_modules', name)
  const own = existsSync(installed) && !existsSync(join(installed, 'bin/bun'))
  if (own) return []
  const folder = existsSync(installed) ? installed : fetchPackage(locked(name))
  return [`--compile-executable-path=${join(folder, 'bin/bun')}`]
}

main()
