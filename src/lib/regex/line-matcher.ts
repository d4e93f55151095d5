import { Backtracker } from './backtracker.ts'
import { programOf } from './compile.ts'
import type { Translated } from './onigmo.ts'

/** Looks for an expression in src[start, end), and leaves in `spans` where its groups are. */
export interface LineMatcher {
  /** Of each group, from 0 for all of the match: where in `src` it begins and ends, or -1 twice. */
  readonly spans: Int32Array
  match(src: Buffer, start: number, end: number): boolean
}

/** The matcher of bytes; for what it does not know RegExp, at several times its cost and with garbage for each line. */
export function matcherOf(regex: Translated): LineMatcher {
  const program = programOf(regex.tree)
  return program === undefined ? new RegExpMatcher(regex) : new Backtracker(program)
}

/** Methods of every Buffer that its types leave out: half the cost of `toString`. */
interface Latin1 {
  latin1Slice(start: number, end: number): string
}

/** The line becomes one string, a character a byte: offsets in it are offsets in the line. */
export class RegExpMatcher implements LineMatcher {
  readonly spans: Int32Array
  readonly #line: RegExp
  readonly #lines: RegExp

  constructor({ line, lines, names }: Translated) {
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
