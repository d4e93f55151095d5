import { type Dirent, readdirSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { systemCode } from '../../../../core/error.ts'

/**
 * Finds the files of glob(3) patterns, and the folders in which new ones could appear: those are watched. Our own walk,
 * because a glob library tells the files but not the folders it looked into.
 * Pattern: `*`, `?` and `[...]` within one part of the path; `~` first; a leading dot is only matched by a dot.
 */
export class Glob {
  readonly #patterns: Pattern[]
  readonly #excludes: RegExp[]
  readonly #trouble: DirectoryErrors

  /** `trouble` is told of each folder that is there and cannot be read. */
  constructor(patterns: string[], excludes: string[], trouble: DirectoryErrors) {
    this.#trouble = trouble
    this.#patterns = patterns.map(parsePattern)
    this.#excludes = excludes.map((e) => fnmatch(e, true))
  }

  /** Everything that matches now, each path once; folders that do not exist stand for their nearest ancestor. */
  find(): { paths: string[]; folders: string[] } {
    const paths = new Set<string>()
    const folders = new Set<string>()
    const found = { paths, folders, trouble: this.#trouble }
    for (const pattern of this.#patterns) walk(pattern.root, pattern.parts, 0, found)
    return { paths: [...paths].filter((p) => !this.#excluded(p)), folders: [...folders] }
  }

  /** Whether a path would be found, without looking at the disk. */
  matches(path: string): boolean {
    if (this.#excluded(path)) return false
    return this.#patterns.some((p) => p.whole.test(path))
  }

  /** Whether something that matches could be in this path, were it a folder. */
  mightContain(path: string): boolean {
    const parts = path.split('/').filter((p) => p !== '')
    return this.#patterns.some(
      (pattern) =>
        parts.length < pattern.parts.length && parts.every((p, i) => partMatches(pattern.parts[i], p)),
    )
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
  trouble: DirectoryErrors
}

interface Pattern {
  root: string
  parts: (string | RegExp)[]
  whole: RegExp
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
    whole: fnmatch(absolute, false),
  }
}

/** `resolve` would take `[..]` for a name with dots; only the part before the first wildcard is resolved. */
function resolvePattern(text: string): string {
  const cut = text.slice(0, text.search(WILD)).lastIndexOf('/')
  const head = cut < 0 ? '.' : text.slice(0, cut + 1)
  return join(resolve(head), text.slice(cut + 1))
}

const NEGATION = /^[!^]/
const BACKSLASH = /\\/g
const SPECIAL = /[\\^$.|+(){}]/

/** fnmatch as a RegExp, anchored; `crossing`: `*` and `?` also match `/` and a leading dot (flags 0). */
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
      noteFolder(dir, folders)
      // Whether it is there and readable is seen when it is opened; a missing one is looked for again.
      paths.add(join(dir, part))
    } else walk(join(dir, part), parts, at + 1, found)
    return
  }
  noteFolder(dir, folders)
  for (const entry of entriesOf(dir, found.trouble)) {
    if (!part.test(entry.name)) continue
    if (!last) {
      if (entry.isDirectory() || entry.isSymbolicLink()) walk(join(dir, entry.name), parts, at + 1, found)
    } else if (entry.isFile() || entry.isSymbolicLink()) paths.add(join(dir, entry.name))
  }
}

function noteFolder(dir: string, folders: Set<string>): void {
  let folder = dir
  while (folder !== '/' && !isFolder(folder)) folder = dirname(folder)
  folders.add(folder)
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function entriesOf(dir: string, trouble: DirectoryErrors): Dirent[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true })
    trouble.clear(dir)
    return entries
  } catch (error) {
    // What is in it appears when it can be read, or is there; the watch on its ancestor tells.
    const code = systemCode(error)
    if (code !== 'ENOENT' && code !== 'ENOTDIR') trouble.record(dir, error)
    return []
  }
}
