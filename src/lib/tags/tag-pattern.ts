import { ShipperError } from '../../core/error.ts'
import { NO_MATCH } from '../regex/match-result.ts'
import { StringMatcher } from '../regex/string-matcher.ts'

/** Decides which tags belong to a step of fluentd's routing. */
export interface TagTest {
  test(tag: string): boolean
}

/** Maximum length of one pattern; the work per tag is at most its length times that of the tag. */
const MAX_PATTERN_LENGTH = 10_000
const BLANKS = /\s+/

/**
 * Compiles fluentd's tag patterns, of which one has to match the whole tag. Each text may have several, separated by blanks.
 *
 * ```
 *   *        any characters but dots                 {a,b.*}  one of the alternatives, which are patterns; may be nested
 *   **       any characters                          \x       the character x
 *   a.**     `a`, and what begins with `a.`          /.../    a regular expression between \A and \Z
 *   **.a     `a`, and what ends with `.a`            a.**.b   `a.b`, and `a.x.b` with any x
 * ```
 * All else stands for itself; a dot at the end of a pattern has no meaning. Throws E_CONFIG_BAD_VALUE, or E_PARSER_REGEX.
 */
export function compileTagPatterns(texts: readonly string[]): TagTest {
  const patterns = texts.flatMap((text) => text.split(BLANKS)).filter((text) => text !== '')
  const tests = patterns.map(compilePattern)
  const [only] = tests
  return tests.length === 1 && only !== undefined
    ? only
    : { test: (tag) => tests.some((pattern) => pattern.test(tag)) }
}

function compilePattern(pattern: string): TagTest {
  if (pattern.length > MAX_PATTERN_LENGTH)
    throw new ShipperError(
      'E_CONFIG_BAD_VALUE',
      `a tag pattern has ${pattern.length} characters; the maximum is ${MAX_PATTERN_LENGTH}`,
      { hint: 'use several steps, or `*` and `**`' },
    )
  if (!pattern.startsWith('/')) return new Glob(pattern)
  if (pattern.length < 2 || !pattern.endsWith('/'))
    throw new ShipperError('E_CONFIG_BAD_VALUE', `the tag pattern ${pattern} has no closing slash`, {
      hint: 'write a regular expression as /expression/, without blanks',
    })
  // Without a group around it, as fluentd has it: `/a|b/` matches what begins with a or ends with b.
  const matcher = new StringMatcher(`\\A${pattern.slice(1, -1)}\\Z`)
  // A tag that cannot be decided counts as matching, as with Match_Regex.
  return { test: (tag) => matcher.match(tag) !== NO_MATCH }
}

/** Instructions of a program that reads a tag; `split` and `jump` have distances, so that programs can be joined. */
type Instruction =
  | { op: 'char'; code: number }
  | { op: 'any' | 'notDot' }
  /** Go on only at the end of the tag or before a dot; only at the beginning of the tag. */
  | { op: 'beforeDot' | 'atStart' }
  | { op: 'split'; other: number }
  | { op: 'jump'; by: number }

const DOT = 0x2e
const ANY_TEXT: Instruction[] = [{ op: 'split', other: 3 }, { op: 'any' }, { op: 'jump', by: -2 }]
const ANY_PART: Instruction[] = [{ op: 'split', other: 3 }, { op: 'notDot' }, { op: 'jump', by: -2 }]

/**
 * A pattern as a program whose instructions are all followed at once, so that the work is bounded by their number for each
 * character of a tag. A translation to a regular expression would backtrack in `**.a.**.a.**.a`.
 */
class Glob implements TagTest {
  readonly #program: readonly Instruction[]
  /** Step at which an instruction was last reached: it is not followed twice for one character. */
  readonly #reached: Int32Array
  #step = 0
  /** Instructions that wait for a character, and those reached so far that wait for the next one; reused. */
  readonly #waiting: number[] = []
  readonly #waitingNext: number[] = []
  readonly #pending: number[] = []

  constructor(pattern: string) {
    this.#program = new GlobReader(pattern).read()
    this.#reached = new Int32Array(this.#program.length + 1).fill(-1)
  }

