import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Glob } from '../src/plugins/inputs/tail/discovery/glob.ts'

/**
 * Measures how tail searches for files, without the check of each file that follows: `bun
 * bench/search.bench.ts`. The first case is a directory with 10,000 matching files and 50,000 others; the
 * last one is a maze of links.
 */
const RUNS = 15

function files(directory: string, count: number, suffix: string): void {
  mkdirSync(directory, { recursive: true })
  for (let i = 0; i < count; i++) writeFileSync(join(directory, `f${i}${suffix}`), '')
}

function measure(name: string, patterns: string[], excludes: string[] = []): void {
  const silent = { error() {}, warn() {}, info() {}, debug() {} }
  const glob = new Glob({
    patterns,
    excludes,
    hidden: [],
    errors: { record() {}, clear() {} },
    counters: { add() {}, get: () => 0 },
    log: silent,
  })
  const times: number[] = []
  let found = 0
  for (let i = 0; i < RUNS; i++) {
    const startedMs = performance.now()
    const { paths } = glob.find()
    // A scan repeats this question for each path.
    for (const path of paths) glob.matches(path)
    times.push(performance.now() - startedMs)
    found = paths.length
  }
  times.sort((a, b) => a - b)
  const [least = 0] = times
  const median = times[RUNS >> 1] ?? 0
  console.log(`${name}: ${found} files, median ${median.toFixed(1)} ms, least ${least.toFixed(1)} ms`)
}

const root = mkdtempSync(join(tmpdir(), 'shipper-search-'))
try {
  files(join(root, 'flat'), 10_000, '.log')
  files(join(root, 'flat'), 50_000, '.txt')
  for (let i = 0; i < 2000; i++) files(join(root, `deep/pod${i}/container`), 2, '.log')
  files(join(root, 'loop'), 1, '.log')
  for (let i = 0; i < 300; i++) symlinkSync('.', join(root, `loop/l${i}`))
  measure('*.log', [`${root}/flat/*.log`])
  measure('*.log, two excludes', [`${root}/flat/*.log`], ['*.gz', `${root}/flat/debug*`])
  measure('f[0-9]*.log', [`${root}/flat/f[0-9]*.log`])
  measure('2,000 pods', [`${root}/deep/*/*/*.log`])
  measure('300 links to `.`', [`${root}/loop/*/*/*/*.log`])
} finally {
  rmSync(root, { recursive: true, force: true })
}
