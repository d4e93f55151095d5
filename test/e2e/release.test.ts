import { expect, test } from 'bun:test'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Spec, Validation } from '@cyclonedx/cyclonedx-library'
import { ARCH, ROOT } from '../../scripts/bootstrap.mjs'
import { readManifest } from '../../scripts/manifest.ts'
import { DEBIAN_ARCH, debianVersion } from '../../scripts/release/deb.ts'
import { run } from '../support/process.ts'
import { withDpkgDeb } from '../support/release/debian-root.ts'
import { projectCopy } from '../support/release/project-copy.ts'
import { startRelease, sumsOf, TARGETS, VERSION } from '../support/release/released.ts'
import { testWith } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'

const OWN = `linux-${ARCH}`
/** Limit of a build of the complete release. */
const LIMIT_MS = 280_000
const ROW = /^\| linux-\S+ \|.*$/gm
/** Returns how far a size in the document may be from the current one: a tenth, or 0.2 MB for small ones. */
const tolerance = (size: number): number => Math.max(size / 10, 0.2)

const withSha256sum = testWith('sha256sum')
const withTar = testWith('tar')
const withGit = testWith('git')
const withCurl = testWith('curl')
const withSshKeygen = testWith('ssh-keygen')

/** Serves a folder on loopback, also files that do not exist yet; returns the address. */
async function serve(directory: string): Promise<string> {
  const server = createServer((request, response) => {
    const path = join(directory, decodeURIComponent(request.url ?? '/'))
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true
    response.writeHead(isFile ? 200 : 404)
    response.end(isFile ? readFileSync(path) : undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Creates a key pair; returns the file of the private key, or undefined where ssh-keygen is missing. */
function signingKey(): string | undefined {
  const file = join(tmp(), 'key')
  const { status } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  return status === 0 ? file : undefined
}

// Two releases whose folder, time and environment differ in everything that could get into a file by accident.
const here = projectCopy(new Date('2024-01-01'))
const there = projectCopy(new Date('2001-09-09'))
// What the first release writes is served as it is.
const served = await serve(join(here, 'dist/release'))
const baseUrl = ['--base-url', served]
const key = signingKey()
const first = startRelease(here, '022', { TZ: 'UTC', LC_ALL: 'C', USER: 'a' }, TARGETS, [
  ...baseUrl,
  ...(key === undefined ? [] : ['--sign', key]),
])
const second = startRelease(
  there,
  '077',
  { TZ: 'Asia/Tokyo', LC_ALL: 'tr_TR.UTF-8', USER: 'b', HOME: tmp() },
  [OWN],
  baseUrl,
)
const folder = join(here, `dist/release/v${VERSION}`)
const released = Promise.all([first.ended(LIMIT_MS), second.ended(LIMIT_MS)]).then(([one, two]) => {
  if (one.code !== 0 || two.code !== 0) throw new Error(`no release:\n${first.stderr}${second.stderr}`)
})
released.catch(() => {})

/** Reads a file of the first release. */
const read = (name: string): Buffer => readFileSync(join(folder, name))

test('the same sources produce the same bytes in another folder, at another time, for another user', async () => {
  await released
  const one = sumsOf(folder)
  const two = sumsOf(join(there, `dist/release/v${VERSION}`))
  const common = Object.keys(two).filter((name) => TARGETS.length === 1 || name !== 'SHA256SUMS')
  // With more targets in one of the two, the materials list more runtimes.
  const same = common.filter((name) => TARGETS.length === 1 || !name.endsWith('.cdx.json'))
  for (const name of same) expect({ name, sum: two[name] }).toEqual({ name, sum: one[name] })
  expect(same).toContain(`shipper-${OWN}`)
  expect(same).toContain(`shipper-${VERSION}-${OWN}.tar.gz`)
})

test('the binary contains no path of the build machine', async () => {
  await released
  const binary = read(`shipper-${OWN}`)
  for (const path of [here, ROOT]) expect(binary.indexOf(path)).toBe(-1)
})

test('contains the files that the installer downloads, and the file `latest` with its version', async () => {
  await released
  const names = Object.keys(sumsOf(folder))
  for (const name of Object.keys(readManifest().install)) expect(names).toContain(name)
  for (const target of TARGETS) expect(names).toContain(`shipper-${target}`)
  expect(readFileSync(join(here, 'dist/release/latest'), 'utf8')).toBe(`${VERSION}\n`)
  expect(statSync(join(there, `dist/release/v${VERSION}`)).mode & 0o777).toBe(0o755)
  expect(statSync(join(there, `dist/release/v${VERSION}/install.sh`)).mode & 0o777).toBe(0o755)
})

withSha256sum('sha256sum -c accepts the release, and rejects a changed file', async () => {
  await released
  const check = (cwd: string): number | null => spawnSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd }).status
  expect(check(folder)).toBe(0)
  const names = read('SHA256SUMS')
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.slice(66))
  const signature = key === undefined ? [] : ['SHA256SUMS.sig']
  expect([...names, 'SHA256SUMS', ...signature].sort()).toEqual(Object.keys(sumsOf(folder)))
  const changed = tmp()
  cpSync(folder, changed, { recursive: true })
  writeFileSync(join(changed, 'shipper.conf'), '# other\n')
  expect(check(changed)).not.toBe(0)
})

withCurl('the line of the README installs what the release wrote, from where it says', async () => {
  await released
  const prefix = join(tmp(), 'installed')
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const [, line = ''] = /`(curl -fsSL URL\/install\.sh.*? sh)`/.exec(readme) ?? []
  const command = line
    .replaceAll('\\|', '|')
    .replace('URL', served)
    .replace('sudo ', 'env ')
    .replace(/ sh$/, ` sh -s -- --prefix ${prefix}`)
  const install = (env: Record<string, string>) => run([], { command: ['sh', '-c', command], env })
  const publicKey = key === undefined ? '' : readFileSync(`${key}.pub`, 'utf8').trim()
  expect(await install({ SHIPPER_PUBLIC_KEY: publicKey })).toMatchObject({ code: 0 })
  expect(readFileSync(join(prefix, 'etc/shipper/shipper.conf'), 'utf8')).toContain('10.0.0.5')
  const { stdout } = await run(['--version'], { command: [join(prefix, 'bin/shipper')] })
  expect(stdout).toStartWith(`shipper ${VERSION} `)
})

withSshKeygen('checksums that another key has signed, or none, install nothing', async () => {
  await released
  const prefix = join(tmp(), 'installed')
  const script = join(folder, 'install.sh')
  const other = readFileSync(`${signingKey()}.pub`, 'utf8').trim()
  const install = (from: string, SHIPPER_PUBLIC_KEY: string) =>
    run(['--from', from, '--prefix', prefix], { command: ['sh', script], env: { SHIPPER_PUBLIC_KEY } })
  expect(await install(folder, other)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is not signed by SHIPPER_PUBLIC_KEY; nothing was changed'),
  })
  const changed = tmp()
  cpSync(folder, changed, { recursive: true })
  writeFileSync(join(changed, 'SHA256SUMS'), `${readFileSync(join(changed, 'SHA256SUMS'))} `)
  const own = `${key}.pub`
  expect(await install(changed, own)).toMatchObject({ code: 1 })
  expect(existsSync(prefix)).toBe(false)
  // The key may be given as a file.
  expect(await install(folder, own)).toMatchObject({ code: 0 })
})

