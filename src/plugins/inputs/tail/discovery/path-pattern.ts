import { homedir } from 'node:os'
import { FsFailure, readTextFile } from '../../../../lib/fs/file-system.ts'
import { escapePattern, NamePattern } from './fnmatch.ts'
import { parsePattern, type Token } from './fnmatch-parse.ts'

/** An entry of Path: an absolute glob(3) pattern, with one name pattern for each part of the path. */
export class PathPattern {
  readonly text: string
  readonly parts: readonly NamePattern[]
  /** Reasons why the pattern does not match what its author seems to expect. */
  readonly problems: readonly string[]
  /** Path of the directories before the first wildcard, and their number. */
  readonly #root: string
  readonly #rootParts: number

  constructor(text: string) {
    this.text = text
    const { path, problem } = absolute(text)
    const parts = path.parts.map((part) => new NamePattern(part, true))
    this.problems = problemsOf(text, problem, parts, path.isDirectory ? DIRECTORY : undefined)
    // A pattern that ends with a slash matches directories only, which are not read.
    this.parts = path.isDirectory ? [] : parts
    const wild = this.parts.findIndex((part) => part.literal === undefined)
    this.#rootParts = wild < 0 ? Math.max(0, this.parts.length - 1) : wild
    this.#root = ['', ...this.parts.slice(0, this.#rootParts).map((part) => part.literal), ''].join('/')
  }

  /** The path, if the pattern has no wildcard. */
  get literal(): string | undefined {
    const name = this.parts[this.#rootParts]?.literal
    return name === undefined ? undefined : this.#root + name
  }

  matches(path: string): boolean {
    const { parts } = this
    if (parts.length === 0 || !path.startsWith(this.#root)) return false
    let at = this.#root.length
    for (let i = this.#rootParts; i < parts.length; i++) {
      const slash = path.indexOf('/', at)
      if (slash < 0 !== (i === parts.length - 1)) return false
      const name = slash < 0 ? path.slice(at) : path.slice(at, slash)
      if (!(parts[i] as NamePattern).test(name)) return false
      at = slash + 1
    }
    return true
  }

  /** True when files below this path could match, provided that it is a directory. */
  mightContain(names: readonly string[]): boolean {
    return names.length < this.parts.length && names.every((name, i) => this.parts[i]?.test(name))
  }

  /**
   * Tokens of the pattern for all files in the matching directories. Its stars do not match a slash, and no
   * part matches the empty name.
   */
  folderTokens(): Token[] {
    const folders = this.parts.slice(0, -1).flatMap(({ tokens }) => {
      const isStar = tokens.length === 1 && tokens[0] === '*'
      return [SLASH, ...(isStar ? ANY_NAME : tokens)]
    })
    return [...folders, SLASH, ...ANY_NAME]
  }
}

/**
 * An entry of Exclude_Path: an fnmatch(3) pattern for the whole path, in which `*` also matches slashes and
 * leading dots. A relative pattern is compared both as written (`*.gz`) and from the working directory
 * (`logs/debug.log`).
 */
export class ExcludePattern {
  readonly text: string
  readonly problems: readonly string[]
  readonly #patterns: NamePattern[]

  constructor(text: string) {
    this.text = text
    const { path, problem } = absolute(text)
    const whole = new NamePattern(`/${path.parts.join('/')}${path.isDirectory ? '/' : ''}`, false)
    this.#patterns = [whole]
    if (!isRooted(text)) this.#patterns.push(new NamePattern(text, false))
    this.problems = problemsOf(text, problem, [whole], text.endsWith('/') ? EXCLUDED_DIRECTORY : undefined)
  }

  matches(path: string): boolean {
    for (const pattern of this.#patterns) if (pattern.test(path)) return true
    return false
  }

  /** Tokens of the patterns that some path could match. */
  get tokens(): (readonly Token[])[] {
    const asWritten = DOT_PART.test(this.text) ? 1 : this.#patterns.length
    return this.#patterns.slice(0, asWritten).map((pattern) => pattern.tokens)
  }
}

const SLASH = 0x2f
const DIRECTORY = 'a pattern that ends with a slash matches only directories, which are not read: add `*`'
const EXCLUDED_DIRECTORY =
  'a pattern that ends with a slash matches no file: add `*` to exclude those in the directory'
/** Any name, which has at least one character. */
const ANY_NAME = parsePattern('?*').tokens
/**
 * Matches a pattern without sets that has an empty part, `.` or `..`. No path matches it as it is written.
 */
const DOT_PART = /^(?:[^[]*\/)?\.{0,2}(?:\/[^[]*)?$/

interface Parts {
  parts: string[]
  /** True when the path ends with a slash. */
  isDirectory: boolean
}

function isRooted(text: string): boolean {
  return text.startsWith('/') || text.startsWith('~')
}

/** Returns the absolute pattern: expands `~`, and prepends the working directory to a relative one. */
function absolute(text: string): { path: Parts; problem: string | undefined } {
  if (text.startsWith('/')) return { path: partsOf(text), problem: undefined }
  if (text.startsWith('~')) {
    const slash = text.indexOf('/')
    const user = slash < 0 ? text.slice(1) : text.slice(1, slash)
    const home = user === '' ? homedir() : homeOf(user)
    if (home !== undefined)
      return {
        path: partsOf(escapePattern(home) + (slash < 0 ? '' : text.slice(slash))),
        problem: undefined,
      }
    const problem = `there is no user \`${user}\`: \`~\` is taken literally`
    return { path: partsOf(`${escapePattern(process.cwd())}/${text}`), problem }
  }
  return { path: partsOf(`${escapePattern(process.cwd())}/${text}`), problem: undefined }
}

/**
 * Splits a path at its slashes. `.` and `..` are resolved textually, even after a wildcard, because the paths
 * of events contain neither.
 */
function partsOf(text: string): Parts {
  const parts: string[] = []
  for (const part of text.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return { parts, isDirectory: text.endsWith('/') || parts.length === 0 }
}

/** Maximum size of /etc/passwd that is searched for a home directory. */
const MAX_PASSWD_BYTES = 1_000_000

function homeOf(user: string): string | undefined {
  const text = readTextFile('/etc/passwd', MAX_PASSWD_BYTES)
  if (text instanceof FsFailure) return undefined
  const line = text.split('\n').find((l) => l.startsWith(`${user}:`))
  return line?.split(':')[5]
}

function problemsOf(
  text: string,
  problem: string | undefined,
  patterns: readonly NamePattern[],
  slashProblem: string | undefined,
): string[] {
  const problems = [problem, ...patterns.map((pattern) => pattern.problem)]
  // The list was split at its commas before, so `{a,b}` arrives as `{a` and `b}`.
  if (text.includes('{') !== text.includes('}'))
    problems.push('braces are taken literally, and a comma always separates two patterns')
  if (text.split('/').includes('**'))
    problems.push('`**` means the same as `*`: write a pattern for each level, as in `/a/*.log, /a/*/*.log`')
  problems.push(slashProblem)
  return problems.filter((p) => p !== undefined)
}
