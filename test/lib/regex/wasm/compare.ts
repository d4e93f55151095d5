import { expect } from 'bun:test'
import { Backtracker } from '../../../../src/lib/regex/backtracker.ts'
import { MATCH, TOO_MANY_STEPS } from '../../../../src/lib/regex/match-result.ts'
import { translateOnigmo } from '../../../../src/lib/regex/onigmo.ts'
import { compileWasm, type WasmMatcher } from '../../../../src/lib/regex/wasm/wasm-matcher.ts'

const STEPS_PER_BYTE = 100
/** Steps of the backtracker, which takes no notes: a text that needs more is not compared. */
const MAX_STEPS = 300_000
/** Steps without notes: as many as usual, a few, none. */
const PLAIN_STEPS = [undefined, 3, -1]
/** What stands around a text in its buffer. */
const BEFORE = ['a"b\n', 'a', '\n', 'zzzzzzz']
const AFTER = ['\nab', 'a', '"', '']

/** Compares the modules of an expression, which begin to take notes sooner or later, with the backtracker. */
export class Comparison {
  readonly isCovered: boolean
  /** Texts that were compared, and those of them that matched. */
  compared = 0
  matched = 0
  readonly #expression: string
  readonly #oracle: Backtracker
  readonly #slots: number
  readonly #modules: WasmMatcher[]

  constructor(expression: string) {
    const { program } = translateOnigmo(expression)
    this.#expression = expression
    this.#oracle = new Backtracker(program)
    this.#slots = (program.groups + 1) * 2
    const modules = PLAIN_STEPS.map((plainSteps) =>
      compileWasm(program, {
        stepsPerByte: STEPS_PER_BYTE,
        ...(plainSteps === undefined ? {} : { plainSteps }),
      }),
    )
    this.#modules = modules.filter((module) => module !== undefined)
    this.isCovered = this.#modules.length === PLAIN_STEPS.length
  }

  expectSame(text: Buffer): void {
    const before = BEFORE[this.compared % BEFORE.length] as string
    const after = AFTER[(this.compared >> 2) % AFTER.length] as string
    const src = Buffer.concat([Buffer.from(before), text, Buffer.from(after)])
    const [start, end] = [before.length, before.length + text.length]
    const wanted = this.#oracle.search(src, start, end, MAX_STEPS)
    if (wanted === TOO_MANY_STEPS) return
    this.compared++
    this.matched += wanted
    const outcome = (result: number, all: Int32Array) => {
      return { result, spans: result === MATCH ? all.subarray(0, this.#slots).join() : '' }
    }
    const expected = outcome(wanted, this.#oracle.spans)
    for (const [i, module] of this.#modules.entries()) {
      const found = outcome(module.match(src, start, end), module.spans)
      if (found.result === expected.result && found.spans === expected.spans) continue
      const about = {
        expression: this.#expression,
        text: text.toString('latin1'),
        plainSteps: PLAIN_STEPS[i],
      }
      expect({ ...about, ...found }).toEqual({ ...about, ...expected })
    }
  }
}