withTar('the archive installs without a network, and the installed program runs', async () => {
  await released
  const dir = tmp()
  const name = `shipper-${VERSION}-${OWN}`
  execFileSync('tar', ['-xzf', join(folder, `${name}.tar.gz`), '-C', dir])
  const prefix = join(dir, 'installed')
  const script = join(dir, name, 'install.sh')
  const installed = await run(['--from', join(dir, name), '--prefix', prefix], { command: ['sh', script] })
  expect(installed).toMatchObject({ code: 0, stderr: '' })
  const { stdout } = await run(['--version'], { command: [join(prefix, 'bin/shipper')] })
  expect(stdout).toBe(`shipper ${VERSION} (unknown), ${OWN}, bun ${process.versions.bun}\n`)
})

withDpkgDeb('the Debian package contains the binary of the release', async () => {
  await released
  const dir = tmp()
  const name = `shipper_${debianVersion(VERSION)}_${DEBIAN_ARCH[OWN]}.deb`
  execFileSync('dpkg-deb', ['-x', join(folder, name), dir])
  expect(readFileSync(join(dir, 'usr/bin/shipper')).equals(read(`shipper-${OWN}`))).toBe(true)
})

test('the bill of materials is valid and lists every bundled package, and no tool', async () => {
  await released
  const text = read(`shipper-${VERSION}.cdx.json`).toString()
  expect(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text)).toBeNull()
  const names: string[] = JSON.parse(text).components.map(
    ({ group, name }: { group?: string; name: string }) => (group === undefined ? name : `${group}/${name}`),
  )
  const bundled = [
    '@msgpack/msgpack',
    'chokidar',
    'commander',
    'mmdb-lib',
    'snappyjs',
    'undici',
    'wasmoon-lua5.1',
    'bun',
  ]
  for (const name of bundled) expect(names).toContain(name)
  for (const name of ['typescript', 'better-sqlite3', 'ajv']) expect(names).not.toContain(name)
  const licenses = read('THIRD-PARTY-LICENSES').toString()
  for (const name of names) expect(licenses).toContain(`\n${name} `)
})

withGit('refuses a changed checkout, a missing time and an invalid address', async () => {
  await released
  const refused = async (args: string[], env: Record<string, string | undefined> = {}): Promise<string> => {
    const command = [process.execPath, 'scripts/release.ts']
    const { code, stdout, stderr } = await run(args, { command, cwd: there, env })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    return stderr
  }
  expect(await refused([], { SOURCE_DATE_EPOCH: undefined })).toContain('SOURCE_DATE_EPOCH')
  expect(await refused(['--base-url', "x'; reboot"])).toContain('--base-url is not an http or https address')
  execFileSync('git', ['init', '-q'], { cwd: there })
  expect(await refused([])).toContain('the checkout has changes:\n?? ')
})

test('docs/RELEASE.md states the size of the binary and of its parts', async () => {
  await released
  const stated = rowsOf(readFileSync(join(ROOT, 'docs/RELEASE.md'), 'utf8'))
  const made = rowsOf(first.stdout)
  expect([...made.keys()]).toEqual(TARGETS.toSorted())
  for (const [target, sizes] of made) {
    const far = sizes.some(
      (size, at) => !(Math.abs((stated.get(target)?.[at] ?? NaN) - size) <= tolerance(size)),
    )
    // If this fails, put the table that `npm run release` prints into the document.
    expect({ target, sizes, stated: far ? stated.get(target) : sizes }).toEqual({
      target,
      sizes,
      stated: sizes,
    })
  }
})

/** Parses the sizes in megabytes: binary, runtime, our JavaScript, that of packages, bytecode, archive. */
function rowsOf(text: string): Map<string, number[]> {
  const rows = (text.match(ROW) ?? []).map((row) => row.split('|').map((cell) => cell.trim()))
  return new Map(rows.map(([, target = '', ...cells]) => [target, cells.slice(0, 6).map(Number)]))
}
