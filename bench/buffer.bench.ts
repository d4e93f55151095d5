import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Chunk } from '../src/core/chunk.ts'
import { openSegmentLog } from '../src/lib/segments/open-log.ts'
import { isStoredChunk, type SegmentLog } from '../src/lib/segments/types.ts'
import { textChunk } from '../test/support/segments/logs.ts'

/**
 * Measures the log of segments alone: MB per CPU-second, and microseconds of CPU per chunk, for writing (append, with a sync under way all
 * the time) and for reading (find and read), and the time to open what was written. The best of some runs: `bun bench/buffer.bench.ts`
 */
const RUNS = 5
const BYTES = 128 << 20
const SILENT = { error() {}, warn() {}, info() {}, debug() {} }

function open(folder: string): SegmentLog {
  return openSegmentLog({
    folder,
    outputs: ['a'],
    takeLock: () => ({ release() {} }),
    log: SILENT,
    onDamage: ({ reason }) => {
      throw new Error(reason)
    },
    deletesDamaged: false,
  })
}

async function write(log: SegmentLog, chunk: Chunk, count: number): Promise<void> {
  let syncing: Promise<void> | undefined
  for (let i = 0; i < count; i++) {
    log.append(chunk, OUTPUTS)
    syncing ??= log.sync().finally(() => {
      syncing = undefined
    })
    // Gives the event loop a turn, as an agent does after each block of input.
    if (i % CHUNKS_PER_TURN === 0) await new Promise(setImmediate)
  }
  await log.sync()
}

const OUTPUTS = ['a']
const CHUNKS_PER_TURN = 16

function read(log: SegmentLog, buf: Buffer): number {
  let count = 0
  for (let at = log.start; ; count++) {
    const chunk = log.find('a', at)
    if (!isStoredChunk(chunk)) return count
    if (!log.read(chunk, buf, 0)) throw new Error('it cannot be read')
    at = chunk.next
  }
}

async function cpuSeconds(work: () => unknown): Promise<number> {
  const began = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1e6
}

for (const [title, bytes] of [
  ['256 kB', 256 << 10],
  ['2 kB', 2 << 10],
] as const) {
  const chunk = textChunk(Buffer.alloc(bytes, 'abcdefgh'), { count: bytes >> 8 })
  const count = BYTES / bytes
  const buf = Buffer.alloc(bytes)
  const best = {
    write: Number.POSITIVE_INFINITY,
    read: Number.POSITIVE_INFINITY,
    open: Number.POSITIVE_INFINITY,
  }
  for (let i = 0; i < RUNS; i++) {
    const folder = join(mkdtempSync(join(tmpdir(), 'shipper-bench-')), 'buffer')
    const written = open(folder)
    best.write = Math.min(best.write, await cpuSeconds(() => write(written, chunk, count)))
    await written.close()
    let log: SegmentLog = written
    best.open = Math.min(best.open, await cpuSeconds(() => (log = open(folder))))
    best.read = Math.min(best.read, await cpuSeconds(() => read(log, buf)))
    await log.close()
    rmSync(join(folder, '..'), { recursive: true })
  }
  const rate = (s: number): string =>
    `${(BYTES / 1e6 / s).toFixed(0).padStart(6)} MB per CPU-s, ${((s / count) * 1e6).toFixed(1).padStart(5)} us a chunk`
  process.stdout.write(
    `${title.padEnd(8)} append+sync ${rate(best.write)}   find+read ${rate(best.read)}   open ${(best.open * 1000).toFixed(1)} ms\n`,
  )
}
