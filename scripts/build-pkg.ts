import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ARCH, ROOT } from './bootstrap.mjs'
import { CACHE, chooseTargets, fetchPackage, type Manifest, readManifest } from './manifest.ts'
import { bundleForNode } from './node-bundle.ts'
import { withoutWatchdog } from './node-unit.ts'

/**
 * `npm run build:pkg [-- --target NAME ...]` builds the variant with node, configured by the `pkg` section of
 * pkg.config.json, by default for this machine. The tool and node are fetched from npm into .cache/ when they are first
 * needed, so that they do not enlarge every installation. If npm does not have them, a message says so, and only a build
 * server (CI=true) reports failure. Beside the program it writes a systemd unit without a watchdog.
 */
async function main(): Promise<void> {
  const manifest = readManifest()
  const { values } = parseArgs({ options: { target: { type: 'string', multiple: true } } })
  const names = chooseTargets(Object.keys(manifest.pkg.targets), values.target ?? [`linux-${ARCH}`])
  let tools: Tools
  try {
    tools = fetchTools(manifest)
  } catch (err) {
    const [reason] = (err as Error).message.split('\n')
    process.stderr.write(`no node variant: ${manifest.pkg.tool} or node is not available (${reason})\n`)
    process.exit(process.env.CI === 'true' ? 1 : 0)
  }
  const unit = `${manifest.out}/${manifest.name}-node.service`
  mkdirSync(join(ROOT, manifest.out), { recursive: true })
  const watched = readFileSync(join(ROOT, `conf/systemd/${manifest.name}.service`), 'utf8')
  writeFileSync(join(ROOT, unit), withoutWatchdog(watched))
  for (const name of names) {
    const file = build(manifest, name, await writeBundle(manifest, name), tools)
    process.stdout.write(`${file} ${(statSync(join(ROOT, file)).size / 1e6).toFixed(1)} MB\n`)
  }
}

interface Tools {
  /** Path of the node that runs the tool. It must have the version of the target; the installed one may be older. */
  node: string
  pkg: string
}

function fetchTools({ pkg }: Manifest): Tools {
  const target = pkg.targets[`linux-${ARCH}`]
  if (target === undefined) throw new Error(`there is no node for ${ARCH}`)
  const node = join(
    fetchPackage({ name: target.runtime, version: pkg.node, integrity: undefined }),
    'bin/node',
  )
  const home = join(CACHE, `pkg-${pkg.version}`)
  const entry = join(home, 'node_modules', pkg.tool, 'lib-es5/bin.js')
  if (!existsSync(entry)) {
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
    const args = ['install', '--prefix', home, ...flags, `${pkg.tool}@${pkg.version}`]
    execFileSync('npm', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  return { node, pkg: entry }
}

/** Bundles the program into a file for the tool, which finds the external packages, and returns its path. */
async function writeBundle(manifest: Manifest, name: string): Promise<string> {
  const file = join(CACHE, 'pkg-main.cjs')
  const program = await bundleForNode(manifest, name)
  mkdirSync(CACHE, { recursive: true })
  writeFileSync(file, program)
  return file
}

/** Runs the tool with its own home directory, where it finds node, so that it does not download it. */
function build(manifest: Manifest, name: string, entry: string, tools: Tools): string {
  const spec = manifest.pkg.targets[name]
  if (spec === undefined) throw new Error(`no target ${name}`)
  const home = join(CACHE, 'pkg-home')
  installNode(home, name, spec.runtime, manifest.pkg.node)
  const config = join(ROOT, `.cache/pkg-${name}.json`)
  const assets = manifest.assets.map((path) => join('..', path))
  writeFileSync(config, JSON.stringify({ name: manifest.name, pkg: { ...manifest.pkg.config, assets } }))
  const file = `${manifest.out}/${manifest.name}-node-${name}`
  const draft = `${file}.${process.pid}.tmp`
  mkdirSync(join(ROOT, manifest.out), { recursive: true })
  try {
    const args = [tools.pkg, '-c', config, '-t', spec.target, '-o', draft, entry]
    const env = { ...process.env, HOME: home }
    execFileSync(tools.node, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] })
    renameSync(join(ROOT, draft), join(ROOT, file))
  } finally {
    rmSync(join(ROOT, draft), { force: true })
  }
  return file
}

/** Puts node where the tool looks for its own downloads; an `.ok` file tells the tool that the download is complete. */
function installNode(home: string, name: string, runtime: string, version: string): void {
  const directory = join(home, '.pkg-cache/sea')
  const archive = `node-v${version}-${name}.tar.gz`
  const bin = join(directory, archive.replace('.tar.gz', ''), 'bin')
  if (existsSync(join(bin, 'node.ok'))) return
  mkdirSync(bin, { recursive: true })
  const source = fetchPackage({ name: runtime, version, integrity: undefined })
  copyFileSync(join(source, 'bin/node'), join(bin, 'node'))
  for (const file of [join(directory, archive), join(directory, `${archive}.ok`), join(bin, 'node.ok')]) {
    writeFileSync(file, '')
  }
}

await main()
