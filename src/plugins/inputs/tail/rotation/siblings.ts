import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { identityKey } from '../file/identity.ts'
import { linkTarget } from '../tracking/link-target.ts'

/** Most times that names are looked at which change meanwhile: a rotation goes on. */
export const MAX_ATTEMPTS = 5

/** A file beside a followed one whose name begins with the same words: `x.log.1` beside `x.log`. */
export interface Sibling {
  path: string
  key: string
  device: bigint
  inode: bigint
  size: number
  mtimeMs: number
  /** When it was created; 0 where the file system does not say. */
  birthMs: number
}

/** What rotation appends to a name: `.1`, `-20261121`, `.2026-11-21T06:00:00`, `.old`; and `.gz` behind it. */
const ROTATED_END = /[._-]?(\d[\dTZ:._+-]*|old|bak)(\.gz)?$/
/** The same, and nothing before it. */
const ROTATED = new RegExp(`^${ROTATED_END.source}`)

/** The path whose log would be rotated to this one; undefined when it is no name that rotation makes. */
export function unrotatedPath(path: string): string | undefined {
  const at = ROTATED_END.exec(basename(path))?.index ?? 0
  return at > 0 ? join(dirname(path), basename(path).slice(0, at)) : undefined
}

/** Names of folders, sorted, each folder read once: for a look at many files of one folder. */
export class DirectoryNames {
  readonly #byFolder = new Map<string, string[]>()

  /** Those that begin with `stem` and go on. */
  startingWith(folder: string, stem: string): string[] {
    const names = this.#byFolder.get(folder) ?? namesIn(folder).sort()
    this.#byFolder.set(folder, names)
    const first = firstBehind(names, stem)
    let end = first
    while (names[end]?.startsWith(stem)) end++
    return names.slice(first, end)
  }
}

/**
 * The oldest first, `link` itself left out; of a link to a log, as in /var/log/containers, those beside its target. Only
 * names that rotation makes, so that `app.log.json` beside `app.log` is not taken for a part of it; `anyName`: for a
 * caller that knows the identity it looks for.
 */
export function siblingsOf(link: string, anyName = false, names?: DirectoryNames): Sibling[] {
  const path = linkTarget(link)
  const folder = dirname(path)
  const stem = basename(path)
  const found: Sibling[] = []
  for (const name of (names ?? new DirectoryNames()).startingWith(folder, stem)) {
    if (!anyName && !ROTATED.test(name.slice(stem.length))) continue
    const candidate = join(folder, name)
    const stat = statSync(candidate, { bigint: true, throwIfNoEntry: false })
    // Renamed or compressed since the folder was read: it stands under a name that is not among these.
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
  // While it is compressed there are both; the copy may not be complete.
  const plain = new Set(found.map((s) => s.path))
  return found
    .filter((s) => !s.path.endsWith('.gz') || !plain.has(s.path.replace(COMPRESSED, '')))
    .sort((a, b) => byName(a, b, path) || byTime(a, b))
}

/** Those that something stands beside whose name begins with theirs. */
export function pathsWithSiblings(links: readonly string[], names: DirectoryNames): string[] {
  return links.filter((link) => {
    const path = linkTarget(link)
    return names.startingWith(dirname(path), basename(path)).length > 0
  })
}

/** Index of the first of sorted names that comes behind `name`. */
function firstBehind(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((names[middle] as string) <= name) low = middle + 1
    else high = middle
  }
  return low
}

const DATED = /^[._-]?(\d{8}[\dTZ:._+-]*)$/

/**
 * By the date that rotation put behind the name. 0: their times must tell, though that of a compressed copy may be when
 * it was made; not the number behind the name, which grows with age where it is logrotate's, and the other way else.
 */
function byName(a: Sibling, b: Sibling, path: string): number {
  const [one, two] = [a, b].map((s) => s.path.slice(path.length).replace(COMPRESSED, '')) as [string, string]
  const [first, second] = [DATED.exec(one)?.[1], DATED.exec(two)?.[1]]
  if (first === undefined || second === undefined || first === second) return 0
  return first < second ? -1 : 1
}

/** Rotated twice within a tick of the clock: by birth, and then logrotate's numbers are the best guess. */
function byTime(a: Sibling, b: Sibling): number {
  const older = a.mtimeMs - b.mtimeMs || a.birthMs - b.birthMs || b.path.length - a.path.length
  return older || (a.path < b.path ? 1 : -1)
}

const COMPRESSED = /\.gz$/

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    // The folder is gone and what was in it too: there are no siblings then.
    return []
  }
}
