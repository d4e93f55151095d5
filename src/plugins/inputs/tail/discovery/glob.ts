import { type Dirent, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { systemCode } from '../../../../core/error.ts'

/**
 * Finds the files that match glob(3) patterns, and the directories in which new ones could appear, to be watched. It walks
 * the tree itself because glob libraries return the files but not the directories that they searched.
 * Pattern: `*`, `?` and `[...]` within one part of the path; `~` first; a leading dot is only matched by a dot.
 */
export class Glob {
  readonly #patterns: Pattern[]
  readonly #excludes: RegExp[]
  readonly #errors: DirectoryErrors

  /** `errors` records each existing directory that cannot be read. */
  constructor(patterns: string[], excludes: string[], errors: DirectoryErrors) {
    this.#errors = errors
    this.#patterns = patterns.map(parsePattern)
    this.#excludes = excludes.map((e) => fnmatch(e, true))
  }

  /**
   * Returns all matching paths, each once, and the directories to watch; a missing directory is replaced by its nearest
   * ancestor.
   */
  find(): { paths: string[]; folders: string[] } {
    const paths = new Set<string>()
    const folders = new Set<string>()
    const found = { paths, folders, errors: this.#errors }
    for (const pattern of this.#patterns) walk(pattern.root, pattern.parts, 0, found)
    return { paths: [...paths].filter((p) => !this.#excluded(p)), folders: [...folders] }
  }

  /** True when a path would be found; does not access the disk. */
  matches(path: string): boolean {
    if (this.#excluded(path)) return false
    return this.#patterns.some((p) => p.regex.test(path))
  }

  /** True when matching files could be in this path, provided that it is a directory. */
  mightContain(path: string): boolean {
    const parts = path.split('/').filter((p) => p !== '')
    return this.#patterns.some(
      (pattern) =>
        parts.length < pattern.parts.length && parts.every((p, i) => partMatches(pattern.parts[i], p)),
    )
  }

  /** True when Exclude_Path matches the path. */
  excludes(path: string): boolean {
    return this.#excluded(path)
  }

  #excluded(path: string): boolean {
    return this.#excludes.some((e) => e.test(path))
  }
}

interface DirectoryErrors {
  record(folder: string, error: unknown): void
  clear(folder: string): void
}

interface Found {
  paths: Set<string>
  folders: Set<string>
  errors: DirectoryErrors
}

interface Pattern {
  root: string
  parts: (string | RegExp)[]
  regex: RegExp
}

function partMatches(part: string | RegExp | undefined, name: string): boolean {
  return typeof part === 'string' ? part === name : (part?.test(name) ?? false)
}

const WILD = /[*?[]/

function parsePattern(text: string): Pattern {
  const home = text === '~' || text.startsWith('~/') ? homedir() + text.slice(1) : text
  const absolute = WILD.test(home) ? resolvePattern(home) : resolve(home)
  const parts = absolute.split('/').filter((p) => p !== '')
  return {
    root: '/',
    parts: parts.map((p) => (WILD.test(p) ? fnmatch(p, false) : p)),
    regex: fnmatch(absolute, false),
  }
}

/** Resolves the part of a pattern before its first wildcard: `resolve` would misread `[..]`. */
function resolvePattern(text: string): string {
  const cut = text.slice(0, text.search(WILD)).lastIndexOf('/')
  const head = cut < 0 ? '.' : text.slice(0, cut + 1)
  return join(resolve(head), text.slice(cut + 1))
}

const NEGATION = /^[!^]/
const BACKSLASH = /\\/g
const SPECIAL = /[\\^$.|+(){}]/

/**
 * Translates an fnmatch(3) pattern to an anchored RegExp; `crossing`: `*` and `?` also match `/` and a leading dot (flags
 * 0).
 */
function fnmatch(pattern: string, crossing: boolean): RegExp {
  const any = crossing ? '[\\s\\S]' : '[^/]'
  const noDot = crossing ? '' : '(?!\\.)'
  let out = ''
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] as string
    const first = i === 0 || pattern[i - 1] === '/'
    if (c === '*') out += `${first ? noDot : ''}${any}*`
    else if (c === '?') out += `${first ? noDot : ''}${any}`
    else if (c === '[') {
      const close = pattern.indexOf(']', i + 2)
      if (close < 0) {
        out += '\\['
        continue
      }
      const body = pattern
        .slice(i + 1, close)
        .replace(BACKSLASH, '\\\\')
        .replace(NEGATION, '^')
      out += `${first ? noDot : ''}[${body}]`
      i = close
    } else out += SPECIAL.test(c) ? `\\${c}` : c
  }
  return new RegExp(`^${out}$`)
}

function walk(dir: string, parts: (string | RegExp)[], at: number, found: Found): void {
  const part = parts[at]
  if (part === undefined) return
  const { paths, folders } = found
  const last = at === parts.length - 1
  if (typeof part === 'string') {
    if (last) {
      addFolder(dir, folders)
      // Opening it shows if it exists and is readable; a missing file is searched again.
      paths.add(join(dir, part))
    } else walk(join(dir, part), parts, at + 1, found)
    return
  }
  addFolder(dir, folders)
  for (const entry of entriesOf(dir, found.errors)) {
    if (!part.test(entry.name)) continue
    if (!last) {
      if (entry.isDirectory() || entry.isSymbolicLink()) walk(join(dir, entry.name), parts, at + 1, found)
    } else if (entry.isFile() || entry.isSymbolicLink()) paths.add(join(dir, entry.name))
  }
}

function addFolder(dir: string, folders: Set<string>): void {
  let folder = dir
  while (folder !== '/' && !isFolder(folder)) folder = dirname(folder)
  folders.add(folder)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function entriesOf(dir: string, errors: DirectoryErrors): Dirent[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true })
    errors.clear(dir)
    return entries
  } catch (error) {
    // Its files are found once it exists or becomes readable; the watch on its ancestor reports that.
    const code = systemCode(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') errors.record(dir, error)
    return []
  }
}
