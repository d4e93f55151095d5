import type { BigIntStats } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from '../../../../core/services.ts'
import { FsFailure, stat } from '../../../../lib/fs/file-system.ts'
import type { LinkRule } from '../../../../lib/fs/links.ts'
import type { TailCounters } from '../counters.ts'
import { ExcludePattern, PathPattern } from './path-pattern.ts'
import { overlap } from './pattern-overlap.ts'
import { type DirectoryErrors, SEARCH_LIMITS, Search, type SearchLimits } from './search.ts'

interface GlobOptions {
  /** Entries of Path. */
  patterns: string[]
  /** Entries of Exclude_Path. */
  excludes: string[]
  /** Patterns of paths that are never returned. */
  hidden: ExcludePattern[]
  errors: DirectoryErrors
  /** Returns which links of a path are followed; undefined: all are. */
  linkRule?: (path: string) => LinkRule
  counters: TailCounters
  log: Logger
  limits?: SearchLimits
}

/** Result of a search: the matching paths, and the directories to watch. */
export interface Found {
  paths: string[]
  folders: string[]
}

/**
 * Pause between two searches as a multiple of the last one's duration: searches take at most a tenth of the
 * time.
 */
const REST_FACTOR = 9

/**
 * Finds the files that match Path and not Exclude_Path, and the directories to watch for new ones.
 * `NamePattern` has the grammar for each part of a path, and `Search` the limits.
 */
export class Glob {
  readonly #patterns: PathPattern[]
  readonly #excludes: ExcludePattern[]
  readonly #errors: DirectoryErrors
  readonly #linkRule: (path: string) => LinkRule
  readonly #counters: TailCounters
  readonly #log: Logger
  readonly #limits: SearchLimits
  /** Kind of what is at each entry of Path without wildcards; undefined for a regular file. */
  readonly #kinds = new Map<string, string | undefined>()
  /** Entries of Exclude_Path about which nothing was logged. */
  #unexplained: ExcludePattern[]
  #wasCut = false
  #lastSearchMs = 0

  /** Logs each pattern that does not match what it seems to. */
  constructor({ patterns, excludes, hidden, errors, linkRule, counters, log, limits }: GlobOptions) {
    this.#errors = errors
    this.#linkRule = linkRule ?? (() => 'on')
    this.#counters = counters
    this.#log = log
    this.#limits = limits ?? SEARCH_LIMITS
    this.#patterns = patterns.map((text) => new PathPattern(text))
    const given = excludes.map((text) => new ExcludePattern(text))
    this.#excludes = [...given, ...hidden]
    for (const { text, problems } of this.#patterns) this.#warn('Path', text, problems)
    this.#unexplained = given.filter((exclude) => {
      const problems = exclude.problems.length === 0 ? this.#unreachable(exclude) : exclude.problems
      this.#warn('Exclude_Path', exclude.text, problems)
      return problems.length === 0
    })
  }

  /**
   * Returns all matching paths without duplicates, and the directories to watch. A missing directory is
   * replaced by its nearest existing ancestor. Never throws for an error of the file system.
   */
  find(): Found {
    const steps = this.findSteps()
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
    }
  }

  /** Does the same step by step. */
  *findSteps(): Generator<void, Found> {
    const search = new Search(this.#errors, this.#limits, this.#linkRule)
    let searchMs = 0
    for (const steps = search.steps(this.#patterns); ; ) {
      const startedMs = performance.now()
      const isDone = steps.next().done === true
      searchMs += performance.now() - startedMs
      if (isDone) break
      yield
    }
    const { paths, folders, isCut } = search
    if (isCut) this.#recordCut()
    this.#wasCut = isCut
    this.#explain()
    this.#lastSearchMs = searchMs
    const found: string[] = []
    for (const path of paths) if (!this.excludes(path)) found.push(path)
    if (this.#unexplained.length > 0) this.#explainExcludes(folders, found)
    return { paths: found, folders: [...folders] }
  }

  /** Time to wait before an event may start the next search. */
  get restMs(): number {
    return this.#lastSearchMs * REST_FACTOR
  }

  /** True when a path would be found; does not access the disk. */
  matches(path: string): boolean {
    for (const pattern of this.#patterns) if (pattern.matches(path)) return !this.excludes(path)
    return false
  }

  /** True when Exclude_Path matches the path. */
  excludes(path: string): boolean {
    for (const exclude of this.#excludes) if (exclude.matches(path)) return true
    return false
  }

  /** True when matching files could be in this path, provided that it is a directory. */
  mightContain(path: string): boolean {
    const names = path.split('/').filter((name) => name !== '')
    return this.#patterns.some((pattern) => pattern.mightContain(names))
  }

  /** Logs the entries of Path that exist but are not read: once, and again when their kind changes. */
  #explain(): void {
    for (const { text, literal } of this.#patterns) {
      if (literal === undefined) continue
      const properties = stat(literal)
      const kind = properties instanceof FsFailure ? undefined : kindOf(properties)
      if (kind === this.#kinds.get(literal)) continue
      this.#kinds.set(literal, kind)
      if (kind !== undefined)
        this.#log.warn(`Path ${text} is a ${kind}: nothing is read`, {
          hint:
            kind === 'directory'
              ? `use ${text}/* for the files in it`
              : 'only regular files can be followed; to read a pipe, use the input stdin',
        })
    }
  }

  /** Logs, once for each, the entries of Exclude_Path that match a directory but not all files in it. */
  #explainExcludes(folders: Iterable<string>, found: readonly string[]): void {
    const excludeOf = new Map<string, ExcludePattern | undefined>()
    for (let folder of folders)
      for (; !excludeOf.has(folder); folder = dirname(folder))
        excludeOf.set(
          folder,
          this.#unexplained.find((exclude) => exclude.matches(folder)),
        )
    const matched = [...excludeOf].filter(([, exclude]) => exclude !== undefined)
    if (matched.length === 0) return
    const foldersOfFound = new Set<string>()
    for (const path of found)
      for (let folder = dirname(path); !foldersOfFound.has(folder); folder = dirname(folder))
        foldersOfFound.add(folder)
    for (const [folder, exclude] of matched) {
      if (exclude === undefined || !foldersOfFound.has(folder) || !this.#unexplained.includes(exclude))
        continue
      this.#unexplained = this.#unexplained.filter((other) => other !== exclude)
      this.#log.warn(
        `Exclude_Path ${exclude.text} matches the directory ${folder}, but not the files in it: they are read`,
        { hint: `add ${exclude.text}/*` },
      )
    }
  }

  #unreachable(exclude: ExcludePattern): string[] {
    const paths = this.#patterns.map((pattern) => pattern.folderTokens())
    if (paths.some((path) => exclude.tokens.some((tokens) => overlap(path, tokens)))) return []
    return ['it cannot match any path of Path, so it excludes nothing']
  }

  #warn(option: string, text: string, problems: readonly string[]): void {
    for (const problem of new Set(problems)) this.#log.warn(`${option} ${text}: ${problem}`)
  }

  #recordCut(): void {
    this.#counters.add('searches_cut')
    if (this.#wasCut) return
    const { directories, entries } = this.#limits
    this.#log.warn(
      `the search for files stopped at ${directories} directories or ${entries} entries: new files in other directories are not found`,
      { hint: 'make Path more specific; files that are already followed are not affected' },
    )
  }
}

/** Returns the word for what is not a regular file. */
function kindOf(properties: BigIntStats): string | undefined {
  if (properties.isFile()) return undefined
  return properties.isDirectory() ? 'directory' : properties.isFIFO() ? 'FIFO' : 'device or socket'
}
