// `npm test [-- PART_OF_A_PATH ...]`: set-up, static checks, the binary, all tests; ends with `N passed, N failed`.
// `npm run test:long [-- PART_OF_A_PATH ...]`: the tests that can run for long, in their full form: files that are named
// `*.long.test.ts`, and files that import test/support/long.ts or property.ts.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { ARCH, ROOT, setUp } from './bootstrap.mjs'
import { INGREDIENTS } from './ingredients.mjs'
import { emptyTally, readReport, slowestFiles, summary } from './test-report.mjs'
import { addTimes } from './test-times.mjs'

const CACHE = join(ROOT, '.cache')
const BINARY = join(ROOT, `dist/shipper-linux-${ARCH}`)
const CORES = availableParallelism()
/** More than cores, because most tests mostly wait, those of test/e2e most of all; each of these runs several programs. */
const UNIT_PROCESSES = CORES + 2
const E2E_PROCESSES = Math.max(6, CORES >> 1)
const LONG = process.argv.includes('--long')
/** Limits of one test, so that a hang ends; no claim about the speed of a machine. */
const UNIT_LIMIT_MS = LONG ? 4 * 3_600_000 : 180_000
const E2E_LIMIT_MS = LONG ? 4 * 3_600_000 : 400_000
/** Limit of a run of bun, which ends one that hangs between tests. */
const WATCHDOG_MS = LONG ? 24 * 3_600_000 : 90 * 60_000
const CAN_RUN_LONG = /support\/(?:long|property)\.ts'/

const bun = setUp()
process.chdir(ROOT)
mkdirSync(CACHE, { recursive: true })
const patterns = process.argv.slice(2).filter((argument) => argument !== '--long')
const tally = emptyTally()

const files = filesUnder('test').filter(
  (path) => path.endsWith('.test.ts') && (LONG ? isLong(path) : !isOnlyLong(path)),
)
const chosen = files.filter((path) => patterns.length === 0 || patterns.some((part) => path.includes(part)))
const e2e = chosen.filter((path) => path.startsWith('test/e2e/'))
// Tests that measure milliseconds: nothing else may run at the same time.
const alone = e2e.filter((path) => path.endsWith('.alone.test.ts'))

if (chosen.length === 0) tally.failed.push(`no test file matches ${patterns.join(' ')}`)
if (patterns.length === 0 && !LONG)
  process.stdout.write('checking types, lint and docs, building the binary\n')
const checks = patterns.length === 0 && !LONG ? staticChecks() : []
const binary = process.env.SHIPPER_BIN || BINARY
const needsBinary = patterns.length === 0 || e2e.length > 0
const [built] = await Promise.all([needsBinary && buildIfStale(), ...checks])
await runTests(
  'unit',
  [UNIT_LIMIT_MS, UNIT_PROCESSES],
  chosen.filter((path) => !e2e.includes(path)),
)
if (built) {
  await runTests(
    'e2e',
    [E2E_LIMIT_MS, E2E_PROCESSES],
    e2e.filter((path) => !alone.includes(path)),
  )
  await runTests('alone', [E2E_LIMIT_MS, 1], alone)
} else if (e2e.length > 0) {
  tally.failed.push(`${e2e.length} files of test/e2e: not run, there is no binary`)
}
process.stdout.write(slowestFiles(tally) + summary(tally))
process.exit(tally.failed.length > 0 ? 1 : 0)

/** Starts the static checks; each counts as one test. */
function staticChecks() {
  const bin = join(ROOT, 'node_modules/.bin')
  return [
    check('types', [join(bin, 'tsc'), '--noEmit', '-p', '.']),
    check('lint', [join(bin, 'biome'), 'check', '--diagnostic-level=error']),
    check('docs are those of the option tables', [bun, 'scripts/docs.ts', '--check']),
  ]
}

/**
 * @param {string} label
 * @param {string[]} command
 */
async function check(label, command) {
  const { status, output } = await capture(command)
  if (status === 0) {
    tally.passed++
    return true
  }
  process.stdout.write(`${label}: status ${status}\n${output}\n`)
  tally.failed.push(label)
  return false
}

