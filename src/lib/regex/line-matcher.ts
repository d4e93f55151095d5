import { Backtracker } from './backtracker.ts'
import type { Program } from './compile.ts'
import { DEFAULT_STEPS_PER_BYTE, type MatchResult, stepLimit, TOO_MANY_STEPS } from './match-result.ts'
import { NotedBacktracker } from './noted-backtracker.ts'
import type { TranslatedRegex } from './onigmo.ts'
import { TieredMatcher } from './wasm/tiered-matcher.ts'
import type { WasmMatcher } from './wasm/wasm-matcher.ts'

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

/** A matcher with a module of its own, which others may call. */
export interface ModuleMatcher extends LineMatcher {
  /** Returns its module, once there is one. `now`: compiles it, unless the expression cannot be. */
  module(now: boolean): WasmMatcher | undefined
}

/** Returns a matcher; `stepsPerByte` is Regex_Step_Limit. */
export function matcherOf(regex: TranslatedRegex, stepsPerByte = DEFAULT_STEPS_PER_BYTE): ModuleMatcher {
  const { program } = regex
  return new TieredMatcher(new BoundedMatcher(program, stepsPerByte), program, stepsPerByte)
}

/** Steps after which notes are worth their cost: per byte, and for any text. */
const PLAIN_STEPS = 8
const PLAIN_BASE = 1000

/** Backtracks; what takes too many steps is matched once more with notes, if these can be made. */
class BoundedMatcher extends Backtracker implements LineMatcher {
  readonly #stepsPerByte: number
  readonly #plainSteps: number
  readonly #plainBase: number
  #noted: NotedBacktracker | undefined

  constructor(program: Program, stepsPerByte: number) {
    super(program)
    this.#stepsPerByte = stepsPerByte
    const isNotable = program.isMemoryless
    this.#plainSteps = isNotable ? Math.min(PLAIN_STEPS, stepsPerByte) : stepsPerByte
    this.#plainBase = isNotable ? PLAIN_BASE : stepLimit(0, 0)
  }

  match(src: Buffer, start: number, end: number): MatchResult {
    const result = this.search(src, start, end, this.#plainBase + this.#plainSteps * (end - start))
    return result === TOO_MANY_STEPS && this.program.isMemoryless ? this.#again(src, start, end) : result
  }

  #again(src: Buffer, start: number, end: number): MatchResult {
    const limit = stepLimit(this.#stepsPerByte, end - start)
    this.#noted ??= new NotedBacktracker(this.program, this.spans)
    return (this.#noted.fits(end - start) ? this.#noted : this).search(src, start, end, limit)
  }
}
