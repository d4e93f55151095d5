import { readFileSync, readlinkSync } from 'node:fs'
import type { Clock, TimerHandle } from '../core/services.ts'
import { loadLibc } from './libc.ts'

/** A range of the address space. */
export interface Mapping {
  start: number
  bytes: number
}

/** Releases the resident pages of a mapping; returns true on success. */
type ReleasePages = (mapping: Mapping) => boolean

const MIN_INTERVAL_MS = 80
const INTERVAL_FACTOR = 3
const MAX_INTERVAL_MS = 300_000

/**
 * Periodically releases the pages of our own executable that were touched while the program was loaded and compiled:
 * about 45 MB, of which 15 to 30 are used again. Their entries leave the page table, the pages stay in the page cache, and
 * a page that is used again costs a minor fault. The interval grows, so that a run of any length pays for only a few of
 * them. Resolves with a function that ends it.
 *
 * Where it is not possible (node, a system without /proc or without madvise) it does nothing.
 */
export async function releaseCleanPages(clock: Clock, load = loadMadvise): Promise<() => void> {
  const release = await load()
  const mappings = release === undefined ? [] : ownMappings()
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

function ownMappings(): Mapping[] {
  try {
    return cleanMappings(readFileSync('/proc/self/smaps', 'latin1'), readlinkSync('/proc/self/exe', 'latin1'))
  } catch {
    return []
  }
}

const NEXT_MAPPING = /^(?=[0-9a-f]+-[0-9a-f]+ )/m
/** Head of a private, read-only mapping: `00200000-01a39000 r--p 00000000 fe:00 1035 /usr/bin/shipper`. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +(\/.*)$/m
const UNCHANGED = /^Anonymous: +0 kB$/m
const NOT_SWAPPED = /^Swap: +0 kB$/m

/**
 * Returns the mappings of `file` in /proc/PID/smaps of which every page can be read from the file again. `Private_Dirty`
 * does not tell: it also counts pages of a file that was just written and is not on disk yet. Pages that belong to the
 * process itself (relocated, then protected) are `Anonymous`, or swapped.
 */
export function cleanMappings(smaps: string, file: string): Mapping[] {
  return smaps.split(NEXT_MAPPING).flatMap((part) => {
    const [, start = '', end = '', path] = MAPPING.exec(part) ?? []
    if (path !== file || !UNCHANGED.test(part) || !NOT_SWAPPED.test(part)) return []
    const from = Number.parseInt(start, 16)
    return [{ start: from, bytes: Number.parseInt(end, 16) - from }]
  })
}

/** Value on Linux, on every architecture. */
const MADV_DONTNEED = 4

/** Loads madvise from the C library; undefined where there is none. */
async function loadMadvise(): Promise<ReleasePages | undefined> {
  const libc = await loadLibc({ madvise: { args: ['u64', 'u64', 'i32'], returns: 'i32' } })
  if (libc === undefined) return undefined
  return ({ start, bytes }) => libc.madvise(start, bytes, MADV_DONTNEED) === 0
}
