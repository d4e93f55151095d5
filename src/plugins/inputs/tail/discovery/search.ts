import type { BigIntStats, Dirent } from 'node:fs'
import { dirname } from 'node:path'
import { entriesIn, FsFailure, isMissing, lstat, stat } from '../../../../lib/fs/file-system.ts'
import { type LinkRule, refusalOf } from '../../../../lib/fs/links.ts'
import type { NamePattern } from './fnmatch.ts'
import type { PathPattern } from './path-pattern.ts'

/** Receives the directories that exist but cannot be read, and those that can be read again. */
export interface DirectoryErrors {
  record(folder: string, error: unknown): void
  clear(folder: string): void
}

/**
 * Limits of one search. The limits of the program are far above any real tree of logs; they stop hostile
 * ones.
 */
export interface SearchLimits {
  directories: number
  entries: number
  /** Maximum size of a directory inode, which grows with its entries. Larger directories are not read. */
  directoryBytes: number
}

export const SEARCH_LIMITS: SearchLimits = {
  directories: 20_000,
  entries: 1_000_000,
  directoryBytes: 64_000_000,
}

/**
 * Maximum number of names by which a directory is searched at one depth of a pattern. More than one, since
 * Exclude_Path may treat links to it differently.
 */
const MAX_NAMES = 4

/**
 * One walk over the directories of all patterns. The walk visits siblings in turns, so that endless
 * directories below one of them use up only its share. A directory that links reach again at the same depth
 * is searched by a few of its names only: otherwise 300 links to `.` would make 90,000 directories at the
 * second level.
 */
export class Search {
  readonly paths = new Set<string>()
  /**
   * Directories in which new files may appear; a missing one is replaced by its nearest existing ancestor.
   */
  readonly folders = new Set<string>()
  /** True when the search stopped at one of its limits. */
  isCut = false
  #directories = 0
  #entries = 0
  readonly #limits: SearchLimits
  readonly #errors: DirectoryErrors
  /** Number of visits by pattern, depth, device and inode. */
  readonly #visits = new Map<string, number>()

  readonly #linkRule: (path: string) => LinkRule
  /** Directories by path: true for those whose links are all followed. */
  readonly #allowed = new Map<string, boolean>([['/', true]])

  constructor(errors: DirectoryErrors, limits: SearchLimits, linkRule: (path: string) => LinkRule) {
    this.#errors = errors
    this.#limits = limits
    this.#linkRule = linkRule
  }

