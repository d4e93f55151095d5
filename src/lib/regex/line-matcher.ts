import { Backtracker } from './backtracker.ts'
import { compileProgram } from './compile.ts'
import type { TranslatedRegex } from './onigmo.ts'

/** Matches an expression against lines. */
export interface LineMatcher {
  /** Start and end of each group in `src`, or -1 twice; group 0 is the entire match. */
  readonly spans: Int32Array
  /** Searches src[start, end) and sets `spans`; returns false when nothing matches. */
  match(src: Buffer, start: number, end: number): boolean
}

/** Returns the byte matcher, or for unsupported syntax RegExp, which is several times slower and allocates per line. */
export function matcherOf(regex: TranslatedRegex): LineMatcher {
  const program = compileProgram(regex.tree)
  return program === undefined ? new RegExpMatcher(regex) : new Backtracker(program)
}

/** `Buffer.latin1Slice`, missing in the types of Node; it costs half of `toString('latin1')`. */
interface Latin1 {
  latin1Slice(start: number, end: number): string
}

/** Converts the line to a latin1 string: one character per byte, so that offsets are equal. */
export class RegExpMatcher implements LineMatcher {
  readonly spans: Int32Array
  readonly #line: RegExp
  readonly #lines: RegExp

  constructor({ line, lines, names }: TranslatedRegex) {
    this.#line = new RegExp(line.source, 'd')
    this.#lines = new RegExp(lines.source, 'd')
    this.spans = new Int32Array(names.length * 2)
  }

  match(src: Buffer, start: number, end: number): boolean {
    const newline = src.indexOf(10, start)
    const regex = newline < 0 || newline >= end ? this.#line : this.#lines
    const found = regex.exec((src as Buffer & Latin1).latin1Slice(start, end))?.indices
    if (found === undefined) return false
    for (let group = 0; group * 2 < this.spans.length; group++) {
      const span = found[group]
      this.spans[group * 2] = span === undefined ? -1 : start + span[0]
      this.spans[group * 2 + 1] = span === undefined ? -1 : start + span[1]
    }
    return true
  }
}
