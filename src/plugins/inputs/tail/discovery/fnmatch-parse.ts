/** Ranges of code points, sorted and disjoint; each is a pair of its first and last code point. */
type Ranges = readonly (readonly [number, number])[]
/** One character of a pattern: a code point, or the set of code points that match. */
export type Atom = number | Ranges
export type Token = Atom | '*'

const MAX_CODE = 0x10ffff
const ANY: Ranges = [[0, MAX_CODE]]
const NOTHING: Ranges = []

interface ParsedPattern {
  tokens: Token[]
  /** Reason why the pattern does not match what its author seems to expect. */
  problem: string | undefined
}

/** Parses an fnmatch(3) pattern. Where POSIX leaves the meaning undefined, it follows glibc. */
export function parsePattern(text: string): ParsedPattern {
  const parser = new Parser(text)
  return { tokens: parser.tokens(), problem: parser.problem }
}

/** ASCII characters of each POSIX class. */
const CLASSES: Record<string, Ranges> = {
  alnum: [span('0', '9'), span('A', 'Z'), span('a', 'z')],
  alpha: [span('A', 'Z'), span('a', 'z')],
  blank: [span('\t', '\t'), span(' ', ' ')],
  cntrl: [span('\0', '\x1f'), span('\x7f', '\x7f')],
  digit: [span('0', '9')],
  graph: [span('!', '~')],
  lower: [span('a', 'z')],
  print: [span(' ', '~')],
  punct: [span('!', '/'), span(':', '@'), span('[', '`'), span('{', '~')],
  space: [span('\t', '\r'), span(' ', ' ')],
  upper: [span('A', 'Z')],
  xdigit: [span('0', '9'), span('A', 'F'), span('a', 'f')],
}

function span(first: string, last: string): readonly [number, number] {
  return [first.charCodeAt(0), last.charCodeAt(0)]
}

class Parser {
  problem: string | undefined
  readonly #chars: string[]
  /** Position of the last bracket that may close a set: many that are never closed must not all be searched for. */
  readonly #lastClose: number
  #at = 0
  /** True when the set names an unknown class. Such a set matches nothing, even when it is negated. */
  #isVoid = false

  constructor(text: string) {
    this.#chars = [...text]
    this.#lastClose = this.#chars.lastIndexOf(']')
  }

  tokens(): Token[] {
    const tokens: Token[] = []
    while (this.#at < this.#chars.length) {
      const c = this.#take()
      if (c === '*') {
        if (tokens.at(-1) !== '*') tokens.push('*')
      } else if (c === '?') tokens.push(ANY)
      else if (c === '[') tokens.push(this.#set())
      else if (c !== '\\') tokens.push(codeOf(c))
      else if (this.#at < this.#chars.length) tokens.push(codeOf(this.#take()))
      else tokens.push(this.#nothing('it ends with a backslash that escapes nothing, so it matches nothing'))
    }
    return tokens
  }

  /**
   * Parses the rest of a set. If the set has no end, returns the bracket itself and goes back to the
   * character after it.
   */
  #set(): Atom {
    const start = this.#at
    const isNegated = this.#chars[start] === '!' || this.#chars[start] === '^'
    if (isNegated) this.#at++
    const first = this.#at
    const ranges: [number, number][] = []
    const problemBefore = this.problem
    this.#isVoid = false
    while (this.#at <= this.#lastClose) {
      if (this.#chars[this.#at] === ']' && this.#at > first) {
        this.#at++
        return this.#isVoid ? NOTHING : isNegated ? complement(ranges) : ranges
      }
      if (!this.#item(ranges)) break
    }
    this.#at = start
    this.problem = problemBefore ?? '`[` has no closing `]` and is taken literally'
    return codeOf('[')
  }

  /** Adds a character, a range or a class to the set. Returns false at the end of the pattern. */
  #item(ranges: [number, number][]): boolean {
    const named = this.#class()
    if (named !== undefined) {
      for (const [from, to] of named) ranges.push([from, to])
      return true
    }
    const from = this.#character()
    if (from === undefined) return false
    const next = this.#chars[this.#at + 1]
    if (this.#chars[this.#at] !== '-' || next === ']') {
      ranges.push([from, from])
      return true
    }
    this.#at++
    const to = this.#character()
    if (to === undefined) return false
    if (from <= to) ranges.push([from, to])
    else this.problem ??= `\`${String.fromCodePoint(from)}-${String.fromCodePoint(to)}\` is an empty range`
    return true
  }

  /** Returns the characters of the class at this position; undefined if there is none. */
  #class(): Ranges | undefined {
    const name = this.#bracketed(':')
    if (name === undefined) return undefined
    const known = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined
    this.#isVoid ||= known === undefined
    return known ?? this.#nothing(`\`[:${name}:]\` is not a character class`)
  }

  /**
   * Consumes one character of a set, also written as `\]`, `[.-.]` or `[=a=]`. Returns undefined at the end
   * of the pattern.
   */
  #character(): number | undefined {
    const collating = this.#bracketed('.') ?? this.#bracketed('=')
    if (collating !== undefined) return codeOf(collating)
    if (this.#chars[this.#at] === '\\') this.#at++
    return this.#at < this.#chars.length ? codeOf(this.#take()) : undefined
  }

  /**
   * Consumes `[:name:]` and returns the name. With another mark instead of the colon, the name has one
   * character.
   */
  #bracketed(mark: string): string | undefined {
    if (this.#chars[this.#at] !== '[' || this.#chars[this.#at + 1] !== mark) return undefined
    const start = this.#at + 2
    let end = start
    if (mark === ':') while (isLower(this.#chars[end])) end++
    else end++
    if (this.#chars[end] !== mark || this.#chars[end + 1] !== ']') return undefined
    this.#at = end + 2
    return this.#chars.slice(start, end).join('')
  }

  #take(): string {
    return this.#chars[this.#at++] as string
  }

  #nothing(problem: string): Ranges {
    this.problem ??= problem
    return NOTHING
  }
}

function isLower(c: string | undefined): boolean {
  return c !== undefined && c >= 'a' && c <= 'z'
}

function codeOf(c: string): number {
  return c.codePointAt(0) as number
}

/** Returns the characters outside all of the ranges. */
function complement(ranges: [number, number][]): Ranges {
  const others: [number, number][] = []
  let next = 0
  for (const [from, to] of ranges.sort(([a], [b]) => a - b)) {
    if (from > next) others.push([next, from - 1])
    next = Math.max(next, to + 1)
  }
  if (next <= MAX_CODE) others.push([next, MAX_CODE])
  return others
}
