import { readFileSync, readlinkSync } from 'node:fs'
import type { Clock, TimerHandle } from '../core/services.ts'

/** A part of the address space. */
export interface Mapping {
  start: number
  bytes: number
}

/** Resident parts of the process that it can do without. Returns true when it was given back. */
type ReleasePages = (mapping: Mapping) => boolean

const FIRST_MS = 80
const GROWTH = 3
const LONGEST_MS = 300_000

/**
 * Gives back, from time to time, the pages of our own executable that were touched while the program was loaded and
 * compiled: about 45 MB, of which 15 to 30 are used again. Their entries leave the page table, they themselves stay in
 * the page cache, and a page that is used again costs a minor fault. The waits grow, so that a run of any length pays
 * for a few of them. The function ends it.
 *
 * Where it cannot work (node, a system without /proc or without the call) nothing happens: it changes no result.
 */
export async function releaseCleanPages(clock: Clock, load = loadGiveBack): Promise<() => void> {
  const giveBack = await load()
  const mappings = giveBack === undefined ? [] : ownMappings()
  let timer: TimerHandle | undefined
  let waitMs = FIRST_MS
  const round = () => {
    timer = undefined
    // One that fails once fails always.
    if (giveBack === undefined || mappings.length === 0 || !mappings.every(giveBack)) return
    timer = clock.after(waitMs, round)
    waitMs = Math.min(waitMs * GROWTH, LONGEST_MS)
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
/** `00200000-01a39000 r--p 00000000 fe:00 1035 /usr/bin/shipper`; private, and not to be written to. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \d+ +(\/.*)$/m
const UNCHANGED = /^Anonymous: +0 kB$/m
const NOT_SWAPPED = /^Swap: +0 kB$/m

/**
 * The mappings of `file` in /proc/PID/smaps whose every page can be had from the file again. `Private_Dirty` does not tell
 * that: it counts pages of a file that was just written and is not on the disk yet. Pages that are the process's own
 * (relocated, then protected) are `Anonymous`, or swapped.
 */
export function cleanMappings(smaps: string, file: string): Mapping[] {
  return smaps.split(NEXT_MAPPING).flatMap((part) => {
    const [, start = '', end = '', path] = MAPPING.exec(part) ?? []
    if (path !== file || !UNCHANGED.test(part) || !NOT_SWAPPED.test(part)) return []
    const from = Number.parseInt(start, 16)
    return [{ start: from, bytes: Number.parseInt(end, 16) - from }]
  })
}

/** Of glibc; musl knows itself by this name too. It is loaded in any case, so no file is looked for. */
const LIBC = 'libc.so.6'
/** On Linux, on every architecture. */
const MADV_DONTNEED = 4

/** The seam to the C library, by the runtime's own means; undefined where there are none. */
async function loadGiveBack(): Promise<ReleasePages | undefined> {
  if (process.versions.bun === undefined || process.platform !== 'linux') return undefined
  try {
    const { dlopen } = await import('bun:ffi')
    const { symbols } = dlopen(LIBC, { madvise: { args: ['u64', 'u64', 'i32'], returns: 'i32' } })
    return ({ start, bytes }) => symbols.madvise(start, bytes, MADV_DONTNEED) === 0
  } catch {
    return undefined
  }
}
