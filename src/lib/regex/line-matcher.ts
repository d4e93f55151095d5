import { Backtracker } from './backtracker.ts'
import type { Program } from './compile.ts'
import { DEFAULT_STEPS_PER_BYTE, type MatchResult, stepLimit, TOO_MANY_STEPS } from './match-result.ts'
import { NotedBacktracker } from './noted-backtracker.ts'
import type { TranslatedRegex } from './onigmo.ts'

/** Matches an expression against lines. */
export interface LineMatcher {
  /**
   * Start and end of each group in `src`, or -1; group 0 is the entire match. Meaningless unless the last result
   * was MATCH; slots behind those of the groups are the matcher's own.
   */
  readonly spans: Int32Array
  /**
   * Searches src[start, end), the entire text. The number of steps is counted and limited, so the result depends
   * on nothing but the text.
   */
  match(src: Buffer, start: number, end: number): MatchResult
}

/** Returns a matcher; `stepsPerByte` is Regex_Step_Limit. */
export function matcherOf(regex: TranslatedRegex, stepsPerByte = DEFAULT_STEPS_PER_BYTE): LineMatcher {
  return new BoundedMatcher(regex.program, stepsPerByte)
}

/** Steps after which notes are worth their cost: per byte, and for any text. */
const PLAIN_STEPS = 8
const PLAIN_BASE = 1000

/** Backtracks; what takes too many steps is matched once more with notes, if these can be made. */
class BoundedMatcher implements LineMatcher {
  readonly spans: Int32Array
  readonly #plain: Backtracker
  readonly #program: Program
  readonly #stepsPerByte: number
  #noted: NotedBacktracker | undefined

  constructor(program: Program, stepsPerByte: number) {
    this.#program = program
    this.#plain = new Backtracker(program)
    this.spans = this.#plain.spans
    this.#stepsPerByte = stepsPerByte
  }

  match(src: Buffer, start: number, end: number): MatchResult {
    const length = end - start
    const limit = stepLimit(this.#stepsPerByte, length)
    if (!this.#program.isMemoryless) return this.#plain.search(src, start, end, limit)
    const result = this.#plain.search(src, start, end, Math.min(limit, PLAIN_BASE + PLAIN_STEPS * length))
    return result === TOO_MANY_STEPS ? this.#again(src, start, end, limit) : result
  }

  #again(src: Buffer, start: number, end: number, limit: number): MatchResult {
    this.#noted ??= new NotedBacktracker(this.#program, this.spans)
    const matcher = this.#noted.fits(end - start) ? this.#noted : this.#plain
    return matcher.search(src, start, end, limit)
  }
}
