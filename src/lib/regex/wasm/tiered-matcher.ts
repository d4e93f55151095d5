import type { Program } from '../compile.ts'
import { type MatchResult, TOO_MANY_STEPS } from '../match-result.ts'
import { MAX_TEXT_BYTES } from './layout.ts'
import { compileWasm, type WasmMatcher } from './wasm-matcher.ts'

/**
 * Number of texts after which a module is compiled: it costs about as much as a few thousand searches without
 * one.
 */
export const TEXTS_BEFORE_COMPILING = 4000

/** Texts for which a module is compiled at once: without one, a search may take a hundred times as long. */
export const LONG_TEXT_BYTES = 20_000

/** What matches without a module: it needs no time to start, but more for each text. */
interface Slow {
  readonly spans: Int32Array
  match(src: Buffer, start: number, end: number): MatchResult
}

/**
 * Matches the first texts by a matcher that is ready at once, and compiles a WebAssembly module when there
 * are more, or a long one. What one of the two gives up is given to the other: so the result depends on the text only,
 * not on how many there were before. A long text is given to the module only, if that has space
 * for it.
 */
export class TieredMatcher {
  readonly spans: Int32Array
  readonly #program: Program
  readonly #stepsPerByte: number
  readonly #slow: Slow
  /** Null: the program is not covered. */
  #fast: WasmMatcher | null | undefined
  #left: number

  constructor(slow: Slow, program: Program, stepsPerByte: number, textsBefore = TEXTS_BEFORE_COMPILING) {
    this.#slow = slow
    this.spans = slow.spans
    this.#program = program
    this.#stepsPerByte = stepsPerByte
    this.#left = textsBefore
  }

  match(src: Buffer, start: number, end: number): MatchResult {
    const length = end - start
    const isLong = length > LONG_TEXT_BYTES && length <= MAX_TEXT_BYTES
    if (this.#fast === undefined && (isLong || --this.#left < 0)) this.#compile()
    const fast = this.#fast
    const result = (fast ?? this.#slow).match(src, start, end)
    if (result !== TOO_MANY_STEPS || (isLong && fast)) return result
    return (fast ? this.#slow : this.#compile())?.match(src, start, end) ?? result
  }

  /** Returns the module, once there is one; `now`: compiles it if the program is covered. */
  module(now: boolean): WasmMatcher | undefined {
    return (now ? this.#compile() : this.#fast) ?? undefined
  }

  #compile(): WasmMatcher | null {
    this.#fast ??= compileWasm(this.#program, { stepsPerByte: this.#stepsPerByte, spans: this.spans }) ?? null
    return this.#fast
  }
}
