import type { BigIntStats, Dirent } from 'node:fs'
import { dirname } from 'node:path'
import { entriesIn, FsFailure, isMissing, stat } from '../../../../lib/fs/file-system.ts'
import type { NamePattern } from './fnmatch.ts'
import type { PathPattern } from './path-pattern.ts'

/** Where the search reports directories that exist and cannot be read, and that they can be read again. */
export interface DirectoryErrors {
  record(folder: string, error: unknown): void
  clear(folder: string): void
}

/** Bounds of one search. Those of the program are far beyond any tree of logs: they end what somebody makes on purpose. */
export interface SearchLimits {
  directories: number
  entries: number
  /** Size of a directory itself, which the file system keeps for its names; a larger one is not read. */
  directoryBytes: number
}

export const SEARCH_LIMITS: SearchLimits = {
  directories: 20_000,
  entries: 1_000_000,
  directoryBytes: 64_000_000,
}

/** Names by which one directory is searched at one depth of a pattern: links to it may have another meaning in Exclude_Path. */
const MAX_NAMES = 4

/**
 * One walk over the directories of the patterns. Directories are visited in turns, the children of each one after the
 * other, so that a user who makes endless directories below one of them uses up no more than its share. A directory that
 * is found again through links, at the same depth of a pattern, is searched by a few of its names only: 300 links to `.`
 * would else be 300 times 300 directories at the second level.
 */
export class Search {
  readonly paths = new Set<string>()
  /** Directories in which new files may appear; a missing one is replaced by its nearest ancestor. */
  readonly folders = new Set<string>()
  /** True when the search ended at one of its bounds. */
  isCut = false
  #directories = 0
  #entries = 0
  readonly #limits: SearchLimits
  readonly #errors: DirectoryErrors
  /** Number of visits by pattern, depth, device and inode. */
  readonly #visits = new Map<string, number>()

  constructor(errors: DirectoryErrors, limits: SearchLimits) {
    this.#errors = errors
    this.#limits = limits
  }

  run(patterns: readonly PathPattern[]): this {
    const walks = patterns.map(({ parts }, i) => this.#visit(i, parts, '/', 0))
    const all = inTurns(walks)
    while (!this.isCut && !all.next().done) {
      // Each step reads at most a few directories.
    }
    return this
  }

  /** Visits the directory of `parts[at]` below `above`, and those below it. */
  *#visit(pattern: number, parts: readonly NamePattern[], above: string, at: number): Generator<void> {
    let folder = above
    let depth = at
    const last = parts.length - 1
    for (; depth < last && parts[depth]?.literal !== undefined; depth++)
      folder = below(folder, parts[depth]?.literal as string)
    const part = parts[depth]
    if (part === undefined || this.#isFull()) return
    if (part.literal !== undefined) {
      // Opening it shows if it exists and is readable; a missing file is searched again.
      this.#addFolder(folder)
      this.paths.add(below(folder, part.literal))
      return
    }
    const properties = this.#properties(folder)
    if (properties === undefined || this.#isKnown(`${pattern}:${depth}`, properties)) return
    this.folders.add(folder)
    const entries = this.#entriesOf(folder, properties)
    if (depth < last) {
      const children = childrenOf(entries, part)
      yield* inTurns(children.map((name) => this.#visit(pattern, parts, below(folder, name), depth + 1)))
    } else {
      for (const entry of entries)
        if (part.test(entry.name) && mayBeFile(entry)) this.paths.add(below(folder, entry.name))
    }
  }

  /** Returns the properties of a directory; if it is none, adds the nearest one to those to watch. */
  #properties(path: string): BigIntStats | undefined {
    const properties = stat(path)
    if (properties instanceof FsFailure) {
      // Its files are found once it can be read; the watch on its ancestor reports that it exists.
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

  /** Counts a directory; true when the search has reached a bound. */
  #isFull(): boolean {
    if (++this.#directories > this.#limits.directories) this.isCut = true
    return this.isCut
  }

  /** True when the directory was searched at this depth by enough names; else counts one. */
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

/** Runs the walks in turns, a step of each. */
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

/** Returns the names of the entries that may be directories; links last, so that a directory is found by its own name first. */
function childrenOf(entries: Dirent[], part: NamePattern): string[] {
  const children: string[] = []
  const links: string[] = []
  for (const entry of entries) {
    if (entry.isFile() || !part.test(entry.name)) continue
    if (entry.isSymbolicLink()) links.push(entry.name)
    else children.push(entry.name)
  }
  return [...children, ...links]
}

/** True for a file, a link, and an entry whose type the file system does not tell. */
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
