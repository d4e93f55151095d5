import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, ROOT } from './bootstrap.mjs'
import { type Built, build } from './build.ts'
import { chooseTargets, locked, type Manifest, readManifest } from './manifest.ts'
import { bundledDirectories, describe, directOf } from './release/bundled.ts'
import { DEBIAN_ARCH, deb, debianVersion } from './release/deb.ts'
import { archive, file, plainFiles, type ReleaseFile, sums } from './release/files.ts'
import { thirdPartyLicenses } from './release/licenses.ts'
import { sbom } from './release/sbom.ts'
import { sign } from './release/sign.ts'
import { sizesOf, sizesTable } from './release/sizes.ts'
import { changes, commitOf, packageJson, sourceTime } from './source.ts'

/**
 * `npm run release [-- --target NAME ... --out DIR --base-url URL --sign KEY --dirty]` makes a directory with all published files of
 * this version, see docs/RELEASE.md. The same sources give the same bytes: nothing depends on the directory, the clock, the
 * locale or the user.
 */
interface Settings {
  out: string
  /** Default download address of install.sh. */
  baseUrl: string
  /** File with the private key that signs SHA256SUMS; undefined: it is not signed. */
  signWith: string | undefined
  version: string
  commit: string
  /** Modification time of every file in an archive, in seconds since 1970. */
  time: number
}

const SLASHES = /\/+$/
const ADDRESS = /^https?:\/\/[\w.~:/%[\]@-]+$/

function main(): void {
  const manifest = readManifest()
  const { targets, settings } = readArguments(manifest)
  mkdirSync(settings.out, { recursive: true })
  const draft = mkdtempSync(join(settings.out, '.draft-'))
  try {
    const { files, table } = makeFiles(manifest, targets, settings, draft)
    const all = [...files, file('SHA256SUMS', sums(files))]
    for (const { path, mode, bytes } of all) {
      writeFileSync(join(draft, path), bytes)
      chmodSync(join(draft, path), mode)
    }
    if (settings.signWith !== undefined) {
      const path = sign(join(draft, 'SHA256SUMS'), settings.signWith)
      all.push(file(basename(path), readFileSync(path, 'utf8')))
    }
    publish(draft, settings)
    for (const { path, bytes } of all) {
      process.stdout.write(`${(bytes.length / 1e6).toFixed(2).padStart(8)} MB  ${path}\n`)
    }
    process.stdout.write(`\n${table}`)
    if (settings.baseUrl === '') {
      process.stderr.write(
        'warning: install.sh has no download address: users have to set SHIPPER_BASE_URL; --base-url sets it\n',
      )
    }
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function readArguments(manifest: Manifest): { targets: string[]; settings: Settings } {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true },
      out: { type: 'string', default: join(ROOT, manifest.out, 'release') },
      'base-url': { type: 'string', default: '' },
      sign: { type: 'string' },
      dirty: { type: 'boolean', default: false },
    },
  })
  const known = Object.keys(manifest.bun.targets)
  const targets = chooseTargets(known, values.target ?? known)
  const baseUrl = values['base-url'].replace(SLASHES, '')
  if (baseUrl !== '' && !ADDRESS.test(baseUrl)) {
    fail(
      `--base-url is not an http or https address: ${baseUrl}`,
      'use the address of the directory that contains v<version>/',
    )
  }
  const changed = changes(ROOT, ['.'])
  if (changed !== '' && !values.dirty) {
    fail(
      `the checkout has changes:\n${changed}`,
      'commit them, or use --dirty for a release that cannot be reproduced',
    )
  }
  const time = sourceTime()
  if (time === undefined) {
    fail(
      'the time of the release is unknown: there is no commit',
      'set SOURCE_DATE_EPOCH to seconds since 1970',
    )
  }
  const settings = {
    out: resolve(values.out),
    baseUrl,
    signWith: values.sign,
    version: packageJson().version,
    commit: commitOf(),
    time,
  }
  return { targets: targets.toSorted(), settings }
}

/** Makes all files except SHA256SUMS. The binaries are built in `draft` and stay there. */
function makeFiles(
  manifest: Manifest,
  targets: string[],
  settings: Settings,
  draft: string,
): { files: ReleaseFile[]; table: string } {
  const { version, time } = settings
  const built = targets.map((target) => ({ target, ...build(manifest, target, draft) }))
  const { licenses, materials } = describeContents(manifest, built, settings)
  const plain = plainFiles(manifest, settings.baseUrl, licenses)
  const archives: Record<string, number> = {}
  const files = [...plain, file(`${manifest.name}-${version}.cdx.json`, materials)]
  for (const { target, file: path } of built) {
    const binary = readFileSync(path)
    const program = { path: `${manifest.name}-${target}`, mode: 0o755, bytes: binary }
    const directory = `${manifest.name}-${version}-${target}`
    const packed = archive(directory, [...plain, program], time)
    archives[target] = packed.length
    files.push(program, { path: `${directory}.tar.gz`, mode: 0o644, bytes: packed })
    const arch = DEBIAN_ARCH[target]
    if (arch !== undefined) {
      const bytes = deb({
        version,
        time,
        arch,
        binary,
        maintainer: manifest.maintainer,
        copyright: copyright(plain),
      })
      files.push({ path: `${manifest.name}_${debianVersion(version)}_${arch}.deb`, mode: 0o644, bytes })
    }
  }
  return {
    files,
    table: sizesTable(
      built.map((each) => sizesOf(each.target, each)),
      archives,
    ),
  }
}

/** Returns the license texts and the bill of materials; all binaries contain the same packages. */
function describeContents(
  manifest: Manifest,
  built: (Built & { target: string })[],
  { version, commit, time }: Settings,
): { licenses: string; materials: string } {
  const directories = new Set(built.flatMap(({ metafile }) => bundledDirectories(metafile)))
  const packages = describe(ROOT, [...directories].sort())
  const bun = locked('bun').version
  const runtimes = built.map(({ target }) => {
    const { integrity = '', ...rest } = locked(manifest.bun.targets[target]?.runtime ?? '')
    return { ...rest, integrity }
  })
  const input = {
    name: manifest.name,
    version,
    commit,
    license: packageJson().license,
    time,
    packages,
    bun,
    runtimes,
  }
  return {
    licenses: thirdPartyLicenses(packages, bun),
    materials: sbom({ ...input, direct: directOf(ROOT, packages) }),
  }
}

function copyright(plain: ReleaseFile[]): string {
  const texts = ['LICENSE', 'THIRD-PARTY-LICENSES'].map((name) => plain.find(({ path }) => path === name))
  return texts.map((each) => Buffer.from(each?.bytes ?? []).toString()).join('\n')
}

/**
 * Moves the release into place. install.sh, which has one address for all versions, and `latest` are written last, so that the
 * files of the version that they name exist.
 */
function publish(draft: string, { out, version }: Settings): void {
  const directory = join(out, `v${version}`)
  rmSync(directory, { recursive: true, force: true })
  chmodSync(draft, 0o755)
  renameSync(draft, directory)
  copyFileSync(join(directory, 'install.sh'), join(out, '.install.sh'))
  chmodSync(join(out, '.install.sh'), 0o755)
  renameSync(join(out, '.install.sh'), join(out, 'install.sh'))
  writeFileSync(join(out, '.latest'), `${version}\n`)
  renameSync(join(out, '.latest'), join(out, 'latest'))
  process.stdout.write(`${relative(process.cwd(), directory) || '.'}\n`)
}

main()
