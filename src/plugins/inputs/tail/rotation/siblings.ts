import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { identityKey } from '../file/identity.ts'
import { linkTarget } from '../tracking/link-target.ts'

/** Attempts to find files whose names change meanwhile, because a rotation goes on. */
export const MAX_ATTEMPTS = 5

/** A file in the directory of a followed one whose name begins with the name of that: `x.log.1` of `x.log`. */
export interface Sibling {
  path: string
  /** Identity key: device and inode. */
  key: string
  device: bigint
  inode: bigint
  size: number
  mtimeMs: number
  /** Time of creation in milliseconds; 0 where the file system has none. */
  birthMs: number
}

/** Suffix of a rotated name: `.1`, `-20261121`, `.2026-11-21T06:00:00`, `.old`; then perhaps `.gz`. */
const ROTATED_SUFFIX = /[._-]?(\d[\dTZ:._+-]*|old|bak)(\.gz)?$/
/** Matches a text that is a rotation suffix and nothing else. */
const ONLY_ROTATED_SUFFIX = new RegExp(`^${ROTATED_SUFFIX.source}`)
const DATE_SUFFIX = /^[._-]?(\d{8}[\dTZ:._+-]*)$/
const GZIP_SUFFIX = /\.gz$/

/** Returns the path without its rotation suffix; undefined when it is not a rotated name. */
export function unrotatedPath(path: string): string | undefined {
  const at = ROTATED_SUFFIX.exec(basename(path))?.index ?? 0
  return at > 0 ? join(dirname(path), basename(path).slice(0, at)) : undefined
}

/** The sorted names of directories, each read once: for lookups of many files of one directory. */
export class DirectoryNames {
  readonly #byDirectory = new Map<string, string[]>()

  /** Returns the names that begin with `stem` and are longer. */
  startingWith(directory: string, stem: string): string[] {
    const names = this.#byDirectory.get(directory) ?? namesIn(directory).sort()
    this.#byDirectory.set(directory, names)
    const first = firstAfter(names, stem)
    let end = first
    while (names[end]?.startsWith(stem)) end++
    return names.slice(first, end)
  }
}

/**
 * Returns the siblings of a path, the oldest first. For a link, as in /var/log/containers, they are those of its
 * target. Only rotated names count, so that `app.log.json` is not taken for a part of `app.log`. With `anyName` every
 * longer name counts: for a caller that knows the identity it looks for.
 */
export function siblingsOf(link: string, anyName = false, names?: DirectoryNames): Sibling[] {
  const path = linkTarget(link)
  const directory = dirname(path)
  const stem = basename(path)
  const found: Sibling[] = []
  for (const name of (names ?? new DirectoryNames()).startingWith(directory, stem)) {
    if (!anyName && !ONLY_ROTATED_SUFFIX.test(name.slice(stem.length))) continue
    const candidate = join(directory, name)
    const stat = statSync(candidate, { bigint: true, throwIfNoEntry: false })
    // Renamed or compressed since the directory was read: its new name is not among these.
    if (stat === undefined && names !== undefined) return siblingsOf(link, anyName)
    if (stat === undefined || !stat.isFile()) continue
    found.push({
      path: candidate,
      key: identityKey(stat.dev, stat.ino),
      device: stat.dev,
      inode: stat.ino,
      size: Number(stat.size),
      mtimeMs: Number(stat.mtimeNs) / 1e6,
      birthMs: Number(stat.birthtimeNs) / 1e6,
    })
  }
  // While a file is being compressed both exist, and the copy may not be complete.
  const plain = new Set(found.map((s) => s.path))
  return found
    .filter((s) => !s.path.endsWith('.gz') || !plain.has(s.path.replace(GZIP_SUFFIX, '')))
    .sort((a, b) => compareDates(a, b, path) || compareTimes(a, b))
}

/** Returns the paths that have siblings, of whatever suffix. */
export function pathsWithSiblings(links: readonly string[], names: DirectoryNames): string[] {
  return links.filter((link) => {
    const path = linkTarget(link)
    return names.startingWith(dirname(path), basename(path)).length > 0
  })
}

/** Returns the index of the first of sorted names that sorts after `name`. */
function firstAfter(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((names[middle] as string) <= name) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Compares the dates that rotation appended to the name. 0: their times must decide, although that of a compressed copy
 * may be when it was made. The number in a name does not decide: logrotate's grows with age, that of others does not.
 */
function compareDates(a: Sibling, b: Sibling, path: string): number {
  const [dateA, dateB] = [a, b].map(
    (s) => DATE_SUFFIX.exec(s.path.slice(path.length).replace(GZIP_SUFFIX, ''))?.[1],
  )
  if (dateA === undefined || dateB === undefined || dateA === dateB) return 0
  return dateA < dateB ? -1 : 1
}

/** Compares times; for two rotations within a clock tick births, and then logrotate's numbers, are the best guess. */
function compareTimes(a: Sibling, b: Sibling): number {
  const older = a.mtimeMs - b.mtimeMs || a.birthMs - b.birthMs || b.path.length - a.path.length
  return older || (a.path < b.path ? 1 : -1)
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    // The directory was deleted, or is not readable: there are no siblings then.
    return []
  }
}
