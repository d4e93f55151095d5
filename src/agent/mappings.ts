import { closeSync, openSync, readlinkSync, readSync } from 'node:fs'

/** A range of the address space. */
export interface Mapping {
  start: number
  bytes: number
}

/** Returns the mappings of our own executable that `cleanMappings` finds; none without /proc. */
export function ownMappings(): Mapping[] {
  try {
    const file = readlinkSync('/proc/self/exe', 'latin1')
    return cleanMappings(readSmaps('/proc/self/smaps', file), file)
  } catch {
    return []
  }
}

/**
 * Returns the beginning of the list, up to and with the mappings of `file`. The kernel counts the pages of a mapping when it is
 * read, and those that follow are most of the memory of the process. It returns a page with each call.
 */
function readSmaps(path: string, file: string): string {
  const part = Buffer.allocUnsafe(4096)
  const fd = openSync(path, 'r')
  try {
    let text = ''
    for (;;) {
      const bytes = readSync(fd, part)
      const read = part.toString('latin1', 0, bytes)
      if (bytes === 0 || (text.includes(file) && !read.includes(file))) return text
      text += read
    }
  } finally {
    closeSync(fd)
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