  /** Searches all patterns. Each step reads at most a few directories. */
  *steps(patterns: readonly PathPattern[]): Generator<void> {
    const walks = patterns.map(({ parts }, i) => this.#visit(i, parts, '/', 0))
    const all = inTurns(walks)
    while (!this.isCut && !all.next().done) yield
  }

  /** Visits the directories that match `parts[at]` in `above`, and those below them. */
  *#visit(pattern: number, parts: readonly NamePattern[], above: string, at: number): Generator<void> {
    let folder = above
    let depth = at
    const last = parts.length - 1
    for (; depth < last && parts[depth]?.literal !== undefined; depth++)
      folder = below(folder, parts[depth]?.literal as string)
    const part = parts[depth]
    if (part === undefined || this.#isFull()) return
    if (part.literal !== undefined) {
      // Opening the file shows whether it exists; a missing one is searched for again.
      this.#addFolder(folder)
      this.paths.add(below(folder, part.literal))
      return
    }
    const properties = this.#properties(folder)
    if (properties === undefined || this.#isKnown(`${pattern}:${depth}`, properties)) return
    this.folders.add(folder)
    const entries = this.#entriesOf(folder, properties)
    if (depth < last) {
      const { own, links } = childrenOf(entries, part)
      for (const name of own) this.#allowed.set(below(folder, name), true)
      // Links come last, so that a directory is first found by its own name.
      yield* inTurns(
        [...own, ...links].map((name) => this.#visit(pattern, parts, below(folder, name), depth + 1)),
      )
    } else {
      for (const entry of entries)
        if (part.test(entry.name) && mayBeFile(entry)) this.paths.add(below(folder, entry.name))
    }
  }

  /** Returns the properties of a directory. If there is none, watches its nearest existing ancestor. */
  #properties(path: string): BigIntStats | undefined {
    if (!this.#isAllowed(path)) {
      this.#addFolder(dirname(path))
      return undefined
    }
    const properties = stat(path)
    if (properties instanceof FsFailure) {
      // The watch on its ancestor reports a missing directory that appears; an unreadable one is found by a
      // later search.
      if (!isMissing(properties)) this.#errors.record(path, properties)
      this.#addFolder(dirname(path))
      return undefined
    }
    if (!properties.isDirectory()) {
      this.#addFolder(dirname(path))
      return undefined
    }
    return properties
  }

  /** Returns false, and records why, when a link on the way to the directory is not followed. */
  #isAllowed(path: string): boolean {
    const known = this.#allowed.get(path)
    if (known !== undefined) return known
    let isAllowed = this.#isAllowed(dirname(path))
    const found = isAllowed ? lstat(path) : undefined
    if (found !== undefined && !(found instanceof FsFailure) && found.isSymbolicLink()) {
      const refusal = refusalOf(path, this.#linkRule(path))
      isAllowed = refusal === undefined
      if (refusal !== undefined) this.#errors.record(path, refusal)
    }
    this.#allowed.set(path, isAllowed)
    return isAllowed
  }

  /** Counts a directory; true when the search has reached a limit. */
  #isFull(): boolean {
    if (++this.#directories > this.#limits.directories) this.isCut = true
    return this.isCut
  }

  /** Counts a visit; true when the directory was already searched by enough names at this depth. */
  #isKnown(depth: string, { dev, ino }: BigIntStats): boolean {
    const key = `${depth}:${dev}:${ino}`
    const visits = this.#visits.get(key) ?? 0
    this.#visits.set(key, visits + 1)
    return visits >= MAX_NAMES
  }

  #entriesOf(path: string, { size }: BigIntStats): Dirent[] {
    const { directoryBytes, entries: maxEntries } = this.#limits
    const entries =
      Number(size) > directoryBytes
        ? new FsFailure(
            'DIRECTORY_TOO_LARGE',
            `the directory has too many entries (its own size is ${size} bytes)`,
          )
        : entriesIn(path)
    if (entries instanceof FsFailure) {
      if (!isMissing(entries)) this.#errors.record(path, entries)
      return []
    }
    this.#errors.clear(path)
    this.#entries += entries.length
    if (this.#entries > maxEntries) this.isCut = true
    return entries
  }

  #addFolder(path: string): void {
    let folder = path
    for (; folder !== '/'; folder = dirname(folder)) {
      const properties = stat(folder)
      if (!(properties instanceof FsFailure) && properties.isDirectory()) break
    }
    this.folders.add(folder)
  }
}

function below(folder: string, name: string): string {
  return folder === '/' ? `/${name}` : `${folder}/${name}`
}

/** Runs the walks round-robin, one step each. */
function* inTurns(walks: Generator<void>[]): Generator<void> {
  let running = walks
  while (running.length > 0) {
    const next: Generator<void>[] = []
    for (const walk of running) {
      if (walk.next().done !== true) next.push(walk)
      yield
    }
    running = next
  }
}

/** Returns the names of the directories that match, and of the links, which may lead to one. */
function childrenOf(entries: Dirent[], part: NamePattern): { own: string[]; links: string[] } {
  const own: string[] = []
  const links: string[] = []
  for (const entry of entries) {
    if (entry.isFile() || !part.test(entry.name)) continue
    if (entry.isSymbolicLink()) links.push(entry.name)
    else own.push(entry.name)
  }
  return { own, links }
}

/** True for a file, a link, and an entry whose type the file system does not report. */
function mayBeFile(entry: Dirent): boolean {
  return (
    entry.isFile() ||
    entry.isSymbolicLink() ||
    !(
      entry.isDirectory() ||
      entry.isFIFO() ||
      entry.isSocket() ||
      entry.isCharacterDevice() ||
      entry.isBlockDevice()
    )
  )
}
