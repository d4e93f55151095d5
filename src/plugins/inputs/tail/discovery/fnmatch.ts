import { type Atom, parsePattern, type Token } from './fnmatch-parse.ts'

/** Atoms without a star between them; a string when each atom is a single character. */
type Run = string | readonly Atom[]

const DOT = 0x2e

/**
 * A compiled fnmatch(3) pattern: `*`, `?`, `[a-z]`, `[!a]`, `[^a]`, `[[:digit:]]`, and `\`, which makes the
 * next character literal. A `[` without a closing `]` is literal too.
 *
 * Matching takes at most the length of the pattern times the length of the name: the first place at which the
 * text between two stars matches is also the best one, so it never backtracks.
 *
 * None of the glob packages reads a pattern as glob(3) does. In picomatch 4 and minimatch 10, `[.]x` matches
 * `.x`, `?` matches half of an emoji, and a trailing backslash matches itself. zeptomatch 2 has no POSIX
 * classes and throws for `[z-a]`. All of them translate to a RegExp, which may take exponential time,
 * although file names are untrusted: picomatch takes 40 s for `a*a*a*a*a*a*b` on 120 characters. None of them
 * tells which directories to watch.
 *
 * Not promised: locales. A class has ASCII characters only, as in the C locale. A character is a code point,
 * not a byte.
 */
export class NamePattern {
  /** The only name that matches; undefined when several names may match. */
  readonly literal: string | undefined
  /** Reason why the pattern does not match what its author seems to expect. */
  readonly problem: string | undefined
  readonly tokens: readonly Token[]
  readonly #runs: readonly Run[]
  /** Length of the last run, in characters. */
  readonly #tailLength: number
  readonly #hidesDots: boolean

  /** `hidesDots`: a leading dot of a name is matched only by a dot, as in glob(3). */
  constructor(text: string, hidesDots: boolean) {
    const { tokens, problem } = parsePattern(text)
    this.tokens = tokens
    this.problem = problem
    const runs = split(tokens)
    const head = runs[0] as Run
    this.#runs = runs
    this.#tailLength = [...(runs.at(-1) as Run)].length
    this.literal = runs.length === 1 && typeof head === 'string' ? head : undefined
    this.#hidesDots = hidesDots && tokens[0] !== DOT
  }

  test(name: string): boolean {
    if (this.literal !== undefined) return name === this.literal
    if (this.#hidesDots && name.charCodeAt(0) === DOT) return false
    const runs = this.#runs
    const last = runs.length - 1
    // Rejects most names of a directory at once when the pattern is like `*.log`.
    if (typeof runs[last] === 'string' && !name.endsWith(runs[last])) return false
    let at = endOf(runs[0] as Run, name, 0)
    if (at < 0 || last === 0) return at === name.length
    const tailAt = startOfLast(name, this.#tailLength)
    if (tailAt < at || endOf(runs[last] as Run, name, tailAt) < 0) return false
    for (let i = 1; i < last; i++) {
      at = endOfNext(runs[i] as Run, name, at)
      if (at < 0 || at > tailAt) return false
    }
    return true
  }
}

const SPECIAL = /[*?[\]\\]/g

/** Returns a pattern that matches only `text`. */
export function escapePattern(text: string): string {
  return text.replace(SPECIAL, '\\$&')
}

/** Splits the tokens at the stars: n stars make n + 1 runs, some of which may be empty. */
function split(tokens: readonly Token[]): Run[] {
  const runs: Atom[][] = [[]]
  for (const token of tokens) {
    if (token === '*') runs.push([])
    else runs.at(-1)?.push(token)
  }
  return runs.map((run) =>
    run.every((atom) => typeof atom === 'number') ? String.fromCodePoint(...run) : run,
  )
}

/** Returns the end of the run if it matches at `at`; else -1. */
function endOf(run: Run, name: string, at: number): number {
  if (typeof run === 'string') return name.startsWith(run, at) ? at + run.length : -1
  let end = at
  for (const atom of run) {
    const code = name.codePointAt(end)
    if (code === undefined || !has(atom, code)) return -1
    end += code > 0xffff ? 2 : 1
  }
  return end
}

/** Returns the end of the first match of the run at or after `at`; else -1. */
function endOfNext(run: Run, name: string, at: number): number {
  if (typeof run === 'string') {
    const found = name.indexOf(run, at)
    return found < 0 ? -1 : found + run.length
  }
  for (let start = at; start < name.length; start += lengthAt(name, start)) {
    const end = endOf(run, name, start)
    if (end >= 0) return end
  }
  return -1
}

/** Returns the start of the last `count` characters; -1 if the name has fewer. */
function startOfLast(name: string, count: number): number {
  let at = name.length
  for (let i = 0; i < count; i++) {
    at -= at > 1 && lengthAt(name, at - 2) === 2 ? 2 : 1
    if (at < 0) return -1
  }
  return at
}

/** Returns the number of code units of the character: 2 for a surrogate pair, else 1. */
function lengthAt(name: string, at: number): number {
  return (name.codePointAt(at) as number) > 0xffff ? 2 : 1
}

function has(atom: Atom, code: number): boolean {
  if (typeof atom === 'number') return atom === code
  for (const [first, last] of atom) if (code >= first && code <= last) return true
  return false
}