/** Builds the binary unless it is newer than its sources: the e2e tests run it. Resolves to false if that failed. */
async function buildIfStale() {
  if (process.env.SHIPPER_BIN) return true
  const newest = Math.max(...INGREDIENTS.flatMap(filesUnder).map((path) => statSync(path).mtimeMs))
  if (existsSync(BINARY) && statSync(BINARY).mtimeMs > newest) return true
  return check('build', [bun, 'scripts/build.ts', '--target', `linux-${ARCH}`])
}

/**
 * @param {string} name
 * @param {[limitMs: number, processes: number]} limits
 * @param {string[]} paths
 */
async function runTests(name, [limitMs, processes], paths) {
  if (paths.length === 0) return
  // The times of long forms must not order the short ones.
  const suite = LONG ? `${name}-long` : name
  const report = join(CACHE, `test-${suite}.xml`)
  rmSync(report, { force: true })
  const times = join(CACHE, `test-${suite}.json`)
  addTimes(times, paths)
  const shown = name === 'unit' ? ', of which only failures are shown' : ''
  process.stdout.write(`${name} tests: ${paths.length} ${paths.length === 1 ? 'file' : 'files'}${shown}\n`)
  const args = [
    ...['--no-orphans', 'test', `--timeout=${limitMs}`, `--parallel=${processes}`],
    ...[`--timings=${times}`, '--update-timings'],
    ...['--reporter=junit', `--reporter-outfile=${report}`],
    ...(name === 'unit' ? ['--only-failures'] : []),
    ...paths.map((path) => `./${path}`),
  ]
  const failedBefore = tally.failed.length
  const env = {
    PATH: pathWithSbin(),
    ...(existsSync(binary) ? { SHIPPER_BIN: binary } : {}),
    ...(LONG ? { SHIPPER_LONG: '1' } : {}),
  }
  const { status } = await run([bun, ...args], 'inherit', env)
  if (existsSync(report)) readReport(tally, readFileSync(report, 'utf8'))
  // A file that cannot be loaded and a crash have no case in the report.
  if (status !== 0 && tally.failed.length === failedBefore)
    tally.failed.push(`${name} tests: bun ended with ${status}`)
}

/** Returns PATH with the folders of `useradd`, `pivot_root` and `chroot`, which not every user's PATH has. */
function pathWithSbin() {
  const folders = (process.env.PATH ?? '/usr/bin:/bin').split(delimiter)
  return [...new Set([...folders, '/usr/sbin', '/sbin'])].join(delimiter)
}

/** @param {string} path */
function isOnlyLong(path) {
  return path.endsWith('.long.test.ts')
}

/** @param {string} path */
function isLong(path) {
  return isOnlyLong(path) || CAN_RUN_LONG.test(readFileSync(join(ROOT, path), 'utf8'))
}

/** @param {string[]} command */
async function capture(command) {
  return await run(command, 'pipe', {})
}

/**
 * @param {string[]} command
 * @param {'inherit' | 'pipe'} streams
 * @param {Record<string, string>} env
 * @returns {Promise<{ status: number | string, output: string }>}
 */
function run([file = '', ...args], streams, env) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ['ignore', streams, streams], env: { ...process.env, ...env } })
    let output = ''
    const collect = (/** @type {Buffer} */ bytes) => {
      output += bytes
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const watchdog = setTimeout(() => child.kill('SIGKILL'), WATCHDOG_MS)
    child.once('error', (err) => resolve({ status: err.message, output }))
    child.once('close', (code, signal) => {
      clearTimeout(watchdog)
      resolve({ status: code ?? String(signal), output })
    })
  })
}

/**
 * @param {string} path
 * @returns {string[]}
 */
function filesUnder(path) {
  const full = join(ROOT, path)
  if (!existsSync(full)) return []
  if (!statSync(full).isDirectory()) return [path]
  return readdirSync(full)
    .sort()
    .flatMap((name) => filesUnder(`${path}/${name}`))
}
