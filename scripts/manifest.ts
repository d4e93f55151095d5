import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './bootstrap.mjs'
import { commitOf, packageJson } from './source.ts'

/** pkg.config.json: the single list of names, targets, assets and runtimes. The version is in package.json. */
export interface Manifest {
  name: string
  /** Maintainer of the Debian packages: name and address. */
  maintainer: string
  entry: string
  out: string
  /** Packages that stay outside the bundle. */
  external: string[]
  /** npm name and version of the compiler for src/lib/wasm. */
  compiler: string
  /** Files embedded in the binary. */
  assets: string[]
  /** Other files of a release, by their name there, which the installer uses. */
  install: Record<string, string>
  /** `target`: bun's name of the target. `runtime`: the npm package that contains the executable. */
  bun: { flags: string[]; targets: Record<string, { target: string; runtime: string }> }
  /** The node variant: the npm package and version of the tool, the version of node, and the options of the tool. */
  pkg: {
    tool: string
    version: string
    node: string
    targets: Record<string, { target: string; runtime: string }>
    config: Record<string, unknown>
  }
}

export const CACHE = join(ROOT, '.cache')

export function readManifest(): Manifest {
  return readJson('pkg.config.json') as Manifest
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
}

/** Returns the values of src/cli/version.ts as flags of `bun build`. */
export function defines(target: string): string[] {
  return Object.entries(defineTable(target)).flatMap(([name, value]) => ['--define', `${name}=${value}`])
}

/** Returns the values of src/cli/version.ts as JavaScript, by the name that stands for each. */
export function defineTable(target: string): Record<string, string> {
  const values = { VERSION: packageJson().version, COMMIT: commitOf(), TARGET: target }
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`SHIPPER_${name}`, JSON.stringify(value)]),
  )
}

/** Returns the names if all are known; otherwise prints the known ones and exits with status 2. */
export function chooseTargets(known: string[], names: string[]): string[] {
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length === 0) return names
  process.stderr.write(`unknown target ${unknown.join(', ')}\n  the targets are ${known.join(', ')}\n`)
  process.exit(2)
}

export interface Fetched {
  name: string
  version: string
  /** npm's `sha512-...`; undefined if only npm's own check against its registry is possible. */
  integrity: string | undefined
}

/**
 * Returns the unpacked directory of an npm package that is not installed here (the runtime of another platform), from
 * .cache/ or with `npm pack`. A download is checked against `integrity` before it is unpacked.
 */
export function fetchPackage({ name, version, integrity }: Fetched): string {
  const dir = join(CACHE, `${name.replace('/', '+')}@${version}`)
  if (existsSync(join(dir, '.ok'))) return join(dir, 'package')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  const args = ['pack', `${name}@${version}`, '--pack-destination', dir, '--json', '--loglevel=error']
  const packed = execFileSync('npm', args, {
    cwd: dir,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const archive = join(dir, fileOf(packed))
  const actual = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  if (integrity !== undefined && actual !== integrity) {
    rmSync(dir, { recursive: true, force: true })
    throw new Error(
      `${name}@${version} does not match package-lock.json: its integrity is ${actual} instead of ${integrity}`,
    )
  }
  execFileSync('tar', ['-xzf', archive, '-C', dir])
  rmSync(archive)
  mkdirSync(join(dir, '.ok'))
  return join(dir, 'package')
}

/** Returns the file name from the output of `npm pack`: npm 11 prints a list, later versions an object by name. */
function fileOf(json: string): string {
  const [first] = Object.values(JSON.parse(json) as Record<string, { filename: string }>)
  if (first === undefined) throw new Error('npm pack created no file')
  return first.filename
}

/** Returns the entry of package-lock.json for an installed or optional package. */
export function locked(name: string): Fetched {
  const lock = readJson('package-lock.json') as {
    packages: Record<string, { version: string; integrity?: string }>
  }
  const entry = lock.packages[`node_modules/${name}`]
  if (entry === undefined) throw new Error(`${name} is not in package-lock.json`)
  return { name, version: entry.version, integrity: entry.integrity }
}
