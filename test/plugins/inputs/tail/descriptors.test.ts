import { afterEach, expect, test } from 'bun:test'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { descriptorBudget } from '../../../../src/plugins/inputs/tail/file/descriptor-budget.ts'
import { follow, type TailRun } from '../../../support/tail/run.ts'
import { tmp } from '../../../support/tmp.ts'
import { until } from '../../../support/until.ts'

/** The smallest budget. */
const BUDGET = 16
const FILES = 60
const QUICK = { refresh_interval: '50ms', progress_check_interval: '20ms', rotate_wait: '50ms' }

const { max } = descriptorBudget
afterEach(() => void descriptorBudget.limitTo(max))

/** Returns how many files in a directory this process has open. */
function openIn(dir: string): number {
  let count = 0
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${dir}/`)) count++
    } catch {
      // It was closed meanwhile.
    }
  }
  return count
}

/** Follows FILES files with a budget for BUDGET of them, in which x.log is at its end and closed. */
async function crowded(
  options: Record<string, string> = {},
): Promise<{ run: TailRun; dir: string; x: string }> {
  const dir = tmp()
  const x = join(dir, 'x.log')
  descriptorBudget.limitTo(BUDGET)
  writeFileSync(x, 'first of x\n')
  const run = follow({ path: `${dir}/*.log`, ...QUICK, ...options })
  await run.waitForLines(1)
  for (let i = 0; i < FILES - 1; i++) writeFileSync(join(dir, `${i}.log`), `first of ${i}\n`)
  await run.waitForLines(FILES)
  await until(() => !isOpen(x))
  return { run, dir, x }
}

function isOpen(path: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  })
}

async function arrives(run: TailRun, ...lines: string[]): Promise<void> {
  await until(() => lines.every((line) => run.lines().includes(line)), {
    what: () => run.lines().slice(FILES).join('|'),
  })
}

/** Checks that no line was sent twice, or lost. */
function isExact(run: TailRun): void {
  expect(run.lines()).toHaveLength(new Set(run.lines()).size)
  expect(run.count('lost_bytes')).toBe(0)
}

test('more files than may be open are all read, and lines that are appended later arrive', async () => {
  const { run, dir } = await crowded()
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < FILES - 1; i++) appendFileSync(join(dir, `${i}.log`), `${round} of ${i}\n`)
    await run.waitForLines(FILES + (round + 1) * (FILES - 1))
    expect(openIn(dir)).toBeLessThanOrEqual(BUDGET + 1)
  }
  isExact(run)
  expect(run.count('descriptors_released')).toBeGreaterThan(FILES)
  expect(run.count('files_truncated') + run.count('files_rotated')).toBe(0)
  expect(run.logs.filter(({ message }) => message.includes('more files are followed')).length).toBe(1)
  expect(run.files).toHaveLength(FILES)
})

test('files with much to read each have their turn', async () => {
  const dir = tmp()
  descriptorBudget.limitTo(BUDGET)
  const lines = 400
  for (let i = 0; i < 40; i++)
    writeFileSync(
      join(dir, `${i}.log`),
      Array.from({ length: lines }, (_, n) => `${i} ${n} ${'x'.repeat(400)}\n`).join(''),
    )
  const run = follow({ path: `${dir}/*.log`, ...QUICK, static_batch_size: '20K' })
  await run.waitForLines(40 * lines)
  expect(openIn(dir)).toBeLessThanOrEqual(BUDGET + 1)
  isExact(run)
})

test('a closed file that is written to and renamed is read under its new name', async () => {
  const { run, x } = await crowded()
  appendFileSync(x, 'second of x\n')
  renameSync(x, `${x}.1`)
  writeFileSync(x, 'third of x\n')
  await arrives(run, 'second of x', 'third of x')
  expect(run.lines().indexOf('second of x')).toBeLessThan(run.lines().indexOf('third of x'))
  isExact(run)
})

test('a closed file that is written to and moved to another directory is read there', async () => {
  const { run, x, dir } = await crowded()
  mkdirSync(join(dir, 'old'))
  appendFileSync(x, 'second of x\n')
  renameSync(x, join(dir, 'old/x.log.1'))
  await arrives(run, 'second of x')
  isExact(run)
})

test('a closed file that is written to and compressed at once is read from the copy', async () => {
  const { run, x } = await crowded()
  appendFileSync(x, 'second of x\n'.repeat(2))
  renameSync(x, `${x}.1`)
  writeFileSync(`${x}.1.gz`, gzipSync(`first of x\n${'second of x\n'.repeat(2)}`))
  unlinkSync(`${x}.1`)
  writeFileSync(x, 'third of x\n')
  await arrives(run, 'second of x', 'third of x')
  expect(run.count('lost_bytes')).toBe(0)
})

test('a closed file that is truncated after a copy of it was made is read from the copy, then from its start', async () => {
  const { run, x } = await crowded()
  appendFileSync(x, 'second of x\n')
  copyFileSync(x, `${x}.1`)
  truncateSync(x)
  appendFileSync(x, 'third of x\n')
  await arrives(run, 'second of x', 'third of x')
  isExact(run)
})

test('another file at the path of a closed one is read from its start, even with the same inode', async () => {
  const { run, x } = await crowded()
  unlinkSync(x)
  writeFileSync(x, 'another x with more than that\n')
  await arrives(run, 'another x with more than that')
  isExact(run)
})

test('a file that is deleted while it is closed with unread bytes is counted as lost and named', async () => {
  const dir = tmp()
  const x = join(dir, 'x.log')
  descriptorBudget.limitTo(BUDGET)
  writeFileSync(x, 'first of x\n')
  const run = follow({ path: `${dir}/*.log`, ...QUICK }, { memBufLimit: 100_000 })
  await run.waitForLines(1)
  run.hold = true
  // Nothing is read any more: all files have unread bytes, and some have to be closed.
  for (let i = 0; i < FILES; i++) writeFileSync(join(dir, `${i}.log`), `${'y'.repeat(1000)}\n`.repeat(20))
  appendFileSync(x, 'lost\n')
  await until(() => run.files.length === FILES + 1 && !isOpen(x))
  unlinkSync(x)
  run.ack()
  await until(() => run.files.length === FILES)
  if (run.lines().includes('lost')) return
  await until(() => run.count('lost_bytes') === 'lost\n'.length)
  expect(
    run.logs.filter(({ fields }) => fields.code === 'E_TAIL_ABANDONED').map(({ message }) => message),
  ).toEqual([`5 bytes of ${x}, written while it was closed, could not be read: they are lost`])
})
