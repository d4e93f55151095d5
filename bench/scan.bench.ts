import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { IdentitySearch } from '../src/plugins/inputs/tail/rotation/identity-search.ts'
import { siblingsOf } from '../src/plugins/inputs/tail/rotation/siblings.ts'
import { Child, median, sleep, threadsOf, usedBetween } from './measure.ts'

/**
 * Measures what an idle agent does at each Refresh_Interval, and the turns of the event loop that large
 * directories cause: `bun bench/scan.bench.ts [binary ...]`. Several binaries run one after the other on the
 * same files.
 */
const FOLLOWED = 10_000
const FOREIGN = 50_000
const CLOSED = 1000
const SCANS = 15
const START_MS = 12_000
const CLOSE_MS = 12_000

function files(directory: string, count: number, nameOf: (i: number) => string): void {
  mkdirSync(directory, { recursive: true })
  for (let i = 0; i < count; i++) writeFileSync(join(directory, nameOf(i)), '')
}

const logName = (i: number): string => `app-${String(i).padStart(5, '0')}.log`

/**
 * Prints the CPU time of a scan of all files, in ms: first with followed files only, then with closed files
 * that are watched for late lines.
 */
async function scans(binary: string, root: string): Promise<void> {
  const directory = join(root, 'flat')
  rmSync(directory, { recursive: true, force: true })
  files(directory, FOLLOWED, logName)
  files(directory, FOREIGN, (i) => `other-${i}.txt`)
  const properties = [
    `path=${directory}/*.log`,
    `db=${join(root, 'pos.db')}`,
    'refresh_interval=1',
    'rotate_wait=1',
  ]
  const agent = new Child([
    binary,
    '-i',
    'tail',
    ...properties.flatMap((p) => ['-p', p]),
    '-o',
    'null',
    '-m',
    '*',
  ])
  try {
    await sleep(START_MS)
    const quiet = await cpuOfScan(agent.pid)
    for (let i = 0; i < CLOSED; i++) {
      const path = join(directory, logName(i))
      renameSync(path, `${path}.1`)
      writeFileSync(path, '')
    }
    await sleep(CLOSE_MS)
    const closed = await cpuOfScan(agent.pid)
    console.log(
      `${binary}: ${FOLLOWED} followed files beside ${FOREIGN}: ${quiet.toFixed(0)} ms per scan; with ${CLOSED} closed: ${closed.toFixed(0)} ms`,
    )
  } finally {
    await agent.stop()
    for (const suffix of ['', '-wal', '-shm', '.lock']) rmSync(join(root, `pos.db${suffix}`), { force: true })
  }
}

/** Returns the median CPU time of one second, which has one scan. */
async function cpuOfScan(pid: number): Promise<number> {
  const used: number[] = []
  for (let i = 0; i < SCANS; i++) {
    const before = threadsOf(pid)
    await sleep(1000)
    used.push(usedBetween(before, threadsOf(pid)).cpuMs)
  }
  return median(used)
}

/** Returns the CPU time of the longest turn of the event loop while `work` runs, in ms. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let isRunning = true
  let before = process.threadCpuUsage()
  const tick = (): void => {
    const now = process.threadCpuUsage()
    longest = Math.max(longest, now.user + now.system - before.user - before.system)
    before = now
    if (isRunning) setImmediate(tick)
  }
  setImmediate(tick)
  await work()
  await sleep(1)
  isRunning = false
  return longest / 1000
}

async function searchIn(entries: number, root: string): Promise<void> {
  const directory = join(root, `dir-${entries}`)
  files(directory, entries, (i) => `other-${i}.txt`)
  const turns: number[] = []
  for (let i = 0; i < 5; i++) {
    const search = new IdentitySearch()
    search.add({ inode: 1n, directories: [directory], isIt: () => false, settle() {} })
    turns.push(await longestTurn(() => search.run()))
  }
  console.log(`search for an identity among ${entries}: longest turn ${median(turns).toFixed(1)} ms of CPU`)
}

function rotations(directory: string): void {
  const used: number[] = []
  for (let i = 0; i < 40; i++) {
    const before = process.cpuUsage()
    siblingsOf(join(directory, logName(i)))
    const { user, system } = process.cpuUsage(before)
    used.push((user + system) / 1000)
  }
  console.log(
    `siblings of a log beside ${FOREIGN}: first ${used[0]?.toFixed(1)} ms of CPU, then ${median(used).toFixed(1)} ms`,
  )
}

const root = mkdtempSync(join(tmpdir(), 'shipper-scan-'))
try {
  for (const binary of process.argv.slice(2)) await scans(resolve(binary), root)
  files(join(root, 'flat'), FOLLOWED, logName)
  files(join(root, 'flat'), FOREIGN, (i) => `other-${i}.txt`)
  await sleep(2100)
  rotations(join(root, 'flat'))
  await searchIn(50_000, root)
  await searchIn(500_000, root)
} finally {
  rmSync(root, { recursive: true, force: true })
}
