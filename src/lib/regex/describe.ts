import type { Node } from './ast.ts'
import { INSTRUCTION_SIZE } from './compile.ts'
import { mayBeEmpty } from './first-bytes.ts'
import { DEFAULT_STEPS_PER_BYTE, moduleStepLimit, stepLimit } from './match-result.ts'
import { translateOnigmo } from './onigmo.ts'
import { LONG_TEXT_BYTES, TEXTS_BEFORE_COMPILING } from './wasm/tiered-matcher.ts'
import { isCompilable, notedPlacesOf } from './wasm/wasm-matcher.ts'

/** How an expression is matched, and what bounds the time of a search, as sentences without a full stop. */
interface Matching {
  how: string
  bound: string
}

const LINEAR = 'time grows with the length of the line'
const ENDLESS = Number.POSITIVE_INFINITY
const number = (n: number): string => n.toLocaleString('en-US')

/** Describes what `matcherOf` does with an expression; throws E_PARSER_REGEX for one that is not supported. */
export function describeMatching(expression: string, stepsPerByte = DEFAULT_STEPS_PER_BYTE): Matching {
  const { tree, program } = translateOnigmo(expression)
  const size = number(program.code.length / INSTRUCTION_SIZE)
  const budget = (limit: number): string =>
    `at most ${number(stepsPerByte)} steps per byte (Regex_Step_Limit), and ${number(limit)} for a line (about 50 ms)`
  if (isCompilable(program)) {
    const texts = number(TEXTS_BEFORE_COMPILING)
    const places = notedPlacesOf(program)
    return {
      how: `fast: by WebAssembly (${size} instructions) after ${texts} lines, and for each line of more than ${number(LONG_TEXT_BYTES)} bytes; by backtracking in TypeScript before`,
      bound: `${linear(places)}; ${budget(moduleStepLimit(stepsPerByte, ENDLESS))}`,
    }
  }
  const reasons = [...new Set(reasonsOf(tree))]
  const because = reasons.length === 0 ? `of its size, ${size} instructions` : `of ${listOf(reasons)}`
  return {
    how: `slower: by backtracking in TypeScript, because ${because}`,
    bound: program.isMemoryless
      ? `${reasons.length === 0 ? LINEAR : `${LINEAR} outside of ${listOf(reasons)}`}; ${budget(stepLimit(stepsPerByte, ENDLESS))}`
      : `time may grow much faster than the length of the line; ${budget(stepLimit(stepsPerByte, ENDLESS))}`,
  }
}

function listOf(reasons: readonly string[]): string {
  return [reasons.slice(0, -1).join(', '), ...reasons.slice(-1)].filter((part) => part !== '').join(' and ')
}

/** `places`: instructions at which an attempt may begin that could be made again. */
function linear(places: number): string {
  if (places === 0) return `${LINEAR}: nothing is tried twice`
  return `${LINEAR}: what has failed at a byte is remembered for ${number(places)} of the instructions`
}

/** Returns what in an expression a module cannot match. */
function reasonsOf(node: Node): string[] {
  const inner = 'items' in node ? node.items : 'node' in node ? [node.node] : []
  const reason = reasonOf(node)
  return [...(reason === undefined ? [] : [reason]), ...inner.flatMap(reasonsOf)]
}

function reasonOf(node: Node): string | undefined {
  switch (node.type) {
    case 'look':
      return 'lookaround'
    case 'atomic':
      return 'an atomic group'
    case 'back':
      return 'a back reference'
    case 'repeat':
      if (node.mode === '+' && node.node.type !== 'set') return 'a possessive repetition'
      return node.max > node.min && mayBeEmpty(node.node) ? 'a repetition of what can be empty' : undefined
    default:
      return undefined
  }
}
