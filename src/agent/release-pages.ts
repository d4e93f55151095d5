import type { Clock, TimerHandle } from '../core/services.ts'
import { loadLibc } from '../lib/fs/libc.ts'
import { disableFaultAround } from './fault-around.ts'
import { type Mapping, ownMappings } from './mappings.ts'

/** Releases the resident pages of a mapping; returns true on success. */
type ReleasePages = (mapping: Mapping) => boolean

const MIN_INTERVAL_MS = 80
const INTERVAL_FACTOR = 2
const MAX_INTERVAL_MS = 300_000

/**
 * Periodically releases the pages of our own executable that were touched while the program was loaded and compiled:
 * about 45 MB, of which 15 to 30 are used again. Their entries leave the page table, the pages stay in the page cache, and
 * a page that is used again costs a minor fault. The interval grows, so that a run of any length pays for only a few of
 * them. From the first round on a fault maps one page, if possible: 2 to 8 MB are used again then. Resolves with a function
 * that ends the rounds.
 *
 * Where it is not possible (node, a system without /proc or without madvise) it does nothing.
 */
export async function releaseCleanPages(clock: Clock, load = loadMadvise): Promise<() => void> {
  const release = await load()
  const mappings = release === undefined ? [] : ownMappings()
  await disableFaultAround(mappings)
  let timer: TimerHandle | undefined
  let waitMs = MIN_INTERVAL_MS
  const round = () => {
    timer = undefined
    // A call that fails once fails always.
    if (release === undefined || mappings.length === 0 || !mappings.every(release)) return
    timer = clock.after(waitMs, round)
    waitMs = Math.min(waitMs * INTERVAL_FACTOR, MAX_INTERVAL_MS)
  }
  round()
  return () => clock.cancel(timer)
}

/** Value on Linux, on every architecture. */
const MADV_DONTNEED = 4

/** Loads madvise from the C library; undefined where there is none. */
async function loadMadvise(): Promise<ReleasePages | undefined> {
  const libc = await loadLibc({ madvise: { args: ['u64', 'u64', 'i32'], returns: 'i32' } })
  if (libc === undefined) return undefined
  return ({ start, bytes }) => libc.madvise(start, bytes, MADV_DONTNEED) === 0
}
