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
/** Part of all steps that may be spent without notes. */
const PLAIN_SHARE = 1 / 4

/** Backtracks; what takes too many steps is matched once more with notes, if these can be made. */
class BoundedMatcher extends Backtracker implements LineMatcher {
  readonly #stepsPerByte: number
  #noted: NotedBacktracker | undefined

  constructor(program: Program, stepsPerByte: number) {
    super(program)
    this.#stepsPerByte = stepsPerByte
  }

  match(src: Buffer, start: number, end: number): MatchResult {
    const length = end - start
    const limit = stepLimit(this.#stepsPerByte, length)
    if (!this.program.isMemoryless) return this.search(src, start, end, limit)
    const plain = Math.min(PLAIN_BASE + PLAIN_STEPS * length, limit * PLAIN_SHARE)
    const result = this.search(src, start, end, plain)
    if (result !== TOO_MANY_STEPS) return result
    this.#noted ??= new NotedBacktracker(this.program, this.spans)
    return (this.#noted.fits(length) ? this.#noted : this).search(src, start, end, limit - plain)
  }
}
