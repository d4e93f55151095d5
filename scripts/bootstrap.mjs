// Set-up on a machine that has only Node >= 20 and npm: plain JavaScript and no packages, because it runs before them.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..')

/** Name of the machine's architecture, as the binaries spell it. */
export const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64'

/** Lines of npm's error that are shown: after them it prints its complete usage. */
const SHOWN_LINES = 20

/**
 * Installs the packages if they are not those of package-lock.json and returns the path of bun. Ends the process
 * with a message if that is not possible.
 */
export function setUp() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) fail(`node ${process.versions.node} is too old`, 'install Node 20 or later')
  if (!installed(ROOT)) install()
  const bun = findBun(ROOT)
  if (bun === undefined) {
    fail('there is no bun for this machine in node_modules', 'remove node_modules and run the command again')
  }
  return bun
}

/**
 * True when node_modules holds the versions of package-lock.json. It compares npm's own record and not dates: a fresh
 * checkout touches the lock file, and an interrupted install leaves a new folder without the record. Optional packages
 * may be absent: most are for other platforms.
 * @param {string} root
 */
export function installed(root) {
  const wanted = readPackages(join(root, 'package-lock.json'))
  const present = readPackages(join(root, 'node_modules/.package-lock.json'))
  if (present === undefined) return false
  return Object.entries(wanted ?? {}).every(
    ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
  )
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean }> | undefined}
 */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

function install() {
  say('installing the packages of package-lock.json (npm ci), once')
  // The npm that started us, if there is one. --include=dev because bun is a development dependency, also with NODE_ENV=production.
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm']
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
  const [command = 'npm', ...rest] = npm
  const done = spawnSync(command, [...rest, ...args], { cwd: ROOT, encoding: 'utf8' })
  if (done.error) fail(`npm cannot be run: ${done.error.message}`, 'install npm 9 or later')
  if (done.status !== 0) {
    const lines = `${done.stdout}${done.stderr}`.split('\n')
    process.stderr.write(`${lines.slice(0, SHOWN_LINES).join('\n')}\n`)
    fail(`npm ci failed with status ${done.status}`, 'check that npm reaches its registry')
  }
}

/**
 * Returns the path of the bun executable. bun's install script moves it from the package of the platform to `bun/bin`; if
 * npm did not run scripts, it is still in the package of the platform.
 * @param {string} root
 */
export function findBun(root) {
  const scope = join(root, 'node_modules/@oven')
  const platform = existsSync(scope) ? readdirSync(scope).filter((name) => name.startsWith('bun-')) : []
  const candidates = [
    join(root, 'node_modules/bun/bin/bun.exe'),
    join(root, 'node_modules/bun/bin/bun'),
    ...platform.map((name) => join(scope, name, 'bin/bun')),
  ]
  return candidates.find((path) => isProgram(path) && runs(path))
}

/**
 * Returns false for the placeholder in `bun/bin`, a short text that the install script replaces.
 * @param {string} path
 */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).size > 1_000_000
  } catch {
    return false
  }
}

/** @param {string} path */
function runs(path) {
  return spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0
}

/** @param {string} message */
export function say(message) {
  process.stderr.write(`shipper: ${message}\n`)
}

/**
 * @param {string} message
 * @param {string} hint
 * @returns {never}
 */
export function fail(message, hint) {
  say(`${message}\n  ${hint}`)
  process.exit(1)
}