  test(tag: string): boolean {
    const program = this.#program
    // The numbers of steps go on from tag to tag; they begin anew long before they are too large.
    if (this.#step > 0x3fffffff) {
      this.#reached.fill(-1)
      this.#step = 0
    }
    let [current, next] = [this.#waiting, this.#waitingNext]
    current.length = 0
    this.#follow(0, tag, 0, current)
    for (let at = 0; at < tag.length && current.length > 0; at++) {
      const code = tag.charCodeAt(at)
      next.length = 0
      this.#step++
      for (const pc of current) {
        const instruction = program[pc]
        if (instruction !== undefined && takes(instruction, code)) this.#follow(pc + 1, tag, at + 1, next)
      }
      ;[current, next] = [next, current]
    }
    this.#step++
    return current.includes(program.length)
  }

  /** Adds the instructions that are reached from `start` without reading a character, to those that are waiting for one. */
  #follow(start: number, tag: string, at: number, found: number[]): void {
    const pending = this.#pending
    pending.push(start)
    for (let pc = pending.pop(); pc !== undefined; pc = pending.pop()) {
      if (this.#reached[pc] === this.#step) continue
      this.#reached[pc] = this.#step
      const instruction = this.#program[pc]
      if (instruction === undefined) found.push(pc)
      else if (instruction.op === 'split') pending.push(pc + instruction.other, pc + 1)
      else if (instruction.op === 'jump') pending.push(pc + instruction.by)
      else if (instruction.op === 'beforeDot') {
        if (at === tag.length || tag.charCodeAt(at) === DOT) pending.push(pc + 1)
      } else if (instruction.op === 'atStart') {
        if (at === 0) pending.push(pc + 1)
      } else found.push(pc)
    }
  }
}

function takes(instruction: Instruction, code: number): boolean {
  if (instruction.op === 'char') return instruction.code === code
  return instruction.op === 'any' || (instruction.op === 'notDot' && code !== DOT)
}

/** Reads a pattern into a program. */
class GlobReader {
  readonly #pattern: string
  #code: Instruction[] = []
  /** Alternatives that were read of each open brace, and what stands before it. */
  readonly #open: { before: Instruction[]; alternatives: Instruction[][] }[] = []
  /** True after a dot: what it means depends on what follows. */
  #hasDot = false

  constructor(pattern: string) {
    this.#pattern = pattern
  }

  read(): Instruction[] {
    for (let i = 0; i < this.#pattern.length; ) i += this.#readAt(i)
    while (this.#open.length > 0) this.#closeBrace()
    return this.#code
  }

  /** Reads what is at `i`; returns its length. */
  #readAt(i: number): number {
    const pattern = this.#pattern
    if (pattern.startsWith('**', i)) return this.#readAnyParts(pattern[i + 2] === '.')
    this.#writeDot()
    const char = pattern[i] as string
    if (char === '\\') {
      if (i + 1 < pattern.length) this.#writeChar(i + 1)
      return 2
    }
    if (char === '.') this.#hasDot = true
    else if (char === '*') this.#code.push(...ANY_PART)
    else if (char === '{') {
      this.#open.push({ before: this.#code, alternatives: [] })
      this.#code = []
    } else if (char === '}' && this.#open.length > 0) this.#closeBrace()
    else if (char === ',' && this.#open.length > 0) {
      this.#open.at(-1)?.alternatives.push(this.#code)
      this.#code = []
    } else this.#writeChar(i)
    return 1
  }

  #readAnyParts(isBeforeDot: boolean): number {
    if (this.#hasDot) this.#code.push({ op: 'beforeDot' })
    this.#hasDot = false
    if (!isBeforeDot) {
      this.#code.push(...ANY_TEXT)
      return 2
    }
    // Any text that ends with a dot, or nothing at the beginning.
    this.#code.push(...oneOf([[...ANY_TEXT, { op: 'char', code: DOT }], [{ op: 'atStart' }]]))
    return 3
  }

  #closeBrace(): void {
    const open = this.#open.pop()
    if (open === undefined) return
    this.#code = [...open.before, ...oneOf([...open.alternatives, this.#code])]
  }

  #writeDot(): void {
    if (this.#hasDot) this.#code.push({ op: 'char', code: DOT })
    this.#hasDot = false
  }

  #writeChar(i: number): void {
    this.#code.push({ op: 'char', code: this.#pattern.charCodeAt(i) })
  }
}

/** Returns a program that goes through one of several. */
function oneOf(alternatives: Instruction[][]): Instruction[] {
  const code: Instruction[] = []
  const jumps: number[] = []
  alternatives.forEach((alternative, i) => {
    const isLast = i === alternatives.length - 1
    if (!isLast) code.push({ op: 'split', other: alternative.length + 2 })
    for (const instruction of alternative) code.push(instruction)
    if (!isLast) jumps.push(code.push({ op: 'jump', by: 0 }) - 1)
  })
  for (const at of jumps) code[at] = { op: 'jump', by: code.length - at }
  return code
}
